//! Digest challenges and their check (RFC 7616, RFC 3261 §22). Sans-IO.
//!
//! A challenge leaves nothing behind: a nonce proves itself (`nonce.rs`), so a flood without
//! credentials costs no memory. The order of the checks decides what a client learns. The password
//! comes first, then the URI, then the nonce: only a client that knows the password learns that its
//! nonce is stale.

use shared::{Now, Random};

use super::hash::{Algorithm, Ha1, ResponseInput, equal_in_constant_time, response};
use super::nonce::{CountVerdict, Nonce, NonceCounts};
use super::parameters::{DigestError, DigestParameters};

/// Makes challenges and verifies answers. Keeps no state of a client before its first correct
/// answer.
#[derive(Debug)]
pub struct Server {
    realm: String,
    opaque: String,
    key: [u8; 32],
    random: Random,
    counts: NonceCounts,
}

/// The verdict on the credentials of one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The client knows the password of this user.
    Ok {
        /// The user name as sent.
        user: String,
    },
    /// No credentials for our realm: to be challenged.
    Missing,
    /// The password is right, but the nonce is too old, from another process or used before: to be
    /// challenged with `stale=true`.
    Stale,
    /// No such user. The peer cannot distinguish this from a wrong password.
    WrongUser {
        /// The user name as sent.
        user: String,
    },
    /// A wrong password.
    WrongPassword {
        /// The user name as sent.
        user: String,
    },
    /// The `uri` of the credentials is not that of the request.
    WrongUri {
        /// The user name as sent.
        user: String,
    },
    /// Unreadable credentials: 400.
    Broken(DigestError),
}

impl Server {
    /// A server of one realm. `seed` is 32 random bytes that nothing else uses.
    pub fn new(realm: &str, seed: [u8; 32]) -> Self {
        let random = Random::new(seed);
        let opaque: String =
            random.key_for("opaque").iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        Self {
            realm: realm.to_owned(),
            opaque,
            key: random.key_for("nonce"),
            random,
            counts: NonceCounts::default(),
        }
    }

    /// The realm.
    pub fn realm(&self) -> &str {
        &self.realm
    }

    /// Nonces in the table, for the meters.
    pub fn nonces(&self) -> usize {
        self.counts.len()
    }

    /// The value of a `Proxy-Authenticate` or `WWW-Authenticate` header with a new nonce.
    pub fn challenge(&mut self, now: Now, stale: bool) -> String {
        let bytes = self.random.bytes();
        let mut nonce = Nonce { made_ms: now.mono.as_millis(), random: [0; 16] };
        nonce.random.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
        let nonce = nonce.print(&self.key, &self.realm);
        let stale = if stale { ",stale=true" } else { "" };
        let (realm, opaque) = (&self.realm, &self.opaque);
        format!(
            "Digest realm=\"{realm}\",qop=\"auth\",nonce=\"{nonce}\",opaque=\"{opaque}\"{stale}"
        )
    }

    /// Checks the credentials of one request. `values` are the values of its `Authorization` or
    /// `Proxy-Authorization` headers, `request_uri` its Request-URI as received, `ha1` finds the
    /// stored MD5 hash of a user, and is called at most once.
    pub fn verify<'a>(
        &mut self,
        now: Now,
        method: &[u8],
        request_uri: &[u8],
        values: impl IntoIterator<Item = &'a [u8]>,
        ha1: impl FnOnce(&str) -> Option<Ha1>,
    ) -> Verdict {
        self.verify_by(now, method, request_uri, values, |user, _| ha1(user))
    }

    /// [`Server::verify`] where hashes of several algorithms are stored: `ha1` takes the algorithm
    /// too.
    pub fn verify_by<'a>(
        &mut self,
        now: Now,
        method: &[u8],
        request_uri: &[u8],
        values: impl IntoIterator<Item = &'a [u8]>,
        ha1: impl FnOnce(&str, Algorithm) -> Option<Ha1>,
    ) -> Verdict {
        let parameters = match self.ours(values) {
            Ok(Some(parameters)) => parameters,
            Ok(None) => return Verdict::Missing,
            Err(error) => return Verdict::Broken(error),
        };
        let answer = match Answer::read(&parameters) {
            Ok(answer) => answer,
            Err(error) => return Verdict::Broken(error),
        };
        let known =
            ha1(&answer.user, answer.algorithm).filter(|ha1| ha1.algorithm() == answer.algorithm);
        let user_is_known = known.is_some();
        // An unknown user costs the same hashes as a known one, so that time reveals nothing.
        let ha1 = known.unwrap_or_else(|| self.hash_of_unknown_user(answer.algorithm));
        let is_right = equal_in_constant_time(
            response(&ha1, answer.input(method)).as_bytes(),
            &answer.response,
        );
        let user = answer.user.clone();
        match (user_is_known, is_right) {
            (false, _) => Verdict::WrongUser { user },
            (true, false) => Verdict::WrongPassword { user },
            (true, true) if !same_uri(answer.uri, request_uri) => Verdict::WrongUri { user },
            (true, true) => self.check_nonce(now, &answer),
        }
    }

    /// The credentials for our realm among those of other realms and schemes.
    fn ours<'a>(
        &self,
        values: impl IntoIterator<Item = &'a [u8]>,
    ) -> Result<Option<DigestParameters<'a>>, DigestError> {
        for value in values {
            match DigestParameters::parse(value) {
                Ok(parameters) if parameters.find("realm") == Some(self.realm.as_bytes()) => {
                    return Ok(Some(parameters));
                }
                Ok(_) | Err(DigestError::OtherScheme) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    fn check_nonce(&mut self, now: Now, answer: &Answer<'_>) -> Verdict {
        // Forged, or from an earlier process: a client with the password deserves a new nonce in either
        // case.
        let Some(nonce) = Nonce::parse(answer.nonce, &self.key, &self.realm) else {
            return Verdict::Stale;
        };
        if !nonce.is_fresh(now.mono.as_millis()) {
            return Verdict::Stale;
        }
        match self.counts.take(nonce, answer.count, now.mono.as_millis()) {
            CountVerdict::Rising => Verdict::Ok { user: answer.user.clone() },
            CountVerdict::Replayed | CountVerdict::Forgotten => Verdict::Stale,
        }
    }

    fn hash_of_unknown_user(&self, algorithm: Algorithm) -> Ha1 {
        Ha1::new(algorithm, b"", self.realm.as_bytes(), &self.key)
    }
}

/// The credentials of one request, read.
struct Answer<'a> {
    user: String,
    algorithm: Algorithm,
    nonce: &'a [u8],
    uri: &'a [u8],
    qop_auth: Option<(&'a [u8], &'a [u8])>,
    count: u32,
    response: Vec<u8>,
}

