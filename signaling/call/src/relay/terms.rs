//! What a document says about a relay. Pure.

use std::sync::Arc;

/// Which input of the party ends what it hears.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Interruptible {
    /// None.
    None,
    /// A key.
    Dtmf,
    /// Speech.
    Speech,
    /// A key or speech.
    #[default]
    Any,
}

impl Interruptible {
    /// The value of an attribute or of a message; `None`: it is not one. A boolean is accepted as before there
    /// were kinds of input.
    pub fn read(word: &str) -> Option<Self> {
        match word.to_ascii_lowercase().as_str() {
            "none" | "false" => Some(Self::None),
            "dtmf" => Some(Self::Dtmf),
            "speech" => Some(Self::Speech),
            "any" | "true" => Some(Self::Any),
            _ => None,
        }
    }

    /// Whether speech does it.
    pub const fn by_speech(self) -> bool {
        matches!(self, Self::Speech | Self::Any)
    }

    /// Whether a key does it.
    pub const fn by_key(self) -> bool {
        matches!(self, Self::Dtmf | Self::Any)
    }
}

/// How much speech it takes to interrupt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sensitivity {
    /// Half a word.
    #[default]
    High,
    /// A short word.
    Medium,
    /// More than a short word.
    Low,
}

/// `<Language>`: the voice and the recogniser of one language.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RelayLanguage {
    /// Locale.
    pub code: String,
    /// Voice as a `<Say>` names it; empty = the one of the language.
    pub voice: String,
    /// Words that the recogniser should expect.
    pub hints: Arc<[String]>,
    /// Its model; empty = the default.
    pub speech_model: String,
}

/// What a document says about a relay, with defaults filled in, and what `setup` tells about the call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RelayTerms {
    /// `VX…`.
    pub session: String,
    /// Call parameters for `setup`, by the name of the message.
    pub call: Vec<(&'static str, String)>,
    /// Language of what is said.
    pub tts_language: String,
    /// Language of what is understood.
    pub transcription_language: String,
    /// Voice as a `<Say>` names it; empty = the one of the language.
    pub voice: String,
    /// `<Language>`s.
    pub languages: Vec<RelayLanguage>,
    /// Said first; empty = nothing.
    pub greeting: String,
    /// What ends the greeting.
    pub greeting_interruptible: Interruptible,
    /// What ends anything else, unless its message says otherwise.
    pub interruptible: Interruptible,
    /// Whether the next answer ends what is being said, unless a message says otherwise.
    pub preemptible: bool,
    /// Whether keys are reported.
    pub dtmf_detection: bool,
    /// Whether the recogniser's guesses are reported.
    pub partial_prompts: bool,
    /// Which input is reported while something plays that it cannot end.
    pub report_input: Interruptible,
    /// How much speech it takes to interrupt.
    pub sensitivity: Sensitivity,
    /// Words that the recogniser should expect.
    pub hints: Arc<[String]>,
    /// The recogniser's model; empty = the default.
    pub speech_model: String,
    /// Whether profanities are masked in what the party said.
    pub is_filtered: bool,
    /// Milliseconds of silence that end what the party says.
    pub speech_timeout_ms: u32,
}

impl RelayTerms {
    /// The voice for a language.
    pub fn voice_of(&self, language: &str) -> &str {
        let own = self.languages.iter().find(|own| own.code.eq_ignore_ascii_case(language));
        match own {
            Some(own) if !own.voice.is_empty() => &own.voice,
            _ if language.eq_ignore_ascii_case(&self.tts_language) => &self.voice,
            _ => "",
        }
    }
}
