//! Packets protected and opened, whole.

use proptest::prelude::*;
use shared::{SrtpKey, SrtpKeys, SrtpMaster, SrtpSuite};

use super::*;
use crate::rtp;

fn key(suite: SrtpSuite, first: u8) -> SrtpKey {
    let mut bytes = [0; 30];
    bytes.iter_mut().zip(first..).for_each(|(byte, value)| *byte = value);
    SrtpKey { suite, master: SrtpMaster::new(bytes) }
}

const LONG: SrtpSuite = SrtpSuite::AesCm128HmacSha1Tag80;
const SHORT: SrtpSuite = SrtpSuite::AesCm128HmacSha1Tag32;

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}

/// The key of RFC 3711 appendix B.3.
fn rfc_key() -> SrtpKey {
    let bytes = hex("E1F97A0D3E018BE0D64FA32C06DE4139 0EC675AD498AFEEBB6960B3AABE6");
    SrtpKey { suite: LONG, master: SrtpMaster::new(bytes.try_into().unwrap()) }
}

fn packet(sequence: u16, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0; 12];
    let head = packet.first_chunk_mut().unwrap();
    rtp::write_header(head, false, 0, sequence, u32::from(sequence) * 160, 0xCAFE_BABE);
    packet.extend_from_slice(payload);
    packet
}

fn protected(sender: &mut SrtpSender, plain: &[u8]) -> Vec<u8> {
    let mut buffer = plain.to_vec();
    buffer.resize(plain.len() + SRTP_OVERHEAD_MAX, 0);
    let len = sender.protect_rtp(&mut buffer, plain.len()).unwrap();
    buffer.truncate(len);
    buffer
}

fn opened(receiver: &mut SrtpReceiver, sealed: &[u8]) -> Result<Vec<u8>, SrtpError> {
    let mut packet = sealed.to_vec();
    let len = receiver.unprotect_rtp(&mut packet)?;
    packet.truncate(len);
    Ok(packet)
}

fn protected_report(sender: &mut SrtpSender, plain: &[u8]) -> Vec<u8> {
    let mut buffer = plain.to_vec();
    buffer.resize(plain.len() + SRTCP_OVERHEAD, 0);
    let len = sender.protect_rtcp(&mut buffer, plain.len()).unwrap();
    buffer.truncate(len);
    buffer
}

fn opened_report(receiver: &mut SrtpReceiver, sealed: &[u8]) -> Result<Vec<u8>, SrtpError> {
    let mut packet = sealed.to_vec();
    let len = receiver.unprotect_rtcp(&mut packet)?;
    packet.truncate(len);
    Ok(packet)
}

/// What libsrtp2 made of these packets with the key of RFC 3711 appendix B.3.
#[test]
fn packets_are_those_of_another_implementation() {
    let mut sender = SrtpSender::new(rfc_key());
    let plain = hex("800f1234decafbadcafebabe abababababababababababababababab");
    let sealed = "800f1234decafbadcafebabe 4e55dc4ce79978d88ca4d215949d2402 b78d6acc99ea179b8dbb";
    assert_eq!(protected(&mut sender, &plain), hex(sealed));
    assert_eq!(opened(&mut SrtpReceiver::new(rfc_key()), &hex(sealed)), Ok(plain));

    let plain = hex("81c8000bcafebabe abababababababababababababababab");
    let sealed = "81c8000bcafebabe 7128035be487b9bdbef89041f977a5a8 80000001 993e08cd54d6c1230798";
    protected_report(&mut sender, &plain); // index 0; theirs began at 1
    assert_eq!(protected_report(&mut sender, &plain), hex(sealed));
    assert_eq!(opened_report(&mut SrtpReceiver::new(rfc_key()), &hex(sealed)), Ok(plain));
}

#[test]
fn a_call_goes_on_past_the_wrap_of_sequence_numbers_with_loss_and_disorder() {
    for suite in [LONG, SHORT] {
        let mut sender = SrtpSender::new(key(suite, 1));
        let mut receiver = SrtpReceiver::new(key(suite, 1));
        for round in 0..70_000u32 {
            let sequence = (60_000 + round) as u16;
            let payload = round.to_be_bytes();
            let sealed = protected(&mut sender, &packet(sequence, &payload));
            assert_eq!(sealed.len(), 16 + suite.tag_bytes());
            if round % 7 != 3 {
                assert_eq!(opened(&mut receiver, &sealed), Ok(packet(sequence, &payload)));
            }
        }
        let last = receiver.received.find(0xCAFE_BABE).estimate(0);
        assert_eq!(last >> 16, 2, "two wraps");
    }
}

#[test]
fn the_tag_of_reports_has_80_bits_in_both_suites() {
    let report = hex("80c90001cafebabe 01020304");
    for suite in [LONG, SHORT] {
        let sealed = protected_report(&mut SrtpSender::new(key(suite, 9)), &report);
        assert_eq!(sealed.len(), report.len() + 14);
        let mut receiver = SrtpReceiver::new(key(suite, 9));
        assert_eq!(opened_report(&mut receiver, &sealed), Ok(report.clone()));
        assert_eq!(opened_report(&mut receiver, &sealed), Err(SrtpError::Replayed));
    }
}