impl<'a> Answer<'a> {
    fn read(parameters: &'a DigestParameters<'_>) -> Result<Self, DigestError> {
        let algorithm = match parameters.find("algorithm") {
            None => Algorithm::Md5,
            Some(name) => Algorithm::parse(name).ok_or(DigestError::Broken)?,
        };
        let (qop_auth, count) = match parameters.find("qop") {
            None => (None, u32::MAX), // without a count a nonce is good for one request
            Some(qop) if qop.eq_ignore_ascii_case(b"auth") => {
                let nc = parameters.required("nc")?;
                (Some((nc, parameters.required("cnonce")?)), parse_count(nc)?)
            }
            Some(_) => return Err(DigestError::Broken),
        };
        Ok(Self {
            user: String::from_utf8(parameters.required("username")?.to_vec())
                .map_err(|_| DigestError::Broken)?,
            algorithm,
            nonce: parameters.required("nonce")?,
            uri: parameters.required("uri")?,
            qop_auth,
            count,
            response: parameters.required("response")?.to_ascii_lowercase(),
        })
    }

    fn input(&self, method: &'a [u8]) -> ResponseInput<'a> {
        ResponseInput { nonce: self.nonce, qop_auth: self.qop_auth, method, uri: self.uri }
    }
}

/// `nc` has eight hexadecimal digits (RFC 7616 §3.4); some clients omit leading zeros.
fn parse_count(nc: &[u8]) -> Result<u32, DigestError> {
    let text = std::str::from_utf8(nc).map_err(|_| DigestError::Broken)?;
    if text.is_empty() || text.len() > 8 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(DigestError::Broken);
    }
    u32::from_str_radix(text, 16).map_err(|_| DigestError::Broken)
}

/// Whether the digest `uri` names the target of the request. Case, default port and parameters do
/// not count, because many phones write the two differently.
fn same_uri(digest: &[u8], request: &[u8]) -> bool {
    loose(digest) == loose(request)
}

