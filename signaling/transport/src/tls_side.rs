//! TLS of the transport thread: identity, trust, and the sources that are vouched for. Shell.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use rustls::ClientConnection;
use shared::Instant;
use shared::limits::CONNECTION_SOURCES_VOUCHED_MAX;
use sip::FlowId;

use crate::connection::ReuseKey;
use crate::tls::{ClientTls, ServerTls, TlsParts};

/// TLS settings in force, handshakes that wait for a certificate, and vouched-for sources.
#[derive(Default)]
pub(crate) struct TlsSide {
    /// `None` where nothing listens for TLS.
    pub(crate) server: Option<ServerTls>,
    client: Option<ClientTls>,
    /// Handshakes that wait for the certificate of a name, as slab key and flow. Bounded by the
    /// handshakes.
    pub(crate) waiting: BTreeMap<String, Vec<(usize, FlowId)>>,
    /// Until when each source is vouched for.
    vouched: HashMap<IpAddr, Instant>,
}

impl TlsSide {
    pub fn set(&mut self, parts: TlsParts) {
        self.server = parts.server;
        self.client = Some(parts.client);
    }

    /// A session towards a peer; `None` where its name is not valid in a certificate.
    pub fn connect(&self, to: &ReuseKey) -> Option<ClientConnection> {
        let address = to.remote.ip().to_canonical().to_string();
        let host = to.host.as_deref().unwrap_or(&address);
        match self.client.as_ref()?.connect(host) {
            Ok(connection) => Some(connection),
            Err(error) => {
                tracing::debug!(%error, "TLS towards a peer cannot be begun");
                None
            }
        }
    }

    /// Lifts the limits per source for this one until then. A full table takes no new source: the
    /// limits bind it, which is the safe side.
    pub fn vouch(&mut self, source: IpAddr, until: Instant, now: Instant) {
        if self.vouched.len() >= CONNECTION_SOURCES_VOUCHED_MAX {
            self.vouched.retain(|_, until| *until > now);
        }
        if self.vouched.len() < CONNECTION_SOURCES_VOUCHED_MAX || self.vouched.contains_key(&source)
        {
            self.vouched.insert(source, until);
        }
    }

    pub fn is_vouched(&self, source: IpAddr, now: Instant) -> bool {
        self.vouched.get(&source).is_some_and(|until| *until > now)
    }
}
