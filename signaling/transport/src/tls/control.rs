//! TLS made from the settings, at start, again at SIGHUP, and when certificates of our own get old. Shell.
//!
//! A reload reads everything before it changes anything: with a damaged certificate file the gateway
//! keeps the certificates that it has. Only the authority outlives a reload, since phones trust its
//! roots. A renewal is a reload with the settings of the last one, on the thread `tls-names`
//! ([`super::minter`]); one lock keeps the two apart, so that what was made last is what is used.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::{Mutex, RwLock};
use rustls::ServerConfig;
use shared::config::{Config, PublicAddress};
use shell::Clock;
use store::DomainSuffix;

use super::api_names::ApiNames;
use super::authority::{Authority, AuthorityError, CertifiedName};
use super::client::ClientTls;
use super::identity::{CERTIFICATE, Identity, IdentityError, KEY};
use super::maker::ServerMaker;
use super::minter::{Minted, Minter, Renewal};
use super::server::ServerTls;

/// Reasons TLS cannot be set up from the settings.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// Our own authority.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    /// The operator's files.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The system gives no thread.
    #[error("cannot start the thread that issues certificates: {0}")]
    Thread(#[from] std::io::Error),
    /// `sip.legacy_tls` lacks the feature or an RSA certificate.
    #[error("{0}")]
    Legacy(String),
}

/// The parts of TLS that the transport thread owns.
pub struct TlsParts {
    /// For peers that connect to us; `None` where nothing listens for TLS.
    pub server: Option<ServerTls>,
    /// For peers that we connect to.
    pub client: ClientTls,
}

impl std::fmt::Debug for TlsParts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TlsParts").field("serves", &self.server.is_some()).finish_non_exhaustive()
    }
}

/// The current settings of HTTPS listeners; `None` where nothing listens for TLS.
pub type HttpsSettings = Arc<RwLock<Option<Arc<ServerConfig>>>>;

/// What the transport thread gets after the start.
#[derive(Debug)]
pub enum TlsNews {
    /// A certificate that was asked for.
    Minted(Minted),
    /// Everything anew.
    Parts(Box<TlsParts>),
}

type Tell = Arc<dyn Fn(TlsNews) + Send + Sync>;

/// Makes [`TlsParts`] from the settings, as often as they are reloaded or certificates get old.
pub struct TlsControl(Arc<Made>);

struct Made {
    data_dir: PathBuf,
    /// Addresses that a certificate must name, for peers that connect by address.
    addresses: Vec<IpAddr>,
    /// Opened when it is first needed; then one for the life of the process.
    authority: OnceLock<Arc<Authority>>,
    sip: ServerMaker,
    http: ServerMaker,
    https: HttpsSettings,
    /// Outlives a reload: it holds only the authority, and certificates of it.
    api_names: Option<Arc<ServerConfig>>,
    tell: Tell,
    /// The settings that were made last. Locked while they are made.
    config: Mutex<Config>,
}

impl TlsControl {
    /// Sets TLS up. Certificates name `addresses`; `tell` is called with each certificate that is issued
    /// on demand, and with what a reload or a renewal makes.
    ///
    /// # Errors
    /// [`TlsError`]: a sentence with its remedy.
    pub fn start(
        config: &Config,
        data_dir: &Path,
        addresses: Vec<IpAddr>,
        tell: impl Fn(TlsNews) + Send + Sync + 'static,
    ) -> Result<(Self, TlsParts), TlsError> {
        let (sip, http) = (ServerMaker::new(&[])?, ServerMaker::new(&[b"http/1.1"])?);
        let authority = OnceLock::new();
        let (data_dir, tell) = (data_dir.to_owned(), Arc::new(tell));
        let unfinished =
            Unfinished { data_dir: &data_dir, addresses: &addresses, authority: &authority };
        let identity = unfinished.identity(config)?;
        let https = identity.as_ref().map(|identity| http.config(identity));
        let https = Arc::new(RwLock::new(https));
        let api_names = match config.http.proxy.is_empty() {
            true => None,
            false => Some(http.choosing(Arc::new(ApiNames::new(unfinished.authority(config)?)))),
        };
        let of = Mutex::new(config.clone());
        let made =
            Made { data_dir, addresses, authority, sip, http, https, api_names, tell, config: of };
        let made = Arc::new(made);
        let parts = made.parts(config, identity.as_ref())?;
        Ok((Self(made), parts))
    }

