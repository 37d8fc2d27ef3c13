//! Certificates for the hosts of the API that SDKs and tools call: `api.twilio.com` and its siblings. Shell.
//!
//! The name a client asks for (SNI, RFC 6066 §3) decides. A host is a product, then an edge, a region or both,
//! then the base: `api.twilio.com`, `api.ie1.twilio.com`, `api.dublin.ie1.twilio.com`. A wildcard covers one label
//! (RFC 6125 §6.4.3), so each zone has a certificate of its own, issued when it is first asked for:
//!
//! ```text
//! name → below the base? ──no──▶ no certificate, the handshake fails
//!            │ yes
//!            ▼
//!        zone of known labels? ──no──▶ the same
//!            │ yes
//!            ▼
//!        issued within 30 days? ──yes──▶ that one
//!            │ no
//!            ▼
//!        issue, keep by zone
//! ```
//!
//! Issuing happens in the handshake, unlike for SIP (`minter.rs`): a thread of the HTTP server may spend the few
//! milliseconds, and the zones are finite. Edges and regions are a fixed list, so a client can neither fill the
//! cache nor have more certificates issued than there are zones.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use shared::api_host;
use shell::Clock;

use super::authority::{Authority, AuthorityError, CertifiedName};
use super::identity::Identity;

/// Chooses, issues and keeps the certificates of the API's hosts.
#[derive(Debug)]
pub struct ApiNames {
    authority: Arc<Authority>,
    /// By zone. At most as many as [`api_host::zone`] knows.
    issued: Mutex<HashMap<String, Issued>>,
}

#[derive(Debug)]
struct Issued {
    identity: Identity,
    unix_ms: i64,
}

impl ApiNames {
    /// Certificates of this authority.
    pub fn new(authority: Arc<Authority>) -> Self {
        Self { authority, issued: Mutex::default() }
    }

    fn renew_after_ms(&self) -> i64 {
        i64::try_from(self.authority.renew_after().as_millis()).unwrap_or(i64::MAX)
    }

    /// The identity for a host; `None` for a host that the API does not have. A client that names no host gets
    /// that of `api.twilio.com`.
    fn identity(
        &self,
        host: Option<&str>,
        unix_ms: i64,
    ) -> Result<Option<Identity>, AuthorityError> {
        let Some(zone) = api_host::zone(host.unwrap_or(api_host::API)) else { return Ok(None) };
        // Held while a certificate is issued: clients that ask for one zone at once wait for one certificate.
        let mut issued = self.issued.lock();
        if let Some(known) = issued.get(&zone)
            && unix_ms - known.unix_ms < self.renew_after_ms()
        {
            return Ok(Some(known.identity.clone()));
        }
        let names = [CertifiedName::Dns(format!("*.{zone}")), CertifiedName::Dns(zone.clone())];
        let identity = self.authority.issue(&names, unix_ms)?;
        issued.insert(zone, Issued { identity: identity.clone(), unix_ms });
        Ok(Some(identity))
    }
}

impl ResolvesServerCert for ApiNames {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        match self.identity(hello.server_name(), Clock.unix_ms()) {
            Ok(identity) => identity?.resolve(hello),
            Err(error) => {
                tracing::error!(%error, "no certificate for a host of the API");
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_790_000_000_000;

    fn names() -> (ApiNames, tempfile::TempDir) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let authority = Authority::open(folder.path(), NOW).expect("made");
        (ApiNames::new(Arc::new(authority)), folder)
    }

    /// The chain shown to a client of that name.
    fn leaf(names: &ApiNames, host: Option<&str>, now: i64) -> Option<Vec<u8>> {
        let identity = names.identity(host, now).expect("issued")?;
        Some(identity.chains()[0][0].to_vec())
    }

    #[test]
    fn hosts_of_one_zone_share_a_certificate_and_zones_have_one_each() {
        let (names, _folder) = names();
        let api = leaf(&names, Some("api.twilio.com"), NOW);
        assert!(api.is_some());
        assert_eq!(leaf(&names, Some("Voice.twilio.com."), NOW), api);
        assert_eq!(leaf(&names, None, NOW), api);
        let dublin = leaf(&names, Some("api.dublin.ie1.twilio.com"), NOW);
        assert!(dublin.is_some() && dublin != api);
        assert_eq!(names.issued.lock().len(), 2);
    }

    #[test]
    fn names_outside_the_api_get_none_and_leave_nothing() {
        let (names, _folder) = names();
        for host in ["packages.example.org", "twilio.com.evil.example", "api.evil.twilio.com"] {
            assert_eq!(leaf(&names, Some(host), NOW), None, "{host}");
        }
        assert!(names.issued.lock().is_empty());
    }

    #[test]
    fn a_certificate_is_renewed_long_before_it_expires() {
        let (names, _folder) = names();
        let first = leaf(&names, Some("api.twilio.com"), NOW);
        let month_ms = 30 * 24 * 3_600_000;
        assert_eq!(leaf(&names, Some("api.twilio.com"), NOW + month_ms - 1), first);
        assert_ne!(leaf(&names, Some("api.twilio.com"), NOW + month_ms), first);
    }
}
