//! What a conference wants done. Pure.

use shared::CallSid;

use super::input::ConferenceInput;
use super::member::Role;
use crate::form::Form;

/// Why a member left (`ReasonParticipantLeft`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Departure {
    /// It hung up, pressed `*`, reached a limit, or its wait document failed.
    HungUp,
    /// REST removed it, or sent its call elsewhere.
    Api,
}

impl Departure {
    /// The value of `ReasonParticipantLeft`.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::HungUp => "participant_hung_up",
            Self::Api => "participant_updated_via_api",
        }
    }
}

/// Out of a [`Conference`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConferenceEffect {
    /// Carry to the call of a member.
    Tell {
        /// The call.
        call: CallSid,
        /// The input that it gets.
        input: ConferenceInput,
    },
    /// Order what a member says and hears.
    Order {
        /// Its call.
        call: CallSid,
        /// From now on.
        role: Role,
    },
    /// Take the leg of a call out of the room. The call may be gone already.
    Part {
        /// The call.
        call: CallSid,
    },
    /// Play the beep to the room.
    Beep,
    /// Send a status callback. They leave in this order.
    Callback {
        /// A member, or the one that left last: its call carries the cookies.
        call: CallSid,
        /// The parameters.
        form: Form,
    },
    /// End a call that was to enter: the conference is over.
    Drop {
        /// The call.
        call: CallSid,
    },
    /// Begin the recording of the conference.
    Record {
        /// Whether silence is cut from its start and its end.
        trim: bool,
    },
    /// Its record has changed: write it.
    Changed,
}
