//! Form bodies and queries: total, a fixed point of reading and writing, and always signable.

use call::{Form, signature};

/// What was read and is written reads the same, as body and as query.
pub fn check(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let form = Form::parse(&text);
    for written in [form.to_body(), form.to_query()] {
        assert!(written.is_ascii());
        assert_eq!(Form::parse(&written), form, "{written}");
    }
    assert!(!signature::sign(b"token", "https://a.example/x", &form).is_empty());
}

/// Marks of the format and our parameter names.
pub const WORDS: &[&str] = &[
    "&",
    "=",
    "+",
    "%20",
    "%2B",
    "%00",
    "%",
    "%4",
    "%zz",
    "%C3%A9",
    "%FF",
    "\u{e9}",
    ";",
    "Digits=",
    "CallSid=CA",
    "&&",
    "==",
];
