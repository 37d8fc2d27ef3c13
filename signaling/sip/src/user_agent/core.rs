//! The machines that every session shares, and the requests that they send together. Sans-IO.
//!
//! A session is worked on beside the core: it decides what to send, the core sends it. Each machine of the
//! core owns its state behind methods: transactions find and repeat messages (`servers`, `clients`),
//! `tokens` names things, `connections` and `source_limits` decide who may speak, `outbox` keeps what the shell
//! has to do. None knows another; what takes two of them is a method of `Core`, here for requests, in
//! `responses` for answers, in `client` for what responses set off.

use std::net::SocketAddr;

use shared::{Header, Instant, Now, Transport};

use super::config::UaConfig;
use super::connections::Connections;
use super::meters::UaMeters;
use super::outbox::Outbox;
use super::tcp_refusals::TcpRefusals;
use super::tokens::Tokens;
use crate::flow::{Destination, SendTo, SendToken};
use crate::header::Headers;
use crate::ids::SessionId;
use crate::message::Request;
use crate::name_addr::NameAddr;
use crate::overload::OverloadControl;
use crate::source_limits::SourceLimits;
use crate::token::Token;
use crate::transaction::{Acknowledgement, ClientKey, Clients, Sender, Servers};
use crate::uri::{Host, SipUri};
use crate::via::{MAGIC_COOKIE, Via};

/// The user agent without its sessions and requests, so that one of those can be worked on beside
/// it.
#[derive(Debug)]
pub(super) struct Core {
    pub config: UaConfig,
    pub tokens: Tokens,
    /// Requests of peers, and our answers to copies of them.
    pub servers: Servers,
    /// Our requests, retransmissions included.
    pub clients: Clients,
    pub digest: crate::digest::Server,
    /// TCP and TLS connections.
    pub connections: Connections,
    pub source_limits: SourceLimits,
    pub overload: OverloadControl,
    /// Time of the current input.
    pub at: Instant,
    pub outbox: Outbox,
    /// Counters; those of sizes and of the outbox are brought up to date after each input.
    pub meters: UaMeters,
    pub tcp_refusals: TcpRefusals,
}

impl Core {
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

    /// Adds headers of the caller. Counts and drops those that only the user agent writes.
    pub fn add_headers(&mut self, headers: &mut Headers, extra: &[Header]) {
        for Header { name, value } in extra {
            let is_own = OWN_HEADERS.iter().any(|own| own.eq_ignore_ascii_case(name));
            if is_own || headers.push(name, value).is_err() {
                self.meters.headers_refused += 1;
            }
        }
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
