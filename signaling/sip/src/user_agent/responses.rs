//! Answers to requests: with a transaction that repeats them, or without any state. Sans-IO.
//!
//! Three ways lead to a response. A request whose source has not authenticated is answered without state
//! (`respond_stateless`); every copy of it makes the same answer, with one To tag. A request that is
//! answered at once and once is answered from a transaction of its own (`respond_remembered`). A request
//! that needs time gets its transaction first (`hold`, `begin_other`, `begin_reinvite`) and its answer
//! later (`respond`). Without room for a transaction the first way serves for the second, since a peer
//! that reads its answer twice is better off than one that reads none.

use shared::refusal::generic_phrase;
use shared::{Header, Now, Transport};

use super::core::Core;
use super::session::Unacknowledged;
use crate::flow::{Flow, ReplyRoute, SendTo, SendToken};
use crate::ids::SessionId;
use crate::message::{Method, Request, Response};
use crate::name_addr::{Contacts, NameAddr};
use crate::sdp;
use crate::text::Text;
use crate::transaction::{Answered, Retransmission, ServerKey};

/// The parts of a response that are not copied from its request.
#[derive(Default)]
pub(super) struct Shape<'a> {
    /// Reason phrase; the standard's when empty.
    pub reason: &'a str,
    /// Our tag; `None` for 100.
    pub tag: Option<Text>,
    pub contact: Option<NameAddr>,
    /// Bindings of a 2xx to REGISTER; elsewhere none.
    pub bindings: Contacts,
    pub headers: &'a [Header],
    pub sdp: Option<&'a [u8]>,
}

impl Core {
    /// Where responses to a request go now: over its connection while that is open.
    pub fn reply_to(&self, reply: ReplyRoute) -> SendTo {
        let (flow, transport) = (reply.flow.id, reply.flow.transport);
        if transport == Transport::Udp {
            SendTo::Datagram { socket: Some(flow), remote: reply.address }
        } else if self.connections.contains(flow) {
            SendTo::Flow(flow)
        } else {
            let (remote, local) = (reply.address, reply.flow.local);
            SendTo::Connect { transport, remote, local, host: None }
        }
    }

    /// A response with the headers that all our responses carry.
    pub fn response(&mut self, request: &Request, status: u16, shape: Shape<'_>) -> Response {
        let reason = if shape.reason.is_empty() { generic_phrase(status) } else { shape.reason };
        let mut response = Response::for_request(request, status, reason);
        if let Some(via) = response.via.first_mut() {
            self.overload.answer(self.at, via);
        }
        if let Some(tag) = shape.tag.filter(|_| response.to.tag().is_none()) {
            response.to.set_tag(tag);
        }
        response.contact = shape.contact.map_or(shape.bindings, Contacts::one);
        self.add_headers(&mut response.headers, shape.headers);
        if let Some(sdp) = shape.sdp {
            let _ = response.set_body(sdp::MEDIA_TYPE, sdp.to_vec()); // the type is a constant
        }
        // Last, where `Kept` puts it when it answers a copy of the request.
        let _ = response.headers.set("Server", &self.config.product); // ours, checked at start
        response
    }

    /// Sends a response through its transaction. Returns its bytes and where they went.
    pub fn respond(
        &mut self,
        now: Now,
        key: ServerKey,
        response: &Response,
    ) -> (Vec<u8>, Option<ReplyRoute>) {
        let bytes = response.to_bytes();
        let answered = self.servers.respond(key, now.mono, response, &bytes);
        if let Some(Answered { reply, session }) = answered {
            self.outbox.trace_response(session, response, reply);
            let to = self.reply_to(reply);
            self.outbox.send(to, &bytes, SendToken::NOBODY);
        }
        (bytes, answered.map(|answered| answered.reply))
    }

    /// Sends a response and keeps nothing. The To tag is the same for every copy of the request.
    pub fn respond_stateless(
        &mut self,
        flow: Flow,
        request: &Request,
        status: u16,
        shape: Shape<'_>,
    ) {
        if request.method == Method::Ack {
            return;
        }
        let tag = self.stateless_tag(request);
        let response = self.response(request, status, Shape { tag: Some(tag), ..shape });
        let to = self.reply_to(ReplyRoute::of(flow, request.top_via()));
        self.outbox.send(to, &response.to_bytes(), SendToken::NOBODY);
    }

