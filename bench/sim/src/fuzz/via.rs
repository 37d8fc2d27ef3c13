//! Via headers: a fixed point, and an answer's address whatever was written (RFC 3261 §18.2, RFC 3581).

use sip::Via;

/// What is read is written to read the same; noting the source never breaks it. Text only: other
/// bytes pass whole messages alone, which `sip_message` checks.
pub fn check(bytes: &[u8]) {
    let Ok(via) = Via::parse(String::from_utf8_lossy(bytes).as_bytes()) else { return };
    check_fixed_point(&via);
    let mut noted = via;
    noted.note_source(([192, 0, 2, 77], 40_000).into());
    check_fixed_point(&noted);
    assert!(noted.response_address().is_some(), "{noted} has no way back");
    let _ = (noted.has_rfc3261_branch(), noted.port_or_default());
}

fn check_fixed_point(via: &Via) {
    let written = via.to_string();
    let again = Via::parse(&written);
    assert_eq!(again.as_ref(), Ok(via), "{written}");
    assert_eq!(again.map(|again| again.to_string()), Ok(written));
}

/// Parts of a Via.
pub const WORDS: &[&str] = &[
    "SIP/2.0/",
    "SIP / 2.0 / UDP ",
    "UDP",
    "TCP",
    "TLS",
    "WSS",
    "SCTP",
    " ",
    "\t",
    ":",
    ":5060",
    ";",
    "=",
    ",",
    "[::1]",
    "]",
    "192.0.2.1",
    ";rport",
    ";rport=0",
    ";rport=65536",
    ";received=",
    ";received=::1",
    ";received=\"[::1]\"",
    ";branch=",
    ";branch=z9hG4bK",
    ";ttl=16",
    ";maddr=224.2.0.1",
    "\"",
    "\\",
];
