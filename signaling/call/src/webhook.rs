//! Requests to the customer's application: URL, connection overrides, parameters. Sans-IO.
//!
//! A URL has three forms that must not be mixed up: as the customer wrote it (`configured`), as it is
//! sent and signed (`wire`: no userinfo, no fragment), and the overrides in its fragment, which never
//! leave the gateway. A signature over any form but `wire` would not verify.

use std::borrow::Cow;
use std::fmt::Display;

use shared::{AccountSid, CallSid, Code, limits};
use store::HttpMethod;
use url::Url;

use crate::finding::Finding;
use crate::form::Form;
use crate::ids::HttpId;

/// The purpose of a request: decides its log line and whether its answer is executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HttpKind {
    /// A TwiML request: voice URL, action, redirect, screening, fallback.
    Document,
    /// A call status callback; its answer is never executed.
    StatusCallback,
    /// A recording status callback; its answer is never executed.
    RecordingCallback,
    /// The callback of a side feature (stream, SIPREC, transcription, machine detection); its answer is never
    /// executed.
    SideCallback,
}

/// A request to send. [`HttpRequest::wire`] renders it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpRequest {
    /// Names it in [`crate::CallInput::Http`].
    pub id: HttpId,
    /// Decides whether the answer is executed.
    pub kind: HttpKind,
    /// The account whose auth token signs it.
    pub account: AccountSid,
    /// The call whose cookies it carries.
    pub call: CallSid,
    /// GET or POST.
    pub method: HttpMethod,
    /// The URL, connection overrides included.
    pub url: WebUrl,
    /// Standard parameters: sent again after a redirect.
    pub standard: Form,
    /// Parameters of the verb: not sent again after a redirect.
    pub extra: Form,
    /// `I-Twilio-Idempotency-Token`: the same on every retry and redirect.
    pub idempotency_token: String,
}

/// One request as it goes over the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WireRequest {
    /// Method of the request line.
    pub method: HttpMethod,
    /// URL without userinfo and fragment, with the parameters of a GET, as it is sent and signed.
    pub url: String,
    /// Body of a POST (`application/x-www-form-urlencoded; charset=UTF-8`).
    pub body: Option<String>,
    /// User and password, decoded, when the URL has them.
    pub basic_auth: Option<(String, String)>,
    /// Body parameters, for the signature.
    pub signed: Form,
}

impl WireRequest {
    /// `X-Twilio-Signature` with the account's auth token.
    pub fn signature(&self, auth_token: &str) -> String {
        crate::signature::sign(auth_token.as_bytes(), &self.url, &self.signed)
    }
}

impl HttpRequest {
    /// The request as it is sent and signed.
    pub fn wire(&self) -> WireRequest {
        let mut parameters = self.standard.clone();
        parameters.extend(&self.extra);
        let basic_auth = self.url.basic_auth();
        match self.method {
            HttpMethod::Get => WireRequest {
                method: HttpMethod::Get,
                url: self.url.wire(Some(&parameters)),
                body: None,
                basic_auth,
                // The parameters of a GET are in its URL, which is signed (webhooks.md 9).
                signed: Form::new(),
            },
            HttpMethod::Post => WireRequest {
                method: HttpMethod::Post,
                url: self.url.wire(None),
                body: Some(parameters.to_body()),
                basic_auth,
                signed: parameters,
            },
        }
    }

    /// The request that follows a redirect: 301, 302, 303 turn into GET, 307 and 308 keep the
    /// method (RFC 9110 §15.4). Parameters of the verb are not sent again; connection overrides of the
    /// first URL stay in force.
    ///
    /// # Errors
    /// 11216 where `Location` is not a usable URL.
    pub fn redirected(&self, status: u16, location: &str) -> Result<Self, WebUrlError> {
        let mut url = self.url.join(location).map_err(|error| WebUrlError {
            code: Code::HTTP_REDIRECT_INVALID,
            sentence: error.sentence,
        })?;
        url.overrides = self.url.overrides.clone();
        url.fragment = self.url.fragment.clone();
        let method = match status {
            // RFC 9110 leaves a POST after 301 and 302 open; the API turns it into a GET
            // (webhooks.md 1).
            307 | 308 => self.method,
            _ => HttpMethod::Get,
        };
        Ok(Self { method, url, extra: Form::new(), ..self.clone() })
    }
}

/// The reason why a URL cannot be used: the customer's error.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{sentence} ({code})")]
pub struct WebUrlError {
    /// Error code of the API: 11100, 11216, 11240 to 11243.
    pub code: Code,
    /// The reason, with the URL but without its password.
    pub sentence: String,
}

