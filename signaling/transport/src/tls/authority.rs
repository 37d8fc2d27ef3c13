//! Our certificate authority: two roots (RSA and P-256), made at first start, kept in the data folder.
//! Shell.
//!
//! | file below `<data_dir>/tls` | what | mode |
//! |---|---|---|
//! | `ca.pem` | both roots: what peers install to trust this gateway | 0644 |
//! | `ca-rsa.key`, `ca-p256.key` | their keys | 0600 |
//! | `leaf-rsa.key`, `leaf-p256.key` | keys of every leaf: only the names differ | 0600 |
//!
//! Two roots, because a peer that speaks RSA only cannot verify a chain with another signature in it.
//! Leaves are not kept: they are issued anew at each start, and while the process runs ([`Authority::renew_after`]).

use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::net::IpAddr;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256, SanType,
    SerialNumber,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use shell::{hex, random};

use super::identity::{Identity, IdentityError};

/// A certificate authority that can issue leaves, each of both kinds.
#[derive(Debug)]
pub struct Authority {
    rsa: Line,
    p256: Line,
    bundle: String,
    /// How long a leaf is valid.
    validity: Duration,
}

/// One root with its key, and the key of its leaves.
#[derive(Debug)]
struct Line {
    root: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
    leaf: KeyPair,
}

