//! Sans-IO media core: RTP, RTCP, SRTP, G.711, telephone events, play, taps, bridges.
//!
//! One [`Plane`] is one media core. A shell (`media/io`) or the simulator passes it commands, packets and
//! the time, and lends it an [`Output`]. It allocates nothing after [`Plane::new`], takes no lock and
//! reads no clock.
#![deny(unsafe_code)]

mod address;
mod answering;
mod clock;
pub mod dtmf;
mod feed;
pub mod g711;
mod inbound;
mod join;
mod leg;
mod leg_table;
mod losses;
mod mesh;
mod meters;
mod outbound;
mod output;
mod plane;
mod player;
mod playout;
mod ports;
mod reception;
mod relay;
mod relay_rule;
mod room;
mod rtcp;
pub mod rtp;
mod side_table;
mod simd;
mod soft_tier;
pub mod srtp;
mod tap;
mod telephone_event;
#[cfg(test)]
mod testing;
pub mod tone;
mod wheel;

pub use mesh::{MESH_PAYLOAD_BYTES, MeshFrame};
pub use meters::{DropReason, Drops, PlaneMeters};
pub use output::{Output, Received, SocketId};
pub use plane::{
    FEED_BYTES, HOT_LEG_BYTES, LEG_BYTES, LEG_BYTES_MAX, Plane, PlaneConfig, ROOM_MEMBER_BYTES,
    TAP_BYTES,
};
pub use relay_rule::{RelayRule, RelayStream, RelayedCounts};
pub use soft_tier::{SoftTier, Verdict};
