//! Settings of a user agent: who it is, its timers and its limits. Sans-IO.

use std::time::Duration;

use shared::limits::SIP_SILENCE_MS;
use shared::{Extensions, Origin};

use crate::message::Method;
use crate::transaction::Timers;

/// Settings of a user agent.
#[derive(Clone, Debug)]
pub struct UaConfig {
    /// Node and generation, in every branch, tag and Call-ID.
    pub origin: Origin,
    /// Product and version, for `Server` and `User-Agent`.
    pub product: String,
    /// Host of our own From and Call-ID when the caller names none; also in `Warning`.
    pub host: String,
    /// The one digest realm.
    pub realm: String,
    /// Timer values.
    pub timers: Timers,
    /// A destination that says nothing at all for so long is given up, for the next one or for good.
    /// Timer B (64·T1) still ends an INVITE where it is the shorter.
    pub silence_max: Duration,
    /// Server transactions in all.
    pub server_transactions_max: usize,
    /// Whether sources may be strangers, so that budgets by source hold (limits-and-rules section 1).
    /// `false` for a test phone: it talks to the one server that it was told of.
    pub meets_strangers: bool,
    /// Requests of ours outside of dialogs at once. Past it: `Responded` with 503, nothing is sent.
    pub requests_max: usize,
    /// Port of our TCP listener: a request that is too large for a datagram goes by TCP, and names it
    /// in Via and Contact. `None`: it goes by UDP.
    pub tcp_port: Option<u16>,
    /// Whether SHA-256 is offered beside MD5 (RFC 8760).
    pub offers_sha256: bool,
    /// Methods taken outside of dialogs, besides ACK, BYE and CANCEL; others get 405 or 501.
    pub methods: Vec<Method>,
    /// What a 2xx to OPTIONS outside of dialogs says is supported: what every session gets.
    pub extensions: Extensions,
}

impl UaConfig {
    /// The defaults of the contract for a node.
    pub fn new(origin: Origin, host: &str, realm: &str) -> Self {
        Self {
            origin,
            product: concat!("Sidetone/", env!("CARGO_PKG_VERSION")).to_owned(),
            host: host.to_owned(),
            realm: realm.to_owned(),
            timers: Timers::default(),
            silence_max: Duration::from_millis(SIP_SILENCE_MS),
            server_transactions_max: shared::limits::SERVER_TRANSACTIONS_MAX,
            meets_strangers: true,
            requests_max: shared::limits::SIP_REQUESTS_MAX,
            tcp_port: None,
            offers_sha256: false,
            methods: vec![Method::Invite, Method::Options],
            extensions: Extensions::NONE,
        }
    }
}
