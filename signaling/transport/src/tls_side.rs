//! The TLS of the transport thread: who it is, whom it believes, and which sources are vouched for. Shell.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use rustls::ClientConnection;
use shared::Instant;
use shared::limits::CONNECTION_SOURCES_VOUCHED_MAX;
use sip::FlowId;

use crate::stream::Connection;
use crate::tls::{ClientTls, ServerTls, TlsParts};

/// What the transport thread keeps for TLS.
#[derive(Default)]
pub(crate) struct TlsSide {
    pub(crate) server: Option<ServerTls>,
    client: Option<ClientTls>,
    /// Streams that wait for a leaf of that name; bounded by the streams that shake hands.
    pub(crate) waiting: BTreeMap<String, Vec<(usize, FlowId)>>,
    /// Looked up only; walked to forget what is over.
    vouched: HashMap<IpAddr, Instant>,
}

impl TlsSide {
    pub fn set(&mut self, parts: TlsParts) {
        self.server = parts.server;
        self.client = Some(parts.client);
    }

    /// A session towards a peer; `None` where its name is none.
    pub fn connect(&self, to: &Connection) -> Option<ClientConnection> {
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

    /// The limit on the streams of one source does not bind this one until then.
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
