//! What every part of the user agent shares: transactions, tokens, our addresses, the effects that
//! wait. Sans-IO.

use std::net::SocketAddr;

use shared::refusal::generic_phrase;
use shared::{Instant, Now, Transport};

use super::config::UaConfig;
use super::connections::Connections;
use super::meters::UaMeters;
use super::outbox::Outbox;
use super::tcp_refusals::TcpRefusals;
use super::tokens::Tokens;
use crate::flow::{Destination, ReplyRoute, SendTo, SendToken};
use crate::header::ExtraHeader;
use crate::header::Headers;
use crate::ids::SessionId;
use crate::message::{Method, Request, Response};
use crate::name_addr::{Contacts, NameAddr};
use crate::overload::OverloadControl;
use crate::sdp;
use crate::strangers::Strangers;
use crate::text::Text;
use crate::token::Token;
use crate::transaction::{
    Acknowledgement, Answered, ClientKey, Clients, Sender, ServerKey, ServerKeys, ServerMachine,
    Servers,
};
use crate::uri::{Host, SipUri};
use crate::via::{MAGIC_COOKIE, Via};

/// The user agent without its sessions and requests, so that one of those can be worked on beside
/// it.
#[derive(Debug)]
pub(super) struct Core {
    pub config: UaConfig,
    pub tokens: Tokens,
    pub keys: ServerKeys,
    pub servers: Servers,
    pub clients: Clients,
    pub digest: crate::digest::Server,
    pub connections: Connections,
    pub strangers: Strangers,
    pub overload: OverloadControl,
    /// Time of the current input.
    pub at: Instant,
    pub outbox: Outbox,
    pub meters: UaMeters,
    pub tcp_refusals: TcpRefusals,
}

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
    pub headers: &'a [ExtraHeader],
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

    /// Where one of our requests goes now.
    pub fn request_to(&self, destination: &Destination) -> SendTo {
        let Destination { transport, remote, local, flow, host } = destination.clone();
        match (transport, flow) {
            (Transport::Udp, socket) => SendTo::Datagram { socket, remote },
            (Transport::Tcp | Transport::Tls, Some(flow)) if self.connections.is_read(flow) => {
                SendTo::Flow(flow)
            }
            (Transport::Tcp | Transport::Tls, _) => {
                SendTo::Connect { transport, remote, local, host }
            }
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

    /// Adds headers of the caller. Counts and drops those that only the user agent writes.
    pub fn add_headers(&mut self, headers: &mut Headers, extra: &[ExtraHeader]) {
        for (name, value) in extra {
            let is_own = OWN_HEADERS.iter().any(|own| own.eq_ignore_ascii_case(name));
            if is_own || headers.push(name, value).is_err() {
                self.meters.headers_refused += 1;
            }
        }
    }

    /// Sends a response through its transaction. Returns its bytes and where they went.
    pub fn respond(
        &mut self,
        now: Now,
        key: ServerKey,
        response: &Response,
    ) -> (Vec<u8>, Option<ReplyRoute>) {
        let bytes = response.to_bytes();
        let timers = self.config.timers;
        let answered = self.servers.respond(key, now.mono, &timers, response, &bytes);
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
        flow: crate::flow::Flow,
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
        flow: crate::flow::Flow,
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
    pub fn hold(&mut self, flow: crate::flow::Flow, request: &Request) {
        if self.take_unanswered(flow, request, None).is_none() {
            self.meters.transactions_refused += 1;
        }
    }

    /// Whether a transaction of the request waits for its answer.
    pub fn holds(&self, request: &Request) -> bool {
        self.keys.of(request).is_some_and(|key| self.servers.is_unanswered(key))
    }

    /// The transaction of a request other than INVITE: a new one, or the one that holds it; `None`
    /// without room.
    fn take_unanswered(
        &mut self,
        flow: crate::flow::Flow,
        request: &Request,
        session: Option<SessionId>,
    ) -> Option<ServerKey> {
        let key = self.keys.of(request)?;
        if self.servers.contains(key) {
            return self.servers.is_unanswered(key).then_some(key);
        }
        if !self.has_room_for(flow) {
            return None;
        }
        let reply = ReplyRoute::of(flow, request.top_via());
        self.servers.insert(key, ServerMachine::Other { session }, reply);
        Some(key)
    }

    pub fn stateless_tag(&self, request: &Request) -> Text {
        self.tokens.stateless_tag(self.keys.stateless_tag(request))
    }

    /// Sends a request in a new transaction; adds Via and User-Agent.
    pub fn start(
        &mut self,
        now: Now,
        mut request: Request,
        destination: Destination,
        session: Option<SessionId>,
    ) -> ClientKey {
        let token = self.tokens.fresh();
        let bytes = self.seal(&mut request, &destination, token);
        let key = ClientKey { branch: token.value, is_cancel: false };
        let to = self.request_to(&destination);
        let sender = Sender { to: to.clone(), destination, session };
        self.clients.start(now.mono, key, sender, request, &bytes);
        self.outbox.send(to, &bytes, SendToken(key.branch));
        key
    }

    /// Sends an ACK for a 2xx, which has no transaction. Returns the ACK, for copies of the 2xx.
    pub fn send_ack(
        &mut self,
        mut ack: Request,
        destination: &Destination,
        session: Option<SessionId>,
    ) -> Acknowledgement {
        let token = self.tokens.fresh();
        let bytes = self.seal(&mut ack, destination, token);
        let to = self.request_to(destination);
        self.outbox.trace_sent(session, &ack, destination);
        self.outbox.send(to.clone(), &bytes, SendToken::NOBODY);
        Acknowledgement { bytes: bytes.into(), to }
    }

    /// Our address towards a destination, as a Contact.
    pub fn contact(&self, user: &str, local: SocketAddr, transport: Transport) -> NameAddr {
        let mut uri = SipUri::at(local.ip(), local.port()).with_user(user);
        let _ = uri.parameters.set("transport", Some(transport.parameter())); // a constant token
        NameAddr::new(uri)
    }

    /// The soonest deadline of a transaction, and which kind it is.
    pub fn transaction_deadline(&self) -> Option<(Instant, &'static str)> {
        let servers = self.servers.deadline().map(|at| (at, "sip server transaction"));
        let clients = self.clients.deadline().map(|at| (at, "sip client transaction"));
        shared::time::soonest(servers, clients)
    }

    /// Adds Via and User-Agent; returns the bytes.
    fn seal(&mut self, request: &mut Request, destination: &Destination, token: Token) -> Vec<u8> {
        let local = destination.local;
        let transport = destination.transport;
        let branch = format!("{}{token}", String::from_utf8_lossy(MAGIC_COOKIE));
        if let Ok(via) = Via::new(transport, Host::from(local.ip()), local.port(), &branch) {
            request.via = vec![via];
        }
        let _ = request.headers.set("User-Agent", &self.config.product); // ours, checked at start
        request.to_bytes()
    }
}

/// Headers that only the user agent writes; those with a field of their own are refused by
/// `Headers::push`.
const OWN_HEADERS: [&str; 4] = ["Server", "User-Agent", "Content-Type", "c"];
