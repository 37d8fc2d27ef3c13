//! Fragments in NOTIFYs: a status from 100 to 699 or nothing, whatever follows.

/// What is read is a status, reads equal from our own fragment, and does not depend on what follows
/// the first line.
pub fn check(bytes: &[u8]) {
    let Some(status) = sip::sipfrag::status(bytes) else { return };
    assert!((100..=699).contains(&status), "{status}");
    assert_eq!(sip::sipfrag::status(&sip::sipfrag::of_status(status)), Some(status));
    let end = bytes.iter().position(|byte| matches!(byte, b'\r' | b'\n')).unwrap_or(bytes.len());
    assert_eq!(sip::sipfrag::status(bytes.get(..end).unwrap_or_default()), Some(status));
}

/// Parts of fragments.
pub const WORDS: &[&str] = &[
    "SIP/2.0 ",
    "sip/2.0 ",
    "SIP/2.0",
    "200",
    " OK",
    "100 Trying",
    "486",
    "699",
    "700",
    "099",
    "\r\n",
    "\t",
    " ",
    "0",
    "\0",
];
