//! Conferences: members of a room, and the rules by which it begins, changes and ends. Sans-IO.
//!
//! ```text
//! Init --(two members, one of them starts it)--> InProgress --(last one, a moderator, REST)--> Completed
//!   \________________________(everybody left, REST)________________________________________/
//! ```
//!
//! A [`Conference`] knows its members as calls, not as legs: Control turns a [`Role`] into commands for the
//! cores. A member of a conference that has not begun is in the room with no voice and no ears, and its call
//! runs the wait document. Every change recomputes the roles and orders only those that differ, so that the
//! room follows from the members and not from the order of events.
//!
//! The first member decides what belongs to the conference and not to a member ([`Terms`]).

mod callback;
mod event;
mod machine;
mod member;

use shared::{Code, ConferenceSid};

pub use self::event::ConferenceEvent;
pub use self::machine::{Conference, ConferenceEffect, Departure};
pub use self::member::{Beep, Entry, Member, MemberChange, MemberTerms, Role, Terms, Voice};

use crate::setup::Webhook;

/// From a conference to the call of a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConferenceInput {
    /// The call is a member.
    Entered {
        /// The conference.
        conference: ConferenceSid,
        /// Whether it has not begun: the call runs the wait document.
        waits: bool,
    },
    /// The call is no member: the `<Dial>` is over.
    Refused {
        /// Error code of the API; `None` where the contract has none.
        code: Option<Code>,
        /// The reason, for the operator.
        sentence: String,
    },
    /// The conference has begun: the wait document stops.
    Started,
    /// REST puts the member on hold: it hears this music, and the room does not hear it.
    Held(Music),
    /// REST takes the member off hold.
    Unheld,
    /// REST plays an announcement to this member alone.
    Announced(Webhook),
    /// The call is a member no longer, because the conference ended or REST removed it.
    Left,
}

/// What a party hears that waits or is on hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Music {
    /// The built-in music.
    Standard,
    /// Nothing.
    Silence,
    /// A document of `<Play>`, `<Say>`, `<Pause>`, `<Redirect>`, or a file.
    Document(Webhook),
}
