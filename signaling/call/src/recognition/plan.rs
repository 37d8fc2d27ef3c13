//! What a call wants to have recognised. Sans-IO.

use std::sync::Arc;

use shared::limits::{self, RECOGNITION_HINT_CHARACTERS_MAX, RECOGNITION_HINTS_MAX};
use shared::media::TapTracks;

use super::endpointer::Endpointing;
use crate::ids::RecognitionId;

/// A recognition to start on a leg.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecognitionPlan {
    /// Its name in the call.
    pub recognition: RecognitionId,
    /// The audio that is listened to; each track has utterances of its own.
    pub tracks: TapTracks,
    /// Locale as the document names it (`en-US`).
    pub language: String,
    /// Words and phrases to expect.
    pub hints: Arc<[String]>,
    /// Whether only digits, yes and no, commands and the hints are expected.
    pub is_grammar: bool,
    /// Whether results of unfinished utterances are wanted.
    pub wants_partials: bool,
    /// Whether the recognition waits for the result of an utterance before it listens for the next one.
    pub is_single: bool,
    /// Where an utterance ends.
    pub endpointing: Endpointing,
    /// Whether somebody waits for the results.
    pub lane: Lane,
}

/// Which utterances an engine gets first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// Somebody waits for the result: an utterance goes to its engine while it is spoken.
    Live,
    /// A recorded message: an utterance waits, whole, for a place that no live one needs (recognition.md 6).
    Batch,
}

impl Lane {
    /// Utterances of one track whose results may be outstanding.
    pub(super) const fn outstanding_max(self) -> usize {
        match self {
            Self::Live => limits::RECOGNITION_OUTSTANDING_MAX,
            Self::Batch => limits::RECOGNITION_BATCH_OUTSTANDING_MAX,
        }
    }
}

/// A direction of a leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Track {
    /// From the party.
    Inbound,
    /// To the party.
    Outbound,
}

impl Track {
    /// Both, in the order of their numbers.
    pub const ALL: [Self; 2] = [Self::Inbound, Self::Outbound];

    /// The value of `Track` in callbacks.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Inbound => "inbound_track",
            Self::Outbound => "outbound_track",
        }
    }
}

/// Reads the value of `hints`: entries between commas. The second value is the number of entries past a bound, which are
/// left out.
pub fn hints(text: &str) -> (Arc<[String]>, usize) {
    let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
    let (mut kept, mut skipped) = (Vec::new(), 0);
    for entry in entries {
        let fits = entry.chars().count() <= RECOGNITION_HINT_CHARACTERS_MAX;
        if fits && kept.len() < RECOGNITION_HINTS_MAX {
            kept.push(entry.to_owned());
        } else {
            skipped += 1;
        }
    }
    (kept.into(), skipped)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_are_trimmed_and_bounded() {
        let (kept, skipped) = hints(" yes , no,, call me ");
        assert_eq!((&*kept, skipped), (&["yes", "no", "call me"].map(str::to_owned)[..], 0));
        let long = "a".repeat(RECOGNITION_HINT_CHARACTERS_MAX + 1);
        let many = vec!["b"; RECOGNITION_HINTS_MAX + 2].join(",");
        let (kept, skipped) = hints(&format!("{long},{many}"));
        assert_eq!((kept.len(), skipped), (RECOGNITION_HINTS_MAX, 3));
    }
}
