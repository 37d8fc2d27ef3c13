//! Bodies of INFO with digits: only keys come out, and never for longer than is believed.

use sip::dtmf_relay::{DURATION_MS_MAX, DtmfRelay};

/// Whatever is read is a key or a hook flash, with a bounded length, and reads the same when it is
/// written plainly.
pub fn check(bytes: &[u8]) {
    for relay in [DtmfRelay::parse(bytes), DtmfRelay::parse_bare(bytes)].into_iter().flatten() {
        assert!(relay.duration_ms <= DURATION_MS_MAX, "{relay:?}");
        let signal = relay.digit.unwrap_or(b'!');
        assert!(signal == b'!' || b"0123456789*#ABCD".contains(&signal), "{relay:?}");
        let plain = format!("Signal={}\r\nDuration={}", char::from(signal), relay.duration_ms);
        assert_eq!(DtmfRelay::parse(plain.as_bytes()), Some(relay), "{plain}");
    }
}

/// Parts of such bodies.
pub const WORDS: &[&str] = &[
    "Signal=",
    "Signal:",
    "signal = ",
    "Duration=",
    "\r\n",
    "\n",
    "5",
    "10",
    "11",
    "16",
    "#",
    "*",
    "!",
    "d",
    "160",
    "4294967296",
    "=",
    " ",
    "\t",
    "\0",
];
