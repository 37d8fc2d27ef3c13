//! Handshakes of TLS on the transport thread, a few steps in each turn. Shell.
//!
//! A peer that connects says in its ClientHello which name it wants; its leaf may have to be issued
//! first, by a thread of its own, and the handshake waits for that. Begun handshakes come before new ones, then
//! the order in which they came: after a restart all phones are back at once, and a handshake that is
//! dropped half done costs the most.

use std::sync::Arc;

use rustls::ServerConfig;
use shared::TlsFailure;
use shell::Clock;
use sip::SendFailure;

use crate::message::Up;
use crate::session::{Legacy, Session};
use crate::step::Step;
use crate::stream::State;
use crate::thread::Transport;
use crate::tls::{Choice, Minted, TlsFault};

impl Transport {
    /// One step of a handshake.
    pub(crate) fn go_on_with_handshake(&mut self, key: usize) {
        let Some(stream) = self.streams.get_mut(key) else { return };
        stream.queued = None;
        if !stream.readable || !stream.is_handshaking() {
            return;
        }
        let legacy = Legacy::of(self.tls.server.as_ref());
        let step = stream.shake_hands(&mut self.buffer, legacy);
        self.take_step(key, step);
        if self.streams.get(key).is_some_and(|stream| stream.readable) {
            self.queue(key);
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
                let Some(stream) = self.streams.get(key) else { return };
                self.tls.waiting.entry(name).or_default().push((key, stream.flow.id));
            }
            None => self.close(key, "asked"),
        }
    }

    /// A leaf has come: those who wait for it go on.
    pub(crate) fn minted(&mut self, minted: Minted) {
        let waiting = self.tls.waiting.remove(&minted.name).unwrap_or_default();
        let Some(server) = self.tls.server.as_mut() else { return };
        self.metrics.transport_tls_certificates_issued_total.count();
        let config = server.minted(Clock.mono(), minted);
        for (key, flow) in waiting {
            // The slot may have another stream by now.
            let is_it = self.streams.get(key).is_some_and(|stream| {
                stream.flow.id == flow && stream.tls.as_ref().is_some_and(Session::is_named)
            });
            if is_it {
                self.serve(key, Arc::clone(&config));
            }
        }
    }

    fn serve(&mut self, key: usize, config: Arc<ServerConfig>) {
        let Some(stream) = self.streams.get_mut(key) else { return };
        let Some(session) = stream.tls.as_mut() else { return };
        let step = session.serve(config, &mut stream.socket);
        // What came after the ClientHello may be in the kernel, unread and untold.
        stream.readable = true;
        self.queue(key);
        self.take_step(key, step);
    }

    fn agreed(&mut self, key: usize, version: &'static str) {
        let Some(stream) = self.streams.get(key) else { return };
        let State::Handshaking { begun, token, .. } = stream.state else { return };
        self.metrics.transport_tls_handshakes_done_total.count(version);
        self.metrics.transport_tls_handshake_seconds.observe_duration(Clock.mono().since(begun));
        self.count_handshake(key, -1);
        self.stream_up(key, token);
        self.write(key);
    }

    fn handshake_failed(&mut self, key: usize, fault: &TlsFault) {
        let (failure, detail) = (fault.failure, &fault.detail);
        if let Some(stream) = self.streams.get(key) {
            let (rule, peer) = (failure.rule(), stream.flow.remote);
            if is_ours(stream.state) {
                // The account of the call hears it, too; trunks have none.
                let host = stream.connection.host.as_deref().unwrap_or("its address");
                let sentence = failure.sentence();
                tracing::warn!(rule, %peer, host, detail, "TLS towards a peer failed: {sentence}");
            } else {
                tracing::debug!(rule, %peer, detail, "TLS of a peer failed");
                if failure == TlsFailure::OldVersion {
                    self.up(Up::TlsRefused { source: peer, name: fault.name.clone(), failure });
                }
            }
        }
        self.handshake_over(key, "tls", failure);
    }

    /// Ends a stream that has not agreed on keys; `label` is for the counter of closed streams.
    pub(crate) fn handshake_over(&mut self, key: usize, label: &'static str, failure: TlsFailure) {
        self.metrics.transport_tls_handshakes_failed_total.count(failure.rule());
        self.close_failed(key, label, SendFailure::Tls(failure));
    }
}

/// Whether a stream that shakes hands is one that we opened.
const fn is_ours(state: State) -> bool {
    matches!(state, State::Handshaking { token: Some(_), .. })
}
