//! Readers of single headers in [`Headers`]. An unreadable one counts as absent, as RFC 3261 §8.2
//! wants for headers that a request does not depend on. Sans-IO.

use super::{DateError, Headers, SipDate};
use crate::message::Method;
use crate::name_addr::saturating_seconds;
use crate::parameters::Parameters;
use crate::scan::Scanner;
use crate::text::Text;

/// `Content-Type`: a media type in lower case, and its parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaType {
    /// `type/subtype` in lower case.
    pub essence: String,
    /// `boundary`, `charset`, `version`, …
    pub parameters: Parameters,
}

impl MediaType {
    /// Reads a media type; `None` for anything else.
    pub fn parse(value: &[u8]) -> Option<Self> {
        let mut scanner = Scanner::new(value);
        scanner.skip_space();
        let main = scanner.token()?;
        let slash = scanner.eat_padded(b'/');
        let sub = scanner.token().filter(|_| slash)?;
        let parameters = scanner.parameters()?;
        scanner.skip_space();
        // Tokens are ASCII.
        let letters = main.iter().chain(b"/").chain(sub);
        let essence = letters.map(|byte| char::from(byte.to_ascii_lowercase())).collect();
        scanner.is_empty().then_some(Self { essence, parameters })
    }

    /// Whether this is the media type, parameters aside.
    pub fn is(&self, essence: &str) -> bool {
        self.essence.eq_ignore_ascii_case(essence)
    }
}

/// One value of `Reason` (RFC 3326).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// `SIP`, `Q.850`, …
    pub protocol: String,
    /// `cause`: a SIP status or a Q.850 cause.
    pub cause: Option<u16>,
    /// `text`, unquoted.
    pub text: Option<String>,
}

impl Headers {
    /// `Content-Type`, when it is there and readable.
    pub fn content_type(&self) -> Option<MediaType> {
        MediaType::parse(self.get("Content-Type")?.as_bytes())
    }

    /// `Expires` in seconds; a number past `u32` is `u32::MAX`.
    pub fn expires(&self) -> Option<u32> {
        self.seconds("Expires")
    }

    /// `Min-Expires` in seconds.
    pub fn min_expires(&self) -> Option<u32> {
        self.seconds("Min-Expires")
    }

    /// `Retry-After` in seconds; comment and parameters are skipped.
    pub fn retry_after(&self) -> Option<u32> {
        self.seconds("Retry-After")
    }

    /// `Allow`: methods in order.
    pub fn allow(&self) -> Vec<Method> {
        self.elements("Allow").filter_map(Method::parse).collect()
    }

    /// Option tags of `Supported`, `Require`, `Proxy-Require` or `Unsupported`, in lower case.
    pub fn option_tags(&self, name: &str) -> Vec<String> {
        self.elements(name).map(|tag| String::from_utf8_lossy(tag).to_ascii_lowercase()).collect()
    }

    /// Option tags of `Supported`.
    pub fn supported(&self) -> Vec<String> {
        self.option_tags("Supported")
    }

    /// Option tags of `Require`.
    pub fn require(&self) -> Vec<String> {
        self.option_tags("Require")
    }

    /// Whether a body of this media type may be sent to the peer: `Accept` is absent, or one of its
    /// ranges covers the type (RFC 3261 §20.1; absent means `application/sdp`).
    pub fn accepts(&self, essence: &str) -> bool {
        if !self.contains("Accept") {
            return essence.eq_ignore_ascii_case("application/sdp");
        }
        self.elements("Accept").any(|range| is_range_of(range, essence))
    }

    /// All readable values of `Reason`.
    pub fn reasons(&self) -> Vec<Reason> {
        self.elements("Reason").filter_map(read_reason).collect()
    }

    /// `Date`; `None` when absent, an error when it is not an RFC 1123 date in GMT.
    pub fn date(&self) -> Option<Result<SipDate, DateError>> {
        self.get("Date").map(|value| SipDate::parse(value.as_bytes()))
    }

