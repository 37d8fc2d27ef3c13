//! Settings of TLS servers, equal except for the certificates. Shell.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::server::{NoServerSessionStorage, ProducesTickets, ResolvesServerCert};

use super::identity::{Identity, IdentityError};

/// Makes server settings that differ only in their certificates, so that one ticket key serves all of
/// them.
#[derive(Clone)]
pub struct ServerMaker {
    tickets: Arc<dyn ProducesTickets>,
    alpn: Vec<Vec<u8>>,
}

impl ServerMaker {
    /// # Errors
    /// When the system gives no randomness for the ticket keys.
    pub fn new(alpn: &[&[u8]]) -> Result<Self, IdentityError> {
        let tickets = rustls::crypto::aws_lc_rs::Ticketer::new()?;
        Ok(Self { tickets, alpn: alpn.iter().map(|name| name.to_vec()).collect() })
    }

    /// Settings that show this identity to every peer.
    pub fn config(&self, identity: &Identity) -> Arc<ServerConfig> {
        self.choosing(Arc::new(identity.clone()))
    }

    /// TLS 1.2 and 1.3, ECDHE with AES-GCM or ChaCha20: all that rustls has. Sessions are resumed by
    /// tickets, which the peer keeps: a peer that left occupies no memory here.
    ///
    /// # Panics
    /// Never: the versions are those of the provider.
    pub fn choosing(&self, certificates: Arc<dyn ResolvesServerCert>) -> Arc<ServerConfig> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(rustls::ALL_VERSIONS)
            .expect("the provider's own versions")
            .with_no_client_auth()
            .with_cert_resolver(certificates);
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.ticketer = Arc::clone(&self.tickets);
        config.send_tls13_tickets = 1;
        // All suites are sound; one order makes it predictable which one a peer gets.
        config.ignore_client_order = true;
        config.alpn_protocols.clone_from(&self.alpn);
        Arc::new(config)
    }
}
