//! The protocol of `<Connect><ConversationRelay>`: text to and from an application, voice to and from the party
//! (relay.md). Sans-IO.
//!
//! [`RelaySession`] is the machine of one open socket. It takes the application's messages, the party's frames and
//! keys, what a recogniser understood and the audio that a voice makes, and acts through a [`RelayPort`].
//! `message` reads and writes the JSON, `tokens` makes sentences of what an application streams, `talk` knows what
//! is being said and how far the party has heard it, `gate` hears that the party begins to speak.

mod gate;
mod message;
mod session;
mod talk;
mod terms;
mod tokens;

pub use session::{Making, RelayEvent, RelayPort, RelaySession, SpeakOrder, SpeakSource};
pub use terms::{Interruptible, RelayLanguage, RelayTerms, Sensitivity};
