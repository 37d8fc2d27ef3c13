//! Names that a call gives to its requests and prompts. Sans-IO.

/// Names an HTTP request; unique within its call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HttpId(pub u32);

/// Names a prompt; unique within its call. Played at most once: Control may drop it when its play
/// ended or was stopped, at [`crate::CallEffect::ForgetPrompt`], and at the end of the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PromptId(pub u32);

/// Names a recognition of speech; unique within its call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecognitionId(pub u32);
