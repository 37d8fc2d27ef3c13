//! A tier in software: what a [`RelayRule`] means, packet by packet. Sans-IO.
//!
//! The specification that a real tier is held to: simulators and tests run it below a plane, and every party
//! must see what a plane alone would do. It is made to be read, and allocates; no gateway runs it.

use std::net::SocketAddr;

use shared::limits::TIMESTAMP_JUMP_MAX;
use shared::{Codec, Instant, MediaPort};

use crate::clock;
use crate::g711;
use crate::relay_rule::{RelayRule, RelayedCounts};
use crate::rtp::{HEADER_BYTES, RtpHeader};

/// The tier of one port, from the time it is given until it is taken back.
#[derive(Clone, Debug)]
pub struct SoftTier {
    rule: RelayRule,
    /// Since they were read last.
    counts: RelayedCounts,
}

/// What the tier does with a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is relayed: this packet leaves instead.
    Relayed {
        /// Our port that it leaves by.
        port: MediaPort,
        /// To this address.
        to: SocketAddr,
        /// The whole RTP packet.
        packet: Vec<u8>,
    },
    /// [`crate::Plane::receive`] gets it.
    Up,
    /// Nobody gets it.
    Dropped,
}

impl SoftTier {
    /// Relays by this rule from now on.
    pub fn new(rule: RelayRule) -> Self {
        let stream = rule.stream;
        let counts = RelayedCounts {
            highest: stream.highest,
            timestamp: stream.timestamp,
            transit: stream.transit,
            jitter_16: stream.jitter_16,
            ..RelayedCounts::default()
        };
        Self { rule, counts }
    }

    /// The counts since they were read last.
    pub fn read(&mut self) -> RelayedCounts {
        let counts = self.counts;
        let counted = RelayedCounts { packets: 0, octets: 0, gaps: 0, ..counts };
        self.counts = RelayedCounts { strangers: 0, malformed: 0, ..counted };
        counts
    }

    /// See [`crate::Output::relayed_at`].
    pub fn last_arrival(&self) -> Option<u32> {
        (self.counts.packets > 0).then(|| clock::samples(self.counts.last_arrival))
    }

    /// Takes one datagram that came from `source` to the rule's port.
    pub fn take(&mut self, now: Instant, source: SocketAddr, packet: &[u8]) -> Verdict {
        let Ok(header) = RtpHeader::parse(packet) else { return Verdict::Up };
        if source != self.rule.source {
            return self.exclude();
        }
        let is_plain = packet.first() == Some(&PLAIN) && packet.len() > HEADER_BYTES;
        let stream = (header.ssrc, header.payload_type);
        let is_audio = stream == (self.rule.ssrc, self.rule.payload_type);
        let transit = clock::samples(now).wrapping_sub(header.timestamp);
        let step = header.sequence.wrapping_sub(self.counts.highest as u16);
        let is_next = (1..DROPOUT_MAX).contains(&step);
        if !is_plain || !is_audio || !is_next || self.leaps(header.timestamp, transit) {
            return Verdict::Up;
        }
        let sequence = header.sequence.wrapping_add(self.rule.delta_sequence);
        self.count(now, step, transit, &header);
        let timestamp = header.timestamp.wrapping_add(self.rule.delta_timestamp);
        let marker = u8::from(header.marker) << 7;
        let mut sent = vec![PLAIN, marker | self.rule.out_payload_type];
        sent.extend(sequence.to_be_bytes());
        sent.extend(timestamp.to_be_bytes());
        sent.extend(self.rule.out_ssrc.to_be_bytes());
        let payload = packet.get(HEADER_BYTES..).unwrap_or_default();
        sent.extend(payload.iter().map(|sample| self.convert(*sample)));
        Verdict::Relayed { port: self.rule.out_port, to: self.rule.out_destination, packet: sent }
    }

    fn exclude(&mut self) -> Verdict {
        if self.rule.others_go_up {
            return Verdict::Up;
        }
        self.counts.strangers += 1;
        Verdict::Dropped
    }

    /// Whether a timestamp is far from both the last one and the clock.
    fn leaps(&self, timestamp: u32, transit: u32) -> bool {
        let is_far =
            |a: u32, b: u32| (a.wrapping_sub(b) as i32).unsigned_abs() > TIMESTAMP_JUMP_MAX;
        is_far(timestamp, self.counts.timestamp) && is_far(transit, self.counts.transit)
    }

    fn convert(&self, sample: u8) -> u8 {
        match (self.rule.codec, self.rule.out_codec) {
            (Codec::Pcmu, Codec::Pcma) => g711::MULAW_TO_ALAW[usize::from(sample)],
            (Codec::Pcma, Codec::Pcmu) => g711::ALAW_TO_MULAW[usize::from(sample)],
            (Codec::Pcmu, Codec::Pcmu) | (Codec::Pcma, Codec::Pcma) => sample,
        }
    }

    fn count(&mut self, now: Instant, step: u16, transit: u32, header: &RtpHeader) {
        let counts = &mut self.counts;
        counts.packets += 1;
        counts.octets += header.payload.len() as u32;
        counts.last_arrival = now;
        counts.highest = counts.highest.wrapping_add(u32::from(step));
        counts.gaps += u32::from(step > 1);
        let moved = (transit.wrapping_sub(counts.transit) as i32).unsigned_abs();
        counts.jitter_16 = counts.jitter_16 + moved - ((counts.jitter_16 + 8) >> 4);
        counts.transit = transit;
        counts.timestamp = header.timestamp;
    }
}

/// Version 2, and neither padding, extension nor CSRCs.
const PLAIN: u8 = 0x80;
/// RFC 3550 A.1: a longer step is no gap.
const DROPOUT_MAX: u16 = 3_000;