    /// Digest and other credentials of `Authorization`, one value a header, commas not split
    /// (RFC 3261 §7.3.1 exempts it from list splitting).
    pub fn authorization(&self) -> impl Iterator<Item = &Text> {
        self.all("Authorization")
    }

    /// Credentials of `Proxy-Authorization`, one value a header, commas not split.
    pub fn proxy_authorization(&self) -> impl Iterator<Item = &Text> {
        self.all("Proxy-Authorization")
    }

    /// The leading digits of a value; `None` when anything but `;`, `(` or white space follows.
    fn seconds(&self, name: &str) -> Option<u32> {
        let mut scanner = Scanner::new(self.get(name)?.as_bytes());
        let digits = scanner.take_while(|byte| byte.is_ascii_digit());
        scanner.skip_space();
        match scanner.peek() {
            None | Some(b';' | b'(') => saturating_seconds(digits),
            Some(_) => None,
        }
    }
}

fn read_reason(value: &[u8]) -> Option<Reason> {
    let mut scanner = Scanner::new(value);
    let protocol = String::from_utf8_lossy(scanner.token()?).into_owned();
    let parameters = scanner.parameters()?;
    let cause = parameters.get("cause").and_then(|cause| cause.as_str()?.parse().ok());
    Some(Reason { protocol, cause, text: parameters.unquoted("text") })
}

/// Whether `*/*`, `type/*` or `type/subtype` covers the media type.
fn is_range_of(range: &[u8], essence: &str) -> bool {
    let Some(range) = MediaType::parse(range) else {
        return false;
    };
    let (main, sub) = range.essence.split_once('/').unwrap_or_default();
    let (wanted_main, wanted_sub) = essence.split_once('/').unwrap_or_default();
    (main == "*" || main.eq_ignore_ascii_case(wanted_main))
        && (sub == "*" || sub.eq_ignore_ascii_case(wanted_sub))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(list: &[(&str, &str)]) -> Headers {
        let mut headers = Headers::new();
        for (name, value) in list {
            headers.push(name, value).unwrap();
        }
        headers
    }

    #[test]
    fn seconds_may_have_comment_and_parameters_but_no_garbage() {
        assert_eq!(headers(&[("Retry-After", "18000;duration=3600")]).retry_after(), Some(18000));
        assert_eq!(headers(&[("Retry-After", "120 (in a meeting)")]).retry_after(), Some(120));
        assert_eq!(headers(&[("Expires", "1000000000000")]).expires(), Some(u32::MAX));
        assert_eq!(headers(&[("Expires", "5x")]).expires(), None);
        assert_eq!(headers(&[("Min-Expires", "-1")]).min_expires(), None);
    }

    #[test]
    fn accept_ranges_cover_types() {
        let sdp = "application/sdp";
        assert!(Headers::new().accepts(sdp));
        assert!(headers(&[("Accept", "text/plain, application/*;q=0.1")]).accepts(sdp));
        assert!(headers(&[("Accept", "*/*")]).accepts(sdp));
        assert!(!headers(&[("Accept", "text/nobodyKnowsThis")]).accepts(sdp));
        assert!(!headers(&[("Accept", "")]).accepts(sdp));
    }

    #[test]
    fn reasons_are_read_from_a_list() {
        let reasons =
            headers(&[("Reason", r#"Q.850;cause=16;text="Normal, clearing", SIP;cause=200"#)])
                .reasons();
        assert_eq!(reasons.len(), 2);
        assert_eq!(reasons[0].cause, Some(16));
        assert_eq!(reasons[0].text.as_deref(), Some("Normal, clearing"));
        assert_eq!(reasons[1].protocol, "SIP");
    }

    #[test]
    fn a_media_type_is_read_with_its_parameters() {
        let typed = headers(&[("c", "Multipart/Mixed ; boundary=\"a b\"")]).content_type().unwrap();
        assert!(typed.is("multipart/mixed"));
        assert_eq!(typed.parameters.unquoted("boundary").as_deref(), Some("a b"));
        assert_eq!(MediaType::parse(b"text"), None);
        assert_eq!(MediaType::parse(b"text/plain x"), None);
    }
}