    /// Answers a request other than INVITE from a transaction of its own.
    pub fn respond_remembered(
        &mut self,
        now: Now,
        flow: Flow,
        request: &Request,
        session: Option<SessionId>,
        status: u16,
        shape: Shape<'_>,
    ) {
        let Some(key) = self.take_unanswered(flow, request, session) else {
            self.meters.transactions_refused += 1;
            return self.respond_stateless(flow, request, status, shape);
        };
        let tag = shape.tag.clone().unwrap_or_else(|| self.stateless_tag(request));
        let response = self.response(request, status, Shape { tag: Some(tag), ..shape });
        self.respond(now, key, &response);
    }

    /// Makes the transaction of a request that is answered later.
    pub fn hold(&mut self, flow: Flow, request: &Request) {
        if self.take_unanswered(flow, request, None).is_none() {
            self.meters.transactions_refused += 1;
        }
    }

    /// Whether a transaction of the request waits for its answer.
    pub fn holds(&self, request: &Request) -> bool {
        self.servers.key_of(request).is_some_and(|key| self.servers.is_unanswered(key))
    }

    /// The transaction of a request other than INVITE: a new one, or the one that holds it; `None`
    /// without room.
    fn take_unanswered(
        &mut self,
        flow: Flow,
        request: &Request,
        session: Option<SessionId>,
    ) -> Option<ServerKey> {
        let key = self.servers.key_of(request)?;
        if self.servers.contains(key) {
            return self.servers.is_unanswered(key).then_some(key);
        }
        if !self.has_room_for(flow) {
            return None;
        }
        self.servers.begin_other(key, session, flow, request);
        Some(key)
    }

    pub fn stateless_tag(&self, request: &Request) -> Text {
        self.tokens.stateless_tag(self.servers.stateless_tag(request))
    }

    /// Begins the transaction of a request other than INVITE that is answered later; `None` without
    /// room, and 503 was sent.
    pub fn begin_other(
        &mut self,
        session: SessionId,
        flow: Flow,
        request: &Request,
    ) -> Option<ServerKey> {
        let key = self.servers.key_of(request)?;
        if !self.has_room_for(flow) {
            self.meters.transactions_refused += 1;
            self.respond_stateless(flow, request, 503, Shape::default());
            return None;
        }
        self.servers.begin_other(key, Some(session), flow, request);
        Some(key)
    }

    /// Begins the transaction of a re-INVITE; `None` without room, and 503 was sent.
    pub fn begin_reinvite(
        &mut self,
        session: SessionId,
        flow: Flow,
        request: &Request,
    ) -> Option<ServerKey> {
        let key = self.servers.key_of(request)?;
        if !self.has_room_for(flow) {
            self.meters.transactions_refused += 1;
            self.respond_stateless(flow, request, 503, Shape::default());
            return None;
        }
        self.servers.begin_invite(key, session, flow, request, false);
        Some(key)
    }

    /// Refuses a request that the peer may send again; 500 carries `Retry-After`.
    pub fn refuse_later(
        &mut self,
        now: Now,
        flow: Flow,
        request: &Request,
        session: SessionId,
        status: u16,
    ) {
        let retry = [Header::new("Retry-After", self.tokens.below(10).to_string())];
        let headers: &[Header] = if status == 500 { &retry } else { &[] };
        let shape = Shape { headers, ..Shape::default() };
        self.respond_remembered(now, flow, request, Some(session), status, shape);
    }

    /// State that repeats a 2xx until its ACK comes, over every transport (§13.3.1.4).
    pub fn await_ack(
        &self,
        now: Now,
        request: &Request,
        (response, reply): (Vec<u8>, Option<ReplyRoute>),
    ) -> Option<Unacknowledged> {
        let timers = self.config.timers;
        Some(Unacknowledged {
            cseq: request.cseq.number,
            response,
            reply: reply?,
            resend: Retransmission::start(now.mono, timers.t1, timers.t2),
            give_up_at: now.mono + timers.transaction_timeout(),
            is_first: false,
            wants_answer: false,
        })
    }
}
