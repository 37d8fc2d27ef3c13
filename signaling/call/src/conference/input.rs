//! From a conference to the calls of its members. Sans-IO.

use shared::{Code, ConferenceSid};

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
        /// Error code of the API.
        code: Code,
        /// The reason, for the operator.
        sentence: String,
    },
    /// The conference has begun: the wait document stops.
    Started,
    /// Before the conference begins: whether the member hears a party that rings, in the place of the wait
    /// document.
    Rings(bool),
    /// REST changes what the member hears until the conference begins.
    Waits(Music),
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
