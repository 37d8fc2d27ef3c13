//! Conferences: the record of one, and the words of the contract about it. Sans-IO.

use shared::{AccountSid, CallSid, Code, ConferenceSid};

use crate::filter::{Filter, Until};
use crate::parameter::Form;
use crate::recorded::{Filtered, record};
use crate::resource::Column;

record! {
    /// The record of a conference: what `GET Conferences/{sid}` shows. Written when the first participant enters, at
    /// each status, and at the end. Its participants are not in it: they exist only while they are in the conference.
    pub struct ConferenceRecord {
        /// Named by paths, callbacks and recordings.
        sid: ConferenceSid => [Column::fixed("sid")],
        /// The account it belongs to.
        account: AccountSid => [Column::fixed("account")],
        /// The name by which calls join it: one live conference of an account has a name, any number of ended ones.
        friendly_name: String => [Column::fixed("friendly_name")],
        /// The latest status that was written.
        status: ConferenceStatus => [Column::changing("status")],
        /// The region that the first participant asked for, such as `us1`.
        region: String => [Column::fixed("region")],
        /// Why it ended; `None` while it is live.
        reason_ended: Option<ConferenceEnd> => [Column::changing("reason_ended")],
        /// The call whose leaving ended it; `None` while it is live, and where the API ended it.
        call_ending: Option<CallSid> => [Column::changing("call_ending")],
        /// Creation, in milliseconds since 1970.
        created_ms: i64 => [Column::fixed("created_ms")],
        /// Last change, in milliseconds since 1970.
        updated_ms: i64 => [Column::changing("updated_ms")],
    }
    kept in "conferences"
}

/// Declares an enum of the contract's words.
macro_rules! words {
    ($(#[$meta:meta])* pub enum $name:ident { $($(#[$doc:meta])* $word:ident = $text:literal,)* }) => {
        $(#[$meta])*
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
        )]
        pub enum $name {
            $($(#[$doc])* $word,)*
        }

        impl $name {
            /// Every value.
            pub const ALL: &'static [Self] = &[$(Self::$word),*];

            /// The contract's words, in the same order.
            pub const NAMES: &'static [&'static str] = &[$($text),*];

            /// The contract's word.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$word => $text,)*
                }
            }

            /// Reads the contract's word.
            pub fn from_name(name: &str) -> Option<Self> {
                match name {
                    $($text => Some(Self::$word),)*
                    _ => None,
                }
            }
        }
    };
}
pub(crate) use words;

words! {
    /// Status of a conference.
    pub enum ConferenceStatus {
        /// Its participants wait for one that starts it.
        Init = "init",
        /// Participants hear each other.
        InProgress = "in-progress",
        /// It ended.
        Completed = "completed",
    }
}

words! {
    /// Why a conference ended.
    pub enum ConferenceEnd {
        /// `Status=completed` by the API.
        Api = "conference-ended-via-api",
        /// A participant with `endConferenceOnExit` left.
        EndingParticipantLeft = "participant-with-end-conference-on-exit-left",
        /// The API removed a participant with `endConferenceOnExit`.
        EndingParticipantKicked = "participant-with-end-conference-on-exit-kicked",
        /// The API removed the only participant.
        LastParticipantKicked = "last-participant-kicked",
        /// The only participant left. Also where the gateway was stopped: every call ends with it.
        LastParticipantLeft = "last-participant-left",
    }
}

impl Filtered for ConferenceRecord {
    const FILTERS: &'static [Filter] = &[
        Filter::equal("FriendlyName", "friendly_name", Form::Text, Code::INVALID_PARAMETER),
        Filter::equal(
            "Status",
            "status",
            Form::Word(ConferenceStatus::NAMES),
            Code::INVALID_PARAMETER,
        ),
        Filter::during("DateCreated", "created_ms", Until::OnOrBefore),
        Filter::during("DateUpdated", "updated_ms", Until::OnOrBefore),
    ];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_word_of_the_contract_reads_back() {
        for (status, name) in ConferenceStatus::ALL.iter().zip(ConferenceStatus::NAMES) {
            assert_eq!((status.name(), ConferenceStatus::from_name(name)), (*name, Some(*status)));
        }
        assert_eq!(ConferenceEnd::from_name("init"), None);
    }
}
