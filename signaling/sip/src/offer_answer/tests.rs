//! Offers and answers, whole.

use proptest::prelude::*;
use shared::Code;
use smallvec::smallvec;

use super::*;

fn local() -> LocalMedia {
    LocalMedia {
        address: IpAddr::from([192, 0, 2, 1]),
        port: 20_000,
        direction: Direction::SendRecv,
        codecs: smallvec![Codec::Pcmu, Codec::Pcma],
        security: MediaSecurity::Clear,
        targets: MediaTargets::default(),
        recording: None,
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// A description of a peer: session lines, then the given lines.
fn peer(lines: &str) -> String {
    format!(
        "v=0\r\no=- 7 7 IN IP4 198.51.100.9\r\ns=-\r\nc=IN IP4 198.51.100.9\r\nt=0 0\r\n{lines}"
    )
}

fn answered(offer: &str) -> Result<(String, NegotiatedMedia), &'static str> {
    MediaSession::new(1)
        .answer(offer.as_bytes(), &local())
        .map(|(sdp, media)| (text(&sdp), media))
        .map_err(|refusal| refusal.rule)
}

fn accepted(answer: &str) -> Result<NegotiatedMedia, &'static str> {
    let mut session = MediaSession::new(1);
    session.offer(&local());
    session.accept_answer(answer.as_bytes()).map_err(|refusal| refusal.rule)
}

#[test]
fn our_offer_is_the_contracts() {
    let offer = text(&MediaSession::new(1).offer(&local()));
    assert_eq!(
        offer,
        "v=0\r\no=root 1 1 IN IP4 192.0.2.1\r\ns=Sidetone media gateway\r\nc=IN IP4 192.0.2.1\r\n\
         t=0 0\r\nm=audio 20000 RTP/AVP 0 8 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n\
         a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=ptime:20\r\na=maxptime:20\r\n\
         a=sendrecv\r\n"
    );
}

#[test]
fn the_first_codec_of_the_offer_that_we_speak_is_taken_with_the_offerers_numbers() {
    let offer = peer(
        "m=audio 4000 RTP/AVP 18 8 0 126\r\na=rtpmap:126 telephone-event/8000\r\na=fmtp:126 0-15\r\n",
    );
    let (sdp, media) = answered(&offer).unwrap();
    assert_eq!((media.codec, media.payload_type_send), (Codec::Pcma, 8));
    assert_eq!(media.event_payload_type_send, Some(126));
    assert_eq!(media.event_payload_type_receive, Some(126));
    assert_eq!(media.remote_rtp, "198.51.100.9:4000".parse().ok());
    assert_eq!(media.remote_rtcp, "198.51.100.9:4001".parse().ok());
    assert!(sdp.contains("m=audio 20000 RTP/AVP 8 126\r\n"), "{sdp}");
    assert!(sdp.contains("a=rtpmap:126 telephone-event/8000\r\n"));
}

#[test]
fn a_dynamic_number_for_a_codec_is_kept() {
    let offer = peer("m=audio 4000 RTP/AVP 96 0\r\na=rtpmap:96 pcma/8000/1\r\n");
    let (sdp, media) = answered(&offer).unwrap();
    assert_eq!((media.codec, media.payload_type_receive), (Codec::Pcma, 96));
    assert_eq!(media.event_payload_type_send, None);
    assert!(sdp.contains("a=rtpmap:96 PCMA/8000\r\n"));
    let stolen = peer("m=audio 4000 RTP/AVP 0\r\na=rtpmap:0 opus/48000/2\r\n");
    assert_eq!(answered(&stolen), Err("sdp_no_codec"));
}

