//! Connections that we open, and those that we use again. Shell.
//!
//! A send names a peer, not a connection. It takes the connection with the peer's [`ReuseKey`] in
//! whatever state that is: bytes wait in its write queue until TCP and TLS are up. So a burst to one peer
//! opens one connection, and its messages keep their order.

use std::net::{IpAddr, SocketAddr};

use mio::net::TcpStream;
use mio::{Interest, Token};
use shared::source_of;
use shell::Clock;
use sip::{Flow, SendFailure, SendToken};

use super::Transport;
use super::accept::{Listener, shown};
use crate::connection::{Connection, ReuseKey, State};
use crate::message::{Peer, Up};
use crate::session::Session;
use crate::sockets;

impl Transport {
    pub(super) fn send_to(&mut self, peer: Peer, bytes: Box<[u8]>, token: SendToken) {
        let Peer { transport, remote, host, local } = peer;
        // An edge may show an IPv4 address to an IPv6 peer; the kernel would refuse to bind it.
        let source = self.source(transport, local).filter(|ip| ip.is_ipv4() == remote.is_ipv4());
        let reuse_key = ReuseKey { transport, remote, host, source };
        let key = match self.connections.key_to_reuse(&reuse_key) {
            Some(key) => key,
            None => match self.connect(reuse_key, local, token) {
                Some(key) => key,
                None => return self.send_failed(token, SendFailure::Unreachable),
            },
        };
        self.send(key, bytes, token);
    }

    /// The address that a connection leaves from which shows `local` to its peer; `None` leaves it to the
    /// kernel, where we listen on all addresses.
    pub(super) fn source(&self, transport: shared::Transport, local: SocketAddr) -> Option<IpAddr> {
        if let Some(source) = self.config.edges.source(transport, local) {
            return Some(source);
        }
        let shows_it = |listener: &&Listener| {
            listener.transport == transport && shown(&self.config, listener.local) == local
        };
        let listener = self.listeners.iter().find(shows_it)?;
        Some(listener.local.ip()).filter(|address| !address.is_unspecified())
    }

    fn connect(
        &mut self,
        reuse_key: ReuseKey,
        local: SocketAddr,
        token: SendToken,
    ) -> Option<usize> {
        if self.connections.len() >= self.config.connections_max {
            self.metrics.transport_streams_closed_total.count("streams_max");
            return None;
        }
        let session = match reuse_key.transport {
            shared::Transport::Tls => Some(Session::connecting(self.tls.connect(&reuse_key)?)),
            shared::Transport::Tcp => None,
            shared::Transport::Udp => return None,
        };
        let socket = match sockets::connect(reuse_key.remote, reuse_key.source) {
            Ok(socket) => socket,
            Err(error) => {
                let ReuseKey { remote, source, .. } = reuse_key;
                tracing::debug!(%error, %remote, ?source, "a connection cannot be begun");
                return None;
            }
        };
        let deadline = Clock.mono() + self.config.connect_for_max;
        let key = self.add(socket, local, reuse_key, State::Connecting { deadline, token })?;
        self.connections.get_mut(key)?.tls = session;
        Some(key)
    }

    /// Adds a connection to the table and its socket to the poll.
    pub(super) fn add(
        &mut self,
        mut socket: TcpStream,
        local: SocketAddr,
        reuse_key: ReuseKey,
        state: State,
    ) -> Option<usize> {
        let ReuseKey { transport, remote, .. } = reuse_key;
        let flow = Flow { id: self.connections.next_flow(), transport, local, remote };
        let token = Token(self.connections.next_key());
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.poll.registry().register(&mut socket, token, interest).ok()?;
        sockets::set_options(&socket);
        let key = self.connections.insert(Connection::new(socket, flow, state, reuse_key));
        debug_assert_eq!(key, token.0, "events of the socket find its connection");
        self.metrics.transport_streams_open.add(1);
        if transport == shared::Transport::Tls {
            self.metrics.transport_tls_streams_open.add(1);
        }
        Some(key)
    }

    /// A socket can be written: one that was connecting is connected now, or has failed.
    pub(super) fn writable(&mut self, key: usize) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        if let State::Connecting { token, .. } = connection.state {
            let failed = connection.socket.take_error().ok().flatten().is_some();
            if failed || connection.socket.peer_addr().is_err() {
                // Without an error it is not connected yet: mio reports again.
                if failed {
                    self.close(key, "connect_failed");
                }
                return;
            }
            self.connected(key, token);
        }
        self.write(key);
    }

    /// TCP is up on a connection that we opened; over TLS the handshake begins.
    fn connected(&mut self, key: usize, token: SendToken) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        let transport = connection.flow.transport;
        // Without a listener there is no better address to show than the connection's own.
        if !self.listeners.iter().any(|listener| listener.transport == transport)
            && let Ok(bound) = connection.socket.local_addr()
        {
            connection.flow.local = bound;
        }
        if connection.tls.is_some() {
            let begun = Clock.mono();
            let deadline = begun + self.config.handshake_for_max;
            connection.state = State::Handshaking { begun, deadline, token: Some(token) };
            self.count_handshake(key, 1);
            return;
        }
        self.opened(key, Some(token));
    }

    /// A connection is up: bytes of SIP may go both ways. An accepted one (no `token`) has still to show
    /// that it is of use, by its first byte.
    pub(super) fn opened(&mut self, key: usize, token: Option<SendToken>) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        connection.state = match token {
            Some(_) => State::Open,
            None => State::Silent { deadline: Clock.mono() + self.config.silent_for_max },
        };
        let side = if token.is_some() { "ours" } else { "theirs" };
        self.metrics.transport_streams_opened_total.count(side);
        self.uplink.send(Up::Opened { flow: connection.flow, token });
    }

    /// Counts a handshake that has begun (+1) or is over (-1).
    pub(super) fn count_handshake(&mut self, key: usize, change: isize) {
        let Some(connection) = self.connections.get(key) else { return };
        let source = source_of(connection.flow.remote.ip());
        self.connections.count_handshake(source, change);
        self.metrics.transport_tls_handshakes_open.add(change as i64);
    }
}
