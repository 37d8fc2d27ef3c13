//! Cookies of one call (RFC 6265), dropped with it.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use parking_lot::Mutex;
use shared::CallSid;
use url::{Host, Url};

/// Cookies of one call. Past it the oldest is dropped.
const COOKIES_MAX: usize = 50;
/// Bytes of name and value of one cookie. Past it the cookie is not kept.
const COOKIE_BYTES_MAX: usize = 4_096;
/// Calls with cookies. Past it the cookies of a further call are not kept.
const JARS_MAX: usize = 100_000;

/// The cookie jars of all calls. The caller counts the cookies that a bound drops.
#[derive(Default)]
pub(crate) struct CookieJars(Mutex<HashMap<CallSid, Vec<Cookie>>>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Cookie {
    name: String,
    value: String,
    domain: String,
    /// Set without a `Domain` attribute: sent only to the host that set it.
    host_only: bool,
    path: String,
    secure: bool,
    expires: Option<SystemTime>,
}

impl CookieJars {
    /// The `Cookie` header of a request, longer paths first (RFC 6265 §5.4); `None`: no cookie matches.
    pub(crate) fn header(&self, call: CallSid, url: &Url, now: SystemTime) -> Option<String> {
        let jars = self.0.lock();
        let mut matching: Vec<&Cookie> =
            jars.get(&call)?.iter().filter(|cookie| cookie.goes_to(url, now)).collect();
        matching.sort_by_key(|cookie| std::cmp::Reverse(cookie.path.len()));
        let pairs: Vec<String> =
            matching.iter().map(|cookie| format!("{}={}", cookie.name, cookie.value)).collect();
        (!pairs.is_empty()).then(|| pairs.join("; "))
    }

    /// Stores the `Set-Cookie` values of an answer. Returns the number that a bound dropped.
    pub(crate) fn store<'a>(
        &self,
        call: CallSid,
        url: &Url,
        values: impl Iterator<Item = &'a str>,
        now: SystemTime,
    ) -> u64 {
        let mut dropped = 0;
        for value in values {
            if value.len() > COOKIE_BYTES_MAX {
                dropped += 1;
                continue;
            }
            if let Some(cookie) = parse(value, url, now) {
                dropped += self.keep(call, cookie, now);
            }
        }
        dropped
    }

    /// Drops the jar of a call that is over.
    pub(crate) fn forget(&self, call: CallSid) {
        self.0.lock().remove(&call);
    }

    fn keep(&self, call: CallSid, cookie: Cookie, now: SystemTime) -> u64 {
        let mut jars = self.0.lock();
        if jars.len() >= JARS_MAX && !jars.contains_key(&call) {
            return 1;
        }
        let jar = jars.entry(call).or_default();
        jar.retain(|kept| {
            !(kept.name == cookie.name && kept.domain == cookie.domain && kept.path == cookie.path)
        });
        // An expiry in the past deletes the cookie (RFC 6265 §3.1).
        if cookie.is_expired(now) {
            return 0;
        }
        jar.push(cookie);
        if jar.len() > COOKIES_MAX {
            jar.remove(0);
            return 1;
        }
        0
    }
}

impl Cookie {
    fn goes_to(&self, url: &Url, now: SystemTime) -> bool {
        let host = url.host_str().unwrap_or("");
        let host_fits =
            if self.host_only { host == self.domain } else { domain_matches(url, &self.domain) };
        host_fits
            && path_matches(url.path(), &self.path)
            && (!self.secure || url.scheme() == "https")
            && !self.is_expired(now)
    }

    fn is_expired(&self, now: SystemTime) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }
}

/// Parses one `Set-Cookie` value (RFC 6265 §5.2); `None` if it is malformed or for another domain.
fn parse(text: &str, url: &Url, now: SystemTime) -> Option<Cookie> {
    let mut parts = text.split(';');
    let (name, value) = parts.next()?.split_once('=')?;
    let host = url.host_str()?.to_owned();
    let mut cookie = Cookie {
        name: name.trim().to_owned(),
        value: value.trim().to_owned(),
        domain: host,
        host_only: true,
        path: default_path(url.path()).to_owned(),
        secure: false,
        expires: None,
    };
    let mut max_age = None;
    for part in parts {
        let (key, value) = part.split_once('=').unwrap_or((part, ""));
        let value = value.trim();
        match key.trim().to_ascii_lowercase().as_str() {
            "domain" if !value.is_empty() => {
                let domain = value.trim_start_matches('.').to_ascii_lowercase();
                if !domain_matches(url, &domain) {
                    return None;
                }
                cookie.domain = domain;
                cookie.host_only = false;
            }
            "path" if value.starts_with('/') => cookie.path = value.to_owned(),
            "secure" => cookie.secure = true,
            "expires" => cookie.expires = httpdate::parse_http_date(value).ok(),
            "max-age" => max_age = value.parse::<i64>().ok(),
            _ => {}
        }
    }
    if let Some(seconds) = max_age {
        let life = Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
        cookie.expires = now.checked_add(life).or(cookie.expires);
    }
    let is_clean =
        |text: &str| text.bytes().all(|byte| (0x20..0x7F).contains(&byte) && byte != b';');
    let usable = !cookie.name.is_empty() && is_clean(&cookie.name) && is_clean(&cookie.value);
    usable.then_some(cookie)
}

