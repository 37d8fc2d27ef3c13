//! Finds the session description in a body, which may be multipart (RFC 2046 §5.1, RFC 5621), and writes
//! the body of a recording session (RFC 7866 §5.2). Sans-IO.

use shared::limits::{SIP_MULTIPART_DEPTH_MAX, SIP_MULTIPART_PARTS_MAX};

use crate::header::{Headers, MediaType};
use crate::message::header_section;
use crate::scan::trim_spaces;
use crate::sdp::SdpRefusal;

/// One part of a multipart body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part<'a> {
    /// Its headers, `Content-Type` among them.
    pub headers: Headers,
    /// Its bytes.
    pub body: &'a [u8],
}

/// The session description of a message: its body, or the first SDP part of a multipart body, which
/// may stand in further multipart bodies (RFC 5621 §3). `None` when there is no body at all.
///
/// # Errors
/// 415 for bodies of another type or encoding, or nested deeper than [`SIP_MULTIPART_DEPTH_MAX`]; 400
/// for a multipart body that cannot be read or has no type.
pub fn session_description<'a>(
    headers: &Headers,
    body: &'a [u8],
) -> Result<Option<&'a [u8]>, SdpRefusal> {
    if body.is_empty() {
        return Ok(None);
    }
    let media_type = headers.content_type().ok_or(NO_TYPE)?;
    description_in(headers, &media_type, body, SIP_MULTIPART_DEPTH_MAX).map(Some)
}

/// The first description in a body that may hold `depth` more multipart bodies inside each other.
fn description_in<'a>(
    headers: &Headers,
    media_type: &MediaType,
    body: &'a [u8],
    depth: usize,
) -> Result<&'a [u8], SdpRefusal> {
    refuse_encodings(headers)?;
    if media_type.is(SDP) {
        return Ok(body);
    }
    if !media_type.essence.starts_with("multipart/") {
        return Err(OTHER_TYPE);
    }
    let inside = depth.checked_sub(1).ok_or(NESTED)?;
    let mut refusal = OTHER_TYPE;
    for part in parts(media_type, body)? {
        // A part without a type is text (RFC 2046 §5.2).
        let Some(media_type) = part.headers.content_type() else { continue };
        match description_in(&part.headers, &media_type, part.body, inside) {
            Ok(description) => return Ok(description),
            // An error in one part matters only where no other part has the description.
            Err(OTHER_TYPE) => {}
            Err(other) => refusal = other,
        }
    }
    Err(refusal)
}

/// Splits a multipart body at its boundary.
///
/// # Errors
/// 400 when the boundary is missing or not found, when a part has broken headers, or past the limit
/// of parts.
pub fn parts<'a>(media_type: &MediaType, body: &'a [u8]) -> Result<Vec<Part<'a>>, SdpRefusal> {
    let boundary = media_type.parameters.unquoted("boundary").unwrap_or_default();
    if boundary.is_empty() || boundary.len() > BOUNDARY_BYTES_MAX {
        return Err(BROKEN);
    }
    let delimiter = format!("--{boundary}");
    let mut parts = Vec::new();
    let mut rest = after_delimiter(body, delimiter.as_bytes()).ok_or(BROKEN)?.behind;
    loop {
        let found = after_delimiter(rest, delimiter.as_bytes()).ok_or(BROKEN)?;
        if parts.len() == SIP_MULTIPART_PARTS_MAX {
            return Err(TOO_MANY);
        }
        parts.push(read_part(found.before)?);
        if found.is_last {
            return Ok(parts);
        }
        rest = found.behind;
    }
}

/// The type and the body of the INVITE of a recording session: the description, and the metadata in a part that the
/// server handles as such (RFC 7866 §9.1).
///
/// `boundary` must stand in neither part.
pub(crate) fn recording_session(boundary: &str, sdp: &[u8], metadata: &[u8]) -> (String, Vec<u8>) {
    let head = format!("--{boundary}\r\nContent-Type: {SDP}\r\n\r\n");
    let between = format!(
        "\r\n--{boundary}\r\nContent-Type: {RECORDING_METADATA}\r\n\
         Content-Disposition: recording-session\r\n\r\n"
    );
    let end = format!("\r\n--{boundary}--\r\n");
    let body = [head.as_bytes(), sdp, between.as_bytes(), metadata, end.as_bytes()].concat();
    (format!("multipart/mixed;boundary=\"{boundary}\""), body)
}

