//! Session descriptions: as an offer to answer and as an answer to our offer (RFC 3264).

use std::net::{IpAddr, Ipv4Addr};

use shared::{Codec, Direction, NegotiatedMedia, SrtpMaster};
use sip::offer_answer::{LocalMedia, MediaSecurity, MediaSession, MediaTargets};
use sip::sdp;

/// An offer is refused with a reason or answered by a description that fits it; whatever came, the
/// session can offer afterwards.
pub fn check(bytes: &[u8]) {
    for security in
        [MediaSecurity::Clear, MediaSecurity::AsOffered(OUR_KEY), MediaSecurity::Required(OUR_KEY)]
    {
        check_with(bytes, &LocalMedia { security, ..local() });
    }
}

const OUR_KEY: SrtpMaster = SrtpMaster::new([0x5A; 30]);

fn check_with(bytes: &[u8], local: &LocalMedia) {
    let mut called = MediaSession::new(1);
    match called.answer(bytes, local) {
        Ok((answer, media)) => check_answer(bytes, &answer, media),
        Err(refusal) => drop(refusal.refusal()),
    }
    check_own(&called.offer(local));

    let mut calling = MediaSession::new(2);
    check_own(&calling.offer(local));
    match calling.accept_answer(bytes) {
        Ok(media) => check_media(media),
        Err(refusal) => drop(refusal.refusal()),
    }
    check_own(&calling.offer(local));
}

fn check_answer(offer: &[u8], answer: &[u8], media: NegotiatedMedia) {
    let offer = sdp::parse(offer).expect("what is answered can be read");
    let answer = sdp::parse(answer).expect("our own answer can be read");
    assert_eq!(answer.media.len(), offer.media.len(), "RFC 3264 §6: as many streams as offered");
    for (ours, theirs) in answer.media.iter().zip(&offer.media) {
        assert_eq!(ours.kind, theirs.kind, "RFC 3264 §6: stream by stream");
    }
    check_media(media);
}

fn check_own(description: &[u8]) {
    assert!(sdp::parse(description).is_ok(), "ours: {}", description.escape_ascii());
}

fn check_media(media: NegotiatedMedia) {
    let events = [media.event_payload_type_send, media.event_payload_type_receive];
    let audio = [Some(media.payload_type_send), Some(media.payload_type_receive)];
    for number in audio.into_iter().chain(events).flatten() {
        assert!(number <= 127, "payload type {number}");
    }
    assert!((10..=60).contains(&media.ptime_ms) && media.ptime_ms.is_multiple_of(10), "{media:?}");
    assert!(media.remote_rtp.is_none_or(|remote| remote.port() != 0), "{media:?}");
}

fn local() -> LocalMedia {
    LocalMedia {
        address: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)),
        port: 10_000,
        direction: Direction::SendRecv,
        codecs: [Codec::Pcmu, Codec::Pcma].into_iter().collect(),
        security: MediaSecurity::Clear,
        targets: MediaTargets::default(),
        recording: None,
    }
}

/// Lines and values of descriptions.
pub const WORDS: &[&str] = &[
    "\r\n",
    "\n",
    "v=0\r\n",
    "o=- 1 1 IN IP4 192.0.2.1\r\n",
    "s=-\r\n",
    "t=0 0\r\n",
    "c=IN IP4 0.0.0.0\r\n",
    "c=IN IP4 192.0.2.1\r\n",
    "c=IN IP6 ::1\r\n",
    "c=IN IP4 a.example\r\n",
    "c=IN IP4 224.2.1.1/127/3\r\n",
    "m=audio 4000 RTP/AVP 0\r\n",
    "m=audio 0 RTP/AVP 8 101\r\n",
    "m=audio 4000/2 RTP/SAVP 0\r\n",
    "m=video 4002 RTP/AVP 96\r\n",
    "m=image 9 udptl t38\r\n",
    "a=rtpmap:101 telephone-event/8000\r\n",
    "a=rtpmap:8 PCMU/8000\r\n",
    "a=rtpmap:0 PCMA/16000/2\r\n",
    "a=fmtp:101 0-16\r\n",
    "a=ptime:0\r\n",
    "a=ptime:65536\r\n",
    "a=maxptime:5\r\n",
    "a=sendonly\r\n",
    "a=recvonly\r\n",
    "a=inactive\r\n",
    "a=rtcp-mux\r\n",
    "a=rtcp:4001 IN IP6 ::1\r\n",
    "a=rtcp:0\r\n",
    "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:",
    "a=crypto:2 AES_CM_128_HMAC_SHA1_32 inline:QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFB\r\n",
    "|2^31",
    "|1:4",
    " WSH=64",
    " UNENCRYPTED_SRTP",
    "m=audio 4002 RTP/SAVP 0\r\n",
    "a=ice-ufrag:a\r\n",
    "a=candidate:1 1 udp 1 ",
    " 256",
    " -1",
    " ",
    "=",
    ":",
];
