//! What SDP came to, and what a media core has to know of one party.

use std::net::{IpAddr, SocketAddr};

use crate::codec::{Codec, Direction};
use crate::srtp::SrtpKeys;

/// Which sources a leg takes media from until it is locked to one (design: the latch).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LatchMode {
    /// Only the address and port of the SDP.
    Sdp,
    /// Those of the SDP, or any port of the SDP's or the SIP peer's address.
    #[default]
    Peer,
    /// The first valid source.
    Any,
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
    /// Our direction.
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
    /// What offer and answer came to.
    pub media: NegotiatedMedia,
    /// Which sources are taken.
    pub latch: LatchMode,
    /// Address of the SIP peer, for [`LatchMode::Peer`].
    pub signaling_peer: Option<IpAddr>,
    /// SSRC that we send with (random, RFC 3550 §8).
    pub ssrc: u32,
    /// First sequence number (random, RFC 3550 §5.1). Read when the leg starts, not at an update.
    pub first_sequence: u16,
    /// First RTP timestamp (random). Read when the leg starts, not at an update.
    pub first_timestamp: u32,
    /// Media timeout in milliseconds while we expect media; 0 = none.
    pub media_timeout_ms: u32,
}

/// What a leg came to, told once when it stops. Counts are packets of RTP unless said otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LegQuality {
    /// Valid packets received from the locked source.
    pub received: u64,
    /// Packets sent to the peer.
    pub sent: u64,
    /// Packets that never came, by sequence number (RFC 3550 A.3); duplicates do not hide loss below 0.
    pub lost: u64,
    /// Packets dropped by us on this leg, all reasons.
    pub dropped: u64,
    /// Interarrival jitter at the end, in RTP timestamp units (RFC 3550 §6.4.1).
    pub jitter_rtp_units: u32,
    /// Largest jitter seen, in RTP timestamp units.
    pub jitter_max_rtp_units: u32,
    /// Round trip from RTCP in microseconds; `None` when the peer sent no usable report.
    pub round_trip_us: Option<u32>,
    /// Milliseconds from the start of the leg to the first packet; `None` when none came.
    pub first_packet_ms: Option<u32>,
    /// RTCP packets received and sent.
    pub rtcp_received: u32,
    /// RTCP packets sent.
    pub rtcp_sent: u32,
}
