//! `Refer-To` and the `Replaces` in it: what is read can be read again.

use sip::{ReferTo, Replaces};

/// A value that is read names a URI that reads back; a `Replaces` reads the same when it is written
/// plainly. A header value has one line: others never reach this reader.
pub fn check(bytes: &[u8]) {
    if let Some(refer) = ReferTo::parse(bytes) {
        let written = refer.uri.to_string();
        assert!(sip::Uri::parse(written.as_bytes()).is_ok(), "{written}");
        let _ = refer.user();
        if let Some(replaces) = refer.replaces {
            check_replaces(&replaces);
        }
    }
    if let Some(replaces) = Replaces::parse(bytes) {
        check_replaces(&replaces);
    }
}

fn check_replaces(replaces: &Replaces) {
    let Replaces { call_id, to_tag, from_tag, early_only } = replaces;
    assert!(!to_tag.is_empty() && !from_tag.is_empty());
    let flag: &[u8] = if *early_only { b";early-only" } else { b"" };
    let plain = [
        call_id.as_str().as_bytes(),
        b";to-tag=",
        to_tag.as_bytes(),
        b";from-tag=",
        from_tag.as_bytes(),
        flag,
    ];
    assert_eq!(Replaces::parse(&plain.concat()).as_ref(), Some(replaces));
}

/// Parts of such values.
pub const WORDS: &[&str] = &[
    "<sip:bob@b.test>",
    "<",
    ">",
    "?Replaces=",
    "&X-A=1",
    "abc%40h",
    "%3Bto-tag%3D",
    "%3Bfrom-tag%3D",
    ";to-tag=",
    ";from-tag=",
    ";early-only",
    "%3Bearly-only",
    ";method=INVITE",
    "tel:+1555",
    "\"",
    ",",
    "%00",
    "%0D%0A",
    " ",
    ";",
];