#[test]
fn other_media_is_answered_with_port_0_in_its_place() {
    let offer = peer(
        "m=video 5000 RTP/AVP 31 32\r\nm=audio 4000 RTP/SAVP 0\r\nm=audio 4002 RTP/AVP 0\r\n\
         m=application 9 TCP/BFCP *\r\n",
    );
    let (sdp, media) = answered(&offer).unwrap();
    assert_eq!(media.remote_rtp.unwrap().port(), 4002);
    let lines: Vec<_> = sdp.lines().filter(|line| line.starts_with("m=")).collect();
    assert_eq!(
        lines,
        [
            "m=video 0 RTP/AVP 31",
            "m=audio 0 RTP/SAVP 0",
            "m=audio 20000 RTP/AVP 0",
            "m=application 0 TCP/BFCP *"
        ]
    );
}

#[test]
fn our_next_offer_keeps_the_places_and_the_event_number() {
    let offer = peer(
        "m=video 5000 RTP/AVP 31\r\nm=audio 4000 RTP/AVP 0 126\r\na=rtpmap:126 telephone-event/8000\r\n",
    );
    let mut session = MediaSession::new(1);
    session.answer(offer.as_bytes(), &local()).unwrap();
    let next = text(&session.offer(&local()));
    assert!(next.contains("m=video 0 RTP/AVP 31\r\nm=audio 20000 RTP/AVP 0 8 126\r\n"), "{next}");
    let answer = peer(
        "m=video 0 RTP/AVP 31\r\nm=audio 4004 RTP/AVP 8 126\r\na=rtpmap:126 telephone-event/8000\r\n",
    );
    let media = session.accept_answer(answer.as_bytes()).unwrap();
    assert_eq!(media.remote_rtp.unwrap().port(), 4004);
    assert_eq!(media.event_payload_type_receive, Some(126));
}

#[test]
fn refusals_name_their_rule_and_status() {
    let cases = [
        ("m=audio 4000 RTP/AVP 18\r\n", "sdp_no_codec"),
        ("m=audio 4000 RTP/AVP 2\r\na=rtpmap:2 G726-32/8000\r\n", "sdp_no_codec"),
        ("m=audio 4000 RTP/SAVP 0\r\n", "sdp_srtp"),
        ("m=audio 4000 UDP/TLS/RTP/SAVPF 0\r\n", "sdp_srtp"),
        ("m=audio 4000 TCP/RTP/AVP 0\r\n", "sdp_protocol"),
        ("m=image 4000 udptl t38\r\n", "sdp_no_audio"),
        ("m=audio 0 RTP/AVP 0\r\n", "sdp_no_audio"),
        ("", "sdp_no_audio"),
        ("m=audio 4000 RTP/AVP 0\r\nc=IN IP6 2001:db8::1\r\n", "sdp_address_family"),
        ("m=audio 4000 RTP/AVP 0\r\nc=IN IP4 phone.example.com\r\n", "sdp_host_name"),
        ("m=audio 4000 RTP/AVP 0\r\nc=IN IP4 224.2.1.1/127/3\r\n", "sdp_multicast"),
        ("m=audio 4000 RTP/AVP 0\r\nc=IN IP4 169.254.1.1\r\n", "sdp_link_local"),
        ("m=audio 4000 RTP/AVP 0\r\nc=IN IP4 0.1.2.3\r\n", "sdp_reserved_address"),
        ("m=audio 53 RTP/AVP 0\r\n", "sdp_low_port"),
        ("m=audio 4000 RTP/SAVP 0\r\nm=audio 4002 RTP/AVP 18\r\n", "sdp_no_codec"),
    ];
    for (lines, rule) in cases {
        let refusal = MediaSession::new(1).answer(peer(lines).as_bytes(), &local()).unwrap_err();
        assert_eq!((refusal.rule, refusal.status), (rule, 488), "{lines}");
    }
    let broken = MediaSession::new(1).answer(b"nonsense", &local()).unwrap_err();
    assert_eq!((broken.status, broken.code), (400, Some(Code::SDP_INVALID)));
    assert_eq!(answered("v=0\r\nm=audio 4000 RTP/AVP 0\r\n"), Err("sdp_no_connection"));
}

