//! Secrets: values that logs and errors never show. Sans-IO.

use std::fmt;

/// A text that `Debug` never shows: an auth token, a password, an API key's secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Box<str>);

impl Secret {
    /// Wraps a text.
    pub fn new(text: impl Into<Box<str>>) -> Self {
        Self(text.into())
    }

    /// The text, for the one place that needs it. The name is long so that a search finds every use.
    pub fn expose_secret(&self) -> &str {
        &self.0
    }

    /// Compares in a time that depends only on the length, so that it does not reveal how many bytes agree.
    pub fn matches(&self, candidate: &str) -> bool {
        same_bytes(self.0.as_bytes(), candidate.as_bytes())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// A SHA-256 digest of a secret that is never needed again in plain text (an API key's).
///
/// One round without salt is enough: the secret is 32 random characters, not a chosen password.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SecretHash(pub [u8; 32]);

impl SecretHash {
    /// The digest of a secret.
    pub fn of(secret: &str) -> Self {
        use sha2::Digest as _;
        Self(sha2::Sha256::digest(secret.as_bytes()).into())
    }

    /// True where `candidate` is the secret.
    pub fn matches(&self, candidate: &str) -> bool {
        same_bytes(&self.0, &Self::of(candidate).0)
    }
}

impl fmt::Debug for SecretHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretHash(…)")
    }
}

/// The two forms of HA1 of a SIP user: digest of `user:realm:password` (RFC 7616 §3.4.2, RFC 8760).
///
/// Whoever holds one can answer a challenge, so `Debug` hides both.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Ha1 {
    /// For `algorithm=MD5`, and for responses without `algorithm`.
    pub md5: [u8; 16],
    /// The hash for challenges with `algorithm=SHA-256`.
    pub sha256: [u8; 32],
}

impl Ha1 {
    /// Digests a password; after this nobody can read it back.
    pub fn of(username: &str, realm: &str, password: &Secret) -> Self {
        use md5::Digest as _;
        let (mut md5, mut sha256) = (md5::Md5::new(), sha2::Sha256::new());
        // Part by part: a joined text would leave the password behind in freed memory.
        for part in [username, ":", realm, ":", password.expose_secret()] {
            md5.update(part);
            sha256.update(part);
        }
        Self { md5: md5.finalize().into(), sha256: sha256.finalize().into() }
    }
}

impl fmt::Debug for Ha1 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ha1(…)")
    }
}

/// Seals secrets that must be readable again, before they go to disk (auth tokens).
///
/// The gateway implements it with AES-256-GCM and the key file of the data folder.
pub trait Sealer: Send + Sync {
    /// Seals `plain`; `context` names what it belongs to and is authenticated with it, so that a sealed
    /// value cannot be moved to another row.
    ///
    /// # Errors
    /// When the cipher or its randomness fails.
    fn seal(&self, context: &[u8], plain: &[u8]) -> Result<Vec<u8>, SealError>;

    /// The inverse of [`Sealer::seal`].
    ///
    /// # Errors
    /// Where the key is another, or the bytes or the context were changed.
    fn unseal(&self, context: &[u8], sealed: &[u8]) -> Result<Vec<u8>, SealError>;
}

/// A secret cannot be sealed or opened: the key file does not belong to this data, or data was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a stored secret cannot be opened with the key of this data folder")]
pub struct SealError;

fn same_bytes(a: &[u8], b: &[u8]) -> bool {
    // Lengths are no secret: a token and a key's secret have 32 characters each.
    if a.len() != b.len() {
        return false;
    }
    // An accumulator and no early return: the time must not reveal where they differ.
    let difference = a.iter().zip(b).fold(0_u8, |sum, (x, y)| sum | (x ^ y));
    std::hint::black_box(difference) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_never_shows_a_secret() {
        let secret = Secret::new("hunter2hunter2");
        assert!(!format!("{secret:?}").contains("hunter"));
        assert!(!format!("{:?}", Ha1::of("u", "r", &secret)).contains('['));
        assert!(!format!("{:?}", SecretHash::of("hunter2")).contains('['));
    }

    #[test]
    fn comparison_is_exact() {
        let secret = Secret::new("abc");
        assert!(secret.matches("abc"));
        assert!(!secret.matches("abd") && !secret.matches("ab") && !secret.matches("abcd"));
        assert!(SecretHash::of("abc").matches("abc") && !SecretHash::of("abc").matches("abC"));
    }

    #[test]
    fn ha1_is_the_digest_of_rfc_2617() {
        let ha1 = Ha1::of("Mufasa", "testrealm@host.com", &Secret::new("Circle Of Life"));
        let hex: String = ha1.md5.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "939e7578ed9e3c518a452acee763bce9");
    }
}
