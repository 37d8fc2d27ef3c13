//! How long a party still hears audio after the application has sent `clear`. Pure.
//!
//! ```text
//!   Idle ──a second of audio──> Playing ──200 ms, `clear`──> Cleared ──a packet without that audio──> Idle
//! ```
//!
//! The time runs from the moment at which the server has written the message until the party has the first packet
//! without the audio: the way through TLS is in it.

use std::time::{Duration, Instant};

/// The sample of the audio that is cleared: no party says it.
pub(super) const CLEARED: u8 = 120;
/// Bytes of audio of a trial: a second.
pub(super) const CLEARED_BYTES: usize = 8_000;

/// The trials of all listened parties.
pub(super) struct Clears {
    trials: Vec<Trial>,
    times: Vec<Duration>,
    /// Trials in which the party heard nothing before the clear.
    pub deaf: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trial {
    Idle,
    Playing { since_frame: u32, is_heard: bool },
    Cleared(Instant),
}

/// What the server has to do for a party now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    Play,
    Clear,
}

impl Clears {
    pub fn of(parties: usize) -> Self {
        Self { trials: vec![Trial::Idle; parties], times: Vec::new(), deaf: 0 }
    }

    /// The party's turn in this frame: one party begins a trial in each.
    pub fn turn(&mut self, party: usize, frame: u32) -> Option<Act> {
        let is_next = frame as usize % self.trials.len().max(1) == party;
        let trial = self.trials.get_mut(party)?;
        match *trial {
            Trial::Idle if is_next => {
                *trial = Trial::Playing { since_frame: frame, is_heard: false };
                Some(Act::Play)
            }
            Trial::Playing { since_frame, is_heard } if frame == since_frame + PLAYED_FRAMES => {
                self.deaf += u32::from(!is_heard);
                *trial = Trial::Idle;
                Some(Act::Clear)
            }
            _ => None,
        }
    }

    /// The server has written the `clear`.
    pub fn cleared(&mut self, party: usize, at: Instant) {
        if let Some(trial) = self.trials.get_mut(party) {
            *trial = Trial::Cleared(at);
        }
    }

    /// Whether the server keeps quiet towards the party, apart from the trial.
    pub fn is_busy(&self, party: usize) -> bool {
        self.trials.get(party).is_some_and(|trial| *trial != Trial::Idle)
    }

    pub fn heard(&mut self, party: usize, sample: u8, at: Instant) {
        let Some(trial) = self.trials.get_mut(party) else { return };
        match trial {
            Trial::Playing { is_heard, .. } => *is_heard |= sample == CLEARED,
            Trial::Cleared(since) if sample != CLEARED => {
                self.times.push(at.duration_since(*since));
                *trial = Trial::Idle;
            }
            Trial::Idle | Trial::Cleared(_) => {}
        }
    }

    /// Trials that ended.
    pub fn count(&self) -> usize {
        self.times.len()
    }

    pub fn times(&mut self) -> &mut [Duration] {
        &mut self.times
    }
}

/// Frames of 20 ms from the audio to its clear.
const PLAYED_FRAMES: u32 = 10;
