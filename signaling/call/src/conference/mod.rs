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
mod changes;
mod effect;
mod event;
mod input;
mod machine;
mod member;
#[cfg(test)]
mod tests;

pub use self::effect::{ConferenceEffect, Departure};
pub use self::event::ConferenceEvent;
pub use self::input::{ConferenceInput, Music};
pub use self::machine::Conference;
pub use self::member::{Beep, Entry, Member, MemberChange, MemberTerms, Role, Terms, Voice};
