//! URIs: a fixed point of reading and writing; equivalence holds both ways (RFC 3261 §19.1.4).

use sip::Uri;

/// One URI a line; each is compared with the one before it.
pub fn check(bytes: &[u8]) {
    let mut before: Option<Uri> = None;
    for line in bytes.split(|&byte| byte == b'\n').take(LINES_MAX) {
        let Ok(uri) = Uri::parse(line) else { continue };
        check_read(&uri);
        if let Some(before) = &before {
            assert_eq!(before.equivalent(&uri), uri.equivalent(before), "{before} and {uri}");
        }
        before = Some(uri);
    }
}

fn check_read(uri: &Uri) {
    let written = uri.to_string();
    let again = Uri::parse(&written);
    assert_eq!(again.as_ref(), Ok(uri), "{written}");
    assert_eq!(again.map(|again| again.to_string()), Ok(written));
    assert!(uri.equivalent(uri), "{uri} is not equivalent to itself");
    match uri {
        Uri::Sip(uri) => drop((uri.user_lossy(), uri.transport(), uri.is_loose())),
        Uri::Tel(uri) => drop(uri.digits()),
        Uri::Other(_) => {}
    }
}

const LINES_MAX: usize = 16;

/// Parts of a URI.
pub const WORDS: &[&str] = &[
    "sip:",
    "sips:",
    "tel:",
    "urn:",
    "SIP:",
    "@",
    ":",
    ";",
    "?",
    "&",
    "=",
    "%",
    "%00",
    "%40",
    "%2",
    "[::1]",
    "[2001:db8::",
    "]",
    "192.0.2.1",
    "::ffff:192.0.2.1",
    ":5060",
    ":65536",
    ":0",
    ";lr",
    ";transport=tcp",
    ";maddr=[::1]",
    ";ttl=256",
    ";user=phone",
    ";method=INVITE",
    "?Subject=a",
    "\u{e9}",
    "\n",
    "a.example",
    "..",
    "-",
    "+1-555-0100",
];