#[test]
fn neither_offer_nor_answer_may_name_our_own_sockets_or_a_loopback_that_is_not_ours() {
    let mut own = shared::OwnSockets::new([]);
    own.add([198, 51, 100, 9].into(), 10_000..=10_003);
    let targets = MediaTargets { own: Arc::new(own), peer_is_remote: true };
    let guarded = LocalMedia { targets, ..local() };
    for (lines, rule) in [
        ("m=audio 10002 RTP/AVP 0\r\n", "sdp_own_address"),
        ("m=audio 4000 RTP/AVP 0\r\nc=IN IP4 127.0.0.1\r\n", "sdp_loopback"),
    ] {
        let sdp = peer(lines);
        let mut session = MediaSession::new(1);
        let refusal = session.answer(sdp.as_bytes(), &guarded).unwrap_err();
        assert_eq!((refusal.rule, refusal.status), (rule, 488));
        session.offer(&guarded);
        let refusal = session.accept_answer(sdp.as_bytes()).unwrap_err();
        assert_eq!((refusal.rule, refusal.status), (rule, 488));
        assert!(session.negotiated().is_none());
    }
    // An unspecified address is a hold, whatever stands beside it.
    let hold = peer("m=audio 9 RTP/AVP 0\r\nc=IN IP4 0.0.0.0\r\n");
    let (_, media) = MediaSession::new(1).answer(hold.as_bytes(), &guarded).unwrap();
    assert_eq!(media.remote_rtp, None);
}

#[test]
fn an_rtcp_line_that_names_no_place_for_a_peer_is_read_past() {
    let mut own = shared::OwnSockets::new([]);
    own.add([198, 51, 100, 7].into(), 10_000..=10_003);
    let targets = MediaTargets { own: Arc::new(own), peer_is_remote: true };
    let guarded = LocalMedia { targets, ..local() };
    for (line, port) in [
        ("a=rtcp:10001 IN IP4 198.51.100.7\r\n", Some(4001)),
        ("a=rtcp:4005 IN IP4 127.0.0.1\r\n", Some(4001)),
        ("a=rtcp:53\r\n", Some(4001)),
        ("a=rtcp:4005\r\n", Some(4005)),
    ] {
        let offer = peer(&format!("m=audio 4000 RTP/AVP 0\r\n{line}"));
        let (_, media) = MediaSession::new(1).answer(offer.as_bytes(), &guarded).unwrap();
        assert_eq!(media.remote_rtcp.map(|rtcp| rtcp.port()), port, "{line}");
        assert!(media.remote_rtcp.is_none_or(|rtcp| rtcp.ip() == media.remote_rtp.unwrap().ip()));
    }
}

#[test]
fn a_stream_with_feedback_is_served_without_it_and_keeps_its_profile() {
    let offer = peer(
        "m=audio 4000 RTP/AVPF 0 101\r\na=rtcp-fb:* nack\r\na=rtpmap:101 telephone-event/8000\r\n",
    );
    let mut session = MediaSession::new(1);
    let (answer, media) = session.answer(offer.as_bytes(), &local()).unwrap();
    let answer = text(&answer);
    assert!(answer.contains("m=audio 20000 RTP/AVPF 0 101\r\n"), "{answer}");
    assert!(!answer.contains("rtcp-fb"), "{answer}");
    assert!(media.srtp.is_none());
    assert!(text(&session.offer(&local())).contains(" RTP/AVPF 0 8 101\r\n"));
    session.withdraw_offer();
    let plain = peer("m=audio 4000 RTP/AVP 0\r\n");
    let (answer, _) = session.answer(plain.as_bytes(), &local()).unwrap();
    assert!(text(&answer).contains(" RTP/AVP 0\r\n"));
    assert!(accepted(&offer).is_ok(), "an answer that says more than was offered");
}

