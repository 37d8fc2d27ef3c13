//! The few REST requests that create a domain and its users. Shell.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use url::form_urlencoded;

use super::gateway::{ACCOUNT, Gateway, TOKEN};
use crate::endpoint::Trouble;

/// The user of each domain that [`make_domain`] creates with digest.
pub(crate) const USER: &str = "alice";
/// Password of every user.
pub(crate) const PASSWORD: &str = "Secret-Passw0rd";

/// How a domain admits its callers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Login {
    /// By digest, with [`USER`] and [`PASSWORD`].
    Digest,
    /// By an IP access control list.
    Address,
}

/// Creates `name.sip.sidetone.test` with a voice URL and the lists that admit its callers.
///
/// # Errors
/// The API refuses; says what.
pub(crate) fn make_domain(
    gateway: &Gateway,
    name: &str,
    voice_url: &str,
    login: Login,
) -> Result<(), Trouble> {
    let full = format!("{name}.sip.sidetone.test");
    let domain =
        create(gateway, "SIP/Domains.json", &[("DomainName", &full), ("VoiceUrl", voice_url)])?;
    let auth = format!("SIP/Domains/{domain}/Auth/Calls");
    match login {
        Login::Digest => {
            let list = create(gateway, "SIP/CredentialLists.json", &[("FriendlyName", name)])?;
            let credentials = format!("SIP/CredentialLists/{list}/Credentials.json");
            create(gateway, &credentials, &[("Username", USER), ("Password", PASSWORD)])?;
            let mappings = format!("{auth}/CredentialListMappings.json");
            create(gateway, &mappings, &[("CredentialListSid", &list)])?;
        }
        Login::Address => {
            let lists = "SIP/IpAccessControlLists";
            let list = create(gateway, &format!("{lists}.json"), &[("FriendlyName", name)])?;
            let addresses = format!("{lists}/{list}/IpAddresses.json");
            create(gateway, &addresses, &[("FriendlyName", name), ("IpAddress", "127.0.0.1")])?;
            let mappings = format!("{auth}/IpAccessControlListMappings.json");
            create(gateway, &mappings, &[("IpAccessControlListSid", &list)])?;
        }
    }
    Ok(())
}

/// Creates `count` users in lists of a thousand, mapped to the domain for registrations. Several
/// connections work at once, so that commits share a sync.
///
/// # Errors
/// The API refuses; says what.
pub(crate) fn make_users(gateway: &Gateway, domain: &str, count: usize) -> Result<(), Trouble> {
    for first in (0..count).step_by(USERS_A_LIST) {
        let name = format!("users {first}");
        let list = create(gateway, "SIP/CredentialLists.json", &[("FriendlyName", &name)])?;
        let users: Vec<String> = (first..count.min(first + USERS_A_LIST)).map(user).collect();
        let resource = format!("SIP/CredentialLists/{list}/Credentials.json");
        let make = |users: &[String]| -> Result<(), String> {
            users.iter().try_for_each(|user| {
                let form = [("Username", user.as_str()), ("Password", PASSWORD)];
                create(gateway, &resource, &form).map(drop).map_err(|trouble| trouble.to_string())
            })
        };
        std::thread::scope(|scope| {
            let make = &make;
            let chunks = users.chunks(users.len().div_ceil(REST_CONNECTIONS).max(1));
            let workers: Vec<_> = chunks.map(|chunk| scope.spawn(move || make(chunk))).collect();
            let mut done = workers.into_iter().map(|worker| {
                worker.join().unwrap_or_else(|_| Err("a worker panicked".to_owned()))
            });
            done.try_for_each(|result| result)
        })?;
        let path = format!("SIP/Domains/{domain}/Auth/Registrations/CredentialListMappings.json");
        create(gateway, &path, &[("CredentialListSid", &list)])?;
    }
    Ok(())
}

/// The name of a user that [`make_users`] makes, counted from 0.
pub(crate) fn user(index: usize) -> String {
    format!("u{index:05}")
}

const USERS_A_LIST: usize = 1_000;
const REST_CONNECTIONS: usize = 16;

/// Creates a resource below the account and returns its SID.
///
/// # Errors
/// The API refuses; says what.
pub(crate) fn create(
    gateway: &Gateway,
    resource: &str,
    form: &[(&str, &str)],
) -> Result<String, Trouble> {
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
    let path = format!("/2010-04-01/Accounts/{ACCOUNT}/{resource}");
    post(gateway, &path, "application/x-www-form-urlencoded", &body)
}

/// Posts a body and returns the SID in the answer.
///
/// # Errors
/// The API refuses; says what.
pub(crate) fn post(
    gateway: &Gateway,
    path: &str,
    kind: &str,
    body: &str,
) -> Result<String, Trouble> {
    let login = login();
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Basic {login}\r\nContent-Type: {kind}\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        gateway.http,
        body.len()
    );
    let mut stream = TcpStream::connect(gateway.http)?;
    stream.set_read_timeout(Some(ANSWER_MAX))?;
    stream.write_all(request.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    sid(&answer).ok_or_else(|| format!("{path}: {answer}").into())
}

/// The credentials of the account, for Basic authentication.
pub(crate) fn login() -> String {
    STANDARD.encode(format!("{ACCOUNT}:{TOKEN}"))
}

const ANSWER_MAX: Duration = Duration::from_secs(10);

/// The `sid` of a 201 with a JSON object.
fn sid(answer: &str) -> Option<String> {
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.split_ascii_whitespace().nth(1)?;
    let json = body.get(body.find('{')?..=body.rfind('}')?)?;
    let json: serde_json::Value = serde_json::from_str(json).ok()?;
    status.starts_with('2').then(|| json["sid"].as_str().map(str::to_owned))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sid_is_read_from_plain_and_chunked_answers() {
        let plain = "HTTP/1.1 201 Created\r\nA: b\r\n\r\n{\"sid\": \"SD1\"}";
        assert_eq!(sid(plain).as_deref(), Some("SD1"));
        let chunked = "HTTP/1.1 201 Created\r\n\r\ne\r\n{\"sid\": \"SD1\"}\r\n0\r\n\r\n";
        assert_eq!(sid(chunked).as_deref(), Some("SD1"));
    }

    #[test]
    fn a_refusal_has_no_sid() {
        assert_eq!(sid("HTTP/1.1 400 Bad Request\r\n\r\n{\"sid\": \"SD1\"}"), None);
        assert_eq!(sid("HTTP/1.1 201 Created\r\n\r\n"), None);
        assert_eq!(sid("nonsense"), None);
    }
}
