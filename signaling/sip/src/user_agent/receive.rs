//! Finds the owner of a message: a transaction, a session, or the layer above. Sans-IO. Cheapest
//! first: sources past their limit, copies of requests (found from the top Via alone), then the
//! full parser, then dialogs. Only a request that none of them owns goes up.

use shared::{Extensions, Now, Transport};

use super::UserAgent;
use super::event::{TraceDirection, UaEvent};
use super::incoming::Incoming;
use super::objection::objection;
use super::responses::Shape;
use crate::flow::{Flow, ReplyRoute, SendToken};
use crate::ids::SessionId;
use crate::message::{self, Message, Method, RawMessage, Request, StartLine};
use crate::transaction::{Acknowledged, Canceled, Repeat, ServerKey};

impl UserAgent {
    pub(super) fn receive(&mut self, now: Now, flow: Flow, bytes: &[u8]) {
        match flow.transport {
            Transport::Udp if message::is_keep_alive(bytes) => self.core.meters.keep_alives += 1,
            Transport::Udp => self.receive_message(now, flow, bytes),
            Transport::Tcp | Transport::Tls => self.receive_on_connection(now, flow, bytes),
        }
    }

    /// One whole message.
    pub(super) fn receive_message(&mut self, now: Now, flow: Flow, bytes: &[u8]) {
        if self.is_unheard(flow, bytes) {
            return;
        }
        let raw = match message::parse(bytes) {
            Ok(raw) => raw,
            Err(error) => return self.core.answer_broken(flow, &error, bytes),
        };
        let key = self.key_of_lines(&raw);
        if key.is_some_and(|key| self.absorb_copy(flow, &raw, key)) {
            return;
        }
        match Message::from_raw(&raw) {
            Ok(Message::Request(request)) => self.receive_request(now, flow, request, key),
            Ok(Message::Response(response)) => self.receive_response(now, flow, response),
            Err(error) => self.core.answer_broken(flow, &error, bytes),
        }
    }

    /// The transaction of a request other than ACK, where the lines alone tell it.
    fn key_of_lines(&self, raw: &RawMessage<'_>) -> Option<ServerKey> {
        let is_ack = matches!(raw.start, StartLine::Request { method, .. } if method == b"ACK");
        if is_ack { None } else { self.core.servers.key_of_raw(raw) }
    }

    /// Answers a copy of a request from its transaction, without reading more than that answer
    /// needs.
    fn absorb_copy(&mut self, flow: Flow, raw: &RawMessage<'_>, key: ServerKey) -> bool {
        let read = || match Message::from_raw(raw) {
            Ok(Message::Request(mut request)) => {
                note_source(&mut request, flow);
                Some(request)
            }
            Ok(Message::Response(_)) | Err(_) => None,
        };
        self.answer_copy(key, flow, read)
    }

    /// Sends the last response of a transaction again; `false` when there is no such transaction.
    /// An ended one keeps only a part of it: the rest comes from the copy, and only the original
    /// source gets it.
    fn answer_copy(
        &mut self,
        key: ServerKey,
        flow: Flow,
        read: impl FnOnce() -> Option<Request>,
    ) -> bool {
        let core = &mut self.core;
        let Some(repeat) = core.servers.copy(key) else { return false };
        core.meters.retransmissions_absorbed += 1;
        let again = match repeat {
            Repeat::Nothing => None,
            Repeat::Same(bytes, reply) => Some((bytes.to_vec(), reply)),
            Repeat::Rebuilt(kept) if kept.is_for(flow.remote.ip()) => read().map(|copy| {
                let bytes = kept.again(&copy, core.tokens.origin(), &core.config.product);
                (bytes, ReplyRoute::of(flow, copy.top_via()))
            }),
            Repeat::Rebuilt(_) => None,
        };
        if let Some((bytes, reply)) = again {
            core.meters.retransmissions_sent += 1;
            let to = core.reply_to(reply);
            core.outbox.send(to, &bytes, SendToken::NOBODY);
        }
        true
    }

