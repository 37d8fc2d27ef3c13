//! The user agent: messages and commands in, messages and events out. Sans-IO.
//!
//! [`UserAgent`] takes commands and bytes and gives out events and bytes (`command`, `event`).
//! `receive` finds the owner of a message: a transaction, a session, or the layer above. A session
//! begins in `uas` or `uac` and lives on in `in_dialog` and `reoffer`. Sessions work beside the
//! `Core`, which all of them share: one session is taken out of its table, works on the core, and
//! is put back, so a panic in it costs no other.

mod client;
mod command;
mod config;
mod connections;
mod core;
mod credentials;
mod dialog_requests;
mod early;
mod event;
mod extensions;
mod in_dialog;
mod incoming;
mod info;
mod media;
mod meters;
mod objection;
mod outbox;
mod outgoing;
mod pending_requests;
mod receive;
mod refer;
mod referrals;
mod reliable;
mod reoffer;
mod request;
mod responses;
mod session;
mod sessions;
mod stateless;
mod strays;
mod tcp_refusals;
mod timer;
mod tokens;
mod uac;
mod uas;

use std::net::SocketAddr;

use shared::{Instant, NegotiatedMedia, Now, Random, Refusal, TlsFailure, Transport};

pub use command::{Command, Input};
pub use config::UaConfig;
pub use event::{Effect, EndCause, Responded, Trace, TraceDirection, TraceOwner, UaEvent};
pub use incoming::Incoming;
pub use meters::UaMeters;
pub use outgoing::{Attempts, Failover, Invite, OutgoingRequest, OwnContact, Sequence};
pub use session::replaces_unknown;

use self::core::Core;
use crate::digest;
use crate::flow::{Destination, Flow, FlowId, SendFailure, SendToken};
use crate::ids::SessionId;
use crate::message::CallId;
use crate::name_addr::Contacts;
use crate::overload::{Overload, OverloadControl};
use crate::refer_to::Replaces;
use crate::source_limits::SourceLimits;
use crate::transaction::{ClientFate, ClientKey, Clients, ServerFate, ServerKeys, Servers};
use connections::Connections;
use outbox::Outbox;
use request::Requests;
use session::Session;
use sessions::Sessions;
use tcp_refusals::TcpRefusals;
use tokens::Tokens;

/// SIP transactions and dialogs of one node.
///
/// After each `handle` or `handle_timeout`, call [`UserAgent::poll_effect`] until `None`.
#[derive(Debug)]
pub struct UserAgent {
    core: Core,
    sessions: Sessions,
    /// Our requests outside of dialogs.
    requests: Requests,
}

impl UserAgent {
    /// A user agent without sessions. `seed` is 32 unguessable random bytes: tags, branches and
    /// nonces derive from it.
    pub fn new(config: UaConfig, seed: [u8; 32]) -> Self {
        let random = Random::new(seed);
        let core = Core {
            servers: Servers::new(
                config.server_transactions_max,
                config.timers,
                ServerKeys::new(random.key_for("transactions")),
                random.key_for("sources"),
            ),
            clients: Clients::new(config.timers),
            digest: digest::Server::new(&config.realm, random.key_for("digest")),
            connections: Connections::default(),
            source_limits: SourceLimits::default(),
            at: Instant::ZERO,
            overload: OverloadControl::default(),
            outbox: Outbox::default(),
            meters: UaMeters::default(),
            tcp_refusals: TcpRefusals::default(),
            tokens: Tokens::new(config.origin, &config.host, random),
            config,
        };
        Self { core, sessions: Sessions::default(), requests: Requests::default() }
    }

    /// Takes one input.
    pub fn handle(&mut self, now: Now, input: Input<'_>) {
        debug_assert!(self.core.outbox.is_empty(), "drain the effects before the next input");
        self.mourn();
        self.core.at = now.mono;
        self.core.overload.knows(now);
        match input {
            Input::Received { flow, bytes } => self.receive(now, flow, bytes),
            Input::FlowOpened { flow, token } => self.flow_opened(now, flow, token),
            Input::FlowClosed { flow } => self.flow_closed(now, flow),
            Input::SendFailed { token, reason } => self.send_failed(now, token, reason),
            Input::Undelivered { remote, quoted } => self.undelivered(now, remote, quoted),
            Input::Command(command) => self.command(now, command),
        }
        self.gauge();
    }