#[test]
fn events_without_a_mapping_are_events_where_no_other_is_mapped() {
    for (lines, events) in [
        ("m=audio 4000 RTP/AVP 0 101\r\na=fmtp:101 0-15\r\n", Some(101)),
        ("m=audio 4000 RTP/AVP 0 97\r\na=fmtp:97 0-11,16\r\n", Some(97)),
        ("m=audio 4000 RTP/AVP 0 101\r\n", None),
        ("m=audio 4000 RTP/AVP 0 101\r\na=fmtp:101 mode=20\r\n", None),
        ("m=audio 4000 RTP/AVP 0 101\r\na=fmtp:101 9-3\r\n", None),
        ("m=audio 4000 RTP/AVP 0 18\r\na=fmtp:18 0-15\r\n", None),
        ("m=audio 4000 RTP/AVP 0 101\r\na=rtpmap:101 red/8000\r\na=fmtp:101 0-15\r\n", None),
        (
            "m=audio 4000 RTP/AVP 0 101 96\r\na=fmtp:101 0-15\r\na=rtpmap:96 telephone-event/8000\r\n",
            Some(96),
        ),
    ] {
        let (answer, media) = answered(&peer(lines)).unwrap();
        assert_eq!(media.event_payload_type_receive, events, "{lines}");
        assert_eq!(answer.contains("telephone-event"), events.is_some(), "{answer}");
    }
}

#[test]
fn hold_in_both_forms_and_resume() {
    let directions = [
        ("a=sendonly\r\n", Direction::RecvOnly, "a=recvonly"),
        ("a=inactive\r\n", Direction::Inactive, "a=inactive"),
        ("a=recvonly\r\n", Direction::SendOnly, "a=sendonly"),
        ("c=IN IP4 0.0.0.0\r\n", Direction::RecvOnly, "a=recvonly"),
        ("c=IN IP4 0.0.0.0\r\na=inactive\r\n", Direction::Inactive, "a=inactive"),
        ("", Direction::SendRecv, "a=sendrecv"),
    ];
    let mut session = MediaSession::new(1);
    for (line, direction, answer) in directions {
        let offer = peer(&format!("m=audio 4000 RTP/AVP 0\r\n{line}"));
        let (sdp, media) = session.answer(offer.as_bytes(), &local()).unwrap();
        assert_eq!(media.direction, direction);
        assert_eq!(media.remote_rtp.is_none(), line.contains("0.0.0.0"));
        assert!(text(&sdp).contains(answer));
    }
    let session_level = peer("a=inactive\r\nm=audio 4000 RTP/AVP 0\r\n");
    assert_eq!(answered(&session_level).unwrap().1.direction, Direction::Inactive);
}

#[test]
fn our_own_wish_limits_the_direction() {
    let offer = peer("m=audio 4000 RTP/AVP 0\r\n");
    let wish = LocalMedia { direction: Direction::SendOnly, ..local() };
    let (_, media) = MediaSession::new(1).answer(offer.as_bytes(), &wish).unwrap();
    assert_eq!(media.direction, Direction::SendOnly);
}

#[test]
fn the_version_rises_only_with_a_change() {
    let mut session = MediaSession::new(5);
    let first = session.offer(&local());
    session.accept_answer(peer("m=audio 4000 RTP/AVP 0\r\n").as_bytes()).unwrap();
    assert_eq!(session.offer(&local()), first);
    session.withdraw_offer();
    let held = text(&session.offer(&LocalMedia { direction: Direction::SendOnly, ..local() }));
    assert!(held.contains("o=root 5 6 ") && held.contains("a=sendonly"), "{held}");
    session.withdraw_offer();
    assert_eq!(session.negotiated().unwrap().direction, Direction::SendRecv);

    let mut answering = MediaSession::new(9);
    let offer = peer("m=audio 4000 RTP/AVP 0\r\n");
    let (one, _) = answering.answer(offer.as_bytes(), &local()).unwrap();
    let (two, _) = answering.answer(offer.as_bytes(), &local()).unwrap();
    assert_eq!(one, two);
}

