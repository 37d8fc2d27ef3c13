//! UDP listeners of SIP: opened, read with a budget, written without waiting. Shell.

use std::io;
use std::net::SocketAddr;

use mio::event::Event;
use mio::net::UdpSocket;
use mio::{Interest, Registry, Token};
use shared::Transport;
use sip::{Flow, FlowId, SendFailure};

use super::SignalingLoop;
use super::undelivered::{self, Queued};
use control::Input;

/// One UDP listener.
#[derive(Debug)]
pub struct UdpListener {
    socket: UdpSocket,
    id: FlowId,
    local: SocketAddr,
    readable: bool,
    /// The socket's error queue may hold datagrams that ICMP returned.
    has_errors: bool,
}

impl UdpListener {
    /// Opens the `index`-th listener.
    ///
    /// # Errors
    /// The system's error: the port is taken, the address is not ours.
    pub fn open(registry: &Registry, index: usize, address: SocketAddr) -> io::Result<Self> {
        use socket2::{Domain, Protocol, Socket, Type};
        let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
        if address.is_ipv6() {
            // 0.0.0.0 and [::] may then stand side by side in the settings.
            socket.set_only_v6(true)?;
        }
        socket.set_nonblocking(true)?;
        // Room for a burst of calls. The kernel may grant less (net.core.rmem_max); then bursts are
        // smaller.
        let _ = socket.set_recv_buffer_size(SOCKET_BUFFER_BYTES);
        let _ = socket.set_send_buffer_size(SOCKET_BUFFER_BYTES);
        undelivered::queue_errors(&socket, address.is_ipv6())?;
        socket.bind(&address.into())?;
        let mut socket = UdpSocket::from_std(socket.into());
        registry.register(&mut socket, Token(index), Interest::READABLE)?;
        let local = socket.local_addr()?;
        Ok(Self { socket, id: FlowId(index as u64), local, readable: true, has_errors: false })
    }

    /// The address it is bound to, with the port that the system chose.
    pub const fn local_address(&self) -> SocketAddr {
        self.local
    }

    /// Whether datagrams or ICMP errors may be waiting.
    pub const fn is_readable(&self) -> bool {
        self.readable || self.has_errors
    }
}

/// Notes the readiness of a listener.
pub(super) fn note_event(listeners: &mut [UdpListener], event: &Event) {
    if let Some(listener) = listeners.get_mut(event.token().0) {
        listener.readable = true;
        listener.has_errors |= event.is_error();
    }
}

impl SignalingLoop {
    /// Reads each listener until it is empty or its budget is used up.
    pub(super) fn take_datagrams(&mut self) {
        let mut buffer = std::mem::take(&mut self.state.buffer);
        for index in 0..self.udp.len() {
            for _ in 0..DATAGRAMS_A_TURN {
                let Some(listener) = self.udp.get_mut(index).filter(|l| l.readable) else { break };
                match listener.socket.recv_from(&mut buffer) {
                    Ok((count, remote)) => {
                        let bytes = buffer.get(..count).unwrap_or_default();
                        let (id, local) = (listener.id, listener.local);
                        self.metrics.signaling_datagrams_received_total.count();
                        let local = self.advertised(local, remote);
                        let flow = Flow { id, transport: Transport::Udp, local, remote };
                        self.handle(Input::Sip(sip::Input::Received { flow, bytes }));
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        listener.readable = false;
                    }
                    // An ICMP error for an earlier send. The error queue has its datagram.
                    Err(_) => listener.has_errors = true,
                }
            }
        }
        self.state.buffer = buffer;
    }

    /// Reads the error queue of each listener until it is empty or its budget is used up.
    pub(super) fn take_undelivered(&mut self) {
        let mut buffer = [0; QUOTED_BYTES];
        for index in 0..self.udp.len() {
            for _ in 0..DATAGRAMS_A_TURN {
                let Some(listener) = self.udp.get_mut(index).filter(|l| l.has_errors) else {
                    break;
                };
                match undelivered::take(&listener.socket, &mut buffer) {
                    Queued::Undelivered { remote, length } => {
                        self.metrics.signaling_datagrams_dropped_total.count("undelivered");
                        let quoted = buffer.get(..length).unwrap_or_default();
                        self.handle(Input::Sip(sip::Input::Undelivered { remote, quoted }));
                    }
                    Queued::Passing => {
                        self.metrics.signaling_datagrams_dropped_total.count("passing_error");
                    }
                    Queued::Empty => listener.has_errors = false,
                }
            }
        }
    }

    /// The address of a listener as a peer sees it. `node.public_address` is for peers of its IP version.
    pub(super) fn advertised(&mut self, bound: SocketAddr, peer: SocketAddr) -> SocketAddr {
        if let Some(shown) = self.edges.shown(bound) {
            return shown;
        }
        match self.public_address {
            Some(public) if public.is_ipv4() == peer.ip().to_canonical().is_ipv4() => {
                SocketAddr::new(public, bound.port())
            }
            Some(_) | None => self.state.local.of_listener(shell::Clock.mono(), bound, peer.ip()),
        }
    }

    /// Sends a datagram from the named listener, or from any of the peer's family.
    pub(super) fn send_datagram(
        &self,
        socket: Option<FlowId>,
        remote: SocketAddr,
        bytes: &[u8],
    ) -> Result<(), SendFailure> {
        let fits = |listener: &&UdpListener| match socket {
            Some(id) => listener.id == id,
            None => listener.local.is_ipv4() == remote.is_ipv4(),
        };
        let dropped = &self.metrics.signaling_datagrams_dropped_total;
        let Some(listener) = self.udp.iter().find(fits) else {
            dropped.count("no_listener");
            return Err(SendFailure::Refused);
        };
        // After an ICMP error the next send reports that error, for whichever peer, and sends nothing:
        // send again.
        let send = || listener.socket.send_to(bytes, remote);
        let is_full = |error: &io::Error| error.kind() == io::ErrorKind::WouldBlock;
        match send().or_else(|error| if is_full(&error) { Err(error) } else { send() }) {
            Ok(_) => {
                self.metrics.signaling_datagrams_sent_total.count();
                Ok(())
            }
            // Counts as lost: the transaction retransmits.
            Err(error) if is_full(&error) => {
                dropped.count("send_buffer_full");
                Ok(())
            }
            Err(error) => {
                dropped.count("send_refused");
                tracing::debug!(%error, "a SIP datagram was refused by the system");
                Err(SendFailure::Refused)
            }
        }
    }

    /// The UDP listener that sends to peers of this IP version.
    pub(super) fn listener_towards(&self, peer: SocketAddr) -> Option<SocketAddr> {
        let same = |listener: &&UdpListener| listener.local.is_ipv4() == peer.is_ipv4();
        self.udp.iter().find(same).map(|listener| listener.local)
    }
}

const DATAGRAMS_A_TURN: usize = 256;
/// Bytes read of a returned datagram. Our branch is in its first lines.
const QUOTED_BYTES: usize = 1_024;
const SOCKET_BUFFER_BYTES: usize = 4 * 1024 * 1024;
