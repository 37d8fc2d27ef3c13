//! Our requests outside of dialogs: REGISTER, OPTIONS and the like (RFC 3261 §8.1, §10.2). Sans-IO.
//! One request goes through challenges and destinations, each time in a new transaction. It is in
//! the table under its current one, and taken out while something works on it.

use std::collections::{BTreeSet, HashMap};

use shared::{Instant, Now, TlsFailure};

use super::core::Core;
use super::credentials::{CHALLENGES_MAX, answerable};
use super::event::{Responded, TraceOwner, UaEvent};
use super::outgoing::{OutgoingRequest, Sequence};
use super::tokens::tag_text;
use super::{UNAVAILABLE, UserAgent};
use crate::digest::client::Authorization;
use crate::flow::Destination;
use crate::ids::RequestId;
use crate::message::{CallId, Method, Request, Response};
use crate::name_addr::{Contacts, NameAddr};
use crate::text::Text;
use crate::transaction::ClientKey;

/// The requests that wait for a final response, by their current transaction.
#[derive(Debug, Default)]
pub(super) struct Requests {
    pending: HashMap<ClientKey, Pending>,
    deadlines: BTreeSet<(Instant, ClientKey)>,
    /// The request that is taken out. Found here by the next input, a panic took it.
    in_hand: Option<RequestId>,
}

/// One request, over all its challenges and destinations.
#[derive(Debug)]
struct Pending {
    id: RequestId,
    message: Box<OutgoingRequest>,
    from_tag: Text,
    call_id: CallId,
    cseq: u32,
    /// The Contact as last sent.
    contact: Option<NameAddr>,
    /// Destinations tried, the current one included.
    tried: usize,
    destination: Destination,
    /// When the next destination is tried for silence; `None` once a response came, or without a
    /// next one.
    failover_at: Option<Instant>,
    authorization: Option<Authorization>,
    /// Challenges answered so far. An `authorization` before the first is from an earlier request.
    challenges: u8,
    /// The failure of TLS with the current destination.
    tls_failure: Option<TlsFailure>,
}

impl UserAgent {
    /// `Command::Request`.
    pub(super) fn request(&mut self, now: Now, id: RequestId, message: Box<OutgoingRequest>) {
        match self.prepare(id, message) {
            Ok(pending) => self.send_request(now, pending),
            Err((status, reason)) => {
                self.core.meters.requests_refused += 1;
                let nothing = Responded::nothing(id, status, reason);
                self.core.outbox.emit(UaEvent::Responded(Box::new(nothing)));
            }
        }
    }

    /// A new response to one of these.
    pub(super) fn request_answered(&mut self, now: Now, key: ClientKey, response: Response) {
        if response.is_provisional() {
            self.requests.heard(key);
            return;
        }
        let Some(mut pending) = self.requests.take(key) else { return };
        let goes_on = match response.status {
            401 | 407 => pending.take_challenge(&response),
            UNAVAILABLE => pending.take_next(&mut self.core),
            _ => false,
        };
        if goes_on {
            self.send_request(now, pending);
        } else {
            let reason = response.reason.to_lossy().into_owned();
            self.core.outbox.emit(pending.responded(response.status, reason, Some(response)));
        }
        self.requests.put_down();
    }

    /// A request got no response, or could not be sent.
    pub(super) fn request_failed(&mut self, now: Now, key: ClientKey, status: u16) {
        let Some(mut pending) = self.requests.take(key) else { return };
        if pending.take_next(&mut self.core) {
            self.send_request(now, pending);
        } else {
            let reason = match pending.tls_failure {
                Some(failure) => failure.sentence(),
                None => shared::refusal::generic_phrase(status),
            };
            self.core.outbox.emit(pending.responded(status, reason.to_owned(), None));
        }
        self.requests.put_down();
    }

    /// Leaves destinations that stayed silent for too long. A late response from there counts as
    /// stray.
    pub(super) fn leave_silent_destinations(&mut self, now: Now) {
        while let Some(key) = self.requests.next_due(now.mono) {
            self.core.clients.remove(key);
            self.request_failed(now, key, UNAVAILABLE);
        }
    }

    fn prepare(
        &mut self,
        id: RequestId,
        mut message: Box<OutgoingRequest>,
    ) -> Result<Pending, (u16, &'static str)> {
        if matches!(message.method, Method::Invite | Method::Ack | Method::Bye | Method::Cancel) {
            return Err((500, "the method makes a dialog or needs one"));
        }
        if self.requests.pending.len() >= self.core.config.requests_max {
            return Err((UNAVAILABLE, "too many requests at once"));
        }
        let destination = message.destinations.first().cloned();
        let destination = destination.ok_or((UNAVAILABLE, "no destination"))?;
        let (call_id, cseq, authorization) = match message.continues.take() {
            Some(sequence) => (sequence.call_id, sequence.cseq, sequence.authorization),
            None => {
                let call_id = self.core.tokens.call_id();
                (call_id.ok_or((500, "the host name cannot stand in a Call-ID"))?, 0, None)
            }
        };
        let authorization = authorization
            .filter(|before| message.credentials.as_ref() == Some(before.credentials()));
        Ok(Pending {
            id,
            from_tag: tag_text(self.core.tokens.fresh()),
            call_id,
            cseq,
            contact: None,
            tried: 1,
            destination,
            failover_at: None,
            authorization,
            challenges: 0,
            tls_failure: None,
            message,
        })
    }