impl From<WebUrlError> for Finding {
    fn from(error: WebUrlError) -> Self {
        Self::error(error.code, error.sentence)
    }
}

/// A checked absolute http or https URL, with its connection overrides taken out of the fragment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebUrl {
    url: Url,
    fragment: Option<String>,
    /// Connection overrides from the fragment.
    pub overrides: Overrides,
}

impl WebUrl {
    /// Reads an absolute URL.
    ///
    /// # Errors
    /// 11100 where it is not a URL, has another scheme or an underscore in its host; 11240 to 11243 for
    /// its connection overrides.
    pub fn parse(text: &str) -> Result<Self, WebUrlError> {
        let text = text.trim();
        let url = Url::parse(text).map_err(|error| invalid(text, error))?;
        Self::check(url)
    }

    /// Reads a URL relative to this one; an empty text is this URL.
    ///
    /// # Errors
    /// As [`WebUrl::parse`].
    pub fn join(&self, text: &str) -> Result<Self, WebUrlError> {
        let text = text.trim();
        if text.is_empty() {
            return Ok(self.clone());
        }
        let mut url = self.url.join(text).map_err(|error| invalid(text, error))?;
        // `Url::join` drops userinfo; at the same origin the customer is still logged in.
        if url.origin() == self.url.origin() && url.username().is_empty() {
            let _ = url.set_username(self.url.username());
            let _ = url.set_password(self.url.password());
        }
        Self::check(url)
    }

    /// Bytes of its text.
    pub fn bytes(&self) -> usize {
        self.url.as_str().len() + self.fragment.as_ref().map_or(0, String::len)
    }

    /// As it is sent and signed: without userinfo and fragment, with `query` appended.
    pub fn wire(&self, query: Option<&Form>) -> String {
        let mut url = self.url.clone();
        // Both fail only on a URL without a host, and `check` has refused such URLs.
        let _ = url.set_username("");
        let _ = url.set_password(None);
        let mut text = String::from(url);
        if let Some(form) = query.filter(|form| !form.is_empty()) {
            text.push(match self.url.query() {
                None => '?',
                Some(_) => '&',
            });
            text.push_str(&form.to_query());
        }
        text
    }

    /// As the customer wrote it: userinfo and fragment included. Reads back to the same value.
    pub fn configured(&self) -> String {
        let mut url = self.url.clone();
        url.set_fragment(self.fragment.as_deref());
        url.into()
    }

    /// User and password, decoded; `None` when the URL has neither.
    pub fn basic_auth(&self) -> Option<(String, String)> {
        if self.url.username().is_empty() && self.url.password().is_none() {
            return None;
        }
        let decode = crate::form::percent_decode;
        Some((decode(self.url.username()), decode(self.url.password().unwrap_or(""))))
    }

    /// Host as in the URL, IPv6 in brackets.
    pub fn host(&self) -> &str {
        self.url.host_str().unwrap_or("")
    }

    /// Port; the scheme's default when the URL has none.
    pub fn port(&self) -> u16 {
        self.url.port_or_known_default().unwrap_or(80)
    }

    /// Whether it is https.
    pub fn is_https(&self) -> bool {
        self.url.scheme() == "https"
    }

    fn check(mut url: Url) -> Result<Self, WebUrlError> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(invalid(url.as_str(), "only http and https are possible"));
        }
        let host = url.host_str().unwrap_or("");
        if host.is_empty() {
            return Err(invalid(url.as_str(), "it has no host"));
        }
        // DNS takes an underscore, a host name does not (RFC 1123 §2.1); the API refuses it with
        // 11100.
        if host.contains('_') {
            return Err(invalid(url.as_str(), "a host name must not contain an underscore"));
        }
        let fragment = url.fragment().map(str::to_owned);
        let overrides = Overrides::parse(fragment.as_deref().unwrap_or(""))?;
        // Taken off here, so that no later step can send it.
        url.set_fragment(None);
        Ok(Self { url, fragment, overrides })
    }
}

fn invalid(text: &str, reason: impl Display) -> WebUrlError {
    let (scheme, rest) = text.split_once("//").unwrap_or(("", text));
    // A password must not reach a notification.
    let shown = match rest.rsplit_once('@') {
        Some((_, after)) => Cow::Owned(format!("{scheme}//…@{after}")),
        None => Cow::Borrowed(text),
    };
    let shown: String = shown.chars().take(200).collect();
    WebUrlError {
        code: Code::URL_INVALID,
        sentence: format!("`{shown}` is not a usable URL: {reason}"),
    }
}

