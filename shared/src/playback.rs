//! What a core plays and copies, why each of these ends, and why a core refuses a command. Pure.

use std::sync::Arc;

use bytes::Bytes;

use crate::codec::Codec;

/// Decoded audio ready to be sent in either codec: 8,000 samples a second, one byte each.
///
/// Both encodings are made from the same linear samples, so no leg plays audio that was coded twice.
/// Invariant: both slices have the same length. The owner of the bytes may count them against a limit;
/// they then count until the last reference is dropped, on the control side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prompt {
    /// The prompt in G.711 mu-law, one byte per sample.
    pub mulaw: Bytes,
    /// The prompt in G.711 A-law, of equal length.
    pub alaw: Bytes,
}

impl Prompt {
    /// The samples in the given codec.
    pub fn samples(&self, codec: Codec) -> &[u8] {
        match codec {
            Codec::Pcmu => &self.mulaw,
            Codec::Pcma => &self.alaw,
        }
    }

    /// Length in milliseconds, rounded up.
    pub fn duration_ms(&self) -> u64 {
        (self.mulaw.len() as u64).div_ceil(8)
    }
}

/// Audio of a leg that a tap copies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TapTracks {
    /// Received from the party.
    Inbound,
    /// Sent to the party.
    Outbound,
    /// Both, in one frame; the recorder mixes or keeps them apart.
    Both,
}

/// Conditions that end a tap without a command.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TapLimits {
    /// Milliseconds of received silence that end the tap; 0 = never. Missing RTP does not count as silence.
    pub silence_ms: u32,
    /// Longest recording in milliseconds; 0 = no limit but the node's.
    pub max_ms: u32,
}

/// What a paused tap gives its sink.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TapPause {
    /// Nothing: the frame after the pause follows the one before it, and the tap's length stands still.
    Skip,
    /// Frames of silence, for as long as the pause lasts. They are not the party's silence: they never end
    /// the tap.
    Silence,
}

/// Why a prompt or digits ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlayEnd {
    /// Played to its end.
    Finished,
    /// Ended early, by [`crate::MediaCommand::StopPlay`].
    Stopped,
    /// Another prompt took its place.
    Replaced,
    /// The leg went away.
    LegStopped,
}

/// Why a core refused a command. The state of its legs is then as before the command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommandRefusal {
    /// The leg is not up on this core: it ended, or never began.
    NoLeg,
    /// The slot or the port of a new leg is in use, or is not one of this core.
    Taken,
    /// The room is not open on this core.
    NoRoom,
    /// The core mixes its most rooms, members, or plays of a room already (`shared::limits`).
    RoomsFull,
}

impl CommandRefusal {
    /// The reason, as the end of a sentence about the command.
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::NoLeg => "the leg is not up",
            Self::Taken => "its slot or port is in use, or is not of this core",
            Self::NoRoom => "the room is not open on this core",
            Self::RoomsFull => {
                "the core mixes its most rooms, members or prompts of a room already"
            }
        }
    }
}

/// Why a tap ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TapEnd {
    /// Ended by [`crate::MediaCommand::StopTap`].
    Stopped,
    /// The silence limit.
    Silence,
    /// The length limit.
    MaxLength,
    /// The leg went away.
    LegStopped,
    /// It never began: the core has no room for another tap of its sink, or the leg is not there. No frames.
    Refused,
}

/// Heap value of a playback that ended, returned to be dropped.
#[derive(Debug)]
pub enum PlayedValue {
    /// A prompt.
    Prompt(Arc<Prompt>),
    /// Digits.
    Digits(Arc<str>),
}