    /// A request that has no transaction under the key of its lines, where they gave one.
    fn receive_request(
        &mut self,
        now: Now,
        flow: Flow,
        mut request: Request,
        without: Option<ServerKey>,
    ) {
        self.core.meters.requests_received += 1;
        note_source(&mut request, flow);
        match request.method {
            Method::Ack => return self.receive_ack(now, flow, &request),
            Method::Cancel => return self.receive_cancel(now, flow, &request, without),
            _ => {}
        }
        if without.is_none() && self.is_copy(flow, &request) {
            return;
        }
        if request.to.tag().is_some() {
            return self.receive_in_dialog(now, flow, request);
        }
        if request.method == Method::Bye {
            return self.dialog_unknown(flow, request);
        }
        let is_merged = self.core.servers.is_merged(&request);
        let objection = objection(&request, &self.core.config.methods, is_merged);
        let extensions = Extensions::NONE;
        let incoming = Incoming { flow, request, objection, extensions };
        self.core.outbox.emit(UaEvent::Incoming(Box::new(incoming)));
    }

    /// Answers a copy of a request whose key needs the typed form (RFC 2543).
    fn is_copy(&mut self, flow: Flow, request: &Request) -> bool {
        let key = self.core.servers.key_of(request);
        key.is_some_and(|key| self.answer_copy(key, flow, || Some(request.clone())))
    }

    fn receive_in_dialog(&mut self, now: Now, flow: Flow, request: Request) {
        let Some(id) = self.session_of(&request) else {
            return self.dialog_unknown(flow, request);
        };
        self.trace_request(id, flow, &request);
        self.with_session(id, |session, core| session.receive(core, now, flow, request));
    }

    fn dialog_unknown(&mut self, flow: Flow, request: Request) {
        self.core.meters.dialogs_unknown += 1;
        self.answer_stray(flow, request);
    }

    /// Leaves the 481 to the layer above, which may have a reason to stay silent.
    fn answer_stray(&mut self, flow: Flow, request: Request) {
        if !self.core.config.limits_sources {
            return self.core.respond_stateless(flow, &request, 481, Shape::default());
        }
        if self.core.may_answer_stray(flow) {
            let (objection, extensions) = (None, Extensions::NONE);
            let incoming = Box::new(Incoming { flow, request, objection, extensions });
            self.core.outbox.emit(UaEvent::Stray(incoming));
        }
    }

    /// The session whose tag stands in To, if Call-ID and the other tag fit as well.
    fn session_of(&self, request: &Request) -> Option<SessionId> {
        let session = self.sessions.of_tag(request.to.tag()?.as_bytes())?;
        session.owns(request).then_some(session.id)
    }

    /// An ACK ends in its INVITE transaction, or it is for a 2xx and goes to the dialog.
    fn receive_ack(&mut self, now: Now, flow: Flow, ack: &Request) {
        match self.core.servers.acknowledge(now.mono, ack) {
            Some(Acknowledged::Absorbed | Acknowledged::TooEarly) => return,
            Some(Acknowledged::ForDialog) | None => {}
        }
        match self.session_of(ack) {
            Some(id) => {
                self.trace_request(id, flow, ack);
                self.with_session(id, |session, core| session.receive_ack(core, now, ack));
            }
            None => self.core.meters.acks_stray += 1,
        }
    }

    /// Answers a known CANCEL with 200, and its INVITE with 487 while that has no final response
    /// (RFC 3261 §9.2).
    fn receive_cancel(
        &mut self,
        now: Now,
        flow: Flow,
        cancel: &Request,
        without: Option<ServerKey>,
    ) {
        if without.is_none() && self.is_copy(flow, cancel) {
            return;
        }
        let Some(Canceled { key, is_open, session }) = self.core.servers.canceled_by(cancel) else {
            self.core.meters.cancels_unknown += 1;
            return self.answer_stray(flow, cancel.clone());
        };
        let tag = session.and_then(|id| self.sessions.get(id)).map(|session| session.tag_text());
        if let Some(id) = session {
            self.trace_request(id, flow, cancel);
        }
        let shape = Shape { tag, ..Shape::default() };
        self.core.respond_remembered(now, flow, cancel, session, 200, shape);
        if let Some(id) = session.filter(|_| is_open) {
            self.with_session(id, |session, core| session.canceled(core, now, key, cancel));
        }
    }

    fn trace_request(&mut self, session: SessionId, flow: Flow, request: &Request) {
        let peer = (flow.remote, flow.transport);
        self.core.outbox.trace(session, TraceDirection::Received, request.method.to_string(), peer);
    }
}

/// Writes the source into the top Via, over what the sender wrote there (RFC 3261 §18.2.1, RFC
/// 3581).
fn note_source(request: &mut Request, flow: Flow) {
    if let Some(via) = request.via.first_mut() {
        via.note_source(flow.remote);
    }
}
