//! The public key of the operator, and the wrapping of a content key by it.

use std::fmt;
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::rsa::{OAEP_SHA256_MGF1SHA256, OaepPublicEncryptingKey, PublicEncryptingKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls_pki_types::SubjectPublicKeyInfoDer;
use rustls_pki_types::pem::PemObject as _;
use shared::config::Recordings;
use shared::{EncryptionDetails, PublicKeySid};

use super::gcm::{IV_BYTES, KEY_BYTES, Sealing};

/// The shortest key that is accepted, in bits.
const BITS_MIN: usize = 2_048;

/// An RSA public key that recordings are sealed with.
pub struct SealingKey {
    sid: PublicKeySid,
    key: OaepPublicEncryptingKey,
}

impl fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.sid)
    }
}

/// Reasons a key cannot be used. The operator's error; each is a sentence with its remedy.
#[derive(Debug, thiserror::Error)]
pub enum SealingKeyError {
    /// The file cannot be read.
    #[error("cannot read {}, which `recordings.encryption_key_file` names: {source}", .path.display())]
    Unreadable {
        /// The path of the setting.
        path: PathBuf,
        /// The error of the system.
        source: std::io::Error,
    },
    /// The file holds the key that opens recordings.
    #[error(
        "{}, which `recordings.encryption_key_file` names, holds a private key. Keep it away from this machine \
         and give its public half: `openssl rsa -in private_key.pem -pubout -out public_key.pem`",
        .path.display()
    )]
    Private {
        /// The path of the setting.
        path: PathBuf,
    },
    /// The file holds no key, another kind of key or a short one.
    #[error(
        "{}, which `recordings.encryption_key_file` names, holds no RSA public key of at least 2,048 bits in PEM \
         (`-----BEGIN PUBLIC KEY-----`). Make one with `openssl genrsa -out private_key.pem 3072` and \
         `openssl rsa -in private_key.pem -pubout -out public_key.pem`",
        .path.display()
    )]
    NotAKey {
        /// The path of the setting.
        path: PathBuf,
    },
    /// The SID has another form.
    #[error("`recordings.encryption_key_sid` = {text:?} must be CR and 32 hexadecimal digits")]
    Sid {
        /// The value.
        text: String,
    },
    /// A SID without a key.
    #[error("`recordings.encryption_key_sid` needs `recordings.encryption_key_file` as well")]
    NoKey,
}

impl SealingKey {
    /// The key of the settings; `None`: recordings are not sealed.
    ///
    /// # Errors
    /// [`SealingKeyError`].
    pub fn read(config: &Recordings) -> Result<Option<Self>, SealingKeyError> {
        let (path, sid) = (&config.encryption_key_file, config.encryption_key_sid.as_str());
        if path.as_os_str().is_empty() {
            return if sid.is_empty() { Ok(None) } else { Err(SealingKeyError::NoKey) };
        }
        let unreadable = |source| SealingKeyError::Unreadable { path: path.clone(), source };
        let pem = std::fs::read(path).map_err(unreadable)?;
        let key = Self::of_pem(&pem, path)?;
        match sid {
            "" => Ok(Some(key)),
            text => {
                let sid = text.parse();
                let sid = sid.map_err(|_| SealingKeyError::Sid { text: text.to_owned() })?;
                Ok(Some(Self { sid, ..key }))
            }
        }
    }

    /// The key of a file, with the SID that follows from it: every node that has the key names it alike.
    fn of_pem(pem: &[u8], path: &Path) -> Result<Self, SealingKeyError> {
        if pem.windows(11).any(|part| part == b"PRIVATE KEY") {
            return Err(SealingKeyError::Private { path: path.to_owned() });
        }
        let not_a_key = || SealingKeyError::NotAKey { path: path.to_owned() };
        let der = SubjectPublicKeyInfoDer::from_pem_slice(pem).map_err(|_| not_a_key())?;
        let key = PublicEncryptingKey::from_der(&der).map_err(|_| not_a_key())?;
        if key.key_size_bits() < BITS_MIN {
            return Err(not_a_key());
        }
        let key = OaepPublicEncryptingKey::new(key).map_err(|_| not_a_key())?;
        let print = digest(&SHA256, &der);
        let print = print.as_ref().first_chunk().copied().unwrap_or_default();
        Ok(Self { sid: PublicKeySid(u128::from_be_bytes(print)), key })
    }

    /// The name of the key.
    pub const fn sid(&self) -> PublicKeySid {
        self.sid
    }

    /// Begins to seal a recording with a content key of its own.
    pub(super) fn begin(&self) -> Result<(Sealing, EncryptionDetails), Unspecified> {
        let (mut content_key, mut iv) = ([0; KEY_BYTES], [0; IV_BYTES]);
        aws_lc_rs::rand::fill(&mut content_key)?;
        aws_lc_rs::rand::fill(&mut iv)?;
        let mut wrapped = vec![0; self.key.ciphertext_size()];
        let wrapped =
            self.key.encrypt(&OAEP_SHA256_MGF1SHA256, &content_key, &mut wrapped, None)?;
        let details = EncryptionDetails {
            public_key: self.sid,
            iv: STANDARD.encode(iv),
            encrypted_cek: STANDARD.encode(wrapped),
        };
        Ok((Sealing::new(&content_key, &iv)?, details))
    }
}
