//! Rooms: mixes of any number of legs, and the words about them between signaling and a media core.
//!
//! A room spans every core that has a member of it, because a leg never changes its core (ARCHITECTURE.md,
//! I1). Each of these cores sums the voices of its own members, sends that sum to the others once per 20 ms,
//! and adds theirs. Control opens the room on a core before the first member joins there, and names the cores
//! that it spans whenever that changes.
//!
//! A leg enters with [`crate::Joined::Room`]. It is silent and hears nothing until [`Member`] says otherwise, so
//! a conference that waits for its moderator needs no state on the core. A prompt that the leg plays takes the
//! place of the room for that party: wait music and hold music are prompts.

use std::sync::Arc;

use crate::ids::{CoreId, LegId, PlayId, TapId};
use crate::playback::{CommandRefusal, PlayEnd, Prompt, TapEnd, TapLimits, TapPause};
use crate::sink::Sink;

/// Who hears the voice of a member.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Voice {
    /// Nobody: the member is muted, on hold, or the conference has not begun.
    #[default]
    Nobody,
    /// Every member that hears the room, but itself.
    Room,
    /// One member of the same room only, which may be on another core: the voice of a coach.
    Member(LegId),
}

/// How long a member's audio waits before it is mixed, so that late packets still count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Playout {
    /// As long as the jitter of the packets asks for, between 20 and 60 ms.
    #[default]
    Adaptive,
    /// This long, in milliseconds: 20, 40 or 60.
    Fixed(u8),
    /// Not at all: each packet is mixed at the next tick.
    Off,
}

/// What a member of a room says and hears.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Member {
    /// Who hears it.
    pub voice: Voice,
    /// Whether it hears the room, and its coach.
    pub hears: bool,
    /// Its playout delay.
    pub playout: Playout,
}

/// A set of media cores.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CoreSet(u64);

impl CoreSet {
    /// The most cores that a set can name, and so that a room can span.
    pub const CORES_MAX: u8 = 64;

    /// Whether the core is in the set.
    pub const fn contains(self, core: CoreId) -> bool {
        core.0 < Self::CORES_MAX && self.0 >> core.0 & 1 == 1
    }

    /// Adds a core.
    ///
    /// # Panics
    /// In debug builds, when its number is not below [`Self::CORES_MAX`].
    pub fn insert(&mut self, core: CoreId) {
        debug_assert!(core.0 < Self::CORES_MAX, "no node has that many cores");
        if core.0 < Self::CORES_MAX {
            self.0 |= 1 << core.0;
        }
    }

    /// Removes a core.
    pub fn remove(&mut self, core: CoreId) {
        if core.0 < Self::CORES_MAX {
            self.0 &= !(1 << core.0);
        }
    }

    /// Whether no core is in the set.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The cores of the set, in ascending order.
    pub fn iter(self) -> impl Iterator<Item = CoreId> {
        (0..Self::CORES_MAX).map(CoreId).filter(move |core| self.contains(*core))
    }
}

impl FromIterator<CoreId> for CoreSet {
    fn from_iter<I: IntoIterator<Item = CoreId>>(cores: I) -> Self {
        let mut set = Self::default();
        cores.into_iter().for_each(|core| set.insert(core));
        set
    }
}

/// A command about a room to one of the cores that it spans.
#[derive(Debug)]
pub enum RoomCommand {
    /// The room spans these cores from now on, the receiver among them. Opens the room there if it is new.
    Span {
        /// All cores of the room.
        cores: CoreSet,
    },
    /// The room ends on this core. Its members there are joined to nobody; its plays and taps end.
    Close,
    /// Play a prompt to the members of this core that hear the room, in the mix; it does not interrupt speech.
    /// A room that spans several cores needs one command to each. Answered by [`RoomEvent::PlayEnded`].
    Play {
        /// Names this playing in its end event.
        play: PlayId,
        /// The audio; returns in the answer.
        prompt: Arc<Prompt>,
        /// Number of rounds; 0 = until stopped.
        repeat: u32,
    },
    /// Stop one playing of the room.
    StopPlay {
        /// The name that its command gave it.
        play: PlayId,
    },
    /// Copy the sum of the whole room, with what this core plays to it, to the ring of a sink as the inbound
    /// track of [`crate::TapFrame`], 20 ms a frame. Coaches are not in it.
    StartTap {
        /// Names the tap in frames and events.
        tap: TapId,
        /// Reader of the frames.
        sink: Sink,
        /// Conditions that end it without a command.
        limits: TapLimits,
    },
    /// Pause or resume a tap.
    PauseTap {
        /// The tap.
        tap: TapId,
        /// What the sink gets from now on; `None` resumes the tap.
        pause: Option<TapPause>,
    },
    /// End a tap. Answered by [`RoomEvent::TapEnded`] unless it had ended.
    StopTap {
        /// The tap.
        tap: TapId,
    },
}

/// An event about a room from one of the cores that it spans.
#[derive(Debug)]
pub enum RoomEvent {
    /// A command was refused. Prompts return in `PlayEnded`, refused taps are answered by `TapEnded`.
    Refused {
        /// The rule that the command broke.
        reason: CommandRefusal,
    },
    /// A prompt ended, or could not begin.
    PlayEnded {
        /// The name that the command gave it.
        play: PlayId,
        /// Why it ended.
        cause: PlayEnd,
        /// The prompt, to be dropped.
        prompt: Arc<Prompt>,
    },
    /// A tap ended; its last frame is in the ring of its sink already.
    TapEnded {
        /// The tap.
        tap: TapId,
        /// Why it ended.
        cause: TapEnd,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_has_the_cores_that_were_added_and_not_removed() {
        let mut set: CoreSet = [CoreId(0), CoreId(63), CoreId(5)].into_iter().collect();
        set.remove(CoreId(5));
        set.remove(CoreId(7));
        assert_eq!(set.iter().collect::<Vec<_>>(), [CoreId(0), CoreId(63)]);
        assert!(!set.contains(CoreId(200)));
        set.remove(CoreId(0));
        set.remove(CoreId(63));
        assert!(set.is_empty());
    }
}