    /// Sends the request to its current destination, as a transaction of its own.
    fn send_request(&mut self, now: Now, mut pending: Pending) {
        pending.cseq = pending.cseq.saturating_add(1);
        let request = pending.write(&mut self.core);
        let (owner, to) = (TraceOwner::Request(pending.id), pending.destination.clone());
        self.core.outbox.trace_sent(Some(owner), &request, &to);
        let key = self.core.start(now, request, to, None);
        let has_next = pending.tried < pending.message.destinations.len();
        pending.failover_at = has_next.then(|| now.mono + self.core.config.silence_max);
        self.requests.insert(key, pending);
    }
}

impl Pending {
    fn write(&mut self, core: &mut Core) -> Request {
        let message = &self.message;
        let mut request = Request::new(
            message.method.clone(),
            message.request_uri.clone(),
            NameAddr::new(message.from.clone()).with_tag(self.from_tag.clone()),
            NameAddr::new(message.to.clone()),
            self.call_id.clone(),
            self.cseq,
        );
        self.contact = message.contact.as_ref().map(|own| {
            let (local, transport) = (self.destination.local, self.destination.transport);
            let mut contact = core.contact(&own.user, local, transport);
            contact.parameters = own.parameters.clone();
            contact
        });
        request.contact = self.contact.clone().map_or_else(Contacts::none, Contacts::one);
        request.route = message.route.iter().cloned().map(NameAddr::new).collect();
        core.add_headers(&mut request.headers, &message.headers);
        core.authorize(&mut request, self.authorization.as_mut());
        request
    }

    /// Takes the challenge of this response for the next attempt; `false` when it cannot be
    /// answered.
    fn take_challenge(&mut self, response: &Response) -> bool {
        let Some(credentials) = &self.message.credentials else { return false };
        // A server may forget the nonce of an earlier request without calling it stale.
        let before = self.authorization.as_ref().filter(|_| self.challenges > 0);
        let Some(authorization) = answerable(response, credentials, before) else { return false };
        if self.challenges >= CHALLENGES_MAX {
            return false;
        }
        self.challenges = self.challenges.saturating_add(1);
        self.authorization = Some(authorization);
        true
    }

    /// Goes on to the next destination; `false` when there is none.
    fn take_next(&mut self, core: &mut Core) -> bool {
        let Some(next) = self.message.destinations.get(self.tried).cloned() else { return false };
        core.meters.failovers += 1;
        self.tried = self.tried.saturating_add(1);
        self.destination = next;
        // A nonce of one server means nothing to another.
        self.authorization = None;
        self.challenges = 0;
        self.tls_failure = None;
        true
    }

    fn responded(self, status: u16, reason: String, response: Option<Response>) -> UaEvent {
        // The next request begins at the first destination again.
        let authorization = self.authorization.filter(|_| self.tried == 1);
        let sequence = Sequence { call_id: self.call_id, cseq: self.cseq, authorization };
        let (headers, contacts) = match response {
            Some(response) => (Some(response.headers), response.contact),
            None => (None, Contacts::none()),
        };
        UaEvent::Responded(Box::new(Responded {
            request: self.id,
            status,
            reason,
            headers,
            contacts,
            own_contact: self.contact,
            sequence: Some(sequence),
        }))
    }
}

impl Requests {
    /// Requests without a final response.
    pub fn len(&self) -> usize {
        self.pending.len()
    }

    /// The soonest deadline.
    pub fn deadline(&self) -> Option<Instant> {
        self.deadlines.first().map(|(at, _)| *at)
    }

    /// The request of a transaction.
    pub fn owner(&self, key: ClientKey) -> Option<RequestId> {
        self.pending.get(&key).map(|pending| pending.id)
    }

    fn insert(&mut self, key: ClientKey, pending: Pending) {
        if let Some(at) = pending.failover_at {
            self.deadlines.insert((at, key));
        }
        self.pending.insert(key, pending);
    }

    fn take(&mut self, key: ClientKey) -> Option<Pending> {
        self.heard(key);
        let pending = self.pending.remove(&key)?;
        self.in_hand = Some(pending.id);
        Some(pending)
    }

    /// The request that was taken is sent again, or over.
    fn put_down(&mut self) {
        self.in_hand = None;
        debug_assert!(self.deadlines.len() <= self.pending.len(), "a deadline of no request");
    }

    /// The request that was taken and never put down: a panic took it.
    pub fn take_lost(&mut self) -> Option<RequestId> {
        self.in_hand.take()
    }

    /// Notes why TLS failed, for the outcome of the request.
    pub fn note_failure(&mut self, key: ClientKey, failure: TlsFailure) {
        if let Some(pending) = self.pending.get_mut(&key) {
            pending.tls_failure = Some(failure);
        }
    }

    /// The destination responded: silence no longer moves the request to the next one.
    fn heard(&mut self, key: ClientKey) {
        let Some(pending) = self.pending.get_mut(&key) else { return };
        if let Some(at) = pending.failover_at.take() {
            self.deadlines.remove(&(at, key));
        }
    }

    fn next_due(&self, now: Instant) -> Option<ClientKey> {
        self.deadlines.first().filter(|(at, _)| *at <= now).map(|(_, key)| *key)
    }
}