struct Delimiter<'a> {
    /// The bytes before the line break that belongs to the delimiter.
    before: &'a [u8],
    behind: &'a [u8],
    is_last: bool,
}

/// The next line that is the delimiter, with `--` behind it at the end of all parts.
fn after_delimiter<'a>(body: &'a [u8], delimiter: &[u8]) -> Option<Delimiter<'a>> {
    memchr::memmem::find_iter(body, delimiter).find_map(|at| {
        let before = body.get(..at)?;
        if !before.is_empty() && !before.ends_with(b"\n") {
            return None;
        }
        let behind = body.get(at + delimiter.len()..)?;
        let (is_last, behind) = match behind.strip_prefix(b"--") {
            Some(behind) => (true, behind),
            None => (false, behind),
        };
        let line = memchr::memchr(b'\n', behind).map_or(behind.len(), |end| end + 1);
        let (padding, behind) = behind.split_at_checked(line)?;
        let is_whole = trim_spaces(padding).is_empty() && (is_last || padding.ends_with(b"\n"));
        let before = before.strip_suffix(b"\n").unwrap_or(before);
        let before = before.strip_suffix(b"\r").unwrap_or(before);
        is_whole.then_some(Delimiter { before, behind, is_last })
    })
}

/// Headers up to an empty line, then the body. A part may have no headers.
fn read_part(part: &[u8]) -> Result<Part<'_>, SdpRefusal> {
    if let Some(body) = part.strip_prefix(b"\r\n").or_else(|| part.strip_prefix(b"\n")) {
        return Ok(Part { headers: Headers::new(), body });
    }
    let (fields, body) = header_section(part).map_err(|_| BROKEN)?;
    let mut headers = Headers::new();
    for field in &fields {
        headers.push_wire(field.name, &field.value());
    }
    Ok(Part { headers, body })
}

/// `Content-Encoding` other than identity, and transfer encodings that change bytes.
fn refuse_encodings(headers: &Headers) -> Result<(), SdpRefusal> {
    const PLAIN: [&str; 4] = ["identity", "7bit", "8bit", "binary"];
    let is_plain = |name| {
        headers.elements(name).all(|encoding| {
            PLAIN.iter().any(|plain| plain.as_bytes().eq_ignore_ascii_case(encoding))
        })
    };
    if is_plain("Content-Encoding") && is_plain("Content-Transfer-Encoding") {
        Ok(())
    } else {
        Err(SdpRefusal::media_type("sip_body_encoding", "the body has an unsupported encoding"))
    }
}

const SDP: &str = "application/sdp";
const RECORDING_METADATA: &str = "application/rs-metadata+xml";
/// RFC 2046 §5.1.1.
const BOUNDARY_BYTES_MAX: usize = 70;
const BROKEN: SdpRefusal = SdpRefusal::syntax("sip_multipart", "the multipart body cannot be read");
const TOO_MANY: SdpRefusal =
    SdpRefusal::syntax("sip_multipart_parts", "the multipart body has too many parts");
const NESTED: SdpRefusal =
    SdpRefusal::media_type("sip_multipart_depth", "multipart bodies are nested too deep");
const NO_TYPE: SdpRefusal =
    SdpRefusal::syntax("sip_body_without_type", "the body has no readable Content-Type");
