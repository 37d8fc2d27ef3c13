//! Host names of SIP domains: what was taken apart and put together is the same host.

use store::{DomainHost, DomainSuffix};

/// A host of a Request-URI, and a `DomainName` of a REST request.
pub fn check(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let suffix = DomainSuffix::new("sidetone.test");
    if let Some(host) = suffix.host(&text) {
        assert_eq!(suffix.host(&printed(&host, &suffix)), Some(host), "{text}");
    }
    if let Ok((name, labels)) = suffix.name(&text) {
        let host = suffix.host(&name);
        assert!(host.is_some_and(|host| host.labels == labels), "{name} is not found again");
        let _ = (labels.above(), labels.reserved_for());
    }
}

fn printed(host: &DomainHost, suffix: &DomainSuffix) -> String {
    let edge = host.edge.as_ref().map(|edge| format!(".{edge}")).unwrap_or_default();
    format!("{}.sip{edge}.{}", host.labels, suffix.as_str())
}

/// Parts of names.
pub const WORDS: &[&str] = &[
    ".",
    "..",
    "-",
    "sip",
    ".sip.",
    ".sip.sidetone.test",
    ".sip.twilio.com",
    ".sip.ashburn.",
    "sidetone.test",
    "twilio.com",
    "desk",
    "ac0123456789abcdef0123456789abcdef",
    "A",
    "\u{e9}",
    "_",
    "*",
    "xn--",
];
