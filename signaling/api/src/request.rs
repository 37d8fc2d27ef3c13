//! A request as the gateway hands it over, and its path taken apart.

use std::net::IpAddr;

/// A request, read whole within the limits of `shared::limits` (`REST_*`).
#[derive(Clone, Copy, Debug)]
pub struct Request<'r> {
    /// The method.
    pub method: Method,
    /// The path as it was sent, still percent-encoded.
    pub path: &'r str,
    /// The query as it was sent, without `?`; empty when there is none.
    pub query: &'r str,
    /// The body.
    pub body: &'r [u8],
    /// `Content-Type`, if any.
    pub content_type: Option<&'r str>,
    /// `Authorization`, if any.
    pub authorization: Option<&'r str>,
    /// The socket's peer.
    pub source: IpAddr,
    /// Scheme and host the client used, such as `http://gw.example:8080`: absolute URLs begin with it.
    pub base: &'r str,
    /// 16 fresh random bytes: the `Twilio-Request-Id` of the answer.
    pub id: [u8; 16],
}

/// A method. Reads and writes of the API are GET, POST and DELETE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Reads.
    Get,
    /// Reads like GET; the gateway leaves the body out.
    Head,
    /// Creates and updates.
    Post,
    /// Deletes.
    Delete,
    /// Asked by browsers before the others.
    Options,
    /// Any other.
    Other,
}

/// What the end of a path asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Suffix {
    None,
    Json,
    Xml,
    Csv,
    Html,
    Wav,
    Mp3,
}

/// Cuts the suffix off the last segment: only the final one, as `Twilio.CURRENT.json` holds two dots.
pub(crate) fn split_suffix(path: &str) -> (&str, Suffix) {
    const SUFFIXES: [(&str, Suffix); 6] = [
        (".json", Suffix::Json),
        (".xml", Suffix::Xml),
        (".csv", Suffix::Csv),
        (".html", Suffix::Html),
        (".wav", Suffix::Wav),
        (".mp3", Suffix::Mp3),
    ];
    for (text, suffix) in SUFFIXES {
        if let Some(rest) = path.strip_suffix(text) {
            return (rest, suffix);
        }
    }
    (path, Suffix::None)
}

/// Segments of a path, percent-decoded. Empty ones (a doubled or trailing slash) are left out.
pub(crate) fn segments(path: &str) -> Vec<String> {
    path.split('/').filter(|segment| !segment.is_empty()).map(percent_decode).collect()
}

/// Decodes `%XX`; what is no valid escape stays as it is, what is no UTF-8 becomes U+FFFD.
pub(crate) fn percent_decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        if let (b'%', Some(value)) = (byte, tail.get(..2).and_then(hex_byte)) {
            bytes.push(value);
            rest = &tail[2..];
        } else {
            bytes.push(byte);
            rest = tail;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn hex_byte(digits: &[u8]) -> Option<u8> {
    let text = std::str::from_utf8(digits).ok()?;
    if !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    u8::from_str_radix(text, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_suffix_is_cut() {
        assert_eq!(split_suffix("/a/Twilio.CURRENT.json"), ("/a/Twilio.CURRENT", Suffix::Json));
        assert_eq!(split_suffix("/a/Twilio.CURRENT"), ("/a/Twilio.CURRENT", Suffix::None));
        assert_eq!(split_suffix("/a/RE1.json.wav"), ("/a/RE1.json", Suffix::Wav));
    }

    #[test]
    fn escapes_are_decoded_and_broken_ones_kept() {
        assert_eq!(percent_decode("a%20b%2Fc"), "a b/c");
        assert_eq!(percent_decode("%"), "%");
        assert_eq!(percent_decode("%4"), "%4");
        assert_eq!(percent_decode("%+1%zz"), "%+1%zz");
        assert_eq!(percent_decode("%ff"), "\u{fffd}");
    }
}