/// Connection overrides in the fragment of a URL (`#ct=2000&rc=2`), removed before the request is sent.
/// Times are in milliseconds and can only shorten the hard limit of 15 s.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overrides {
    /// `ct`: TCP connect, 100 to 10,000.
    pub connect_ms: u32,
    /// `rt`: until the first byte and between reads, 100 to 15,000.
    pub read_ms: u32,
    /// `tt`: the whole exchange, retries included, 100 to 15,000.
    pub total_ms: u32,
    /// `rc`: retries, 0 to 5.
    pub retries: u8,
    /// `rp`: the failures that are retried.
    pub retry: RetryPolicy,
    /// `sni`: whether TLS sends the server's name.
    pub sni: bool,
    /// `e`: the edges that the request leaves by, rotated over retries; empty = this node's default.
    pub edges: Vec<String>,
}

/// The failures after which a request is retried (`rp`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Connect or TLS failure.
    pub connect: bool,
    /// The read timeout passed without a response.
    pub read: bool,
    /// A 4xx answer.
    pub status_4xx: bool,
    /// A 5xx answer.
    pub status_5xx: bool,
}

impl Default for Overrides {
    fn default() -> Self {
        Self {
            connect_ms: limits::WEBHOOK_CONNECT_MS,
            read_ms: limits::WEBHOOK_TOTAL_MS,
            total_ms: limits::WEBHOOK_TOTAL_MS,
            retries: 1,
            // Where no connection was made the application has seen nothing, so a retry repeats
            // nothing.
            retry: RetryPolicy { connect: true, read: false, status_4xx: false, status_5xx: false },
            sni: true,
            edges: Vec::new(),
        }
    }
}

impl Overrides {
    /// Reads a fragment. Unknown keys are ignored, because any URL may have a fragment.
    ///
    /// # Errors
    /// 11240 malformed edge, 11241 unknown edge, 11242 interconnect, 11243 any other invalid value.
    pub fn parse(fragment: &str) -> Result<Self, WebUrlError> {
        let mut overrides = Self::default();
        for (key, value) in fragment.split('&').filter_map(|pair| pair.split_once('=')) {
            let value = crate::form::percent_decode(value);
            match key {
                "ct" => overrides.connect_ms = number(key, &value, 100, 10_000)?,
                "rt" => overrides.read_ms = number(key, &value, 100, 15_000)?,
                "tt" => overrides.total_ms = number(key, &value, 100, 15_000)?,
                // `number` has checked the range: the conversion cannot fail.
                "rc" => overrides.retries = u8::try_from(number(key, &value, 0, 5)?).unwrap_or(5),
                "rp" => overrides.retry = retry_policy(&value)?,
                "sni" => overrides.sni = yes_or_no(&value)?,
                "e" => overrides.edges = edges(&value)?,
                _ => {}
            }
        }
        Ok(overrides)
    }
}

fn number(key: &str, value: &str, least: u32, most: u32) -> Result<u32, WebUrlError> {
    value.parse().ok().filter(|number| (least..=most).contains(number)).ok_or_else(|| {
        bad(
            Code::OVERRIDE_INVALID,
            format!("connection override `{key}={value}` is not a number from {least} to {most}"),
        )
    })
}

fn retry_policy(value: &str) -> Result<RetryPolicy, WebUrlError> {
    let mut policy =
        RetryPolicy { connect: false, read: false, status_4xx: false, status_5xx: false };
    for word in value.split(',') {
        match word.trim() {
            "ct" => policy.connect = true,
            "rt" => policy.read = true,
            "4xx" => policy.status_4xx = true,
            "5xx" => policy.status_5xx = true,
            "all" => {
                policy =
                    RetryPolicy { connect: true, read: true, status_4xx: true, status_5xx: true };
            }
            other => {
                return Err(bad(
                    Code::OVERRIDE_INVALID,
                    format!("`{other}` is not a retry policy: ct, rt, 4xx, 5xx, all"),
                ));
            }
        }
    }
    Ok(policy)
}

fn yes_or_no(value: &str) -> Result<bool, WebUrlError> {
    match value {
        "y" => Ok(true),
        "n" => Ok(false),
        other => Err(bad(
            Code::OVERRIDE_INVALID,
            format!("connection override `sni={other}` is neither y nor n"),
        )),
    }
}

