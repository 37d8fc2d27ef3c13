//! The words of `statusCallbackEvent` of a conference. Sans-IO.

/// A word of `statusCallbackEvent`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConferenceEvent {
    /// The conference begins.
    Start,
    /// It ends.
    End,
    /// A member enters.
    Join,
    /// A member leaves.
    Leave,
    /// A member is muted or unmuted.
    Mute,
    /// A member is put on hold or taken off it.
    Hold,
    /// Another property of a member changes.
    Modify,
    /// A member begins or stops to speak.
    Speaker,
    /// An announcement ends or fails.
    Announcement,
}

impl ConferenceEvent {
    /// Every event with its word.
    const TABLE: [(Self, &'static str); 9] = [
        (Self::Start, "start"),
        (Self::End, "end"),
        (Self::Join, "join"),
        (Self::Leave, "leave"),
        (Self::Mute, "mute"),
        (Self::Hold, "hold"),
        (Self::Modify, "modify"),
        (Self::Speaker, "speaker"),
        (Self::Announcement, "announcement"),
    ];

    /// The words.
    pub const NAMES: &'static [&'static str] =
        &["start", "end", "join", "leave", "mute", "hold", "modify", "speaker", "announcement"];

    /// The event of a word.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::TABLE.into_iter().find(|(_, word)| *word == name).map(|(event, _)| event)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_names_its_event() {
        for ((event, word), name) in ConferenceEvent::TABLE.into_iter().zip(ConferenceEvent::NAMES)
        {
            assert_eq!((word, ConferenceEvent::from_name(word)), (*name, Some(event)));
        }
        assert_eq!(ConferenceEvent::from_name("begin"), None);
    }
}
