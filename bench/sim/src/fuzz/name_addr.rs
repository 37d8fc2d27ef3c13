//! Addresses of From, To, Contact and Route: a fixed point, and what is read from their parameters.

use sip::{NameAddr, Text};

/// What is read is written to read the same, with any tag put in. Text only: other bytes pass whole
/// messages alone, which `sip_message` checks.
pub fn check(bytes: &[u8]) {
    let bytes = String::from_utf8_lossy(bytes).into_owned().into_bytes();
    let Ok(address) = NameAddr::parse(&bytes) else { return };
    check_fixed_point(&address);
    let (_, q) = (address.expires(), address.q());
    assert!(q.is_none_or(|q| q <= 1_000), "{address} has q {q:?}");
    let tail = bytes.get(bytes.len() / 2..).unwrap_or_default();
    let tag = Text::cleaned(tail);
    check_fixed_point(&address.with_tag(tag));
}

fn check_fixed_point(address: &NameAddr) {
    let written = address.to_string();
    let again = NameAddr::parse(&written);
    assert_eq!(again.as_ref(), Ok(address), "{written}");
    assert_eq!(again.map(|again| again.to_string()), Ok(written));
    if let Some(name) = &address.display_name {
        let _ = name.to_lossy();
    }
}

/// Parts of an address.
pub const WORDS: &[&str] = &[
    "\"",
    "\\",
    "\\\"",
    "<",
    ">",
    "<sip:a@b>",
    "sip:a@b",
    "sips:",
    "tel:+1",
    ";",
    ";tag=",
    ";tag=1",
    ";q=1.001",
    ";q=0.5",
    ";expires=",
    ";expires=4294967296",
    "=\"x\"",
    ",",
    "*",
    "Anonymous ",
    "\u{e9}",
    "\t",
    "?h=v",
    ";lr",
];
