//! The outcome of offer/answer, the plan of a leg made from it, and the figures of a leg. Pure.

use std::net::{IpAddr, SocketAddr};

use crate::codec::{Codec, Direction};
use crate::quality::{self, Impairments, LossPattern, Rating};
use crate::srtp::SrtpKeys;

/// Sources that a leg takes media from until it is locked to one. The lock ("latch") lets a party behind a
/// NAT be reached at the address that its packets come from, and keeps other sources out of the call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LatchMode {
    /// Only the address and port of the SDP.
    Sdp,
    /// Those of the SDP, or any port of the SDP's or the SIP peer's address.
    #[default]
    Peer,
    /// The first valid source.
    Any,
    /// Another leg of this gateway, at the address that stands for the SDP's: the far party is another call here.
    /// Every other mode refuses our own sockets. No setting names this one.
    Link,
}

/// A local RTP port of a core. RTCP is on the next higher port unless multiplexed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MediaPort {
    /// Index into the setting `media.addresses`.
    pub address: u8,
    /// The even RTP port.
    pub rtp: u16,
}

/// The outcome of one offer/answer exchange for our one audio stream (RFC 3264).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NegotiatedMedia {
    /// Where the peer wants RTP; `None` when its address is unspecified (`c=0.0.0.0`, RFC 2543 hold).
    pub remote_rtp: Option<SocketAddr>,
    /// Where the peer wants RTCP; the RTP address when multiplexed (RFC 5761).
    pub remote_rtcp: Option<SocketAddr>,
    /// Whether RTCP shares the RTP port, both ways.
    pub rtcp_mux: bool,
    /// The one codec in use, both ways.
    pub codec: Codec,
    /// Payload type of the codec in packets that we send: the peer's number for it.
    pub payload_type_send: u8,
    /// Payload type of the codec in packets that we receive: our number for it.
    pub payload_type_receive: u8,
    /// Payload type of telephone events that we send; `None` when the peer takes none (RFC 4733).
    pub event_payload_type_send: Option<u8>,
    /// Payload type of telephone events that we receive.
    pub event_payload_type_receive: Option<u8>,
    /// Direction of our media: whether we send, and whether the party may.
    pub direction: Direction,
    /// Packet time we send with, in milliseconds (multiple of 10, 10..=60).
    pub ptime_ms: u8,
    /// What protects RTP and RTCP (`RTP/SAVP`, RFC 4568); `None`: both are in the clear.
    pub srtp: Option<SrtpKeys>,
}

/// All that a media core has to know of one party. Made by Control from [`NegotiatedMedia`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LegPlan {
    /// Our port for this leg. Never changes during the life of a leg.
    pub port: MediaPort,
    /// The outcome of offer/answer.
    pub media: NegotiatedMedia,
    /// Sources that media is taken from until the leg is locked to one.
    pub latch: LatchMode,
    /// Address of the SIP peer, for [`LatchMode::Peer`].
    pub signaling_peer: Option<IpAddr>,
    /// SSRC that we send with (random, RFC 3550 §8).
    pub ssrc: u32,
    /// First sequence number (random, RFC 3550 §5.1). Read when the leg starts, not at an update.
    pub first_sequence: u16,
    /// First RTP timestamp (random). Read when the leg starts, not at an update.
    pub first_timestamp: u32,
    /// Longest silence of the party in milliseconds; 0 = any. On hold Control gives a longer one.
    pub media_timeout_ms: u32,
}

/// Final figures of a leg, reported once when it stops. Counts are RTP packets unless said otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LegQuality {
    /// Valid packets received from the locked source, copies included.
    pub received: u64,
    /// Packets sent to the peer.
    pub sent: u64,
    /// Packets that never arrived, by sequence number; neither duplicates nor late packets change the count.
    pub lost: u64,
    /// The pattern of those losses.
    pub losses: LossPattern,
    /// Of those received: duplicates.
    pub duplicates: u64,
    /// Of those received: packets that arrived after a later one.
    pub reordered: u64,
    /// Restarts of the party's stream: a new SSRC, or a jump of sequence number or timestamp.
    pub restarts: u32,
    /// Packets that we dropped on this leg, all reasons.
    pub dropped: u64,
    /// Interarrival jitter at the end, in RTP timestamp units (RFC 3550 §6.4.1).
    pub jitter_rtp_units: u32,
    /// Largest jitter seen, in RTP timestamp units.
    pub jitter_max_rtp_units: u32,
    /// Packet time of the party, in milliseconds; 0 when no packet arrived.
    pub packet_ms: u32,
    /// Last round trip from RTCP in microseconds; `None` when the peer sent no usable report.
    pub round_trip_us: Option<u32>,
    /// Longest round trip from RTCP in microseconds.
    pub round_trip_max_us: Option<u32>,
    /// Milliseconds from the start of the leg to the first packet; `None` when none arrived.
    pub first_packet_ms: Option<u32>,
    /// RTCP packets received.
    pub rtcp_received: u32,
    /// RTCP packets sent.
    pub rtcp_sent: u32,
    /// The peer's last report about our packets; `None` when it never reported on them.
    pub remote: Option<RemoteReport>,
    /// Intervals between our RTCP reports in which packets arrived.
    pub intervals: u32,
    /// Of those: intervals rated bad.
    pub intervals_bad: u32,
    /// Lowest R factor of an interval, in tenths; `None` without intervals.
    pub worst_r_tenths: Option<u16>,
}

/// A peer's report block about our stream (RFC 3550 §6.4.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RemoteReport {
    /// Our packets that it misses, in all; duplicates reduce it, so it may be negative.
    pub lost: i32,
    /// Largest share lost in one interval of its reports, in 1/256.
    pub fraction_lost_max: u8,
    /// Jitter of our packets at its end, in RTP timestamp units.
    pub jitter_rtp_units: u32,
}

/// Quality of one interval between two of our RTCP reports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IntervalQuality {
    /// Packets that should have arrived.
    pub expected: u32,
    /// Of those: lost.
    pub lost: u32,
    /// Interarrival jitter at its end, in RTP timestamp units.
    pub jitter_rtp_units: u32,
    /// Last round trip in microseconds.
    pub round_trip_us: Option<u32>,
    /// R factor in tenths.
    pub r_tenths: u16,
}

impl LegQuality {
    /// Packets that should have arrived: those received, without duplicates, and those lost.
    pub const fn expected(&self) -> u64 {
        self.received.saturating_sub(self.duplicates).saturating_add(self.lost)
    }

    /// Packets lost, in percent of those expected.
    pub fn loss_percent(&self) -> f64 {
        self.losses.loss_percent(self.expected())
    }

    /// Estimate of the one-way delay from mouth to ear, in milliseconds.
    pub fn delay_ms(&self) -> f64 {
        quality::delay_ms(self.round_trip_us, self.jitter_rtp_units, self.packet_ms)
    }

    /// Rating of the party's audio over the whole leg; `None` when no packet arrived.
    pub fn rating(&self) -> Option<Rating> {
        let expected = self.expected();
        let impairments = Impairments {
            loss_percent: self.losses.loss_percent(expected),
            burst_ratio: self.losses.burst_ratio(expected),
            delay_ms: self.delay_ms(),
        };
        (self.received > 0).then(|| impairments.rating())
    }
}
