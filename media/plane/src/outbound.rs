//! The hot line of a leg for packets to its party: destination, numbers, counts. Sans-IO.
//!
//! A relayed packet and the leg's own beat write the same numbers, so that the stream continues whoever
//! feeds it (ARCHITECTURE.md, I8). The destination follows the latch of the [`crate::inbound`] line.

use shared::{Codec, LegPlan, NegotiatedMedia};

use crate::address::PackedAddress;
use crate::inbound::NO_PAYLOAD_TYPE;
use crate::meters::DropReason;
use crate::relay::{Content, Feed, Numbers};

/// One cache line: written by relayed packets and by the leg's own beat.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
pub(crate) struct Outbound {
    pub destination: PackedAddress,
    /// Index into the ports of the core.
    pub port: u16,
    pub ssrc: u32,
    pub numbers: Numbers,
    /// RTP packets sent.
    pub packets: u32,
    /// Their payload bytes, wrapping as the sender report's count does.
    pub octets: u32,
    pub payload_type: u8,
    pub event_payload_type: u8,
    pub codec: Codec,
    /// Whether the direction lets us send, and how.
    pub speech: Speech,
    /// A prompt, digits, tones or a feed play: nothing is relayed.
    pub playing: bool,
    pub tapped: bool,
    /// Our own audio collected for the next packet, in units of 10 ms.
    pub due_tens: u8,
    /// Packet time of our own audio, in units of 10 ms.
    pub ptime_tens: u8,
}

const _: () = assert!(size_of::<Outbound>() == 64);

/// How audio leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Speech {
    /// Not at all: the party is held.
    Held,
    /// As RTP.
    Clear,
    /// As SRTP; its state lies with the cold part.
    Secured,
}

impl Speech {
    fn of(media: &NegotiatedMedia) -> Self {
        match (media.direction.sends(), media.srtp) {
            (false, _) => Self::Held,
            (true, None) => Self::Clear,
            (true, Some(_)) => Self::Secured,
        }
    }
}

impl Outbound {
    /// A slot without a leg.
    pub fn vacant() -> Self {
        Self {
            destination: PackedAddress::NONE,
            port: 0,
            ssrc: 0,
            numbers: Numbers::starting_at(0, 0, 0),
            packets: 0,
            octets: 0,
            payload_type: NO_PAYLOAD_TYPE,
            event_payload_type: NO_PAYLOAD_TYPE,
            codec: Codec::Pcmu,
            speech: Speech::Held,
            playing: false,
            tapped: false,
            due_tens: 0,
            ptime_tens: 2,
        }
    }

    /// Applies the outcome of an offer/answer; numbers continue, and the destination is left to the latch.
    pub fn apply(&mut self, plan: &LegPlan) {
        let media = &plan.media;
        self.ssrc = plan.ssrc;
        self.payload_type = media.payload_type_send;
        self.event_payload_type = media.event_payload_type_send.unwrap_or(NO_PAYLOAD_TYPE);
        self.codec = media.codec;
        self.speech = Speech::of(media);
        self.ptime_tens = (media.ptime_ms / 10).clamp(1, PTIME_TENS_MAX);
        self.make_due();
        if !self.sends() {
            self.numbers.feed = Feed::NONE;
        }
    }

    /// Counts one packet that was sent.
    #[inline]
    pub fn count(&mut self, payload_bytes: usize) {
        self.packets = self.packets.wrapping_add(1);
        self.octets = self.octets.wrapping_add(payload_bytes as u32);
    }

    /// Whether the direction lets us send.
    #[inline]
    pub fn sends(&self) -> bool {
        self.speech != Speech::Held
    }

    /// Whether our own audio may leave now: the direction allows it and there is a destination.
    #[inline]
    pub fn can_send(&self) -> bool {
        self.sends() && self.destination.is_some()
    }

    /// Whether the party negotiated telephone events.
    #[inline]
    pub const fn takes_events(&self) -> bool {
        self.event_payload_type != NO_PAYLOAD_TYPE
    }

    /// The payload type for this content, or the reason that it cannot go to this party.
    #[inline]
    pub fn payload_type_for(&self, content: Content) -> Result<u8, DropReason> {
        if !self.sends() {
            return Err(DropReason::PeerHeld);
        }
        if !self.destination.is_some() {
            return Err(DropReason::NoDestination);
        }
        match content {
            Content::Audio(_) => Ok(self.payload_type),
            Content::Event if !self.takes_events() => Err(DropReason::NoTelephoneEvents),
            Content::Event => Ok(self.event_payload_type),
        }
    }

    /// Whether the beat has to run every 10 ms.
    pub const fn wants_half_beats(&self) -> bool {
        !self.ptime_tens.is_multiple_of(2)
    }

    /// Tens of milliseconds between two beats.
    pub const fn beat_tens(&self) -> u8 {
        if self.wants_half_beats() { 1 } else { 2 }
    }

    /// The next beat sends a packet.
    pub fn make_due(&mut self) {
        self.due_tens = self.ptime_tens.saturating_sub(self.beat_tens());
    }

    /// Lets one beat pass; answers the samples of the packet that is now due, or 0.
    pub fn beat(&mut self) -> usize {
        self.due_tens += self.beat_tens();
        if self.due_tens < self.ptime_tens {
            return 0;
        }
        self.due_tens -= self.ptime_tens;
        usize::from(self.ptime_tens) * SAMPLES_A_TEN
    }
}

/// Most samples in one of our own packets: 60 ms.
pub(crate) const SAMPLES_MAX: usize = PTIME_TENS_MAX as usize * SAMPLES_A_TEN;
const PTIME_TENS_MAX: u8 = 6;
const SAMPLES_A_TEN: usize = 80;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::plan;

    #[test]
    fn packets_are_due_at_their_packet_time_and_at_once_after_a_change() {
        for (ptime_ms, expected) in [
            (10, [80; 6].as_slice()),
            (20, &[160; 6]),
            (30, &[240, 0, 0, 240, 0, 0]),
            (40, &[320, 0, 320, 0, 320, 0]),
            (60, &[480, 0, 0, 480, 0, 0]),
        ] {
            let mut plan = plan(0);
            plan.media.ptime_ms = ptime_ms;
            let mut outbound = Outbound::vacant();
            outbound.apply(&plan);
            let beats: Vec<usize> = (0..6).map(|_| outbound.beat()).collect();
            assert_eq!(beats, expected, "{ptime_ms}");
        }
    }
}