#[test]
fn rtcp_goes_where_the_peer_says() {
    let rtcp = |line: &str| {
        let offer = peer(&format!("m=audio 4000 RTP/AVP 0\r\n{line}"));
        let (sdp, media) = answered(&offer).unwrap();
        (media.remote_rtcp.unwrap().to_string(), media.rtcp_mux, sdp.contains("a=rtcp-mux"))
    };
    assert_eq!(rtcp("a=rtcp-mux\r\na=rtcp:9\r\n"), ("198.51.100.9:4000".to_owned(), true, true));
    assert_eq!(rtcp("a=rtcp:5555\r\n"), ("198.51.100.9:5555".to_owned(), false, false));
    assert_eq!(
        rtcp("a=rtcp:5555 IN IP4 203.0.113.3\r\n"),
        ("203.0.113.3:5555".to_owned(), false, false)
    );
    assert_eq!(rtcp("a=rtcp:x\r\n"), ("198.51.100.9:4001".to_owned(), false, false));
    assert!(!accepted(&peer("m=audio 4000 RTP/AVP 0\r\na=rtcp-mux\r\n")).unwrap().rtcp_mux);
}

#[test]
fn a_peer_that_multiplexes_is_offered_it_again() {
    let mut session = MediaSession::new(1);
    let offer = peer("m=audio 4000 RTP/AVP 0\r\na=rtcp-mux\r\n");
    session.answer(offer.as_bytes(), &local()).unwrap();
    assert!(text(&session.offer(&local())).contains("a=rtcp-mux\r\n"));
    assert!(session.accept_answer(offer.as_bytes()).unwrap().rtcp_mux);
    session.offer(&local());
    let without = peer("m=audio 4000 RTP/AVP 0\r\n");
    let media = session.accept_answer(without.as_bytes()).unwrap();
    assert_eq!((media.rtcp_mux, media.remote_rtcp.unwrap().port()), (false, 4001));
}

#[test]
fn packet_time_follows_the_peer_where_it_can() {
    let ptime = |lines: &str| {
        answered(&peer(&format!("m=audio 4000 RTP/AVP 0\r\n{lines}"))).unwrap().1.ptime_ms
    };
    assert_eq!(ptime(""), 20);
    assert_eq!(ptime("a=ptime:30\r\n"), 30);
    assert_eq!(ptime("a=ptime:25\r\n"), 20);
    assert_eq!(ptime("a=ptime:100\r\n"), 20);
    assert_eq!(ptime("a=maxptime:15\r\n"), 10);
    assert_eq!(ptime("a=maxptime:5\r\n"), 10);
    assert_eq!(ptime("a=maxptime:0\r\n"), 20, "a limit of nothing means nothing");
    assert_eq!(ptime("a=ptime:40\r\na=maxptime:30\r\n"), 30);
}

#[test]
fn of_several_addresses_the_one_of_our_family_is_taken() {
    let offer = peer("m=audio 4000 RTP/AVP 0\r\nc=IN IP6 2001:db8::1\r\nc=IN IP4 203.0.113.4\r\n");
    assert_eq!(answered(&offer).unwrap().1.remote_rtp, "203.0.113.4:4000".parse().ok());
    let six = LocalMedia { address: "2001:db8::9".parse().unwrap(), ..local() };
    let (sdp, media) = MediaSession::new(1).answer(offer.as_bytes(), &six).unwrap();
    assert_eq!(media.remote_rtp, "[2001:db8::1]:4000".parse().ok());
    assert!(text(&sdp).contains("c=IN IP6 2001:db8::9\r\n"));
}

#[test]
fn the_time_of_the_offer_is_answered() {
    let offer = "v=0\r\nc=IN IP4 198.51.100.9\r\nt=3149328700 99999999999999999999\r\nm=audio 4000 RTP/AVP 0\r\n";
    assert!(answered(offer).unwrap().0.contains("t=3149328700 99999999999999999999\r\n"));
}