const OTHER_TYPE: SdpRefusal =
    SdpRefusal::media_type("sip_body_type", "the body is not a session description");

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn headers(content_type: &str) -> Headers {
        let mut headers = Headers::new();
        headers.push("Content-Type", content_type).unwrap();
        headers
    }

    fn rule(content_type: &str, body: &str) -> Result<Option<String>, &'static str> {
        session_description(&headers(content_type), body.as_bytes())
            .map(|sdp| sdp.map(|sdp| String::from_utf8_lossy(sdp).into_owned()))
            .map_err(|refusal| refusal.rule)
    }

    const MIXED: &str = "multipart/mixed;boundary=\"a b\"";

    #[test]
    fn the_sdp_part_is_found_among_others() {
        let body = "preamble\r\n--a b\r\nContent-Type: text/plain\r\n\r\n--a bx\r\nhi\r\n--a b \r\n\
                    C:\r\n Application/SDP\r\n\r\nv=0\r\ns=-\r\n\r\n--a b--\r\nepilogue";
        assert_eq!(rule(MIXED, body), Ok(Some("v=0\r\ns=-\r\n".to_owned())));
        assert_eq!(rule("application/sdp", "v=0"), Ok(Some("v=0".to_owned())));
        assert_eq!(rule("text/plain", ""), Ok(None));
    }

    #[test]
    fn the_body_of_a_recording_session_has_both_parts() {
        let (media_type, body) = recording_session("b1", b"v=0\r\n", b"<recording/>");
        let headers = headers(&media_type);
        assert_eq!(session_description(&headers, &body), Ok(Some(&b"v=0\r\n"[..])));
        let media_type = headers.content_type().expect("a media type");
        let parts = parts(&media_type, &body).expect("parts");
        let [_, metadata] = parts.as_slice() else { panic!("two parts: {parts:?}") };
        assert_eq!(metadata.body, b"<recording/>");
        let disposition = metadata.headers.get("Content-Disposition").expect("a disposition");
        assert_eq!(disposition.to_lossy(), "recording-session");
    }

    #[test]
    fn other_bodies_are_refused_with_their_rule() {
        let part = |media_type: &str| format!("--a b\r\nContent-Type: {media_type}\r\n\r\nx\r\n");
        let close = "--a b--";
        assert_eq!(rule("text/plain", "x"), Err("sip_body_type"));
        assert_eq!(rule("nonsense", "x"), Err("sip_body_without_type"));
        assert_eq!(rule(MIXED, &(part("text/plain") + close)), Err("sip_body_type"));
        assert_eq!(rule(MIXED, &part("text/plain")), Err("sip_multipart"));
        assert_eq!(rule("multipart/mixed", &(part("text/plain") + close)), Err("sip_multipart"));
        let many = part("text/plain").repeat(SIP_MULTIPART_PARTS_MAX + 1) + close;
        assert_eq!(rule(MIXED, &many), Err("sip_multipart_parts"));
        let mut encoded = headers("application/sdp");
        encoded.push("Content-Encoding", "gzip").unwrap();
        let refusal = session_description(&encoded, b"x").unwrap_err();
        assert_eq!((refusal.rule, refusal.status), ("sip_body_encoding", 415));
    }

    /// An SDP part inside `depth` multipart bodies.
    fn nested(depth: usize) -> (String, String) {
        let leaf = ("application/sdp".to_owned(), "v=0\r\n".to_owned());
        (0..depth).fold(leaf, |(media_type, body), level| {
            let text = format!("--b{level}\r\nContent-Type: text/plain\r\n\r\nhi\r\n");
            let part = format!("--b{level}\r\nContent-Type: {media_type}\r\n\r\n{body}\r\n");
            let media_type = format!("multipart/mixed;boundary=b{level}");
            (media_type, format!("{text}{part}--b{level}--\r\n"))
        })
    }

    #[test]
    fn a_description_is_found_as_deep_as_the_limit_says() {
        for depth in 0..=SIP_MULTIPART_DEPTH_MAX {
            let (media_type, body) = nested(depth);
            assert_eq!(rule(&media_type, &body), Ok(Some("v=0\r\n".to_owned())), "{depth}");
        }
        let (media_type, body) = nested(SIP_MULTIPART_DEPTH_MAX + 1);
        assert_eq!(rule(&media_type, &body), Err("sip_multipart_depth"));
    }

    #[test]
    fn a_part_that_is_not_needed_may_be_broken() {
        let broken = "--a b\r\nContent-Type: multipart/mixed;boundary=c\r\n\r\nno parts\r\n";
        let description = "--a b\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n";
        let body = format!("{broken}{description}--a b--");
        assert_eq!(rule(MIXED, &body), Ok(Some("v=0".to_owned())));
        assert_eq!(rule(MIXED, &format!("{broken}--a b--")), Err("sip_multipart"));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn any_body_is_read_or_refused(body in "(--a b|--|\r\n|\n|C: x/y|[ -~]{0,5}){0,30}") {
            let _ = rule(MIXED, &body);
        }
    }
}