    /// Reads the operator's files and the settings again, and tells the result. On an error nothing has changed.
    ///
    /// # Errors
    /// What is wrong.
    pub fn reload(&self, config: &Config) -> Result<(), TlsError> {
        let mut current = self.0.config.lock();
        self.0.make(config)?;
        current.clone_from(config);
        Ok(())
    }

    /// The settings of HTTPS listeners. Read them for each connection: a reload changes them.
    pub fn https(&self) -> HttpsSettings {
        Arc::clone(&self.0.https)
    }

    /// The settings of proxy listeners; `None` where there are none.
    pub fn api_names(&self) -> Option<Arc<ServerConfig>> {
        self.0.api_names.clone()
    }

    /// The roots that peers must trust, PEM; `None` where no certificate is issued, as with the operator's
    /// files.
    pub fn bundle(&self) -> Option<String> {
        self.0.authority.get().map(|authority| authority.bundle().to_owned())
    }
}

impl Made {
    /// Makes everything anew and tells it. The lock of the settings is held.
    fn make(self: &Arc<Self>, config: &Config) -> Result<(), TlsError> {
        let identity = self.unfinished().identity(config)?;
        let parts = self.parts(config, identity.as_ref())?;
        *self.https.write() = identity.as_ref().map(|identity| self.http.config(identity));
        (self.tell)(TlsNews::Parts(Box::new(parts)));
        Ok(())
    }

    /// Issues the gateway's own certificates anew; false where that failed.
    fn renew(self: &Arc<Self>) -> bool {
        let config = self.config.lock();
        match self.make(&config) {
            Ok(()) => {
                tracing::info!("the gateway's own certificates were issued anew");
                true
            }
            Err(error) => {
                tracing::error!(
                    "the gateway's own certificates get old, and new ones fail: {error}"
                );
                false
            }
        }
    }

    fn unfinished(&self) -> Unfinished<'_> {
        Unfinished {
            data_dir: &self.data_dir,
            addresses: &self.addresses,
            authority: &self.authority,
        }
    }

    fn parts(
        self: &Arc<Self>,
        config: &Config,
        identity: Option<&Identity>,
    ) -> Result<TlsParts, TlsError> {
        let server = identity.map(|identity| self.server(config, identity)).transpose()?;
        let ca = &config.sip.tls_ca;
        let ca = (!ca.as_os_str().is_empty()).then_some(ca.as_path());
        let own = self.authority.get().map(|authority| authority.roots());
        let client = ClientTls::new(ca, own.into_iter().flatten(), identity)?;
        Ok(TlsParts { server, client })
    }

    fn server(
        self: &Arc<Self>,
        config: &Config,
        identity: &Identity,
    ) -> Result<ServerTls, TlsError> {
        let minting = if has_files(config) { None } else { self.minting(config)? };
        let server = ServerTls::new(self.sip.config(identity), minting);
        #[cfg(feature = "legacy-tls")]
        if config.sip.legacy_tls {
            let legacy = super::legacy::LegacyTls::new(identity).map_err(TlsError::Legacy)?;
            return Ok(server.with_legacy(legacy));
        }
        #[cfg(not(feature = "legacy-tls"))]
        if config.sip.legacy_tls {
            return Err(TlsError::Legacy(NEEDS_FEATURE.to_owned()));
        }
        Ok(server)
    }

    fn minting(
        self: &Arc<Self>,
        config: &Config,
    ) -> Result<Option<(DomainSuffix, Minter)>, TlsError> {
        let Some(authority) = self.authority.get() else { return Ok(None) };
        let suffix = DomainSuffix::new(&config.node.domain_suffix);
        let tell = Arc::clone(&self.tell);
        let age_ms = i64::try_from(authority.renew_after().as_millis()).unwrap_or(i64::MAX);
        // Not the other way round: the thread must end when the gateway does.
        let made = Arc::downgrade(self);
        let renewal = Renewal {
            due_ms: Clock.unix_ms().saturating_add(age_ms),
            renew: Box::new(move || made.upgrade().is_none_or(|made| made.renew())),
        };
        let minter = Minter::start(
            Arc::clone(authority),
            self.sip.clone(),
            suffix.clone(),
            renewal,
            move |minted| tell(TlsNews::Minted(minted)),
        )?;
        Ok(Some((suffix, minter)))
    }
}

