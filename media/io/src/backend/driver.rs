//! The interface of a backend: packets in, packets out, one place to wait.

use std::net::SocketAddr;

use plane::{Received, SocketId};

use crate::wait::Wait;

/// Bytes of one packet buffer. A longer datagram is dropped and counted as `too_long`, as are those
/// between `RTP_BYTES_MAX` and this, by the plane. An odd number of cache lines: with 2,048 bytes the
/// first lines of all buffers would fall into the same few sets of the cache.
pub(crate) const BUFFER_BYTES: usize = 33 * 64;
const _: () = assert!(BUFFER_BYTES > shared::limits::RTP_BYTES_MAX);

/// Packets handled before the next look at commands, mesh and deadlines: about 0.2 ms of work.
pub(crate) const TURN_PACKETS: usize = 128;

/// Sends datagrams. The bytes passed in are copied (or sent) before `send` returns.
pub(crate) trait Sender {
    /// A datagram that the kernel refuses is counted in [`DriverCounts::send_failed`].
    fn send(&mut self, socket: SocketId, to: SocketAddr, packet: &[u8]);

    /// Opens the RTCP socket of the port at this index, or closes it. One that cannot be opened is
    /// counted in [`DriverCounts::rtcp_unopened`].
    fn listen_for_rtcp(&mut self, port_index: usize, listens: bool);
}

/// Receives the packets of a turn.
pub(crate) trait PacketHandler {
    /// Takes one packet and may rewrite it in place. The driver sends it on [`Received::Forward`].
    fn packet(
        &mut self,
        socket: SocketId,
        source: SocketAddr,
        packet: &mut [u8],
        sender: &mut impl Sender,
    ) -> Received;
}

/// A backend. Created and used on one thread only.
pub(crate) trait Driver {
    /// The part that sends.
    type Sender: Sender;

    /// The sender for packets that a tick or a command makes.
    fn sender(&mut self) -> &mut Self::Sender;

    /// Passes at most [`TURN_PACKETS`] received packets to the handler; answers their number. Never waits.
    fn receive(&mut self, handler: &mut impl PacketHandler) -> usize;

    /// Sends everything queued and lets the kernel work. `None` returns at once; else it waits.
    fn wait(&mut self, wait: Option<Wait>);

    /// Whether packets are ready, so that the loop must not wait.
    fn has_packets(&mut self) -> bool;

    /// The counters.
    fn counts(&self) -> &DriverCounts;
}

/// Counters of a driver.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct DriverCounts {
    /// Datagrams received from the kernel.
    pub received: u64,
    /// Of those: longer than [`BUFFER_BYTES`], or without a usable source; the plane never saw them.
    pub too_long: u64,
    /// Datagrams passed to the kernel, failed ones included.
    pub sent: u64,
    /// Of those: refused by it.
    pub send_failed: u64,
    /// Receptions that ended because no buffer was left. That alone loses nothing.
    pub buffer_shortages: u64,
    /// Receptions that ended for another reason and were restarted.
    pub rearmed: u64,
    /// Waits that slept.
    pub wakes: u64,
    /// RTCP sockets that the kernel refused, or that exceeded their share of open files.
    pub rtcp_unopened: u64,
}
