//! Packets between cores: fixed frames of four cache lines, copied through a ring. Sans-IO.
//!
//! A bridge whose legs are on different cores sends what one leg receives as [`MeshFrame`]s to the
//! other leg's core, which maps and sends it as if it had been received there. The packet rides
//! inside the frame, so nothing is allocated and no buffer crosses cores. 20 ms of G.711 fit in one
//! frame; longer packets travel as a chain of frames, next to each other in the ring.

use shared::LegId;

/// Payload bytes of one frame.
pub const MESH_PAYLOAD_BYTES: usize = 216;

/// One frame on a ring from core to core; the ring keeps order.
#[derive(Clone, Debug, PartialEq, Eq)]
#[repr(align(64))]
pub struct MeshFrame {
    /// The leg that sends it on.
    pub to: LegId,
    /// The leg that received it.
    pub from: LegId,
    pub(crate) header: MeshHeader,
    pub(crate) payload: [u8; MESH_PAYLOAD_BYTES],
}

/// What the sending core knows of the packet, apart from its payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MeshHeader {
    pub timestamp: u32,
    pub sequence: u16,
    pub epoch: u16,
    pub content: crate::relay::Content,
    pub marker: bool,
    /// Place in the chain, and whether it ends here.
    pub part: u8,
    pub last: bool,
    pub len: u8,
}

const _: () = assert!(size_of::<MeshFrame>() == 256);
const _: () = assert!(MESH_PAYLOAD_BYTES <= u8::MAX as usize);
