//! Plans for unit tests.

use std::net::SocketAddr;

use shared::{Codec, Direction, LatchMode, LegPlan, MediaPort, NegotiatedMedia};

/// The plan of the party at this index: port, address and numbers follow from it.
pub(crate) fn plan(index: u16) -> LegPlan {
    let remote = |port| SocketAddr::from(([192, 0, 2, 1], 4_000 + index * 2 + port));
    LegPlan {
        port: port(index),
        media: NegotiatedMedia {
            remote_rtp: Some(remote(0)),
            remote_rtcp: Some(remote(1)),
            rtcp_mux: false,
            codec: Codec::Pcmu,
            payload_type_send: 0,
            payload_type_receive: 0,
            event_payload_type_send: Some(101),
            event_payload_type_receive: Some(101),
            direction: Direction::SendRecv,
            ptime_ms: 20,
        },
        latch: LatchMode::Peer,
        signaling_peer: None,
        ssrc: 0x5000_0000 + u32::from(index),
        first_sequence: 65_530,
        first_timestamp: u32::MAX - 1_000,
        media_timeout_ms: 0,
    }
}

/// The port of the party at this index.
pub(crate) fn port(index: u16) -> MediaPort {
    MediaPort { address: 0, rtp: 10_000 + index * 2 }
}