#[test]
fn a_report_that_is_only_authenticated_is_refused() {
    let master = key(LONG, 3);
    let mut sender = SrtpSender::new(master);
    let mut sealed = hex("80c90001cafebabe 00000007 00000000000000000000");
    let (signed, tag) = sealed.split_at_mut(12);
    sender.rtcp.tag(&[signed], tag);
    let refused = opened_report(&mut SrtpReceiver::new(master), &sealed);
    assert_eq!(refused, Err(SrtpError::Unauthentic));
    sender.next_report = SRTCP_INDEX_MAX;
    assert_eq!(protected_report(&mut sender, &[0x80, 201, 0, 1, 1, 2, 3, 4]).len(), 22);
    let mut more = [0x80; 22];
    assert_eq!(sender.protect_rtcp(&mut more, 8), Err(SrtpError::Exhausted));
}

#[test]
fn csrcs_and_extensions_stay_in_the_clear() {
    let mut plain = vec![0x92, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 9];
    plain.extend_from_slice(&[1; 8]);
    plain.extend_from_slice(&[0xBE, 0xDE, 0, 1, 5, 5, 5, 5]);
    plain.extend_from_slice(b"heard by nobody");
    let sealed = protected(&mut SrtpSender::new(key(LONG, 5)), &plain);
    assert_eq!(sealed[..28], plain[..28]);
    assert_ne!(sealed[28..43], plain[28..]);
    assert_eq!(opened(&mut SrtpReceiver::new(key(LONG, 5)), &sealed), Ok(plain));
}

#[test]
fn a_sequence_number_is_never_protected_twice() {
    let mut sender = SrtpSender::new(key(LONG, 5));
    protected(&mut sender, &packet(7, b"one"));
    let mut buffer = packet(7, b"two");
    buffer.resize(40, 0);
    let before = buffer.clone();
    assert_eq!(sender.protect_rtp(&mut buffer, 15), Err(SrtpError::Replayed));
    assert_eq!(buffer, before);
    assert_eq!(sender.protect_rtp(&mut buffer[..20], 15), Err(SrtpError::NoRoom));
}

#[test]
fn the_key_before_opens_packets_for_a_second_and_the_same_key_keeps_its_window() {
    let keys = |first| SrtpKeys { send: key(LONG, 100), receive: key(LONG, first) };
    let mut session = SrtpSession::new(&keys(1));
    let (mut old, mut new) = (SrtpSender::new(key(LONG, 1)), SrtpSender::new(key(LONG, 2)));
    let take = |session: &mut SrtpSession, at, sender: &mut SrtpSender, sequence| {
        let mut sealed = protected(sender, &packet(sequence, b"hello"));
        session.open_rtp(at, &mut sealed)
    };
    assert!(take(&mut session, 0, &mut old, 65_535).is_ok());
    assert!(take(&mut session, 0, &mut old, 0).is_ok());
    session.update(&keys(1), 10);
    let mut replayed = protected(&mut SrtpSender::new(key(LONG, 1)), &packet(65_535, b"hello"));
    assert_eq!(session.open_rtp(10, &mut replayed), Err(SrtpError::Replayed));
    assert!(take(&mut session, 10, &mut old, 1).is_ok(), "the roll-over counter is kept");

    session.update(&keys(2), 1_000);
    assert!(take(&mut session, 1_100, &mut new, 2).is_ok());
    assert!(take(&mut session, 1_999, &mut old, 2).is_ok());
    assert_eq!(take(&mut session, 2_000, &mut old, 3), Err(SrtpError::Unauthentic));
    assert!(take(&mut session, 2_000, &mut new, 3).is_ok());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_was_changed_on_the_way_is_refused_and_left_as_it_is(
        payload in prop::collection::vec(any::<u8>(), 0..200), at: prop::sample::Index, bit in 0u8..8,
    ) {
        let sealed = protected(&mut SrtpSender::new(key(LONG, 5)), &packet(7, &payload));
        let mut changed = sealed.clone();
        let at = at.index(changed.len());
        changed[at] ^= 1 << bit;
        let mut receiver = SrtpReceiver::new(key(LONG, 5));
        let before = changed.clone();
        prop_assert!(receiver.unprotect_rtp(&mut changed).is_err());
        prop_assert_eq!(changed, before);
        prop_assert!(opened(&mut receiver, &sealed).is_ok());
    }

    #[test]
    fn any_bytes_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        let mut receiver = SrtpReceiver::new(key(SHORT, 5));
        prop_assert!(receiver.unprotect_rtp(&mut bytes.clone()).is_err());
        prop_assert!(receiver.unprotect_rtcp(&mut bytes.clone()).is_err());
    }
}