    /// Handles all deadlines that have passed.
    pub fn handle_timeout(&mut self, now: Now) {
        self.mourn();
        self.core.at = now.mono;
        while let Some(fate) = self.core.servers.next_due(now.mono) {
            match fate {
                ServerFate::Resend(reply, bytes) => {
                    self.core.meters.retransmissions_sent += 1;
                    let to = self.core.reply_to(reply);
                    self.core.outbox.send(to, &bytes, SendToken::NOBODY);
                }
                ServerFate::Unacknowledged => self.core.meters.acks_missing += 1,
                ServerFate::Ended => {}
            }
        }
        while let Some((key, fate)) = self.core.clients.next_due(now.mono) {
            self.client_due(now, key, fate);
        }
        while let Some(id) = self.sessions.next_due(now.mono) {
            self.with_session(id, |session, core| session.handle_timeout(core, now));
        }
        self.leave_silent_destinations(now);
        self.handle_connection_timeouts(now);
        self.gauge();
    }

    /// The next effect; `None` when all are drained.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        self.mourn();
        self.core.outbox.poll()
    }

    /// When [`UserAgent::handle_timeout`] is due, and for what.
    pub fn poll_timeout(&self) -> Option<(Instant, &'static str)> {
        let session = self.sessions.deadline().map(|at| (at, "sip session"));
        let connections = self.core.connections.deadline();
        let request = self.requests.deadline().map(|at| (at, "sip request"));
        let others = shared::time::soonest(shared::time::soonest(session, request), connections);
        shared::time::soonest(others, self.core.transaction_deadline())
    }

    /// Counters since the start, and current sizes.
    pub fn meters(&self) -> UaMeters {
        self.core.meters
    }

    /// The Call-ID of a session; `None` when it is gone.
    pub fn call_id(&self, session: SessionId) -> Option<&CallId> {
        self.sessions.get(session)?.call_id()
    }

    /// The second stream of a recording session, as last negotiated.
    pub fn second_stream(&self, session: SessionId) -> Option<NegotiatedMedia> {
        self.sessions.get(session)?.second_stream()
    }

    /// The session whose dialog a `Replaces` names, in whichever order it has our tag.
    pub fn replaced(&self, replaces: &Replaces) -> Option<SessionId> {
        let tags = [&replaces.to_tag, &replaces.from_tag];
        tags.into_iter().find_map(|tag| {
            let session = self.sessions.of_tag(tag.as_bytes())?;
            session.is_replaced_by(replaces).then_some(session.id)
        })
    }

    /// The session that an INVITE with this `Replaces` may replace (RFC 3891 §3): its dialog is
    /// confirmed, and `to-tag` holds our tag.
    ///
    /// # Errors
    /// 481 for a dialog that is unknown or not answered yet, 486 for an answered one where
    /// `early-only` was set, 603 for one that is just ending.
    pub fn taken_over_by(&self, replaces: &Replaces) -> Result<SessionId, Refusal> {
        let session = self.sessions.of_tag(replaces.to_tag.as_bytes());
        session.ok_or_else(replaces_unknown)?.taken_over_by(replaces)
    }

    /// The digest server, to verify credentials of an [`Incoming`].
    pub fn digest(&mut self) -> &mut digest::Server {
        &mut self.core.digest
    }

    /// Rate limits of unauthenticated sources. The layer above knows who has authenticated, and
    /// notes it there.
    pub fn source_limits(&mut self) -> &mut SourceLimits {
        &mut self.core.source_limits
    }

    /// Sets the overload state, which responses report to peers that offer overload control (RFC
    /// 7339).
    pub fn set_overload(&mut self, now: Now, overload: Overload) {
        self.core.overload.set(now, overload);
    }

    /// Whether this source authenticated, registered or stood on an IP list lately.
    pub fn is_vouched(&self, now: Instant, source: std::net::IpAddr) -> bool {
        self.core.source_limits.is_vouched(now, source)
    }

    /// Begins a transaction for a request other than INVITE whose answer needs time, or must stay
    /// the same. Retransmissions end there until `Command::Respond` (with `remember`),
    /// `Command::Registered` or `Command::RejectStateless` answers it. Only for sources that have
    /// authenticated. Without room nothing is kept, and retransmissions come as requests of their
    /// own.
    pub fn hold(&mut self, incoming: &Incoming) {
        self.core.hold(incoming.flow, &incoming.request);
    }

    /// Exempts a connection from closing for idleness, or ends the exemption. For connections that
    /// carry a registration.
    pub fn keep_connection(&mut self, flow: FlowId, is_kept: bool) {
        self.core.connections.keep(flow, is_kept);
    }

    /// Whether a session still lives.
    pub fn has_session(&self, session: SessionId) -> bool {
        self.sessions.contains(session)
    }

    fn gauge(&mut self) {
        let core = &mut self.core;
        core.meters.messages_sent = core.outbox.messages_sent();
        core.meters.server_transactions = core.servers.len() as u64;
        core.meters.answers_forgotten = core.servers.answers_forgotten();
        core.meters.client_transactions = core.clients.len() as u64;
        core.meters.connections = core.connections.len() as u64;
        core.meters.sessions = self.sessions.len() as u64;
        core.meters.requests = self.requests.len() as u64;
    }

    /// Reports a session or request that a panic took, so that the layer above does not wait for
    /// it.
    fn mourn(&mut self) {
        if let Some(session) = self.sessions.take_lost() {
            self.core.outbox.emit(UaEvent::Ended {
                session,
                cause: EndCause::Internal,
                headers: None,
            });
        }
        if let Some(request) = self.requests.take_lost() {
            self.core.outbox.emit(UaEvent::Responded(Box::new(Responded::nothing(
                request,
                500,
                "the request broke inside the user agent",
            ))));
        }
    }

    fn client_due(&mut self, now: Now, key: ClientKey, fate: ClientFate) {
        match fate {
            ClientFate::Resend(key, to, bytes) => {
                self.core.meters.retransmissions_sent += 1;
                self.core.outbox.send(to, &bytes, SendToken(key.branch));
            }
            ClientFate::TimedOut(owner) => {
                self.core.meters.timeouts += 1;
                self.owner_failed(now, key, owner, TIMEOUT);
            }
            ClientFate::Ended => {}
        }
    }

    fn flow_opened(&mut self, now: Now, flow: Flow, token: Option<SendToken>) {
        if flow.transport.is_reliable() {
            self.core.connections.open(now.mono, flow, token.is_some());
        }
        if let Some(token) = token {
            let key = ClientKey { branch: token.0, is_cancel: false };
            self.core.clients.goes_by(key, flow);
        }
    }

    /// Fails requests without any response: the peer may never have read them. One that has a
    /// provisional response goes on, for the final one may come over a new connection (RFC 3261
    /// §18.2.2).
    fn flow_closed(&mut self, now: Now, flow: FlowId) {
        self.core.connections.remove(flow);
        for key in self.core.clients.calling_on(flow) {
            self.transaction_failed(now, key);
        }
    }

    fn send_failed(&mut self, now: Now, token: SendToken, reason: SendFailure) {
        self.core.meters.sends_failed += 1;
        let key = ClientKey { branch: token.0, is_cancel: false };
        if !self.core.clients.is_calling(key) {
            return;
        }
        if let SendFailure::Tls(failure) = reason {
            self.tls_failed(key, failure);
        }
        self.transaction_failed(now, key);
    }

    /// Reports the reason before the failure itself.
    fn tls_failed(&mut self, key: ClientKey, failure: TlsFailure) {
        self.requests.note_failure(key, failure);
        let peer = self.core.clients.destination(key).map(|to| to.remote);
        if let (Some(session), Some(peer)) = (self.core.clients.owner(key), peer) {
            self.core.outbox.emit(UaEvent::TlsFailed { session, peer, failure });
        }
    }

    /// Fails the quoted request when it has no response yet. A peer that responded once is
    /// reachable, and a server transaction ends by itself.
    fn undelivered(&mut self, now: Now, remote: SocketAddr, quoted: &[u8]) {
        let Some(branch) = self.core.tokens.own_branch(quoted) else { return };
        let key = ClientKey { branch, is_cancel: false };
        let is_meant = |to: &Destination| to.transport == Transport::Udp && to.remote == remote;
        let clients = &self.core.clients;
        if clients.is_calling(key) && clients.destination(key).is_some_and(is_meant) {
            self.core.meters.sends_failed += 1;
            self.transaction_failed(now, key);
        }
    }

    fn transaction_failed(&mut self, now: Now, key: ClientKey) {
        let owner = self.core.clients.remove(key);
        self.owner_failed(now, key, owner, UNAVAILABLE);
    }

    /// Reports to the owner of a transaction that it ended without a final response.
    fn owner_failed(&mut self, now: Now, key: ClientKey, owner: Option<SessionId>, status: u16) {
        match owner {
            Some(id) => self.with_session(id, |session, core| {
                session.request_failed(core, now, key, status);
            }),
            None => self.request_failed(now, key, status),
        }
    }

    fn command(&mut self, now: Now, command: Command) {
        match command {
            Command::RejectStateless { incoming, refusal, headers, trusted } => {
                self.core.reject_stateless(now, &incoming, &refusal, headers, trusted);
            }
            Command::Challenge { incoming, kind, stale } => {
                self.core.challenge(now, &incoming, kind, stale);
            }
            Command::Respond { incoming, status, headers, remember } => {
                self.core.respond_to(now, &incoming, status, headers, remember);
            }
            Command::Registered { incoming, contacts, headers } => {
                let contacts = Contacts::List(contacts);
                self.core.respond_registered(now, &incoming, contacts, &headers);
            }
            Command::Admit { incoming, session } => self.admit(now, *incoming, session),
            Command::Invite { session, invite } => self.invite(now, session, *invite),
            Command::Request { request, message } => self.request(now, request, message),
            Command::Progress { session, status, media, headers } => {
                self.order(session, |session, core| {
                    session.progress(core, now, status, media, &headers)
                });
            }
            Command::Answer { session, media, headers } => {
                self.order(session, |session, core| session.answer(core, now, &media, &headers));
            }
            Command::Reject { session, status, reason, headers } => {
                self.order(session, |session, core| {
                    session.reject(core, now, status, &reason, &headers)
                });
            }
            Command::Refuse { session, refusal } => {
                self.order(session, |session, core| session.refuse(core, now, &refusal));
            }
            Command::Cancel { session, headers } => {
                self.order(session, |session, core| session.cancel(core, now, headers));
            }
            Command::Bye { session, headers } => {
                self.order(session, |session, core| session.hang_up(core, now, headers));
            }
            Command::Reoffer { session, media } => {
                self.order(session, |session, core| session.reoffer(core, now, Some(media)));
            }
            Command::UpdateMetadata { session, metadata } => {
                self.order(session, |session, core| session.update_metadata(core, now, metadata));
            }
            Command::AnswerRefer { session, answer } => {
                self.order(session, |session, core| session.answer_refer(core, now, answer));
            }
            Command::NotifyRefer { session, status, is_final } => {
                self.order(session, |session, core| {
                    session.notify_refer(core, now, status, is_final)
                });
            }
            Command::Refer { session, target, headers } => {
                self.order(session, |session, core| session.refer(core, now, target, headers));
            }
            Command::AnswerOffer { session, answer } => {
                self.order(session, |session, core| session.answer_offer(core, now, answer));
            }
        }
    }

    /// Lets a session carry out a command. Counts one that its state does not allow.
    fn order(&mut self, id: SessionId, work: impl FnOnce(&mut Session, &mut Core) -> bool) {
        let mut is_done = false;
        self.with_session(id, |session, core| is_done = work(session, core));
        if !is_done {
            self.core.meters.commands_ignored += 1;
        }
    }

    /// Runs `work` on a session that is taken out of the table: a panic loses that session and no
    /// other.
    fn with_session(&mut self, id: SessionId, work: impl FnOnce(&mut Session, &mut Core)) {
        let Some(mut session) = self.sessions.take(id) else { return };
        work(&mut session, &mut self.core);
        self.sessions.put_back(session);
    }
}

