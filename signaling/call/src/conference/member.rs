//! What a member of a conference is, and what follows from it for the room. Sans-IO.

use shared::{AccountSid, CallSid, Now, Playout};

use super::event::ConferenceEvent;
use super::input::Music;
use crate::setup::{RecordingCallback, Webhook};

/// When the room hears a beep for a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Beep {
    /// When it enters.
    pub on_enter: bool,
    /// When it leaves.
    pub on_exit: bool,
}

impl Beep {
    /// Both times.
    pub const BOTH: Self = Self { on_enter: true, on_exit: true };

    /// A value of `beep`; any other text is the default, both.
    pub fn of(value: &str) -> Self {
        Self {
            on_enter: !matches!(value, "false" | "onExit"),
            on_exit: !matches!(value, "false" | "onEnter"),
        }
    }
}

/// What belongs to one member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberTerms {
    /// Name in the room, unique there; `None` without one.
    pub label: Option<String>,
    /// Whether the room does not hear it.
    pub muted: bool,
    /// Whether the conference may begin with it.
    pub start_on_enter: bool,
    /// Whether the conference ends when it leaves.
    pub end_on_exit: bool,
    /// When the room hears a beep for it.
    pub beep: Beep,
    /// The member that alone hears it; `None`: the room does.
    pub coach: Option<CallSid>,
    /// How long its audio waits before it is mixed.
    pub playout: Playout,
}

/// What belongs to the conference: the first member decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// The most members.
    pub max_participants: u32,
    /// The region that is shown.
    pub region: Option<String>,
    /// Whether it is recorded from its start.
    pub record: bool,
    /// Whether silence is cut from both ends of that recording.
    pub trim: bool,
    /// Status callback with its events; `None` sends none.
    pub callback: Option<(Webhook, Vec<ConferenceEvent>)>,
    /// Status callback of the recording; `None` sends none.
    pub recording_callback: Option<RecordingCallback>,
}

/// A call that wants to enter a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The account, within which names are unique.
    pub account: AccountSid,
    /// The room.
    pub name: String,
    /// What the call wants to be in it.
    pub member: MemberTerms,
    /// Used where the call is the first.
    pub terms: Terms,
}

/// A call in a conference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The call.
    pub call: CallSid,
    /// As it entered, with the changes since.
    pub terms: MemberTerms,
    /// Whether REST holds it: it hears music, and the room does not hear it.
    pub held: bool,
    /// When it entered, Unix milliseconds.
    pub created_ms: i64,
    /// Its last change, Unix milliseconds.
    pub updated_ms: i64,
    /// The role that Control was given last; `None` before the first.
    pub(super) ordered: Option<Role>,
}

/// Who hears the voice of a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Voice {
    /// Nobody.
    Nobody,
    /// The room.
    Room,
    /// The member that it coaches.
    Member(CallSid),
}

/// What a member says and hears, as of now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Role {
    /// Who hears it.
    pub voice: Voice,
    /// Whether it hears the room.
    pub hears: bool,
    /// Its playout delay.
    pub playout: Playout,
}

/// A change that REST makes to a member; `None` keeps what it has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemberChange {
    /// `Muted`.
    pub muted: Option<bool>,
    /// `Hold`, with what the member hears meanwhile.
    pub hold: Option<(bool, Option<Webhook>)>,
    /// `AnnounceUrl`.
    pub announce: Option<Webhook>,
    /// `WaitUrl`.
    pub wait: Option<Music>,
    /// `EndConferenceOnExit`.
    pub end_on_exit: Option<bool>,
    /// `BeepOnExit`.
    pub beep_on_exit: Option<bool>,
    /// `Coaching` and `CallSidToCoach`: `Some(None)` ends it.
    pub coach: Option<Option<CallSid>>,
}

impl Member {
    /// A member that is there, or expected, from now on.
    pub(super) fn new(now: Now, call: CallSid, terms: MemberTerms) -> Self {
        let (created_ms, updated_ms) = (now.unix_ms, now.unix_ms);
        Self { call, terms, held: false, created_ms, updated_ms, ordered: None }
    }

    /// Whether all members hear it, once it may speak at all.
    pub(super) fn speaks_to_all(&self) -> bool {
        !self.held && !self.terms.muted && self.terms.coach.is_none()
    }

    /// What it says and hears now; `None`: it has not begun to.
    pub const fn ordered(&self) -> Option<Role> {
        self.ordered
    }

    /// What it says and hears, where it `may_speak` and `may_hear`. `is_there` tells whether a call is in the
    /// conference.
    pub(super) fn role(
        &self,
        may_speak: bool,
        may_hear: bool,
        is_there: impl Fn(CallSid) -> bool,
    ) -> Role {
        let speaks = may_speak && !self.held && !self.terms.muted;
        let voice = match self.terms.coach {
            _ if !speaks => Voice::Nobody,
            None => Voice::Room,
            Some(coached) if is_there(coached) => Voice::Member(coached),
            // The coached member is gone. The room must not hear what was meant for that member.
            Some(_) => Voice::Nobody,
        };
        Role { voice, hears: may_hear && !self.held, playout: self.terms.playout }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beep_says_when() {
        assert_eq!(Beep::of("true"), Beep::BOTH);
        assert_eq!(Beep::of("onEnter"), Beep { on_enter: true, on_exit: false });
        assert_eq!(Beep::of("onExit"), Beep { on_enter: false, on_exit: true });
        assert_eq!(Beep::of("false"), Beep { on_enter: false, on_exit: false });
    }
}
