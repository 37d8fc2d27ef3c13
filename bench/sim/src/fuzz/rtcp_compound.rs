//! RTCP compound packets at a leg: taken exactly when RFC 3550 A.2 and RFC 5506 call them valid, by a second reading.

use plane::{DropReason, Received};
use shared::limits::RTCP_BYTES_MAX;

use super::media_packets::one_leg;

/// A valid packet is used, an invalid one is dropped for its reason; either way our report and the final
/// figures still follow.
pub fn check(packet: &[u8]) {
    let mut leg = one_leg();
    let received = leg.report(packet);
    let is_rtcp =
        plane::rtp::is_rtcp(packet) && packet.first().is_some_and(|first| first >> 6 == 2);
    if is_rtcp && packet.len() > RTCP_BYTES_MAX {
        assert_eq!(received, Received::Dropped(DropReason::RtcpTooLong));
    } else if is_rtcp {
        let expected = if is_valid(packet) {
            Received::Consumed
        } else {
            Received::Dropped(DropReason::RtcpMalformed)
        };
        assert_eq!(received, expected);
    } else {
        assert!(matches!(received, Received::Dropped(_)), "{received:?}");
    }
    let quality = leg.stop();
    assert_eq!(quality.rtcp_received, u32::from(received == Received::Consumed));
    assert!(quality.round_trip_us.is_none_or(|us| us < 60_000_000), "{quality:?}");
}

/// RFC 3550 A.2 but for the first part, which may be any known one (RFC 5506); and that every report holds the blocks that it counts.
fn is_valid(packet: &[u8]) -> bool {
    let mut at = 0;
    while at < packet.len() {
        let [head, packet_type, high, low] = match packet.get(at..at + 4) {
            Some(&[a, b, c, d]) => [a, b, c, d],
            _ => return false,
        };
        let next = at + 4 + 4 * usize::from(u16::from_be_bytes([high, low]));
        let is_report = packet_type == 200 || packet_type == 201;
        let is_known = (200..=207).contains(&packet_type);
        let is_padded_too_soon = head & 0x20 != 0 && next < packet.len();
        if head >> 6 != 2 || next > packet.len() || is_padded_too_soon || at == 0 && !is_known {
            return false;
        }
        let fixed = if packet_type == 200 { 28 } else { 8 };
        if is_report && next - at < fixed + 24 * usize::from(head & 0x1F) {
            return false;
        }
        at = next;
    }
    at > 0
}

/// First bytes of parts, and our SSRC.
pub const WORDS: &[&str] =
    &["\0\0", "\0\u{1}", "\0\u{6}", "\0\u{7}", "P\0\0\0", "\0\0\0\u{9}", "abcd"];