/// What the making of an [`Identity`] needs.
struct Unfinished<'a> {
    data_dir: &'a Path,
    addresses: &'a [IpAddr],
    authority: &'a OnceLock<Arc<Authority>>,
}

impl Unfinished<'_> {
    /// `None` where neither a listener nor a setting needs one.
    fn identity(&self, config: &Config) -> Result<Option<Identity>, TlsError> {
        if config.sip.tls.is_empty() && config.http.https.is_empty() && !has_files(config) {
            return Ok(None);
        }
        if has_files(config) {
            let (certificate, key) = files(config)?;
            return Ok(Some(Identity::from_files(certificate, key)?));
        }
        let names = own_names(config, self.addresses);
        Ok(Some(self.authority(config)?.issue(&names, Clock.unix_ms())?))
    }

    fn authority(&self, config: &Config) -> Result<Arc<Authority>, TlsError> {
        if let Some(authority) = self.authority.get() {
            return Ok(Arc::clone(authority));
        }
        let validity = Duration::from_secs(config.sip.tls_valid_s.max(2).into());
        let opened = Authority::open(self.data_dir, Clock.unix_ms())?.with_validity(validity);
        Ok(Arc::clone(self.authority.get_or_init(|| Arc::new(opened))))
    }
}

fn has_files(config: &Config) -> bool {
    let given = |path: &PathBuf| !path.as_os_str().is_empty();
    given(&config.sip.tls_certificate) || given(&config.sip.tls_key)
}

fn files(config: &Config) -> Result<(&Path, &Path), IdentityError> {
    let (certificate, key) = (&config.sip.tls_certificate, &config.sip.tls_key);
    if certificate.as_os_str().is_empty() {
        return Err(IdentityError::Half { missing: CERTIFICATE, given: KEY });
    }
    if key.as_os_str().is_empty() {
        return Err(IdentityError::Half { missing: KEY, given: CERTIFICATE });
    }
    Ok((certificate, key))
}

/// The names in the default certificate, for peers that ask for none of our names: the realm, all domains
/// of this node's edges, and its addresses.
fn own_names(config: &Config, addresses: &[IpAddr]) -> Vec<CertifiedName> {
    let suffix = &config.node.domain_suffix;
    let edges = std::iter::once(&config.node.edge).chain(config.edges.keys());
    let mut zones = vec![format!("sip.{suffix}")];
    for edge in edges {
        let zone = format!("sip.{edge}.{suffix}");
        if !edge.is_empty() && !zones.contains(&zone) {
            zones.push(zone);
        }
    }
    let mut names: Vec<CertifiedName> = Vec::new();
    for zone in zones {
        names.push(CertifiedName::Dns(zone.clone()));
        names.push(CertifiedName::Dns(format!("*.{zone}")));
    }
    names.push(CertifiedName::Dns(suffix.clone()));
    names.push(CertifiedName::Dns("localhost".to_owned()));
    names.extend(addresses.iter().map(|address| CertifiedName::Address(*address)));
    names
}

/// The addresses that certificates must name: those listened on, the public ones, and the
/// loopback ones.
pub fn certified_addresses(
    config: &Config,
    listening: &[std::net::SocketAddr],
    mut towards: impl FnMut(IpAddr) -> IpAddr,
) -> Vec<IpAddr> {
    let mut addresses: Vec<IpAddr> =
        vec![std::net::Ipv4Addr::LOCALHOST.into(), std::net::Ipv6Addr::LOCALHOST.into()];
    let public = std::iter::once(config.node.public_address)
        .chain(config.edges.values().map(|edge| edge.public_address));
    addresses.extend(public.filter_map(|address| match address {
        PublicAddress::Auto => None,
        PublicAddress::Fixed(address) => Some(address),
    }));
    for address in listening.iter().map(|address| address.ip().to_canonical()) {
        // A listener on all addresses: name the one that packets to the internet leave from.
        let outside: IpAddr = match address {
            IpAddr::V4(_) => [192, 0, 2, 1].into(),
            IpAddr::V6(_) => [0x2001, 0xdb8, 0, 0, 0, 0, 0, 1].into(),
        };
        addresses.push(if address.is_unspecified() { towards(outside) } else { address });
    }
    let mut seen = std::collections::BTreeSet::new();
    addresses.retain(|address| seen.insert(*address));
    addresses
}

#[cfg(not(feature = "legacy-tls"))]
const NEEDS_FEATURE: &str =
    "`sip.legacy_tls` needs a sidetone that was built with `--features legacy-tls`";
