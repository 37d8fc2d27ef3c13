//! TLS as a client: which authorities we trust. The name of the peer is always verified. Shell.

use std::path::Path;
use std::sync::Arc;

use rustls::client::ResolvesClientCert;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, ClientConnection, RootCertStore, SignatureScheme};

use super::identity::{Identity, IdentityError};

/// Opens TLS towards peers.
#[derive(Clone, Debug)]
pub struct ClientTls {
    config: Arc<ClientConfig>,
}

impl ClientTls {
    /// Trusts the system's authorities, those of the file `authorities` (PEM, `sip.tls_ca`) and `more`.
    /// Shows `identity` to peers that ask for a client certificate.
    ///
    /// # Errors
    /// The file cannot be used, or rustls refuses the settings.
    pub fn new(
        authorities: Option<&Path>,
        more: impl IntoIterator<Item = CertificateDer<'static>>,
        identity: Option<&Identity>,
    ) -> Result<Self, IdentityError> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        roots.add_parsable_certificates(more);
        if let Some(path) = authorities {
            roots.add_parsable_certificates(read_authorities(path)?);
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(rustls::ALL_VERSIONS)?
            .with_root_certificates(roots);
        let shown = identity.and_then(Identity::as_client);
        let config = config.with_client_cert_resolver(Arc::new(Shown(shown)));
        Ok(Self { config: Arc::new(config) })
    }

    /// A session towards the peer that must prove to be `host` (name or address, RFC 5922 §7.1).
    ///
    /// # Errors
    /// When `host` is neither.
    pub fn connect(&self, host: &str) -> Result<ClientConnection, IdentityError> {
        let bare = host.trim_start_matches('[').trim_end_matches(']').trim_end_matches('.');
        let name = ServerName::try_from(bare.to_owned()).map_err(|error| {
            IdentityError::Pair(rustls::Error::General(format!("`{host}`: {error}")))
        })?;
        Ok(ClientConnection::new(Arc::clone(&self.config), name)?)
    }
}

fn read_authorities(path: &Path) -> Result<Vec<CertificateDer<'static>>, IdentityError> {
    let problem = |problem: String| IdentityError::File {
        path: path.to_owned(),
        setting: "sip.tls_ca",
        problem,
    };
    let found: Vec<_> = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect)
        .map_err(|error| problem(error.to_string()))?;
    if found.is_empty() {
        return Err(problem("there is no certificate in it".to_owned()));
    }
    Ok(found)
}

/// One identity for every peer that asks.
#[derive(Debug)]
struct Shown(Option<Arc<CertifiedKey>>);

impl ResolvesClientCert for Shown {
    fn resolve(&self, _: &[&[u8]], schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        let shown = self.0.as_ref()?;
        shown.key.choose_scheme(schemes).map(|_| Arc::clone(shown))
    }

    fn has_certs(&self) -> bool {
        self.0.is_some()
    }
}
