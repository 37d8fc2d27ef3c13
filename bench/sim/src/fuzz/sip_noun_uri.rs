//! URIs of `<Sip>` and REST `To`: what leaves in an INVITE is rebuilt and clean.

use call::sip_noun;
use shared::Code;
use sip::{Headers, Uri};

/// A target is a SIP URI for our own parser, and its headers can be sent.
pub fn check(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let Ok((target, faults)) = sip_noun::parse(&text) else { return };
    let uri = Uri::parse(&target.uri);
    assert!(uri.is_ok_and(|uri| uri.as_sip().is_some()), "{}", target.uri);
    let mut headers = Headers::new();
    for header in &target.headers {
        assert!(headers.push(&header.name, &header.value).is_ok(), "{header:?}");
    }
    // What is only warned of (an edge elsewhere, a `secure` that is neither true nor false) is no reason
    // to refuse a REST client's call.
    let is_warned_only = faults.iter().all(|fault| fault.code == Code::URI_PARAMETER);
    assert_eq!(call::sip_target(&text).is_ok(), is_warned_only);
}

/// Parts of such URIs.
pub const WORDS: &[&str] = &[
    "sip:",
    "sips:",
    "SIP:",
    "@",
    ":5060",
    ":0",
    ":65536",
    ";transport=tcp",
    ";transport=tls",
    ";transport=x",
    ";edge=ashburn",
    ";region=ie1",
    ";secure=true",
    ";user=phone",
    "?",
    "&",
    "=",
    "X-A=b",
    "x-Twilio-A=",
    "User-to-User=3041",
    "Remote-Party-ID=",
    "Via=x",
    "%0D%0A",
    "%00",
    "%2",
    "+",
    " ",
    "[::1]",
    "[::",
    "]",
    "\u{e9}",
    "\r\n",
    "<",
    ">",
    "\"",
];
