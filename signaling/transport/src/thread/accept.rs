//! Listeners, and the limits that an accepted connection has to pass. Shell.
//!
//! A connection past a limit is accepted and closed at once. Left in the backlog it would keep the peer
//! waiting, and the peers behind it.

use std::io;
use std::net::{IpAddr, SocketAddr};

use mio::net::{TcpListener, TcpStream};
use mio::{Interest, Poll, Token};
use shared::{Instant, source_of};
use shell::Clock;

use super::Transport;
use crate::config::TransportConfig;
use crate::connection::{ReuseKey, State};
use crate::session::Session;
use crate::sockets;

/// One listening socket.
pub(super) struct Listener {
    socket: TcpListener,
    /// As bound, with the port that the system chose.
    pub(super) local: SocketAddr,
    pub(super) transport: shared::Transport,
    /// Connections may be waiting; mio reports only new ones.
    pub(super) ready: bool,
}

impl Listener {
    /// # Errors
    /// When the address cannot be listened on.
    pub(super) fn open(
        poll: &Poll,
        transport: shared::Transport,
        address: SocketAddr,
        token: Token,
    ) -> io::Result<Self> {
        let mut socket = sockets::listen(address)?;
        poll.registry().register(&mut socket, token, Interest::READABLE)?;
        let local = socket.local_addr()?;
        Ok(Self { socket, local, transport, ready: true })
    }
}

impl Transport {
    pub(super) fn accept_ready(&mut self) {
        if self.uplink.is_behind() {
            return;
        }
        for index in 0..self.listeners.len() {
            for _ in 0..ACCEPTS_A_TURN {
                let Some(listener) = self.listeners.get_mut(index).filter(|l| l.ready) else {
                    break;
                };
                match listener.socket.accept() {
                    Ok((socket, remote)) => {
                        let transport = listener.transport;
                        self.accepted(socket, transport, remote);
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        listener.ready = false
                    }
                    // The peer left before we accepted: the next one may be waiting.
                    Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                    Err(error) => {
                        // Probably out of descriptors. To try again at once would spin; the sweep does
                        // it.
                        listener.ready = false;
                        self.metrics.transport_streams_closed_total.count("accept_failed");
                        tracing::warn!(%error, "a connection cannot be accepted");
                    }
                }
            }
        }
    }

    fn accepted(&mut self, socket: TcpStream, transport: shared::Transport, remote: SocketAddr) {
        let source = source_of(remote.ip());
        let now = Clock.mono();
        if let Some(reason) = self.limit_reached(source, transport, now) {
            return self.metrics.transport_streams_closed_total.count(reason);
        }
        let Ok(bound) = socket.local_addr() else { return };
        let local = shown(&self.config, bound);
        let deadline = now + self.config.handshake_for_max;
        let state = State::Handshaking { begun: now, deadline, token: None };
        let source = self.source(transport, local);
        let reuse_key = ReuseKey { transport, remote, host: None, source };
        let Some(key) = self.add(socket, local, reuse_key, state) else { return };
        let is_tls = transport == shared::Transport::Tls;
        if let Some(connection) = self.connections.get_mut(key) {
            // Bytes may have come before the socket was registered; mio would not report them.
            connection.readable = true;
            connection.tls = is_tls.then(Session::accepting);
        }
        if is_tls {
            self.count_handshake(key, 1);
        } else {
            self.opened(key, None);
        }
        if let Some(connection) = self.connections.get_mut(key) {
            self.reads.add(key, connection);
        }
    }

    /// The limit that forbids one more connection of `source`, as a label; `None`: it is welcome. A
    /// registration or a digest lifts the limits of a source, not the limit in all: the phones of an
    /// office behind one address come back together after a restart.
    fn limit_reached(
        &self,
        source: IpAddr,
        transport: shared::Transport,
        now: Instant,
    ) -> Option<&'static str> {
        let in_use = self.connections.source_use(source);
        let is_tls = transport == shared::Transport::Tls;
        match () {
            () if self.connections.len() >= self.config.connections_max => Some("streams_max"),
            () if self.tls.is_vouched(source, now) => None,
            () if in_use.connections >= self.config.connections_source_max => {
                Some("streams_source_max")
            }
            () if is_tls && in_use.handshakes >= self.config.handshakes_source_max => {
                Some("handshakes_source_max")
            }
            () => None,
        }
    }
}

/// The address that a peer is shown for a socket bound to `bound`: the public one of its edge, or the
/// node's where that is set and of this IP version, or the address itself.
pub(super) fn shown(config: &TransportConfig, bound: SocketAddr) -> SocketAddr {
    let public = config.public_address.filter(|public| public.is_ipv4() == bound.is_ipv4());
    let by_node = || public.map(|public| SocketAddr::new(public, bound.port()));
    config.edges.shown(bound).or_else(by_node).unwrap_or(bound)
}

/// Connections accepted from one listener before the others get their turn.
const ACCEPTS_A_TURN: usize = 64;
