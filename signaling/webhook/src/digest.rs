//! Digest logins to applications (RFC 7616), kept for the length of a call as a browser keeps them.

use std::collections::BTreeMap;

use http::header::WWW_AUTHENTICATE;
use parking_lot::Mutex;
use shared::CallSid;
use sip::digest::Credentials;
use sip::digest::client::Challenge;
use url::{Position, Url};

use crate::exchange::Answer;

/// Logins kept. Past it a new login is valid only for its request.
const LOGINS_MAX: usize = 10_000;

/// Challenges that calls have answered, by call and origin.
#[derive(Default)]
pub(crate) struct Logins(Mutex<BTreeMap<(CallSid, String), Login>>);

struct Login {
    challenge: Challenge,
    /// Requests that used the challenge's nonce.
    count: u32,
}

impl Logins {
    /// The `Authorization` of a request; `None` if this call is not logged in at its origin.
    pub(crate) fn header(
        &self,
        call: CallSid,
        url: &Url,
        method: &str,
        credentials: &Credentials,
    ) -> Option<String> {
        let mut logins = self.0.lock();
        let login = logins.get_mut(&(call, origin(url)))?;
        login.count = login.count.saturating_add(1);
        answer(&login.challenge, credentials, method, url, login.count)
    }

    /// Answers the challenge of a 401 and keeps it; `None` if the 401 has no challenge that we support.
    pub(crate) fn answer(
        &self,
        call: CallSid,
        url: &Url,
        method: &str,
        credentials: &Credentials,
        refused: &Answer,
    ) -> Option<String> {
        let offered = refused.headers.get_all(WWW_AUTHENTICATE).iter();
        let challenge = Challenge::choose(offered.map(http::HeaderValue::as_bytes), credentials)?;
        let header = answer(&challenge, credentials, method, url, 1)?;
        let mut logins = self.0.lock();
        let key = (call, origin(url));
        if logins.len() < LOGINS_MAX || logins.contains_key(&key) {
            logins.insert(key, Login { challenge, count: 1 });
        }
        Some(header)
    }

    /// Drops the logins of a call that is over.
    pub(crate) fn forget(&self, call: CallSid) {
        let mut logins = self.0.lock();
        let of_call = logins.range((call, String::new())..).map(|(key, _)| key.clone());
        let keys: Vec<_> = of_call.take_while(|(of, _)| *of == call).collect();
        for key in keys {
            logins.remove(&key);
        }
    }
}

fn answer(
    challenge: &Challenge,
    credentials: &Credentials,
    method: &str,
    url: &Url,
    count: u32,
) -> Option<String> {
    let target = &url[Position::BeforePath..Position::AfterQuery];
    let value =
        challenge.answer(credentials, method.as_bytes(), target.as_bytes(), count, &cnonce());
    String::from_utf8(value).ok()
}

/// 64 random bits in hexadecimal.
fn cnonce() -> String {
    let mut bytes = [0; 8];
    // Without randomness the cnonce is predictable, and the answer still correct.
    let _ = aws_lc_rs::rand::fill(&mut bytes);
    format!("{:016x}", u64::from_be_bytes(bytes))
}

fn origin(url: &Url) -> String {
    url[..Position::BeforePath].to_owned()
}
