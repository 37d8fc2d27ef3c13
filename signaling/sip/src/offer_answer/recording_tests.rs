//! Offers and answers of recording sessions: two streams, sent only (RFC 7866 §7).

use smallvec::smallvec;

use super::*;

fn local(security: fn(u8) -> MediaSecurity) -> LocalMedia {
    LocalMedia {
        address: IpAddr::from([192, 0, 2, 1]),
        port: 20_000,
        direction: Direction::SendOnly,
        codecs: smallvec![Codec::Pcmu],
        security: security(1),
        targets: MediaTargets::default(),
        recording: Some(RecordingStreams {
            second: Some(SecondStream { port: 20_002, security: security(2) }),
        }),
    }
}

fn clear(_: u8) -> MediaSecurity {
    MediaSecurity::Clear
}

fn protected(number: u8) -> MediaSecurity {
    MediaSecurity::Required(SrtpMaster::new([number; 30]))
}

fn peer(lines: &str) -> String {
    format!(
        "v=0\r\no=- 7 7 IN IP4 198.51.100.9\r\ns=-\r\nc=IN IP4 198.51.100.9\r\nt=0 0\r\n{lines}"
    )
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// The two answered ports.
fn ports(session: &MediaSession) -> [Option<u16>; 2] {
    let port = |media: Option<&NegotiatedMedia>| Some(media?.remote_rtp?.port());
    [port(session.negotiated()), port(session.negotiated_second())]
}

const ANSWER: &str = "m=audio 4000 RTP/AVP 0\r\na=label:9\r\na=recvonly\r\n\
                      m=audio 4002 RTP/AVP 0\r\na=label:8\r\na=recvonly\r\n";

#[test]
fn an_offer_has_two_labelled_streams_without_telephone_events() {
    let offer = text(&MediaSession::new(1).offer(&local(clear)));
    let stream = |port: u16, label: u8| {
        format!(
            "m=audio {port} RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=ptime:20\r\na=maxptime:20\r\n\
             a=sendonly\r\na=label:{label}\r\n"
        )
    };
    let streams = offer.split_once("t=0 0\r\n").expect("streams").1;
    assert_eq!(streams, stream(20_000, 1) + &stream(20_002, 2));
}

#[test]
fn one_recorded_party_is_one_labelled_stream() {
    let one = LocalMedia { recording: Some(RecordingStreams { second: None }), ..local(clear) };
    let mut session = MediaSession::new(1);
    let offer = text(&session.offer(&one));
    assert_eq!(offer.matches("m=audio").count(), 1, "{offer}");
    assert!(offer.ends_with("a=sendonly\r\na=label:1\r\n"), "{offer}");
    let answer = peer("m=audio 4000 RTP/AVP 0\r\na=recvonly\r\n");
    session.accept_answer(answer.as_bytes()).expect("an answer");
    assert_eq!(ports(&session), [Some(4_000), None]);
}

#[test]
fn streams_are_matched_by_their_place_and_not_by_the_servers_labels() {
    let mut session = MediaSession::new(1);
    session.offer(&local(clear));
    let first = session.accept_answer(peer(ANSWER).as_bytes()).expect("an answer");
    assert_eq!(ports(&session), [Some(4_000), Some(4_002)]);
    assert_eq!(first.direction, Direction::SendOnly);
    assert_eq!(first.event_payload_type_send, None);
}

#[test]
fn an_answer_without_the_second_stream_is_refused() {
    let only_first = "m=audio 4000 RTP/AVP 0\r\na=recvonly\r\n";
    let no_second = format!("{only_first}m=audio 0 RTP/AVP 0\r\n");
    for (lines, rule) in [(only_first, "sdp_short_answer"), (&*no_second, "sdp_no_audio")] {
        let mut session = MediaSession::new(1);
        session.offer(&local(clear));
        let refusal = session.accept_answer(peer(lines).as_bytes()).expect_err("one stream");
        assert_eq!(refusal.rule, rule);
        assert_eq!(ports(&session), [None, None], "a failed exchange changes nothing");
    }
}

#[test]
fn a_new_offer_of_the_server_keeps_both_streams_in_their_places() {
    let mut session = MediaSession::new(1);
    session.offer(&local(clear));
    session.accept_answer(peer(ANSWER).as_bytes()).expect("an answer");
    let moved = peer(
        "m=audio 5000 RTP/AVP 0 101\r\na=rtpmap:101 telephone-event/8000\r\na=recvonly\r\n\
         m=audio 5002 RTP/AVP 0\r\na=recvonly\r\nm=video 5004 RTP/AVP 96\r\n",
    );
    let (answer, media) = session.answer(moved.as_bytes(), &local(clear)).expect("an answer");
    assert_eq!(ports(&session), [Some(5_000), Some(5_002)]);
    assert_eq!(media.event_payload_type_send, None);
    let streams: Vec<String> = text(&answer)
        .lines()
        .filter(|line| line.starts_with("m=") || line.starts_with("a=label"))
        .map(str::to_owned)
        .collect();
    let expected = [
        "m=audio 20000 RTP/AVP 0",
        "a=label:1",
        "m=audio 20002 RTP/AVP 0",
        "a=label:2",
        "m=video 0 RTP/AVP 96",
    ];
    assert_eq!(streams, expected);
    let fewer = peer("m=audio 5000 RTP/AVP 0\r\n");
    let refusal = session.answer(fewer.as_bytes(), &local(clear)).expect_err("one stream");
    assert_eq!(refusal.rule, "sdp_fewer_media");
    assert_eq!(ports(&session), [Some(5_000), Some(5_002)]);
}

#[test]
fn a_refresh_repeats_both_streams_and_their_version() {
    let mut session = MediaSession::new(1);
    let first = session.offer(&local(clear));
    session.accept_answer(peer(ANSWER).as_bytes()).expect("an answer");
    assert_eq!(session.repeat().map(|again| text(&again)), Some(text(&first)));
    session.accept_answer(peer(ANSWER).as_bytes()).expect("an answer");
    assert_eq!(ports(&session), [Some(4_000), Some(4_002)]);
}

#[test]
fn each_protected_stream_has_a_key_of_its_own() {
    let mut session = MediaSession::new(1);
    let offer = text(&session.offer(&local(protected)));
    let keys: Vec<&str> = offer.lines().filter(|line| line.starts_with("a=crypto:")).collect();
    assert_eq!(keys.len(), 2);
    assert_ne!(keys[0], keys[1]);
    let stream = |port: u16, key: char| {
        let key: String = std::iter::repeat_n(key, 40).collect();
        let suite = "AES_CM_128_HMAC_SHA1_80";
        format!("m=audio {port} RTP/SAVP 0\r\na=crypto:1 {suite} inline:{key}\r\na=recvonly\r\n")
    };
    let answer = peer(&(stream(4_000, 'A') + &stream(4_002, 'B')));
    session.accept_answer(answer.as_bytes()).expect("an answer");
    let sent = [session.negotiated(), session.negotiated_second()].map(|media| {
        media.and_then(|media| media.srtp).map(|keys| keys.send.master == SrtpMaster::new([1; 30]))
    });
    assert_eq!(sent, [Some(true), Some(false)]);
}