/// Reasons the authority cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// The system refused something.
    #[error("cannot {what} {}: {source}. The data folder must be writable.", .path.display())]
    System {
        /// The action, as the sentence has it.
        what: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// A file is damaged or missing.
    #[error(
        "{} is damaged or missing. Restore it from a backup, or remove {} for a new authority: \
         every phone then has to be given the new ca.pem.",
        .path.display(), .path.parent().unwrap_or(Path::new(".")).display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// A certificate could not be made.
    #[error("a certificate could not be issued: {0}")]
    Issue(#[from] rcgen::Error),
    /// Keys and certificates do not belong together.
    #[error(transparent)]
    Identity(#[from] IdentityError),
}

/// A name in a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CertifiedName {
    /// A host name, `*.` in front for a wildcard.
    Dns(String),
    /// An address, for peers that connect by address.
    Address(IpAddr),
}

impl Authority {
    /// Reads the authority of this data folder, or makes one where there is none.
    ///
    /// # Errors
    /// [`AuthorityError`], each a sentence with its remedy.
    pub fn open(data_dir: &Path, unix_ms: i64) -> Result<Self, AuthorityError> {
        let folder = data_dir.join("tls");
        match std::fs::read_to_string(folder.join("ca.pem")) {
            Ok(bundle) => Self::read(&folder, bundle),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Self::make(&folder, unix_ms),
            Err(source) => {
                Err(AuthorityError::System { what: "read", path: folder.join("ca.pem"), source })
            }
        }
    }

    /// Issues leaves that are valid for this long instead of [`LEAF_DAYS`].
    #[must_use]
    pub fn with_validity(self, validity: Duration) -> Self {
        Self { validity, ..self }
    }

    /// The age at which a leaf is issued anew: long before it expires, as a process may run for years.
    pub fn renew_after(&self) -> Duration {
        (self.validity / 2).min(RENEW_AFTER_MAX)
    }

    /// Both roots, PEM: a phone that trusts them trusts this gateway.
    pub fn bundle(&self) -> &str {
        &self.bundle
    }

    /// Both roots.
    pub fn roots(&self) -> [CertificateDer<'static>; 2] {
        [self.rsa.root.clone(), self.p256.root.clone()]
    }

    /// Issues a leaf of each kind for these names, valid from one day ago on, by default until [`LEAF_DAYS`] from
    /// now.
    ///
    /// # Errors
    /// When a name is not valid in a certificate.
    pub fn issue(&self, names: &[CertifiedName], unix_ms: i64) -> Result<Identity, AuthorityError> {
        let rsa = self.rsa.issue(names, unix_ms, self.validity)?;
        let p256 = self.p256.issue(names, unix_ms, self.validity)?;
        Ok(Identity::own(rsa, p256)?)
    }

    fn read(folder: &Path, bundle: String) -> Result<Self, AuthorityError> {
        use rustls::pki_types::pem::PemObject;
        let damaged = |file: &str| AuthorityError::Damaged { path: folder.join(file) };
        let roots: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(bundle.as_bytes())
            .collect::<Result<_, _>>()
            .map_err(|_| damaged("ca.pem"))?;
        let Ok([rsa, p256]) = <[CertificateDer<'static>; 2]>::try_from(roots) else {
            return Err(damaged("ca.pem"));
        };
        let key = |file: &str, algorithm| {
            let text = std::fs::read_to_string(folder.join(file)).map_err(|_| damaged(file))?;
            KeyPair::from_pem_and_sign_algo(&text, algorithm).map_err(|_| damaged(file))
        };
        Ok(Self {
            rsa: Line::new(rsa, key(CA_RSA, &PKCS_RSA_SHA256)?, key(LEAF_RSA, &PKCS_RSA_SHA256)?),
            p256: Line::new(
                p256,
                key(CA_P256, &PKCS_ECDSA_P256_SHA256)?,
                key(LEAF_P256, &PKCS_ECDSA_P256_SHA256)?,
            ),
            bundle,
            validity: DAY * LEAF_DAYS,
        })
    }

    fn make(folder: &Path, unix_ms: i64) -> Result<Self, AuthorityError> {
        DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(|source| {
            AuthorityError::System { what: "make the folder", path: folder.to_owned(), source }
        })?;
        // Each RSA key takes a quarter of a second: make both at once.
        let (ca_rsa, leaf_rsa) = std::thread::scope(|scope| {
            let other = scope.spawn(|| KeyPair::generate_for(&PKCS_RSA_SHA256));
            let one = KeyPair::generate_for(&PKCS_RSA_SHA256);
            (one, other.join().unwrap_or(Err(rcgen::Error::KeyGenerationUnavailable)))
        });
        let (ca_rsa, leaf_rsa) = (ca_rsa?, leaf_rsa?);
        let ca_p256 = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let leaf_p256 = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let rsa_root = root_parameters(&ca_rsa, unix_ms).self_signed(&ca_rsa)?;
        let p256_root = root_parameters(&ca_p256, unix_ms).self_signed(&ca_p256)?;
        let bundle = format!("{}{}", rsa_root.pem(), p256_root.pem());
        let keys = [
            (CA_RSA, &ca_rsa),
            (LEAF_RSA, &leaf_rsa),
            (CA_P256, &ca_p256),
            (LEAF_P256, &leaf_p256),
        ];
        for (file, key) in keys {
            write(&folder.join(file), key.serialize_pem().as_bytes(), 0o600)?;
        }
        // Last: without it the next start makes a new authority, so a start that was cut short leaves no
        // half.
        write(&folder.join("ca.pem"), bundle.as_bytes(), 0o644)?;
        Ok(Self {
            rsa: Line::new(rsa_root.der().clone(), ca_rsa, leaf_rsa),
            p256: Line::new(p256_root.der().clone(), ca_p256, leaf_p256),
            bundle,
            validity: DAY * LEAF_DAYS,
        })
    }
}

impl Line {
    fn new(root: CertificateDer<'static>, ca: KeyPair, leaf: KeyPair) -> Self {
        let issuer = Issuer::new(root_parameters(&ca, 0), ca);
        Self { root, issuer, leaf }
    }

    fn issue(
        &self,
        names: &[CertifiedName],
        unix_ms: i64,
        validity: Duration,
    ) -> Result<(CertificateDer<'static>, PrivateKeyDer<'static>), AuthorityError> {
        let mut parameters = CertificateParams::default();
        parameters.subject_alt_names = names.iter().map(alt_name).collect::<Result<_, _>>()?;
        parameters.distinguished_name = common_name(&subject(names));
        parameters.is_ca = IsCa::ExplicitNoCa;
        parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        if self.leaf.algorithm() == &PKCS_RSA_SHA256 {
            // The static RSA suites of `legacy-tls` encrypt with the key.
            parameters.key_usages.push(KeyUsagePurpose::KeyEncipherment);
        }
        parameters.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        parameters.use_authority_key_identifier_extension = true;
        valid(&mut parameters, unix_ms, validity);
        let leaf = parameters.signed_by(&self.leaf, &self.issuer)?;
        let key = PrivatePkcs8KeyDer::from(self.leaf.serialize_der());
        Ok((leaf.der().clone(), key.into()))
    }
}

/// The parameters of a root follow from its key, except for the dates, so a root need not be parsed to
/// issue with it.
fn root_parameters(key: &KeyPair, unix_ms: i64) -> CertificateParams {
    let mut parameters = CertificateParams::default();
    let id = parameters.key_identifier(key);
    let kind = if key.algorithm() == &PKCS_RSA_SHA256 { "RSA" } else { "P-256" };
    let id = hex(id.get(..4).unwrap_or_default());
    parameters.distinguished_name = common_name(&format!("Sidetone {kind} root {id}"));
    parameters.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    valid(&mut parameters, unix_ms, DAY * ROOT_DAYS);
    parameters
}

fn common_name(name: &str) -> DistinguishedName {
    let mut distinguished = DistinguishedName::new();
    distinguished.push(DnType::OrganizationName, "Sidetone");
    distinguished.push(DnType::CommonName, name);
    distinguished
}

/// The first name, cut to what a common name may hold (RFC 5280 appendix A: 64 characters).
fn subject(names: &[CertifiedName]) -> String {
    let first = names.first().map_or_else(
        || "sidetone".to_owned(),
        |name| match name {
            CertifiedName::Dns(name) => name.clone(),
            CertifiedName::Address(address) => address.to_string(),
        },
    );
    first.chars().take(64).collect()
}

fn alt_name(name: &CertifiedName) -> Result<SanType, rcgen::Error> {
    Ok(match name {
        CertifiedName::Dns(name) => SanType::DnsName(name.as_str().try_into()?),
        CertifiedName::Address(address) => SanType::IpAddress(*address),
    })
}

/// Sets the dates, from one day ago for peers whose clocks are behind, and a random serial number.
fn valid(parameters: &mut CertificateParams, unix_ms: i64, validity: Duration) {
    let now = Duration::from_millis(u64::try_from(unix_ms).unwrap_or(0));
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    parameters.not_before = epoch + now.saturating_sub(DAY);
    parameters.not_after = epoch + now + validity;
    // rcgen would derive the serial number from the key, and all leaves share one key.
    let mut serial = [0; 16];
    random(&mut serial);
    if let Some(first) = serial.first_mut() {
        *first &= 0x7f;
    }
    parameters.serial_number = Some(SerialNumber::from_slice(&serial));
}

/// Writes a file completely or not at all: to a temporary name, synced, then renamed.
fn write(path: &Path, bytes: &[u8], mode: u32) -> Result<(), AuthorityError> {
    let temporary = path.with_extension("new");
    let write = || {
        let mut options = OpenOptions::new();
        let mut file =
            options.write(true).create(true).truncate(true).mode(mode).open(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&temporary, path)
    };
    write().map_err(|source| AuthorityError::System {
        what: "write",
        path: path.to_owned(),
        source,
    })
}

const CA_RSA: &str = "ca-rsa.key";
const CA_P256: &str = "ca-p256.key";
const LEAF_RSA: &str = "leaf-rsa.key";
const LEAF_P256: &str = "leaf-p256.key";
const DAY: Duration = Duration::from_secs(24 * 3_600);
/// What the strictest clients accept of a leaf (CA/Browser Forum: 398 days).
pub const LEAF_DAYS: u32 = 397;
const ROOT_DAYS: u32 = 20 * 365;
const RENEW_AFTER_MAX: Duration = Duration::from_secs(30 * 24 * 3_600);

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_authority_stays_the_same_over_starts_and_its_keys_are_private() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let first = Authority::open(folder.path(), NOW).expect("made");
        let second = Authority::open(folder.path(), NOW + 5).expect("read");
        assert_eq!(first.bundle(), second.bundle());
        assert_eq!(first.roots(), second.roots());
        for file in [CA_RSA, CA_P256, LEAF_RSA, LEAF_P256] {
            let path = folder.path().join("tls").join(file);
            let mode = std::fs::metadata(path).expect("there").permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{file}");
        }
    }

    #[test]
    fn a_lost_key_is_never_replaced_in_silence() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        drop(Authority::open(folder.path(), NOW).expect("made"));
        std::fs::remove_file(folder.path().join("tls/ca-p256.key")).expect("there");
        let error = Authority::open(folder.path(), NOW).expect_err("a key is gone").to_string();
        assert!(error.contains("ca-p256.key") && error.contains("backup"), "{error}");
    }

    #[test]
    fn leaves_are_verified_by_the_bundle_for_their_names_only() {
        use rustls::pki_types::{ServerName, UnixTime};
        let folder = tempfile::tempdir().expect("a temporary folder");
        // A restart in between: leaves are issued by an authority that was read back.
        drop(Authority::open(folder.path(), NOW).expect("made"));
        let authority = Authority::open(folder.path(), NOW).expect("read");
        let names = [
            CertifiedName::Dns("*.sip.sidetone.test".to_owned()),
            CertifiedName::Address([192, 0, 2, 7].into()),
        ];
        let identity = authority.issue(&names, NOW).expect("issued");
        let mut roots = rustls::RootCertStore::empty();
        roots.add_parsable_certificates(authority.roots());
        let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let verifier = rustls::client::WebPkiServerVerifier::builder_with_provider(
            std::sync::Arc::new(roots),
            provider,
        )
        .build()
        .expect("a verifier");
        let now = UnixTime::since_unix_epoch(Duration::from_millis(NOW as u64));
        for chain in identity.chains() {
            let verify = |name: &'static str| {
                use rustls::client::danger::ServerCertVerifier as _;
                let name = ServerName::try_from(name).expect("a name");
                verifier.verify_server_cert(&chain[0], &chain[1..], &name, &[], now)
            };
            assert!(verify("desk.sip.sidetone.test").is_ok());
            assert!(verify("192.0.2.7").is_ok());
            assert!(verify("192.0.2.8").is_err());
            assert!(verify("a.desk.sip.sidetone.test").is_err());
        }
    }

    const NOW: i64 = 1_790_000_000_000;
}
