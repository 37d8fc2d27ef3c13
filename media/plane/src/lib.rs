//! Sans-IO media core: RTP, RTCP, G.711, telephone events, play, taps, bridges.
//!
//! One [`Plane`] is one media core. A shell (`media/io`) or the simulator feeds it commands, packets
//! and time, and lends it an [`Output`]. It allocates nothing after [`Plane::new`], takes no lock
//! and reads no clock.
#![deny(unsafe_code)]

mod mesh;
mod meters;
mod output;
mod plane;
mod relay;

pub use mesh::{MESH_PAYLOAD_BYTES, MeshFrame};
pub use meters::{DropReason, Drops, PlaneMeters};
pub use output::{Output, Received, SocketId};
pub use plane::{Plane, PlaneConfig};
