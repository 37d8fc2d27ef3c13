//! Requests of functions to the outside: what a worker asked for, as a request that the gateway sends. Shell.
//!
//! Redirects are followed here, so that each hop is checked by the gateway's guard like a request of its own, and
//! credentials do not go to another host.

use bytes::Bytes;
use http::header::{AUTHORIZATION, COOKIE, HeaderName, LOCATION};
use http::{HeaderMap, HeaderValue, Method};
use shared::AccountSid;
use url::Url;

use crate::answers::OF_CONNECTION;
use crate::message::FetchedHead;
use crate::outside::{Asked, Outside};

/// Redirects of one request.
const REDIRECTS_MAX: usize = 10;

/// A request as the worker sent it.
pub(crate) struct Wanted {
    pub method: String,
    pub url: String,
    pub headers: Vec<(String, String)>,
    pub follow: bool,
    pub body: Vec<u8>,
}

/// Sends a request and follows its redirects.
///
/// # Errors
/// A sentence for the function: the request cannot be sent, or no answer came.
pub(crate) async fn send(
    outside: &dyn Outside,
    account: AccountSid,
    wanted: Wanted,
) -> Result<(FetchedHead, Bytes), String> {
    let follow = wanted.follow;
    let mut asked = asked(account, wanted)?;
    for _ in 0..=REDIRECTS_MAX {
        let reply = outside.send(asked.clone()).await?;
        let location = reply.headers.get(LOCATION).and_then(|value| value.to_str().ok());
        let target = location.and_then(|target| asked.url.join(target).ok());
        match target {
            Some(target) if follow && reply.status.is_redirection() => {
                asked = redirected(asked, target, reply.status.as_u16());
            }
            _ => {
                let url = asked.url.to_string();
                let head = FetchedHead {
                    status: reply.status.as_u16(),
                    headers: shown(&reply.headers),
                    url,
                };
                return Ok((head, reply.body));
            }
        }
    }
    Err(format!("more than {REDIRECTS_MAX} redirects"))
}

fn asked(account: AccountSid, wanted: Wanted) -> Result<Asked, String> {
    let method = Method::from_bytes(wanted.method.as_bytes())
        .map_err(|_| format!("{} is not a method", wanted.method))?;
    let mut url = Url::parse(&wanted.url).map_err(|error| format!("{}: {error}", wanted.url))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(format!("the scheme {} is not supported", url.scheme()));
    }
    url.set_fragment(None);
    let mut headers = HeaderMap::new();
    for (name, value) in wanted.headers {
        let name: HeaderName = name.parse().map_err(|_| format!("{name} is not a header"))?;
        let value = HeaderValue::from_str(&value).map_err(|_| format!("{name} has a bad value"))?;
        let is_ours = name == "host" || OF_CONNECTION.contains(&name.as_str());
        // The answer is handed on as it came, so nothing is offered that we would have to unpack.
        if !is_ours && name != "accept-encoding" {
            headers.append(name, value);
        }
    }
    Ok(Asked { account, method, url, headers, body: wanted.body.into() })
}

/// The request that follows a redirect (Fetch §4.4, HTTP-redirect fetch).
fn redirected(asked: Asked, target: Url, status: u16) -> Asked {
    let Asked { account, mut method, url, mut headers, mut body } = asked;
    let becomes_get = match status {
        301 | 302 => method == Method::POST,
        303 => method != Method::GET && method != Method::HEAD,
        _ => false,
    };
    if becomes_get {
        method = Method::GET;
        body = Bytes::new();
        headers.remove(http::header::CONTENT_TYPE);
    }
    if target.origin() != url.origin() {
        headers.remove(AUTHORIZATION);
        headers.remove(COOKIE);
    }
    Asked { account, method, url: target, headers, body }
}

fn shown(headers: &HeaderMap) -> Vec<(String, String)> {
    let shown = headers.iter().filter(|(name, _)| !OF_CONNECTION.contains(&name.as_str()));
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    shown.map(|(name, value)| (name.as_str().to_owned(), text(value))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(method: &str, url: &str) -> Wanted {
        let headers = [("Authorization", "Basic x"), ("Host", "evil"), ("Content-Type", "a/b")];
        Wanted {
            method: method.to_owned(),
            url: url.to_owned(),
            headers: headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec(),
            follow: true,
            body: b"body".to_vec(),
        }
    }

    #[test]
    fn host_and_connection_are_ours() {
        let asked =
            asked(AccountSid(1), wanted("POST", "https://a.example.org/x#f")).expect("asked");
        assert_eq!(asked.url.as_str(), "https://a.example.org/x");
        assert!(!asked.headers.contains_key("host") && asked.headers.contains_key(AUTHORIZATION));
    }

    #[test]
    fn a_redirect_keeps_credentials_on_their_host_only() {
        let asked = asked(AccountSid(1), wanted("POST", "https://a.example.org/x")).expect("asked");
        let target = |text: &str| Url::parse(text).expect("a URL");
        let same = redirected(asked.clone(), target("https://a.example.org/y"), 307);
        assert!(same.headers.contains_key(AUTHORIZATION) && same.body == "body");
        let other = redirected(asked, target("https://b.example.org/"), 302);
        assert!(!other.headers.contains_key(AUTHORIZATION));
        assert_eq!((other.method, other.body), (Method::GET, Bytes::new()));
    }

    #[test]
    fn what_cannot_be_sent_says_why() {
        for (method, url, reason) in [
            ("G E T", "https://a.example.org/", "not a method"),
            ("GET", "ftp://a.example.org/", "scheme ftp"),
            ("GET", "/relative", "relative"),
        ] {
            let refused = asked(AccountSid(1), wanted(method, url)).expect_err("refused");
            assert!(refused.contains(reason), "{refused}");
        }
    }
}