/// Domain match (RFC 6265 §5.1.3). A domain without a dot would be a whole registry. An address matches
/// only itself.
fn domain_matches(url: &Url, domain: &str) -> bool {
    let host = url.host_str().unwrap_or("");
    if host == domain {
        return true;
    }
    let is_name = matches!(url.host(), Some(Host::Domain(_)));
    is_name
        && domain.contains('.')
        && host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'))
}

/// Path match (RFC 6265 §5.1.4).
fn path_matches(path: &str, cookie_path: &str) -> bool {
    path.strip_prefix(cookie_path)
        .is_some_and(|rest| rest.is_empty() || cookie_path.ends_with('/') || rest.starts_with('/'))
}

/// The default path: the folder of the request path (RFC 6265 §5.1.4).
fn default_path(path: &str) -> &str {
    match path.rfind('/') {
        None | Some(0) => "/",
        Some(last) => path.get(..last).unwrap_or("/"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALL: CallSid = CallSid(1);

    #[test]
    fn a_cookie_comes_back_to_its_host_and_folder_only() {
        let jars = CookieJars::default();
        set(&jars, "http://app.example/voice/start", "sid=42");
        assert_eq!(get(&jars, "http://app.example/voice/next"), Some("sid=42".to_owned()));
        assert_eq!(get(&jars, "http://app.example/voice"), Some("sid=42".to_owned()));
        assert_eq!(get(&jars, "http://app.example/voices"), None);
        assert_eq!(get(&jars, "http://other.example/voice/next"), None);
        assert_eq!(get(&jars, "http://sub.app.example/voice/next"), None);
    }

    #[test]
    fn a_domain_reaches_subdomains_but_never_a_foreign_or_top_level_one() {
        let jars = CookieJars::default();
        set(&jars, "https://a.app.example/", "a=1; Domain=.app.example; Path=/");
        assert_eq!(get(&jars, "https://b.app.example/x"), Some("a=1".to_owned()));
        assert_eq!(get(&jars, "https://evilapp.example/"), None);
        set(&jars, "https://a.app.example/", "b=1; Domain=example");
        set(&jars, "https://a.app.example/", "c=1; Domain=bank.example");
        assert_eq!(get(&jars, "https://bank.example/"), None);
    }

    #[test]
    fn secure_expiry_and_deletion_are_honoured() {
        let jars = CookieJars::default();
        set(&jars, "https://h.example/", "s=1; Secure");
        assert_eq!(get(&jars, "http://h.example/"), None);
        set(&jars, "https://h.example/", "gone=1; Expires=Thu, 01 Jan 1970 00:00:01 GMT");
        assert_eq!(get(&jars, "https://h.example/"), Some("s=1".to_owned()));
        set(&jars, "https://h.example/", "s=; Max-Age=0");
        assert_eq!(get(&jars, "https://h.example/"), None);
    }

    #[test]
    fn jars_are_bounded_and_forgotten_with_their_call() {
        let jars = CookieJars::default();
        for number in 0..COOKIES_MAX + 5 {
            set(&jars, "http://h.example/", &format!("c{number}=1"));
        }
        let header = get(&jars, "http://h.example/").unwrap();
        assert_eq!(header.split("; ").count(), COOKIES_MAX);
        assert!(!header.contains("c0="));
        let long = format!("long={}", "x".repeat(COOKIE_BYTES_MAX));
        assert_eq!(set(&jars, "http://h.example/", &long), 1);
        jars.forget(CALL);
        assert_eq!(get(&jars, "http://h.example/"), None);
    }

    #[test]
    fn control_bytes_never_reach_a_header() {
        let jars = CookieJars::default();
        set(&jars, "http://h.example/", "a=1\u{1}2");
        set(&jars, "http://h.example/", "=nameless");
        assert_eq!(get(&jars, "http://h.example/"), None);
    }

    fn set(jars: &CookieJars, url: &str, value: &str) -> u64 {
        jars.store(CALL, &url.parse().unwrap(), std::iter::once(value), now())
    }

    fn get(jars: &CookieJars, url: &str) -> Option<String> {
        jars.header(CALL, &url.parse().unwrap(), now())
    }

    fn now() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000)
    }
}
