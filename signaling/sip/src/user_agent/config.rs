//! Settings of a user agent: who it is, its timers and its limits. Sans-IO.

use std::time::Duration;

use shared::limits::SIP_SILENCE_MS;
use shared::{Extensions, Origin};

use crate::message::Method;
use crate::transaction::Timers;

/// Settings of a user agent.
#[derive(Clone, Debug)]
pub struct UaConfig {
    /// Node and process generation, written into every branch, tag and Call-ID.
    pub origin: Origin,
    /// Product and version, for `Server` and `User-Agent`.
    pub product: String,
    /// Host of our Call-IDs, and the agent named in `Warning`.
    pub host: String,
    /// The one digest realm.
    pub realm: String,
    /// T1, T2 and T4.
    pub timers: Timers,
    /// How long a destination may stay silent, without even a 100, before the next one is tried or
    /// the request fails. Timer B (64·T1) still ends an INVITE where it is shorter.
    pub silence_max: Duration,
    /// Most server transactions at a time. Past it requests get 503.
    pub server_transactions_max: usize,
    /// Whether unauthenticated sources are held to a budget each (`source_limits`). `false` for a phone
    /// that talks to one server only.
    pub limits_sources: bool,
    /// Most of our requests outside of dialogs at a time. Past it: `Responded` with 503, nothing is
    /// sent.
    pub requests_max: usize,
    /// Port of our TCP listener: a request that is too large for a datagram goes by TCP and names
    /// this port in Via and Contact. `None`: it goes by UDP.
    pub tcp_port: Option<u16>,
    /// Whether SHA-256 is offered beside MD5 (RFC 8760).
    pub offers_sha256: bool,
    /// Methods served outside of dialogs, besides ACK, BYE and CANCEL; others get 405 or 501.
    pub methods: Vec<Method>,
    /// Extensions that every session has, listed in a 2xx to OPTIONS outside of dialogs.
    pub extensions: Extensions,
}

impl UaConfig {
    /// The default settings of a gateway node.
    pub fn new(origin: Origin, host: &str, realm: &str) -> Self {
        Self {
            origin,
            product: concat!("Sidetone/", env!("CARGO_PKG_VERSION")).to_owned(),
            host: host.to_owned(),
            realm: realm.to_owned(),
            timers: Timers::default(),
            silence_max: Duration::from_millis(SIP_SILENCE_MS),
            server_transactions_max: shared::limits::SERVER_TRANSACTIONS_MAX,
            limits_sources: true,
            requests_max: shared::limits::SIP_REQUESTS_MAX,
            tcp_port: None,
            offers_sha256: false,
            methods: vec![Method::Invite, Method::Options],
            extensions: Extensions::NONE,
        }
    }
}
