//! Offers and answers of SRTP with keys in `a=crypto` lines (RFC 4568).

use shared::Code;
use smallvec::smallvec;

use super::*;

/// 30 bytes of 0x41, of 0x42, and of 0x5A (ours).
const KEY_A: &str = "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFB";
const KEY_B: &str = "QkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJC";
const OURS: &str = "WlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpa";

fn local(security: fn(SrtpMaster) -> MediaSecurity) -> LocalMedia {
    LocalMedia {
        address: IpAddr::from([192, 0, 2, 1]),
        port: 20_000,
        direction: Direction::SendRecv,
        codecs: smallvec![Codec::Pcmu, Codec::Pcma],
        security: security(SrtpMaster::new([0x5A; 30])),
        targets: MediaTargets::default(),
        recording: None,
    }
}

fn clear(_: SrtpMaster) -> MediaSecurity {
    MediaSecurity::Clear
}

fn peer(lines: &str) -> String {
    format!(
        "v=0\r\no=- 7 7 IN IP4 198.51.100.9\r\ns=-\r\nc=IN IP4 198.51.100.9\r\nt=0 0\r\n{lines}"
    )
}

/// A stream of SRTP with these `a=crypto` lines.
fn protected(lines: &[String]) -> String {
    let lines: String = lines.iter().map(|line| format!("a=crypto:{line}\r\n")).collect();
    peer(&format!("m=audio 4000 RTP/SAVP 0 101\r\na=rtpmap:101 telephone-event/8000\r\n{lines}"))
}

fn long(tag: u32, key: &str) -> String {
    format!("{tag} AES_CM_128_HMAC_SHA1_80 inline:{key}")
}