fn loose(uri: &[u8]) -> Vec<u8> {
    let uri = uri.to_ascii_lowercase();
    let (scheme, rest) = match uri.iter().position(|&byte| byte == b':') {
        Some(colon) => uri.split_at(colon),
        None => return uri,
    };
    let user_end = rest.iter().position(|&byte| byte == b'@').unwrap_or(0);
    let (user, host) = rest.split_at(user_end);
    let end = host.iter().position(|byte| matches!(byte, b';' | b'?')).unwrap_or(host.len());
    let host = host.get(..end).unwrap_or_default();
    let port: &[u8] = if scheme == b"sips" { b":5061" } else { b":5060" };
    let host = host.strip_suffix(port).unwrap_or(host);
    let scheme = if scheme == b"sips" { b"sip" } else { scheme };
    [scheme, user, host].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::client::{Challenge, Credentials};

    const NOW: Now = Now { mono: shared::Instant::ZERO, unix_ms: 1_700_000_000_000 };
    const URI: &[u8] = b"sip:bob@desk.sip.test";

    #[test]
    fn the_right_password_is_accepted_once_a_count() {
        let mut server = server();
        let challenge = server.challenge(NOW, false);
        let first = answer(&challenge, "alice", "Secret123456", 1);
        assert_eq!(check(&mut server, NOW, &first), Verdict::Ok { user: "alice".into() });
        assert_eq!(check(&mut server, NOW, &first), Verdict::Stale, "a copy");
        let second = answer(&challenge, "alice", "Secret123456", 2);
        assert_eq!(check(&mut server, NOW, &second), Verdict::Ok { user: "alice".into() });
    }

    #[test]
    fn an_old_nonce_is_stale_only_with_the_right_password() {
        let mut server = server();
        let challenge = server.challenge(NOW, false);
        let later = NOW.after(std::time::Duration::from_secs(301));
        let right = answer(&challenge, "alice", "Secret123456", 1);
        assert_eq!(check(&mut server, later, &right), Verdict::Stale);
        let wrong = answer(&challenge, "alice", "guess", 1);
        assert_eq!(
            check(&mut server, later, &wrong),
            Verdict::WrongPassword { user: "alice".into() }
        );
    }

    #[test]
    fn a_wall_clock_that_is_set_makes_no_nonce_stale_and_none_fresh_again() {
        let mut server = server();
        let challenge = server.challenge(NOW, false);
        let value = answer(&challenge, "alice", "Secret123456", 1);
        for step_ms in [7_200_000, -7_200_000] {
            let set = Now { unix_ms: NOW.unix_ms + step_ms, ..NOW };
            let used = check(&mut server, set, &value);
            let is_first = step_ms > 0;
            let expected =
                if is_first { Verdict::Ok { user: "alice".into() } } else { Verdict::Stale };
            assert_eq!(used, expected, "set by {step_ms} ms");
        }
        let later = NOW.after(std::time::Duration::from_secs(301));
        let again = Now { unix_ms: NOW.unix_ms, ..later };
        assert_eq!(check(&mut server, again, &value), Verdict::Stale, "its time is over");
    }

    #[test]
    fn the_nonce_of_another_process_is_stale() {
        let mut other = Server::new("sip.test", [8; 32]);
        let value = answer(&other.challenge(NOW, false), "alice", "Secret123456", 1);
        assert_eq!(check(&mut server(), NOW, &value), Verdict::Stale);
    }

    #[test]
    fn unknown_users_and_other_realms_differ_for_the_operator_only() {
        let mut server = server();
        let challenge = server.challenge(NOW, false);
        let value = answer(&challenge, "mallory", "Secret123456", 1);
        assert_eq!(check(&mut server, NOW, &value), Verdict::WrongUser { user: "mallory".into() });
        let foreign = challenge.replace("sip.test", "elsewhere");
        let value = answer(&foreign, "alice", "Secret123456", 1);
        assert_eq!(check(&mut server, NOW, &value), Verdict::Missing);
        assert_eq!(check(&mut server, NOW, b"Basic YTpi"), Verdict::Missing);
        assert!(matches!(
            check(&mut server, NOW, b"Digest realm=\"sip.test\""),
            Verdict::Broken(DigestError::Missing { .. })
        ));
    }

    #[test]
    fn the_form_without_qop_is_accepted_once_a_nonce() {
        let mut server = server();
        let challenge = server.challenge(NOW, false).replace("qop=\"auth\",", "");
        let value = answer(&challenge, "alice", "Secret123456", 1);
        assert!(!String::from_utf8_lossy(&value).contains("cnonce"));
        assert_eq!(check(&mut server, NOW, &value), Verdict::Ok { user: "alice".into() });
        assert_eq!(check(&mut server, NOW, &value), Verdict::Stale);
    }

    #[test]
    fn the_digest_uri_is_compared_loosely() {
        assert!(same_uri(b"sip:bob@Desk.sip.test:5060;transport=tcp", URI));
        assert!(same_uri(b"sips:bob@desk.sip.test:5061", URI));
        assert!(!same_uri(b"sip:carol@desk.sip.test", URI));
        assert!(!same_uri(b"sip:bob@other.test", URI));
    }

    fn server() -> Server {
        Server::new("sip.test", [7; 32])
    }

    fn answer(challenge: &str, user: &str, password: &str, count: u32) -> Vec<u8> {
        let challenge = Challenge::parse(challenge.as_bytes()).unwrap();
        let credentials = Credentials::new(user, password);
        challenge.answer(&credentials, b"INVITE", URI, count, "c0ffee")
    }

    fn check(server: &mut Server, now: Now, value: &[u8]) -> Verdict {
        let ha1 = |user: &str| {
            (user == "alice")
                .then(|| Ha1::new(Algorithm::Md5, b"alice", b"sip.test", b"Secret123456"))
        };
        server.verify(now, b"INVITE", URI, [value], ha1)
    }
}
