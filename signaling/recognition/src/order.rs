//! Commands into the thread, and its reports.

use call::{RecognitionEvent, RecognitionId, RecognitionPlan, RecognitionStop};
use shared::{CallSid, TapId};

/// A recognition whose tap is about to start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StartRecognition {
    /// The call.
    pub call: CallSid,
    /// The name of its frames.
    pub tap: TapId,
    /// What is wanted.
    pub plan: RecognitionPlan,
}

/// An event of a recognition, for its call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecognitionReport {
    /// The call.
    pub call: CallSid,
    /// The recognition.
    pub recognition: RecognitionId,
    /// A result of the recognition, or its end.
    pub event: RecognitionEvent,
}

/// Into the thread.
#[derive(Debug)]
pub(crate) enum Command {
    Start(Box<StartRecognition>),
    Stop(CallSid, RecognitionId, RecognitionStop),
    End,
}
