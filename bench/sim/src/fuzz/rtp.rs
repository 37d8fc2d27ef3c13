//! RTP headers: total over any bytes, and what we write reads back (RFC 3550 §5.1).

use plane::rtp::{HEADER_BYTES, RtpHeader, foreign_protocol, is_rtcp, write_header};

/// A payload lies within its packet; a header that was read is written the same.
pub fn check(packet: &[u8]) {
    let _ = is_rtcp(packet);
    let _ = packet.first().map(|first| foreign_protocol(*first));
    let Ok(header) = RtpHeader::parse(packet) else { return };
    assert!(packet.get(header.payload.clone()).is_some(), "the payload lies outside: {header:?}");
    assert!(header.payload.start >= HEADER_BYTES && header.payload_type <= 127);
    let mut written = [0; HEADER_BYTES];
    let RtpHeader { marker, payload_type, sequence, timestamp, ssrc, .. } = header;
    write_header(&mut written, marker, payload_type, sequence, timestamp, ssrc);
    let again = RtpHeader { payload: HEADER_BYTES..HEADER_BYTES, ..header };
    assert_eq!(RtpHeader::parse(&written), Ok(again));
}

/// First bytes of packets and of their parts.
pub const WORDS: &[&str] = &[
    "\0",
    "\0\0",
    "\0\0\0\0",
    "\u{1}",
    "\u{7f}",
    "\u{10}",
    "\u{20}",
    "\u{a}\0\0\u{50}",
    "\0\0\0\u{1}",
    "\u{1}\u{1}\0\u{4}",
    "\u{2}\u{1}\0\u{0}",
    "abcd",
];
