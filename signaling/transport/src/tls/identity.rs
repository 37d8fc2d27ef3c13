//! The identity of the gateway: certificate chains with their keys. Shell.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{SignatureAlgorithm, SignatureScheme};

/// Up to two chains for one set of names, one for each kind of key.
#[derive(Clone, Debug)]
pub struct Identity {
    /// For peers that verify ECDSA: a signature costs a tenth of RSA's.
    ecdsa: Option<Arc<CertifiedKey>>,
    /// For all other peers.
    rsa: Option<Arc<CertifiedKey>>,
    /// The RSA chain and its key once more, for the OpenSSL of `legacy-tls`.
    #[cfg(feature = "legacy-tls")]
    legacy: Option<Arc<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>>,
}

/// Reasons a chain and its key cannot be used. The operator's error, except `Pair` for our own authority.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// A file cannot be read.
    #[error("{} ({setting}) cannot be read: {problem}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The setting that names it.
        setting: &'static str,
        /// The system's words.
        problem: String,
    },
    /// One of the two settings is missing.
    #[error("`{missing}` is empty and `{given}` is not: set both, or neither for an own authority")]
    Half {
        /// The setting that is empty.
        missing: &'static str,
        /// The setting that is not.
        given: &'static str,
    },
    /// Key and certificate do not belong together, or TLS cannot use their kind.
    #[error("the certificate and its key cannot be used: {0}")]
    Pair(#[from] rustls::Error),
}

impl Identity {
    /// Two leaves that our authority issued, each with its key.
    ///
    /// # Errors
    /// When a key is of a kind that cannot sign.
    pub fn own(
        rsa: (CertificateDer<'static>, PrivateKeyDer<'static>),
        ecdsa: (CertificateDer<'static>, PrivateKeyDer<'static>),
    ) -> Result<Self, IdentityError> {
        Ok(Self {
            #[cfg(feature = "legacy-tls")]
            legacy: Some(Arc::new((vec![rsa.0.clone()], rsa.1.clone_key()))),
            rsa: Some(Arc::new(certified(vec![rsa.0], &rsa.1)?)),
            ecdsa: Some(Arc::new(certified(vec![ecdsa.0], &ecdsa.1)?)),
        })
    }

    /// The operator's files, both PEM: chain with the leaf first, and its key.
    ///
    /// # Errors
    /// [`IdentityError`], with the file and the setting that named it.
    pub fn from_files(certificate: &Path, key: &Path) -> Result<Self, IdentityError> {
        let file = |path: &Path, setting, problem: String| IdentityError::File {
            path: path.to_owned(),
            setting,
            problem,
        };
        let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(certificate)
            .and_then(Iterator::collect)
            .map_err(|error| file(certificate, CERTIFICATE, error.to_string()))?;
        if chain.is_empty() {
            let problem = "there is no certificate in it".to_owned();
            return Err(file(certificate, CERTIFICATE, problem));
        }
        let private =
            PrivateKeyDer::from_pem_file(key).map_err(|error| file(key, KEY, error.to_string()))?;
        let certified = Arc::new(certified(chain.clone(), &private)?);
        let is_rsa = certified.key.algorithm() == SignatureAlgorithm::RSA;
        #[cfg(feature = "legacy-tls")]
        let legacy = is_rsa.then(|| Arc::new((chain, private)));
        let (rsa, ecdsa) = if is_rsa { (Some(certified), None) } else { (None, Some(certified)) };
        Ok(Self {
            ecdsa,
            rsa,
            #[cfg(feature = "legacy-tls")]
            legacy,
        })
    }

    /// The chain for servers that ask us for a client certificate.
    pub fn as_client(&self) -> Option<Arc<CertifiedKey>> {
        self.ecdsa.clone().or_else(|| self.rsa.clone())
    }

    /// The RSA chain and its key, which all of the older suites need.
    #[cfg(feature = "legacy-tls")]
    pub fn legacy(&self) -> Option<&(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)> {
        self.legacy.as_deref()
    }

    #[cfg(test)]
    pub(super) fn chains(&self) -> Vec<Vec<CertificateDer<'static>>> {
        [&self.rsa, &self.ecdsa].into_iter().flatten().map(|key| key.cert.clone()).collect()
    }
}

impl ResolvesServerCert for Identity {
    /// The chain that the peer can verify. rustls has removed the schemes that do not fit its suites.
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let ecdsa = hello.signature_schemes().contains(&SignatureScheme::ECDSA_NISTP256_SHA256)
            || self.rsa.is_none();
        if ecdsa && self.ecdsa.is_some() { self.ecdsa.clone() } else { self.rsa.clone() }
    }
}

fn certified(
    chain: Vec<CertificateDer<'static>>,
    key: &PrivateKeyDer<'static>,
) -> Result<CertifiedKey, rustls::Error> {
    let signing = rustls::crypto::aws_lc_rs::sign::any_supported_type(key)?;
    let certified = CertifiedKey::new(chain, signing);
    certified.keys_match()?;
    Ok(certified)
}

/// The settings that name the operator's files.
pub(super) const CERTIFICATE: &str = "sip.tls_certificate";
pub(super) const KEY: &str = "sip.tls_key";
