//! TLS handshakes on the transport thread, a few steps in each turn. Shell.
//!
//! A peer that connects says in its ClientHello which name it wants. The certificate for that name may
//! have to be issued first, by a thread of its own; the handshake then waits in `TlsSide::waiting`,
//! holding its place but not the loop. The order of the steps is `ReadQueue`'s: after a restart all
//! phones are back at once, and a handshake that is dropped half done costs the most.

use std::sync::Arc;

use rustls::ServerConfig;
use shared::TlsFailure;
use shell::Clock;
use sip::SendFailure;

use super::Transport;
use crate::connection::State;
use crate::message::Up;
use crate::session::{Legacy, Session};
use crate::step::Step;
use crate::tls::{Choice, Minted, TlsFault};

impl Transport {
    /// One step of a handshake.
    pub(super) fn go_on_with_handshake(&mut self, key: usize) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        connection.turn = None;
        if !connection.readable || !connection.is_handshaking() {
            return;
        }
        let legacy = Legacy::of(self.tls.server.as_ref());
        let step = connection.shake_hands(&mut self.buffer, legacy);
        self.take_step(key, step);
        if let Some(connection) = self.connections.get_mut(key).filter(|it| it.readable) {
            self.reads.add(key, connection);
        }
    }

    fn take_step(&mut self, key: usize, step: Step) {
        match step {
            Step::More => {}
            Step::Named(name) => self.named(key, name.as_deref()),
            Step::Done(agreed) => self.agreed(key, agreed),
            Step::Gone => self.handshake_over(key, "peer", TlsFailure::Closed),
            Step::Failed(fault) => self.handshake_failed(key, &fault),
        }
    }

    /// A peer has said which name it wants.
    fn named(&mut self, key: usize, name: Option<&str>) {
        let choice = self.tls.server.as_mut().map(|server| server.choose(Clock.mono(), name));
        match choice {
            Some(Choice::Now(config)) => self.serve(key, config),
            Some(Choice::Soon(name)) => {
                let Some(connection) = self.connections.get(key) else { return };
                self.tls.waiting.entry(name).or_default().push((key, connection.flow.id));
            }
            // A reload took the certificates away after the connection was accepted.
            None => self.close(key, "asked"),
        }
    }

    /// A certificate was issued: the handshakes that wait for it go on.
    pub(super) fn minted(&mut self, minted: Minted) {
        let waiting = self.tls.waiting.remove(&minted.name).unwrap_or_default();
        let Some(server) = self.tls.server.as_mut() else { return };
        self.metrics.transport_tls_certificates_issued_total.count();
        let config = server.minted(Clock.mono(), minted);
        for (key, flow) in waiting {
            // The slot may hold another connection by now.
            let is_it = self.connections.get(key).is_some_and(|connection| {
                connection.flow.id == flow && connection.tls.as_ref().is_some_and(Session::is_named)
            });
            if is_it {
                self.serve(key, Arc::clone(&config));
            }
        }
    }

    fn serve(&mut self, key: usize, config: Arc<ServerConfig>) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        let Some(session) = connection.tls.as_mut() else { return };
        let step = session.serve(config, &mut connection.socket);
        // Bytes behind the ClientHello may be in the kernel: mio reported them before and will not again.
        connection.readable = true;
        self.reads.add(key, connection);
        self.take_step(key, step);
    }

    fn agreed(&mut self, key: usize, version: &'static str) {
        let Some(connection) = self.connections.get(key) else { return };
        let State::Handshaking { begun, token, .. } = connection.state else { return };
        self.metrics.transport_tls_handshakes_done_total.count(version);
        self.metrics.transport_tls_handshake_seconds.observe_duration(Clock.mono().since(begun));
        self.count_handshake(key, -1);
        self.opened(key, token);
        // Sends that waited for the handshake.
        self.write(key);
    }

    fn handshake_failed(&mut self, key: usize, fault: &TlsFault) {
        let (failure, detail) = (fault.failure, &fault.detail);
        if let Some(connection) = self.connections.get(key) {
            let (rule, peer) = (failure.rule(), connection.flow.remote);
            if is_outgoing(connection.state) {
                // The account of the call gets a notification, too; trunks have no account, so this line
                // is all that the operator of a trunk sees.
                let host = connection.reuse_key.host.as_deref().unwrap_or("its address");
                let sentence = failure.sentence();
                tracing::warn!(rule, %peer, host, detail, "TLS towards a peer failed: {sentence}");
            } else {
                tracing::debug!(rule, %peer, detail, "TLS of a peer failed");
                // Only this failure is a phone's: the others are scanners as a rule, and no account's
                // business.
                if failure == TlsFailure::OldVersion {
                    let name = fault.name.clone();
                    self.uplink.send(Up::TlsRefused { source: peer, name, failure });
                }
            }
        }
        self.handshake_over(key, "tls", failure);
    }

    /// Ends a connection that has not agreed on keys; `label` is for the counter of closed connections.
    pub(super) fn handshake_over(&mut self, key: usize, label: &'static str, failure: TlsFailure) {
        self.metrics.transport_tls_handshakes_failed_total.count(failure.rule());
        self.close_failed(key, label, SendFailure::Tls(failure));
    }
}

/// Whether a handshaking connection is one that we opened.
const fn is_outgoing(state: State) -> bool {
    matches!(state, State::Handshaking { token: Some(_), .. })
}
