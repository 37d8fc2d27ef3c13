//! What a recognition reports to its call. Sans-IO.

use std::fmt;

use super::plan::Track;

/// A share between 0 and 1 in thousandths: a confidence, a stability. Shown with two to three decimals (`0.93`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Share(u16);

impl Share {
    /// The nearest share; what lies outside of 0 to 1, or is not a number, is cut to it.
    pub fn of(value: f64) -> Self {
        // A float becomes an integer by saturation, and NaN becomes 0.
        Self((value.clamp(0.0, 1.0) * 1_000.0).round() as u16)
    }

    /// In thousandths.
    pub const fn thousandths(self) -> u16 {
        self.0
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("{}.{:03}", self.0 / 1_000, self.0 % 1_000);
        let text = text.trim_end_matches('0');
        f.write_str(text)?;
        if text.ends_with('.') { f.write_str("0") } else { Ok(()) }
    }
}

/// An event of a recognition. Every recognition that is started gets exactly one end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecognitionEvent {
    /// An utterance has begun.
    SpeechStarted {
        /// Where.
        track: Track,
    },
    /// What an unfinished utterance seems to be.
    Partial {
        /// Where.
        track: Track,
        /// The words so far.
        text: String,
        /// How likely they stay.
        stability: Share,
    },
    /// An utterance is over. The finals of a track come in the order of its utterances.
    Final {
        /// Where.
        track: Track,
        /// The words; empty: nothing was understood.
        text: String,
        /// How sure the engine is; `None`: it did not say.
        confidence: Option<Share>,
    },
    /// The recognition is over.
    Ended(RecognitionEnd),
}

/// The end of a recognition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecognitionEnd {
    /// The call, REST or the end of the leg stopped it.
    Stopped,
    /// It cannot go on.
    Failed {
        /// The kind of failure.
        fault: RecognitionFault,
        /// What happened, for the operator.
        sentence: String,
    },
}

/// Kinds of failure, from which each verb derives the code that it reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecognitionFault {
    /// No engine takes this language, or this kind of speech.
    NoEngine,
    /// The engine failed, died, or was too slow.
    Engine,
    /// The gateway has its most recognitions at once, its batch lane is full, or it failed itself.
    Gateway,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_shown_without_needless_zeros() {
        let shown = |value| Share::of(value).to_string();
        assert_eq!(shown(0.93), "0.93");
        assert_eq!(shown(0.0), "0.0");
        assert_eq!(shown(1.7), "1.0");
        assert_eq!(shown(0.8126), "0.813");
        assert_eq!(shown(-3.0), "0.0");
        assert_eq!(shown(f64::NAN), "0.0");
    }
}
