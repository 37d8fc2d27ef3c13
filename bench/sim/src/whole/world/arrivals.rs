//! What reaches a machine of the world: datagrams, bytes of connections, and their ends.

use std::net::SocketAddr;
use std::time::Duration;

use control::Input;
use shared::Transport;
use sip::{Flow, FlowId, SendFailure, SendToken};

use super::super::GATEWAY;
use super::super::party::received;
use super::{CONNECTION_DELAY, Later, World};

impl World {
    pub(super) fn transmit(&mut self, from: SocketAddr, to: SocketAddr, bytes: &[u8]) {
        for delay in self.network.copies(from, bytes, &mut self.rng) {
            self.after(delay, Later::Datagram { from, to, bytes: bytes.to_vec() });
        }
    }

    pub(super) fn deliver(&mut self, from: SocketAddr, to: SocketAddr, bytes: &[u8]) {
        if to == GATEWAY {
            if self.process.is_up() {
                self.note_message(from, to, bytes);
                let flow = udp(GATEWAY, from);
                self.process.handle(self.now, Input::Sip(received(flow, bytes)));
            }
            return;
        }
        let Some(party) = self.network.party_at(to) else {
            return self.note_message(from, to, b"lost: nobody is there");
        };
        self.note_message(from, to, bytes);
        let phone = &mut self.parties[party];
        phone.note_tags(bytes);
        let flow = udp(phone.own, GATEWAY);
        phone.agent.handle(self.now, received(flow, bytes));
    }

    fn note_message(&mut self, from: SocketAddr, to: SocketAddr, bytes: &[u8]) {
        self.note(|| {
            let line = bytes.split(|byte| *byte == b'\r').next().unwrap_or_default();
            format!("    {from} > {to} {}", String::from_utf8_lossy(line))
        });
    }

    /// A phone connects to the gateway, to send `bytes`.
    pub(super) fn connect(&mut self, party: usize, bytes: &[u8], token: SendToken) {
        let connection = self.network.connect(party);
        self.parties[party].connection = Some(connection);
        let bytes = bytes.to_vec();
        self.after(CONNECTION_DELAY, Later::Opened { connection, token, bytes });
    }

    pub(super) fn opened(&mut self, id: FlowId, token: SendToken, bytes: &[u8]) {
        let Some(connection) = self.network.connection(id) else { return };
        let (party, remote) = (connection.party, connection.remote);
        if self.parties[party].connection != Some(id) {
            return self.network.refuse(id);
        }
        if !self.process.is_up() {
            self.network.refuse(id);
            self.parties[party].connection = None;
            self.note(|| format!("{party} finds nobody to connect to"));
            return self.fail_send(Some(party), token);
        }
        self.note(|| format!("{party} is connected from {remote}"));
        let flow = tcp(id, remote);
        let opened = sip::Input::FlowOpened { flow, token: None };
        self.process.handle(self.now, Input::Sip(opened));
        let phone = &mut self.parties[party];
        let opened = sip::Input::FlowOpened { flow: phone.flow(), token: Some(token) };
        phone.agent.handle(self.now, opened);
        phone.agent.keep_connection(id, true);
        self.settle();
        self.deliver_on(id, true, bytes);
    }

    pub(super) fn deliver_on(&mut self, id: FlowId, to_gateway: bool, bytes: &[u8]) {
        let connection = self.network.connection(id).filter(|connection| !connection.is_dead);
        let Some(connection) = connection else { return };
        let phone = &mut self.parties[connection.party];
        if to_gateway {
            let flow = tcp(id, connection.remote);
            self.process.handle(self.now, Input::Sip(received(flow, bytes)));
        } else if phone.connection == Some(id) {
            phone.note_tags(bytes);
            let flow = phone.flow();
            phone.agent.handle(self.now, received(flow, bytes));
        }
    }

    pub(super) fn closed(&mut self, id: FlowId, to_gateway: bool) {
        let Some(connection) = self.network.connection(id) else { return };
        let party = connection.party;
        if to_gateway {
            // What a NAT forgot does not arrive, not even the end.
            if !connection.is_dead && self.process.is_up() {
                self.note(|| format!("the gateway loses the connection of {party}"));
                self.book.connection_closed(connection.remote);
                let closed = sip::Input::FlowClosed { flow: id };
                self.process.handle(self.now, Input::Sip(closed));
            }
        } else if self.parties[party].connection == Some(id) {
            self.note(|| format!("{party} loses its connection"));
            self.parties[party].connection_gone(self.now, &mut self.rng);
            self.let_go(party, id);
        }
    }

    /// The phone's user agent learns that its connection is closed.
    pub(super) fn let_go(&mut self, party: usize, connection: FlowId) {
        let closed = sip::Input::FlowClosed { flow: connection };
        self.parties[party].agent.handle(self.now, closed);
    }

    /// Bytes of a phone (`None`: of the gateway) cannot be sent; its user agent learns that at once.
    pub(super) fn fail_send(&mut self, party: Option<usize>, token: SendToken) {
        self.after(Duration::ZERO, Later::SendFailed { party, token });
    }

    pub(super) fn send_failed(&mut self, party: Option<usize>, token: SendToken) {
        let failed = sip::Input::SendFailed { token, reason: SendFailure::Closed };
        match party {
            Some(party) => self.parties[party].agent.handle(self.now, failed),
            None => self.process.handle(self.now, Input::Sip(failed)),
        }
    }
}

const fn udp(local: SocketAddr, remote: SocketAddr) -> Flow {
    Flow { id: FlowId(0), transport: Transport::Udp, local, remote }
}

/// A connection as the gateway sees it.
const fn tcp(id: FlowId, remote: SocketAddr) -> Flow {
    Flow { id, transport: Transport::Tcp, local: GATEWAY, remote }
}
