//! Digest headers: credentials towards our server, challenges towards our client (RFC 7616).

use shared::{Instant, Now};
use sip::digest::client::Challenge;
use sip::digest::{Algorithm, Credentials, DigestParameters, Ha1, Server, Verdict};

const NOW: Now = Now { mono: Instant::ZERO, unix_ms: 1_700_000_000_000 };
const REALM: &str = "sip.sidetone.test";
const URI: &[u8] = b"sip:desk.sip.sidetone.test";
const PASSWORD: &str = "Secret-Passw0rd";

/// In the input `NONCE` stands for a nonce of this very server and `RESPONSE` for the right answer
/// to it with `nc=00000001` and `cnonce="x"`: no mutation finds those.
pub fn check(bytes: &[u8]) {
    let mut server = Server::new(REALM, [7; 32]);
    let challenge = server.challenge(NOW, false);
    let value = filled_in(bytes, challenge.as_bytes());
    check_verdicts(&mut server, &value);
    // Values come from headers, where no control character passes.
    if sip::Text::new(&value).is_ok() {
        check_challenge(&value);
    }
}

/// Nobody but the one user gets in, and not twice with one count.
fn check_verdicts(server: &mut Server, value: &[u8]) {
    let stored = |user: &str| (user == "alice").then(|| ha1(user));
    let mut verify = || server.verify(NOW, b"INVITE", URI, [value], stored);
    if let Verdict::Ok { user } = verify() {
        assert_eq!(user, "alice");
        assert_eq!(verify(), Verdict::Stale, "the same count was taken twice");
    }
}

/// What our client answers to a challenge can be read, and holds no line of the peer's.
fn check_challenge(value: &[u8]) {
    let credentials = Credentials::new("al\"ice\\", PASSWORD);
    let Ok(challenge) = Challenge::parse(value) else { return };
    let answer = challenge.answer(&credentials, b"INVITE", URI, 1, "0a4f113b");
    let Ok(parameters) = DigestParameters::parse(&answer) else {
        panic!("our answer is broken: {}", answer.escape_ascii())
    };
    assert_eq!(parameters.find("realm"), Some(challenge.realm()));
    assert_eq!(parameters.find("username"), Some(credentials.user.as_bytes()));
    assert!(sip::Text::new(&answer).is_ok(), "our answer has control characters");
}

fn filled_in(bytes: &[u8], challenge: &[u8]) -> Vec<u8> {
    let right = Challenge::parse(challenge).expect("a challenge of ours").answer(
        &Credentials::new("alice", PASSWORD),
        b"INVITE",
        URI,
        1,
        "x",
    );
    let right = DigestParameters::parse(&right).expect("an answer of ours");
    let bytes = replaced(bytes, b"NONCE", right.find("nonce").unwrap_or_default());
    replaced(&bytes, b"RESPONSE", right.find("response").unwrap_or_default())
}

/// The first occurrence replaced.
fn replaced(bytes: &[u8], word: &[u8], by: &[u8]) -> Vec<u8> {
    let Some(at) = bytes.windows(word.len()).position(|window| window == word) else {
        return bytes.to_vec();
    };
    let (before, after) = bytes.split_at(at);
    [before, by, after.get(word.len()..).unwrap_or_default()].concat()
}

fn ha1(user: &str) -> Ha1 {
    Ha1::new(Algorithm::Md5, user.as_bytes(), REALM.as_bytes(), PASSWORD.as_bytes())
}

/// Names and marks of the grammar.
pub const WORDS: &[&str] = &[
    "Digest ",
    "Basic ",
    "realm=\"sip.sidetone.test\"",
    "username=\"alice\"",
    "nonce=\"NONCE\"",
    "uri=\"sip:desk.sip.sidetone.test\"",
    "response=\"RESPONSE\"",
    "algorithm=MD5",
    "algorithm=SHA-256",
    "algorithm=\"MD5-sess\"",
    "qop=auth",
    "qop=\"auth,auth-int\"",
    "nc=00000001",
    "nc=ffffffff",
    "cnonce=\"x\"",
    "opaque=\"\"",
    "stale=TRUE",
    "userhash=true",
    "username*=UTF-8''%c3%a9",
    "\"",
    "\\",
    "\\\"",
    ",",
    " , ",
    "=",
    "\r\n ",
    "\u{e9}",
];
