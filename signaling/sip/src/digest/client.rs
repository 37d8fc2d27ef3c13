//! Answers to digest challenges (RFC 7616, RFC 8760, RFC 3261 §22.3). Sans-IO.

use std::fmt;

use shared::Header;

use super::ChallengeKind;
use super::hash::{Algorithm, Ha1, ResponseInput, response};
use super::parameters::{DigestError, DigestParameters, quoted};

/// User and password that answer the challenges of one call or request.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The user name, sent in the clear.
    pub user: String,
    /// The password, of which only hashes are sent.
    pub password: String,
    /// The only realm that gets an answer; `None`: any realm, since the caller chose the target.
    pub realm: Option<String>,
}

impl Credentials {
    /// Credentials for any realm.
    pub fn new(user: &str, password: &str) -> Self {
        Self { user: user.to_owned(), password: password.to_owned(), realm: None }
    }

    /// Whether a challenge of this realm is answered.
    pub fn fits(&self, realm: &[u8]) -> bool {
        self.realm.as_ref().is_none_or(|own| own.as_bytes() == realm)
    }
}

impl fmt::Debug for Credentials {
    /// Hides the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("realm", &self.realm).finish_non_exhaustive()
    }
}

/// A challenge that can be answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    realm: Vec<u8>,
    nonce: Vec<u8>,
    opaque: Option<Vec<u8>>,
    algorithm: Algorithm,
    algorithm_was_named: bool,
    qop_auth: bool,
    /// `stale=true`: the password was right and only the nonce too old.
    pub stale: bool,
}

impl Challenge {
    /// Reads one header value.
    ///
    /// # Errors
    /// Another scheme, an unsupported algorithm or qop, or a broken list.
    pub fn parse(value: &[u8]) -> Result<Self, DigestError> {
        let parameters = DigestParameters::parse(value)?;
        let name = parameters.find("algorithm");
        let algorithm = match name {
            None => Algorithm::Md5,
            Some(name) => Algorithm::parse(name).ok_or(DigestError::OtherScheme)?,
        };
        let is_auth = |qop: &[u8]| qop.trim_ascii().eq_ignore_ascii_case(b"auth");
        let qop_auth = match parameters.find("qop") {
            None => false,
            Some(list) if list.split(|&byte| byte == b',').any(is_auth) => true,
            Some(_) => return Err(DigestError::OtherScheme), // auth-int alone
        };
        let is_true = |value: &[u8]| value.eq_ignore_ascii_case(b"true");
        Ok(Self {
            realm: parameters.required("realm")?.to_vec(),
            nonce: parameters.required("nonce")?.to_vec(),
            opaque: parameters.find("opaque").map(<[u8]>::to_vec),
            algorithm,
            algorithm_was_named: name.is_some(),
            qop_auth,
            stale: parameters.find("stale").is_some_and(is_true),
        })
    }

    /// The challenge to answer among several: the first that is supported, since servers list the
    /// strongest first (RFC 8760 §2.4).
    pub fn choose<'a>(
        values: impl IntoIterator<Item = &'a [u8]>,
        credentials: &Credentials,
    ) -> Option<Self> {
        values
            .into_iter()
            .filter_map(|value| Self::parse(value).ok())
            .find(|challenge| credentials.fits(&challenge.realm))
    }

    /// The realm of the challenge.
    pub fn realm(&self) -> &[u8] {
        &self.realm
    }

    /// The value of the answering header. `count` starts at 1 for each nonce and rises with each
    /// request; `cnonce` is random.
    pub fn answer(
        &self,
        credentials: &Credentials,
        method: &[u8],
        uri: &[u8],
        count: u32,
        cnonce: &str,
    ) -> Vec<u8> {
        let (user, password) = (credentials.user.as_bytes(), credentials.password.as_bytes());
        let ha1 = Ha1::new(self.algorithm, user, &self.realm, password);
        let nc = format!("{count:08x}");
        let qop_auth = self.qop_auth.then_some((nc.as_bytes(), cnonce.as_bytes()));
        let input = ResponseInput { nonce: &self.nonce, qop_auth, method, uri };
        let mut value = b"Digest username=".to_vec();
        value.extend(quoted(user));
        let mut add = |name: &str, text: &[u8]| {
            value.extend_from_slice(b", ");
            value.extend_from_slice(name.as_bytes());
            value.push(b'=');
            value.extend_from_slice(text);
        };
        add("realm", &quoted(&self.realm));
        add("nonce", &quoted(&self.nonce));
        add("uri", &quoted(uri));
        add("response", &quoted(response(&ha1, input).as_bytes()));
        if self.algorithm_was_named {
            add("algorithm", self.algorithm.name().as_bytes());
        }
        if self.qop_auth {
            add("qop", b"auth");
            add("nc", nc.as_bytes());
            add("cnonce", &quoted(cnonce.as_bytes()));
        }
        if let Some(opaque) = &self.opaque {
            add("opaque", &quoted(opaque));
        }
        value
    }
}

/// A challenge with its credentials, and the count of answers to its nonce.
#[derive(Clone, Debug)]
pub struct Authorization {
    kind: ChallengeKind,
    challenge: Challenge,
    credentials: Credentials,
    count: u32,
}

impl Authorization {
    /// Answers this challenge from now on.
    pub fn new(kind: ChallengeKind, challenge: Challenge, credentials: Credentials) -> Self {
        Self { kind, challenge, credentials, count: 0 }
    }

    /// The header for the next request.
    pub fn header(&mut self, method: &[u8], uri: &[u8], cnonce: &str) -> Header {
        self.count = self.count.saturating_add(1);
        let value = self.challenge.answer(&self.credentials, method, uri, self.count, cnonce);
        Header::new(self.kind.answer_header(), value)
    }

    /// 401 or 407.
    pub const fn kind(&self) -> ChallengeKind {
        self.kind
    }

    /// The credentials that answer.
    pub const fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// The challenge.
    pub const fn challenge(&self) -> &Challenge {
        &self.challenge
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_challenge_that_is_understood_is_answered() {
        let credentials = Credentials::new("alice", "pw");
        let values: [&[u8]; 3] = [
            b"Basic realm=\"x\"",
            b"Digest realm=\"x\",nonce=\"1\",algorithm=SHA-512-256",
            b"Digest realm=\"x\",nonce=\"2\",algorithm=SHA-256,qop=\"auth-int,auth\"",
        ];
        let challenge = Challenge::choose(values, &credentials).unwrap();
        assert_eq!(challenge.nonce, b"2");
        let value = challenge.answer(&credentials, b"BYE", b"sip:x", 1, "c");
        assert!(String::from_utf8(value).unwrap().contains("algorithm=SHA-256, qop=auth"));
    }

    #[test]
    fn credentials_of_one_realm_are_not_given_to_another() {
        let credentials = Credentials { realm: Some("a".into()), ..Credentials::new("u", "p") };
        assert!(credentials.fits(b"a"));
        let value: &[u8] = b"Digest realm=\"b\",nonce=\"1\"";
        assert_eq!(Challenge::choose([value], &credentials), None);
    }
}
