//! Answering-machine detection: its terms, and what it can find.

/// What a core listens for, in milliseconds. The terms are those of the API and define the decision: speech
/// longer than `speech_ms` is a machine; shorter speech, then silence for `speech_end_ms`, is a human.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Detection {
    /// `MachineDetectionSpeechThreshold`, 1,000 to 6,000.
    pub speech_ms: u16,
    /// `MachineDetectionSpeechEndThreshold`, 500 to 5,000.
    pub speech_end_ms: u16,
    /// `MachineDetectionSilenceTimeout`, 2,000 to 10,000: silence from the begin that ends it undecided.
    pub silence_ms: u16,
    /// `MachineDetectionTimeout`, 3,000 to 60,000: the longest time of all.
    pub timeout_ms: u16,
    /// `DetectMessageEnd`: a machine is reported at the end of its greeting, not at once.
    pub to_end: bool,
}

impl Default for Detection {
    fn default() -> Self {
        Self {
            speech_ms: 2_400,
            speech_end_ms: 1_200,
            silence_ms: 5_000,
            timeout_ms: 30_000,
            to_end: false,
        }
    }
}

/// What answered a call (`AnsweredBy`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnsweredBy {
    /// A person: short speech, then silence.
    Human,
    /// A machine, reported while its greeting goes on.
    MachineStart,
    /// A machine whose greeting ended with a beep.
    MachineEndBeep,
    /// A machine whose greeting ended with silence.
    MachineEndSilence,
    /// A machine whose greeting did not end in time.
    MachineEndOther,
    /// A fax machine: its calling or its answering tone.
    Fax,
    /// The party stayed silent, or the time was over before a decision.
    Unknown,
}

impl AnsweredBy {
    /// The word of the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Human => "human",
            Self::MachineStart => "machine_start",
            Self::MachineEndBeep => "machine_end_beep",
            Self::MachineEndSilence => "machine_end_silence",
            Self::MachineEndOther => "machine_end_other",
            Self::Fax => "fax",
            Self::Unknown => "unknown",
        }
    }
}
