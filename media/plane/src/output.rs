//! The actions of a media core: datagrams to sockets by number, events up, frames to the sinks of taps and to
//! other cores. Sans-IO; the shell in `media/io` (or a test) implements [`Output`].

use std::net::SocketAddr;

use shared::{CoreId, MediaEvent, Sink, TapFrame};

use crate::mesh::MeshFrame;
use crate::meters::DropReason;
use crate::relay_rule::{RelayRule, RelayedCounts};

/// A socket of this core, by its place in [`crate::PlaneConfig::ports`]: number `2 * i` is the RTP
/// socket of `ports[i]`, number `2 * i + 1` its RTCP socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SocketId(pub u32);

impl SocketId {
    /// The RTP socket of the port at `index`.
    pub const fn rtp(index: usize) -> Self {
        Self(index as u32 * 2)
    }

    /// The RTCP socket of the port at `index`.
    pub const fn rtcp(index: usize) -> Self {
        Self(index as u32 * 2 + 1)
    }

    /// Index into [`crate::PlaneConfig::ports`].
    pub const fn port_index(self) -> usize {
        (self.0 / 2) as usize
    }

    /// Whether this is the RTCP socket of its port.
    pub const fn is_rtcp(self) -> bool {
        self.0 & 1 == 1
    }
}

/// Outcome of a received packet. Each packet has exactly one (ARCHITECTURE.md, I4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Received {
    /// It was used here or copied away (mesh, tap, digits); the buffer is free.
    Consumed,
    /// It was dropped and counted; the buffer is free.
    Dropped(DropReason),
    /// It was rewritten in place: the caller must send the first `len` bytes of the same buffer.
    Forward {
        /// From this socket.
        socket: SocketId,
        /// To this address.
        to: SocketAddr,
        /// This many bytes from the buffer's start.
        len: usize,
    },
}

/// The actions of a core. None may block; values passed by reference are copied before the call returns.
pub trait Output {
    /// Send one datagram. It may be lost, like any datagram.
    fn send(&mut self, socket: SocketId, to: SocketAddr, packet: &[u8]);
    /// Open the RTCP socket of the port at this index, or close it: a leg whose RTCP shares the RTP port
    /// (RFC 5761) does without. Shells whose sockets cost nothing may ignore this.
    fn listen_for_rtcp(&mut self, port_index: usize, listens: bool) {
        let _ = (port_index, listens);
    }
    /// Send an event to signaling. Must not fail: the ring is sized for it (`shared::limits::EVENT_SLOTS`),
    /// and the shell takes no commands while signaling is behind with events.
    fn event(&mut self, event: MediaEvent);
    /// Whether the event ring has room for [`MediaEvent::Talking`], which can wait for the next beat.
    fn has_room_for_speech(&self) -> bool {
        true
    }
    /// Send 20 ms to a sink; `false` when its ring is full (then the frame is lost and counted, except a
    /// tap's last frame, which is offered again every 20 ms).
    fn deliver(&mut self, sink: Sink, frame: TapFrame) -> bool;
    /// Have a tier below relay the packets that arrive at the port of this index, from now on and by this rule.
    /// `false`: it cannot, or not now. Shells without a tier leave these four as they are.
    fn give(&mut self, port_index: usize, rule: &RelayRule) -> bool {
        let _ = (port_index, rule);
        false
    }
    /// Take the port of this index back. Once this returns, the tier sends nothing more for it. Answers the
    /// counts since it was given or read last.
    fn take_back(&mut self, port_index: usize) -> RelayedCounts {
        let _ = port_index;
        RelayedCounts::default()
    }
    /// Read the counts of the port of this index since it was given or read last; the tier goes on.
    fn relayed(&mut self, port_index: usize) -> RelayedCounts {
        let _ = port_index;
        RelayedCounts::default()
    }
    /// Arrival of the last packet that the tier has relayed from the port of this index, in samples (1/8,000 s of
    /// [`Instant`]), wrapping. `None`: nothing since it was given or read last. Costs less than [`Output::relayed`],
    /// and leaves the counts unread.
    fn relayed_at(&mut self, port_index: usize) -> Option<u32> {
        let _ = port_index;
        None
    }
    /// Send a frame to another core; `false` when the ring to it is full.
    fn mesh(&mut self, core: CoreId, frame: &MeshFrame) -> bool;
}