#[test]
fn an_answer_gives_the_peers_numbers_for_sending_and_ours_for_receiving() {
    let answer = peer(
        "m=audio 4000 RTP/AVP 96 97\r\na=rtpmap:96 PCMA/8000\r\na=rtpmap:97 telephone-event/8000\r\n",
    );
    let media = accepted(&answer).unwrap();
    assert_eq!((media.payload_type_send, media.payload_type_receive), (96, 8));
    assert_eq!(media.event_payload_type_send, Some(97));
    assert_eq!(media.event_payload_type_receive, Some(101));
    assert_eq!(accepted(&peer("m=audio 0 RTP/AVP 0\r\n")), Err("sdp_no_audio"));
    assert_eq!(accepted(&peer("")), Err("sdp_short_answer"));
    assert_eq!(MediaSession::new(1).accept_answer(b"v=0").unwrap_err().rule, "sdp_no_offer");
}

/// As a refresh of a session whose offers came from the peer: a phone with numbers of its own, on hold.
#[test]
fn what_was_agreed_on_is_offered_again_to_the_letter() {
    let mut session = MediaSession::new(1);
    assert_eq!(session.repeat(), None);
    let held = peer(
        "m=audio 4000 RTP/AVP 97 96\r\na=rtpmap:97 PCMA/8000\r\na=rtpmap:96 telephone-event/8000\r\n\
         a=sendonly\r\n",
    );
    let (said, before) = session.answer(held.as_bytes(), &local()).unwrap();
    assert_eq!(session.repeat().as_ref(), Some(&said));
    assert!(session.has_offered());
    let answer = held.replace("7 7 IN", "7 8 IN");
    assert_eq!(session.accept_answer(answer.as_bytes()), Ok(before));
    // After an offer that was refused too, but that one had a version of its own.
    session.offer(&local());
    session.withdraw_offer();
    let again = session.repeat().map(|sdp| text(&sdp)).unwrap();
    assert_eq!(again, text(&said).replace("root 1 1 ", "root 1 3 "));
    // A peer that takes it for a resume is not believed: we said that we only listen.
    let resumed = answer.replace("a=sendonly\r\n", "");
    assert_eq!(session.accept_answer(resumed.as_bytes()), Ok(before));
}

#[test]
fn offers_that_cross_are_glare() {
    let mut session = MediaSession::new(1);
    session.offer(&local());
    let refusal = session.answer(peer("m=audio 4000 RTP/AVP 0\r\n").as_bytes(), &local());
    assert_eq!(refusal.unwrap_err().status, 491);
}

#[test]
fn a_refused_new_offer_leaves_the_session_as_it_is() {
    let mut session = MediaSession::new(1);
    let offer = peer("m=audio 4000 RTP/AVP 0\r\n");
    let (first, media) = session.answer(offer.as_bytes(), &local()).unwrap();
    assert!(session.answer(peer("m=audio 4000 RTP/AVP 18\r\n").as_bytes(), &local()).is_err());
    assert_eq!(session.negotiated(), Some(&media));
    assert_eq!(session.answer(offer.as_bytes(), &local()).unwrap().0, first);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn whatever_is_answered_can_be_read_and_fits_the_offer(
        lines in prop::collection::vec(
            "m=(audio|video) [0-9]{1,5} RTP/S?AVP( (0|8|18|101)){1,3}\r\n|a=rtpmap:(0|8|101) (PCMU|telephone-event)/8000\r\n|a=(sendonly|rtcp-mux|ptime:[0-9]{1,3})\r\n|c=IN IP(4|6) (0.0.0.0|192.0.2.9|::1)\r\n",
            0..8,
        ),
    ) {
        let offer = peer(&lines.concat());
        if let Ok((answer, media)) = MediaSession::new(1).answer(offer.as_bytes(), &local()) {
            let (offer, answer) = (sdp::parse(offer.as_bytes()).unwrap(), sdp::parse(&answer).unwrap());
            prop_assert_eq!(offer.media.len(), answer.media.len());
            prop_assert_eq!(answer.media.iter().filter(|media| media.port != 0).count(), 1);
            prop_assert!((10..=60).contains(&media.ptime_ms));
            prop_assert!(media.remote_rtp.is_some() || !media.direction.sends());
        }
    }
}