fn short(tag: u32, key: &str) -> String {
    format!("{tag} AES_CM_128_HMAC_SHA1_32 inline:{key}")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn answered(
    offer: &str,
    security: fn(SrtpMaster) -> MediaSecurity,
) -> Result<(String, NegotiatedMedia), (&'static str, u16, Option<Code>)> {
    MediaSession::new(1)
        .answer(offer.as_bytes(), &local(security))
        .map(|(sdp, media)| (text(&sdp), media))
        .map_err(|refusal| (refusal.rule, refusal.status, refusal.code))
}

#[test]
fn the_first_line_of_the_offer_that_can_be_served_is_answered_by_its_tag_with_our_key() {
    let unusable = "1 AES_256_CM_HMAC_SHA1_80 inline:".to_owned() + &"A".repeat(62);
    let offer = protected(&[unusable, short(2, KEY_A), long(3, KEY_B)]);
    let (sdp, media) = answered(&offer, MediaSecurity::Required).unwrap();
    assert!(sdp.contains("m=audio 20000 RTP/SAVP 0 101\r\n"), "{sdp}");
    assert!(
        sdp.contains(&format!("a=crypto:2 AES_CM_128_HMAC_SHA1_32 inline:{OURS}\r\n")),
        "{sdp}"
    );
    assert_eq!(sdp.matches("a=crypto").count(), 1);
    let keys = media.srtp.unwrap();
    assert_eq!(
        (keys.send.suite, keys.receive.suite),
        (keys.receive.suite, SrtpSuite::AesCm128HmacSha1Tag32)
    );
    assert_eq!(keys.receive.master.expose(), &[0x41; 30]);
    assert_eq!(keys.send.master.expose(), &[0x5A; 30]);
}

#[test]
fn of_two_streams_the_one_that_is_protected_as_it_has_to_be_is_taken() {
    let offer = peer(&format!(
        "m=audio 4000 RTP/AVP 0\r\nm=audio 4002 RTP/SAVP 0\r\na=crypto:{}\r\n",
        long(1, KEY_A)
    ));
    let port = |security| answered(&offer, security).unwrap().1.remote_rtp.unwrap().port();
    assert_eq!((port(clear), port(MediaSecurity::Required)), (4000, 4002));
    let (sdp, _) = answered(&offer, MediaSecurity::Required).unwrap();
    assert!(
        sdp.contains("m=audio 0 RTP/AVP 0\r\n") && sdp.contains("m=audio 20000 RTP/SAVP 0\r\n")
    );
}

#[test]
fn what_is_not_protected_as_it_has_to_be_is_refused() {
    let avp = peer("m=audio 4000 RTP/AVP 0\r\n");
    let savp = protected(&[long(1, KEY_A)]);
    let with_identifier = protected(&[format!("{}|2^20|1:4", long(1, KEY_A))]);
    let feedback = savp.replace("SAVP", "SAVPF");
    let dtls = peer("m=audio 4000 UDP/TLS/RTP/SAVPF 0\r\na=setup:actpass\r\n");
    let required = MediaSecurity::Required as fn(SrtpMaster) -> MediaSecurity;
    let as_offered = MediaSecurity::AsOffered as fn(SrtpMaster) -> MediaSecurity;
    for (offer, security, rule, code) in [
        (&savp, clear as fn(SrtpMaster) -> MediaSecurity, "sdp_srtp", Code::SRTP_NOT_ACCEPTED),
        (&dtls, clear, "sdp_srtp", Code::SRTP_NOT_ACCEPTED),
        (&avp, required, "sdp_srtp_required", Code::SRTP_REQUIRED),
        (&with_identifier, required, "sdp_no_crypto", Code::SRTP_NOT_ACCEPTED),
        (&protected(&[]), as_offered, "sdp_no_crypto", Code::SRTP_NOT_ACCEPTED),
        (&feedback, required, "sdp_srtp_profile", Code::SRTP_NOT_ACCEPTED),
        (&dtls, as_offered, "sdp_srtp_profile", Code::SRTP_NOT_ACCEPTED),
    ] {
        assert_eq!(answered(offer, security), Err((rule, 488, Some(code))), "{offer}");
    }
    assert!(answered(&avp, as_offered).unwrap().1.srtp.is_none());
    assert!(answered(&savp, as_offered).unwrap().1.srtp.is_some());
}

#[test]
fn keys_beside_a_stream_in_the_clear_are_read_past() {
    let offer = peer(&format!("m=audio 4000 RTP/AVP 0\r\na=crypto:{}\r\n", long(1, KEY_A)));
    let (sdp, media) = answered(&offer, MediaSecurity::AsOffered).unwrap();
    assert!(media.srtp.is_none() && !sdp.contains("crypto"), "{sdp}");
}

#[test]
fn our_offer_has_one_line_of_the_long_suite_and_takes_only_that_as_answered() {
    let mut session = MediaSession::new(1);
    let offer = text(&session.offer(&local(MediaSecurity::Required)));
    assert!(offer.contains("m=audio 20000 RTP/SAVP 0 8 101\r\n"), "{offer}");
    assert!(offer.contains(&format!("a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{OURS}\r\n")));
    let media = session.clone().accept_answer(protected(&[long(1, KEY_B)]).as_bytes()).unwrap();
    let keys = media.srtp.unwrap();
    assert_eq!(keys.receive.master.expose(), &[0x42; 30]);
    assert_eq!(keys.send.master.expose(), &[0x5A; 30]);
    for (answer, rule) in [
        (protected(&[long(2, KEY_B)]), "sdp_no_crypto"),
        (protected(&[short(1, KEY_B)]), "sdp_no_crypto"),
        (peer("m=audio 4000 RTP/AVP 0\r\n"), "sdp_srtp_required"),
    ] {
        let refusal = session.clone().accept_answer(answer.as_bytes()).unwrap_err();
        assert_eq!(refusal.rule, rule);
    }
}

#[test]
fn nothing_is_protected_that_was_offered_in_the_clear() {
    for security in [clear as fn(SrtpMaster) -> MediaSecurity, MediaSecurity::AsOffered] {
        let mut session = MediaSession::new(1);
        let offer = text(&session.offer(&local(security)));
        assert!(offer.contains("RTP/AVP") && !offer.contains("crypto"), "{offer}");
        let refusal = session.accept_answer(protected(&[long(1, KEY_B)]).as_bytes()).unwrap_err();
        assert_eq!(refusal.rule, "sdp_srtp_unasked");
    }
}

#[test]
fn our_key_stays_over_offers_and_answers_and_the_peer_may_change_its_own() {
    let mut session = MediaSession::new(1);
    let wish = local(MediaSecurity::AsOffered);
    let mut keys = Vec::new();
    for key in [KEY_A, KEY_A, KEY_B] {
        let offer = protected(&[long(7, key)]);
        let (sdp, media) = session.answer(offer.as_bytes(), &wish).unwrap();
        assert!(text(&sdp).contains(&format!("a=crypto:7 AES_CM_128_HMAC_SHA1_80 inline:{OURS}")));
        keys.push(media.srtp.unwrap());
    }
    assert_eq!(keys[0], keys[1]);
    assert_eq!(keys[1].send, keys[2].send);
    assert_ne!(keys[1].receive, keys[2].receive);
    let ours = text(&session.offer(&wish));
    assert!(
        ours.contains("RTP/SAVP") && ours.contains(OURS),
        "a protected session stays so: {ours}"
    );
    let media = session.accept_answer(protected(&[long(1, KEY_B)]).as_bytes()).unwrap();
    assert_eq!(media.srtp, Some(keys[2]));
}

#[test]
fn a_session_that_is_offered_again_keeps_its_suite_and_tag() {
    let mut session = MediaSession::new(1);
    let offer = protected(&[short(4, KEY_A)]);
    let (said, before) = session.answer(offer.as_bytes(), &local(MediaSecurity::Required)).unwrap();
    assert!(text(&said).contains(&format!("a=crypto:{}", short(4, OURS))));
    assert_eq!(session.repeat(), Some(said));
    assert_eq!(session.accept_answer(offer.as_bytes()), Ok(before));
}

#[test]
fn keys_are_in_no_debug_output() {
    let mut session = MediaSession::new(1);
    let offer = protected(&[long(7, KEY_A)]);
    session.answer(offer.as_bytes(), &local(MediaSecurity::Required)).unwrap();
    let printed = format!("{session:?} {:?}", local(MediaSecurity::Required));
    assert!(
        !printed.contains(KEY_A) && !printed.contains(OURS) && !printed.contains("90, 90"),
        "{printed}"
    );
}
