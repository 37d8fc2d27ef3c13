//! What a leg of a bench follows. Pure.

use std::net::SocketAddr;

use shared::{Codec, Direction, LatchMode, LegPlan, MediaPort, NegotiatedMedia};

/// PCMU both ways in the clear, 20 ms a packet, with `party`; the slot is its SSRC.
pub(crate) fn plan(slot: u16, port: MediaPort, party: SocketAddr) -> LegPlan {
    LegPlan {
        port,
        media: NegotiatedMedia {
            remote_rtp: Some(party),
            remote_rtcp: None,
            rtcp_mux: true,
            codec: Codec::Pcmu,
            payload_type_send: 0,
            payload_type_receive: 0,
            event_payload_type_send: Some(101),
            event_payload_type_receive: Some(101),
            direction: Direction::SendRecv,
            ptime_ms: 20,
            srtp: None,
        },
        latch: LatchMode::Sdp,
        signaling_peer: None,
        ssrc: u32::from(slot),
        first_sequence: 0,
        first_timestamp: 0,
        media_timeout_ms: 0,
    }
}
