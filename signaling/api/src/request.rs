//! A request from the gateway, and the parts of its path.

use std::net::IpAddr;

/// A request, read to its end within the limits `REST_*` of `shared::limits`.
#[derive(Clone, Copy, Debug)]
pub struct Request<'r> {
    /// Method, HEAD apart from GET.
    pub method: Method,
    /// The path as it was sent, still percent-encoded.
    pub path: &'r str,
    /// The query as it was sent, without `?`; empty when there is none.
    pub query: &'r str,
    /// The whole body; empty without one.
    pub body: &'r [u8],
    /// Value of `Content-Type`; `None` without one.
    pub content_type: Option<&'r str>,
    /// Value of `Authorization`; `None` without one.
    pub authorization: Option<&'r str>,
    /// Address of the connection's peer.
    pub source: IpAddr,
    /// Scheme and host the client used, such as `http://gw.example:8080`: absolute URLs begin with it.
    pub base: &'r str,
    /// 16 fresh random bytes: the `Twilio-Request-Id` of the answer.
    pub id: [u8; 16],
}

/// HTTP method. The API uses GET, POST and DELETE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Fetches a resource or a page of a list.
    Get,
    /// As GET; the gateway leaves the body out.
    Head,
    /// Creates or updates.
    Post,
    /// Deletes a resource.
    Delete,
    /// Sent by browsers before a request to another origin (CORS).
    Options,
    /// Any other method; refused everywhere.
    Other,
}

/// Representation that the end of a path asks for.
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

/// Cuts the suffix off the last segment. Only the final one, as in `Twilio.CURRENT.json`.
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
        // Before the escapes are decoded: an escaped dot belongs to the name.
        if let Some(rest) = path.strip_suffix(text) {
            return (rest, suffix);
        }
    }
    (path, Suffix::None)
}

/// Segments of a path, percent-decoded. Empty ones (a doubled or trailing slash) are left out.
pub(crate) fn segments(path: &str) -> Vec<String> {
    // Split first: an escaped slash is part of its segment.
    path.split('/').filter(|segment| !segment.is_empty()).map(percent_decode).collect()
}

/// Decodes `%XX`. An invalid escape stays as it is; bytes that are not UTF-8 become U+FFFD.
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
    // `from_str_radix` takes a sign too: `%+1` is no escape.
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