fn edges(value: &str) -> Result<Vec<String>, WebUrlError> {
    let mut edges = Vec::new();
    for edge in value.split(',') {
        let well_formed =
            !edge.is_empty() && edge.bytes().all(|b| b.is_ascii_lowercase() || b == b'-');
        if !well_formed {
            return Err(bad(
                Code::OVERRIDE_EDGE_INVALID,
                format!("`{edge}` is not the name of an edge"),
            ));
        }
        // Before the list: an interconnect is known, but not for requests to an application
        // (11242).
        if edge.ends_with("-ix") {
            return Err(bad(
                Code::OVERRIDE_INTERCONNECT,
                format!("interconnect `{edge}` is not allowed here"),
            ));
        }
        if !EDGES.contains(&edge) {
            return Err(bad(
                Code::OVERRIDE_EDGE_UNSUPPORTED,
                format!("edge `{edge}` is not supported: one of {}", EDGES.join(", ")),
            ));
        }
        edges.push(edge.to_owned());
    }
    Ok(edges)
}

fn bad(code: Code, sentence: String) -> WebUrlError {
    WebUrlError { code, sentence }
}

/// Edges that connection overrides may name.
const EDGES: [&str; 8] =
    ["ashburn", "dublin", "frankfurt", "sao-paulo", "singapore", "sydney", "tokyo", "umatilla"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overrides_are_read_and_cut_off() {
        let url = WebUrl::parse("https://h.example/p?q=1#ct=2000&rc=2&rp=ct,5xx&e=dublin").unwrap();
        assert_eq!(url.wire(None), "https://h.example/p?q=1");
        assert_eq!(url.configured(), "https://h.example/p?q=1#ct=2000&rc=2&rp=ct,5xx&e=dublin");
        let overrides = &url.overrides;
        assert_eq!(
            (overrides.connect_ms, overrides.retries, overrides.total_ms),
            (2_000, 2, 15_000)
        );
        assert!(overrides.retry.connect && overrides.retry.status_5xx && !overrides.retry.read);
        assert_eq!(overrides.edges, ["dublin"]);
    }

    #[test]
    fn bad_overrides_have_their_codes() {
        for (fragment, code) in [
            ("e=Dublin!", Code::OVERRIDE_EDGE_INVALID),
            ("e=mars", Code::OVERRIDE_EDGE_UNSUPPORTED),
            ("e=ashburn-ix", Code::OVERRIDE_INTERCONNECT),
            ("rp=3xx", Code::OVERRIDE_INVALID),
            ("ct=50", Code::OVERRIDE_INVALID),
            ("rc=6", Code::OVERRIDE_INVALID),
            ("tt=16000", Code::OVERRIDE_INVALID),
            ("sni=maybe", Code::OVERRIDE_INVALID),
        ] {
            let url = format!("https://h.example/#{fragment}");
            assert_eq!(WebUrl::parse(&url).unwrap_err().code, code, "{fragment}");
        }
        assert!(WebUrl::parse("https://h.example/#section-2").is_ok());
    }

    #[test]
    fn only_http_urls_with_a_legal_host_are_used() {
        for bad in
            ["", "/voice", "ftp://h/", "https://under_score.example/", "http://", "mailto:a@b"]
        {
            assert_eq!(WebUrl::parse(bad).unwrap_err().code, Code::URL_INVALID, "{bad}");
        }
    }

    #[test]
    fn errors_do_not_show_a_password() {
        let fault = WebUrl::parse("http://user:secret@under_score.example/x").unwrap_err();
        assert!(fault.sentence.contains("under_score") && !fault.sentence.contains("secret"));
    }

    #[test]
    fn relative_urls_resolve_against_the_document_and_stay_logged_in() {
        let base = WebUrl::parse("https://u:p@h.example/a/b?c=1").unwrap();
        let joined = |text| base.join(text).unwrap();
        assert_eq!(joined("d").wire(None), "https://h.example/a/d");
        assert_eq!(joined("/d?e=f").basic_auth(), base.basic_auth());
        assert_eq!(joined("").wire(None), base.wire(None));
        assert_eq!(joined("https://other.example/").basic_auth(), None);
    }

    #[test]
    fn a_get_appends_its_parameters_to_the_query() {
        let mut form = Form::new();
        form.push("To", "+1 a");
        let url = WebUrl::parse("http://h.example/p").unwrap();
        assert_eq!(url.wire(Some(&form)), "http://h.example/p?To=%2B1%20a");
        let url = WebUrl::parse("http://h.example/p?x=1").unwrap();
        assert_eq!(url.wire(Some(&form)), "http://h.example/p?x=1&To=%2B1%20a");
    }
}
