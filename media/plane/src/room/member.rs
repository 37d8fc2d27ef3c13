//! One member of a room on this core: what it says, and what is on its way to it. Sans-IO.

use shared::{Codec, FRAME_SAMPLES, LegId, Member, Voice};

use super::gate::{Gate, Level};
use super::noise::ComfortNoise;
use crate::outbound::SAMPLES_MAX;
use crate::playout::{PlayoutBuffer, Pulled, Pushed};

/// A leg that is joined to a room.
#[derive(Debug)]
pub(crate) struct RoomMember {
    pub leg: LegId,
    /// Place of its room.
    pub room: u16,
    /// Its neighbours in the list of the room's members.
    pub before: Option<u16>,
    pub next: Option<u16>,
    role: Member,
    pub gate: Gate,
    playout: PlayoutBuffer,
    noise: ComfortNoise,
    /// The frame of this tick; valid while `has_frame`.
    pub frame: [u8; FRAME_SAMPLES],
    has_frame: bool,
    /// Millisecond of its first beat with the room.
    pub first_ms: u64,
    /// Whether its packet time needs a beat every 10 ms.
    pub half_beats: bool,
    pub packing: Packing,
}

/// The counts of one tick.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct PullCounts {
    /// Frames with samples that never came, or not in time.
    pub gaps: u64,
    /// Frames left out because too many waited.
    pub left_out: u64,
}

impl RoomMember {
    pub fn new(leg: LegId, room: u16, codec: Codec) -> Self {
        Self {
            leg,
            room,
            before: None,
            next: None,
            role: Member::default(),
            gate: Gate::default(),
            playout: PlayoutBuffer::new(codec),
            noise: ComfortNoise::new(leg.slot),
            frame: [0; FRAME_SAMPLES],
            has_frame: false,
            first_ms: 0,
            half_beats: false,
            packing: Packing::new(),
        }
    }

    pub const fn role(&self) -> Member {
        self.role
    }

    /// Codec of its frames.
    pub const fn codec(&self) -> Codec {
        self.playout.codec()
    }

    pub fn set_role(&mut self, role: Member) {
        if role.voice == Voice::Nobody {
            self.playout.stop();
            self.gate.close();
        }
        self.playout.set_mode(role.playout);
        self.role = role;
    }

    pub fn set_codec(&mut self, codec: Codec) {
        if codec != self.codec() {
            self.noise.stop();
        }
        self.playout.set_codec(codec);
    }

    /// Takes a packet of the party, unless nobody hears it; answers whether it came in time.
    pub fn hear(&mut self, epoch: u16, timestamp: u32, codes: &[u8], next_tick_ms: u32) -> bool {
        self.role.voice == Voice::Nobody
            || self.playout.push(epoch, timestamp, codes, next_tick_ms) == Pushed::Waits
    }

    /// The party announced silence (RFC 3389), maybe with the level of its noise: what does not come is not lost.
    pub fn hear_comfort_noise(&mut self, level: Option<u8>) {
        self.playout.stop();
        self.noise.announce(level);
    }

    /// The party is on hold: what does not come is neither lost nor the silence between two words.
    pub fn rest(&mut self) {
        self.playout.stop();
        self.noise.stop();
    }

    /// Reads the frame of this tick; answers whether it is to be mixed.
    pub fn take_frame(&mut self, counts: &mut PullCounts) -> bool {
        if self.role.voice == Voice::Nobody {
            return false;
        }
        let codec = self.codec();
        let (pulled, left_out) = self.playout.pull(&mut self.frame);
        counts.left_out += u64::from(left_out / FRAME_SAMPLES as u32);
        counts.gaps += u64::from(pulled == Pulled::Gap);
        self.has_frame = pulled != Pulled::Nothing || self.noise.fill(codec, &mut self.frame);
        if self.has_frame {
            let level = Level::of(codec, &self.frame);
            if pulled == Pulled::Whole {
                self.noise.measure(level);
            }
            return self.gate.hear(codec, level);
        }
        self.gate.hear_nothing();
        false
    }
}

/// Frames on their way into packets that are longer or shorter than 20 ms.
#[derive(Debug)]
pub(crate) struct Packing {
    codes: [u8; PACKING_SAMPLES],
    len: usize,
    /// Tick of the newest frame.
    tick: u32,
}

impl Packing {
    const fn new() -> Self {
        Self { codes: [0; PACKING_SAMPLES], len: 0, tick: 0 }
    }

    /// Adds the frame of a tick. What lies before a gap is dropped: a prompt took its place.
    pub fn push(&mut self, tick: u32, frame: &[u8; FRAME_SAMPLES]) {
        if tick != self.tick.wrapping_add(1) || self.len + FRAME_SAMPLES > PACKING_SAMPLES {
            self.len = 0;
        }
        self.codes[self.len..self.len + FRAME_SAMPLES].copy_from_slice(frame);
        self.len += FRAME_SAMPLES;
        self.tick = tick;
    }

    /// Fills a packet; `false` when there are not enough samples yet.
    pub fn take(&mut self, packet: &mut [u8]) -> bool {
        if self.len < packet.len() {
            return false;
        }
        packet.copy_from_slice(&self.codes[..packet.len()]);
        self.codes.copy_within(packet.len()..self.len, 0);
        self.len -= packet.len();
        true
    }
}

/// The longest packet, and the frame that completes it.
const PACKING_SAMPLES: usize = SAMPLES_MAX + FRAME_SAMPLES;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_packed_in_order_and_not_across_a_gap() {
        let mut packing = Packing::new();
        let mut packet = [0; 240];
        packing.push(7, &[1; FRAME_SAMPLES]);
        assert!(!packing.take(&mut packet));
        packing.push(8, &[2; FRAME_SAMPLES]);
        assert!(packing.take(&mut packet));
        assert_eq!((packet[159], packet[160], packet[239]), (1, 2, 2));
        packing.push(10, &[3; FRAME_SAMPLES]);
        packing.push(11, &[4; FRAME_SAMPLES]);
        assert!(packing.take(&mut packet));
        assert_eq!((packet[0], packet[239]), (3, 4));
    }
}