/// The status of a request without any response (RFC 3261 §8.1.3.1).
const TIMEOUT: u16 = 408;
/// The status of a request that could not be sent.
const UNAVAILABLE: u16 = 503;

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;
    use crate::flow::Flow;

    #[test]
    fn a_panic_in_one_session_is_reported_and_loses_no_other() {
        let origin = shared::Origin { node: 1, generation: 1 };
        let mut agent = UserAgent::new(UaConfig::new(origin, "gw.test", "sip.test"), [1; 32]);
        for number in [1, 2] {
            ring(&mut agent, SessionId(number));
        }
        let lost = catch_unwind(AssertUnwindSafe(|| {
            agent.with_session(SessionId(1), |_, _| panic!("a broken belief"));
        }));
        assert!(lost.is_err());
        let told = agent.poll_effect();
        let Some(Effect::Event(UaEvent::Ended { session, cause, .. })) = told else {
            panic!("{told:?}")
        };
        assert_eq!((session, cause), (SessionId(1), EndCause::Internal));
        assert!(agent.poll_effect().is_none());
        assert!(!agent.has_session(SessionId(1)) && agent.has_session(SessionId(2)));
        assert_eq!(agent.sessions.len(), 1);
    }

    fn ring(agent: &mut UserAgent, session: SessionId) {
        let flow = Flow {
            id: FlowId(1),
            transport: Transport::Udp,
            local: ([192, 0, 2, 2], 5060).into(),
            remote: ([192, 0, 2, 1], 5060).into(),
        };
        let number = session.0;
        let text = format!(
            "INVITE sip:b@b.test SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK{number}\r\n\
             From: <sip:a@a.test>;tag=1\r\nTo: <sip:b@b.test>\r\nCall-ID: c{number}\r\n\
             CSeq: 1 INVITE\r\nContact: <sip:a@192.0.2.1>\r\n\r\n"
        );
        agent.handle(Now::default(), Input::Received { flow, bytes: text.as_bytes() });
        while let Some(effect) = agent.poll_effect() {
            if let Effect::Event(UaEvent::Incoming(incoming)) = effect {
                agent.handle(Now::default(), Input::Command(Command::Admit { incoming, session }));
            }
        }
    }
}
