//! Bodies of several parts: the session description found lies within the body (RFC 2046 §5.1).

use sip::Headers;
use sip::multipart::session_description;

/// The first line is the value of `Content-Type`, the rest the body.
pub fn check(bytes: &[u8]) {
    let end = bytes.iter().position(|&byte| byte == b'\n').unwrap_or(bytes.len());
    let (content_type, body) = bytes.split_at(end);
    let body = body.get(1..).unwrap_or_default();
    let mut headers = Headers::new();
    if headers.push("Content-Type", String::from_utf8_lossy(content_type).trim()).is_err() {
        return;
    }
    match session_description(&headers, body) {
        Ok(None) => assert!(body.is_empty()),
        Ok(Some(part)) => assert!(body.as_ptr_range().contains(&part.as_ptr()) || part.is_empty()),
        Err(refusal) => assert!(matches!(refusal.refusal().status, Some(400 | 415 | 488))),
    }
}

/// Boundaries and headers of parts.
pub const WORDS: &[&str] = &[
    "multipart/mixed;boundary=b",
    "multipart/mixed; boundary=\"a b\"",
    "multipart/related;boundary=",
    "application/sdp",
    "\n",
    "\r\n",
    "\r\n\r\n",
    "--b",
    "\r\n--b\r\n",
    "\r\n--b--\r\n",
    "--b  \r\n",
    "Content-Type: application/sdp\r\n",
    "Content-Type: multipart/mixed;boundary=c\r\n",
    "Content-Disposition: session;handling=required\r\n",
    "Content-Transfer-Encoding: base64\r\n",
    "Content-Encoding: gzip\r\n",
    "v=0\r\n",
    ";",
    "\"",
];
