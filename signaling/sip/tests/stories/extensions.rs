//! Extensions in dialogs: PRACK, UPDATE, session timers, INFO digits, and what happens without them.

use std::time::Duration;

use shared::{Direction, Extensions, Header, Transport};
use sip::offer_answer::{LocalMedia, MediaSecurity, RecordingStreams, SecondStream};
use sip::{Command, EndCause, Message, Method, Request, UaEvent};

use crate::world::{A, B, Weather, Who, World, invite, media, udp};

const UDP: Transport = Transport::Udp;

/// Alice calls with all extensions; Bob has admitted the call with these.
fn ringing(world: &mut World, extensions: Extensions, late_offer: bool) {
    let mut incoming =
        world.call(sip::Invite { extensions: Extensions::ALL, late_offer, ..invite(UDP) });
    incoming.choose_extensions(extensions).expect("nothing is required");
    world.admit(incoming);
}

fn talking(world: &mut World, extensions: Extensions) {
    ringing(world, extensions, false);
    world.answer();
    world.run(Duration::from_secs(5));
    world.told(Who::Alice);
    world.told(Who::Bob);
}

fn progress(world: &mut World) {
    let media = Some(media(30_000));
    let headers = Vec::new();
    world.command(Who::Bob, Command::Progress { session: B, status: 183, media, headers });
}

fn last_request(world: &World, wanted: &Method) -> Request {
    let found = world.sent.iter().rev().find_map(|sent| match &sent.message {
        Message::Request(request) if request.method == *wanted => Some(request.clone()),
        _ => None,
    });
    found.expect("such a request was sent")
}

fn last_response(world: &World) -> sip::Response {
    match &world.sent.last().expect("something was sent").message {
        Message::Response(response) => response.clone(),
        Message::Request(request) => panic!("{}", request.method),
    }
}

/// Puts a request of Alice's into the dialog that her last request was in.
fn inject(world: &mut World, method: Method, headers: &[(&str, &str)], body: Option<(&str, &str)>) {
    let like =
        if world.ladder().contains(&"A ACK".to_owned()) { Method::Ack } else { Method::Prack };
    let mut request = last_request(world, &like);
    let number = 50 + u32::try_from(world.sent.len()).expect("few");
    request.cseq = sip::CSeq { number, method: method.clone() };
    request.via[0].branch = sip::Text::token(format!("z9hG4bKnew{number}")).ok();
    request.method = method;
    request.headers = sip::Headers::new();
    for (name, value) in headers {
        request.headers.push(name, value).expect("a header of the test");
    }
    if let Some((kind, body)) = body {
        request.set_body(kind, body.as_bytes().to_vec()).expect("a media type");
    }
    world.inject(Who::Bob, udp(Who::Bob), &request.to_bytes());
}

#[test]
fn early_media_is_confirmed_by_prack_and_the_200_has_no_sdp_again() {
    for weather in [Weather::default(), Weather { loss: 30, copies: 20, jitter_ms: 40 }] {
        let mut world = World::with(1, weather, |_, config| config);
        ringing(&mut world, Extensions::ALL, false);
        progress(&mut world);
        world.answer();
        world.run(Duration::from_secs(30));
        let told = world.told(Who::Alice);
        let heard = |event: &UaEvent| {
            matches!(event, UaEvent::Progress { status: 183, media: Some(_), .. })
        };
        assert_eq!(told.iter().filter(|event| heard(event)).count(), 1, "{told:?}");
        assert!(told.iter().any(|event| matches!(event, UaEvent::Answered { .. })), "{told:?}");
        let ladder = world.ladder();
        assert!(ladder.contains(&"A PRACK".to_owned()), "{ladder:?}");
        let bodies = world.sent.iter().filter_map(|sent| match &sent.message {
            Message::Response(response) if response.status == 200 => {
                (response.cseq.method == Method::Invite).then_some(response.body.len())
            }
            _ => None,
        });
        assert!(bodies.into_iter().all(|bytes| bytes == 0));
        world.bye(Who::Alice);
        world.assert_nothing_is_left();
    }
}

#[test]
fn a_200_waits_for_the_prack_of_what_was_sent_before() {
    let mut world = World::new(2);
    ringing(&mut world, Extensions::ALL, false);
    world.drop_if = Some(Box::new(|sent| crate::world::describe(sent) == "A PRACK"));
    progress(&mut world);
    world.answer();
    world.run(Duration::from_secs(2));
    assert!(!world.ladder().contains(&"B 200 INVITE".to_owned()));
    world.drop_if = None;
    world.run(Duration::from_secs(6));
    assert!(world.ladder().contains(&"B 200 INVITE".to_owned()));
}

#[test]
fn a_call_that_is_answered_while_it_is_taken_back_ends_though_a_prack_went_before() {
    let mut world = World::with(1, Weather::default(), |_, config| config);
    ringing(&mut world, Extensions::ALL, false);
    progress(&mut world);
    world.run(Duration::from_secs(5));
    world.command(Who::Alice, Command::Cancel { session: A, headers: Vec::new() });
    world.answer();
    world.run(Duration::from_secs(20));
    let told = world.told(Who::Bob);
    let is_end =
        |event: &UaEvent| matches!(event, UaEvent::Ended { cause: EndCause::RemoteBye { .. }, .. });
    assert!(told.iter().any(is_end), "{told:?}");
}

#[test]
fn without_a_prack_the_call_is_refused_in_time() {
    let mut world = World::new(3);
    ringing(&mut world, Extensions::ALL, false);
    world.drop_if = Some(Box::new(|sent| crate::world::describe(sent) == "A PRACK"));
    progress(&mut world);
    world.run(Duration::from_secs(33));
    let told = world.told(Who::Bob);
    let refused = |event: &UaEvent| matches!(event, UaEvent::Refused { refusal, .. } if refusal.rule == "prack_timeout");
    assert!(told.iter().any(refused), "{told:?}");
    assert!(world.ladder().contains(&"B 504 INVITE".to_owned()));
    world.assert_nothing_is_left();
}

#[test]
fn a_late_offer_goes_into_a_reliable_response_and_its_answer_into_the_prack() {
    let mut world = World::new(4);
    ringing(&mut world, Extensions::ALL, true);
    progress(&mut world);
    world.run(Duration::from_secs(2));
    let negotiated = |event: &UaEvent| matches!(event, UaEvent::Negotiated { .. });
    assert!(world.told(Who::Bob).iter().any(negotiated));
    assert!(!last_request(&world, &Method::Prack).body.is_empty());
    world.answer();
    world.run(Duration::from_secs(2));
    let told = world.told(Who::Alice);
    let port = told.iter().find_map(|event| match event {
        UaEvent::Answered { media, .. } => media.remote_rtp.map(|remote| remote.port()),
        _ => None,
    });
    assert_eq!(port, Some(30_000), "{told:?}");
    world.bye(Who::Bob);
    world.assert_nothing_is_left();
}

#[test]
fn without_the_switch_a_peer_that_knows_100rel_gets_plain_responses() {
    let mut world = World::new(5);
    ringing(&mut world, Extensions::NONE, false);
    progress(&mut world);
    world.answer();
    world.run(Duration::from_secs(2));
    assert!(!world.ladder().contains(&"A PRACK".to_owned()));
    inject(&mut world, Method::Prack, &[("RAck", "1 1 INVITE")], None);
    let response = last_response(&world);
    let allow = response.headers.get_str("Allow").unwrap_or_default().to_owned();
    assert_eq!(response.status, 405);
    assert!(!allow.contains("PRACK") && allow.contains("REFER"), "{allow}");
}

#[test]
fn update_changes_media_and_refreshes_in_a_dialog_that_is_up() {
    let mut world = World::new(6);
    talking(&mut world, Extensions::ALL);
    inject(&mut world, Method::Update, &[], None);
    assert_eq!(last_response(&world).status, 200, "no offer, no question");
    let offer = String::from_utf8(last_request(&world, &Method::Invite).body).expect("text");
    let hold = offer.replace("sendrecv", "sendonly");
    inject(&mut world, Method::Update, &[], Some(("application/sdp", &hold)));
    let told = world.told(Who::Bob);
    assert!(
        matches!(told.last(), Some(UaEvent::Offer { direction: Direction::RecvOnly, .. })),
        "{told:?}"
    );
    world.command(Who::Bob, Command::AnswerOffer { session: B, answer: Ok(media(30_000)) });
    let response = last_response(&world);
    assert_eq!((response.status, response.cseq.method), (200, Method::Update));
    assert!(String::from_utf8_lossy(&response.body).contains("recvonly"));
    world.bye(Who::Bob);
    world.assert_nothing_is_left();
}

#[test]
fn an_update_with_an_offer_while_ours_is_out_is_glare() {
    let mut world = World::new(7);
    talking(&mut world, Extensions::ALL);
    let offer = String::from_utf8(last_request(&world, &Method::Invite).body).expect("text");
    world.command(Who::Bob, Command::Reoffer { session: B, media: media(30_010) });
    let moved = offer.replace("20000", "20020");
    inject(&mut world, Method::Update, &[], Some(("application/sdp", &moved)));
    assert_eq!(last_response(&world).status, 491);
}

#[test]
fn the_refresher_sends_updates_and_the_session_lives_on() {
    let mut world = World::new(8);
    talking(&mut world, Extensions::ALL);
    world.run(Duration::from_secs(3_600));
    let updates = world.ladder().iter().filter(|line| line.as_str() == "A UPDATE").count();
    assert_eq!(updates, 4, "each half interval of 900 s: {:?}", world.ladder());
    assert!(world.agent(Who::Bob).has_session(B));
    world.bye(Who::Alice);
    world.assert_nothing_is_left();
}

#[test]
fn without_update_the_session_is_refreshed_by_a_re_invite_that_changes_nothing() {
    let mut world = World::new(9);
    talking(&mut world, Extensions { timer: true, ..Extensions::NONE });
    world.sent.clear();
    world.run(Duration::from_secs(1_000));
    let invites = world.ladder().iter().filter(|line| line.as_str() == "A INVITE").count();
    assert_eq!(invites, 1, "{:?}", world.ladder());
    let told = world.told(Who::Bob);
    assert!(!told.iter().any(|event| matches!(event, UaEvent::Offer { .. })), "{told:?}");
}

#[test]
fn a_refresh_of_a_session_that_the_peer_holds_leaves_it_on_hold() {
    let mut world = World::new(9);
    talking(&mut world, Extensions { timer: true, ..Extensions::NONE });
    let mut held = media(30_000);
    held.direction = Direction::SendOnly;
    world.command(Who::Bob, Command::Reoffer { session: B, media: held });
    world.run(Duration::from_secs(1));
    world.command(Who::Alice, Command::AnswerOffer { session: A, answer: Ok(media(20_000)) });
    world.run(Duration::from_secs(1));
    world.sent.clear();
    world.told(Who::Alice);
    world.told(Who::Bob);
    world.run(Duration::from_secs(1_000));
    assert_eq!(world.ladder(), ["A INVITE", "B 200 INVITE", "A ACK"]);
    for who in [Who::Alice, Who::Bob] {
        let told = world.told(who);
        assert!(!told.iter().any(|event| matches!(event, UaEvent::Offer { .. })), "{told:?}");
    }
}

#[test]
fn a_session_without_refresh_is_ended_before_it_expires() {
    let mut world = World::new(10);
    talking(&mut world, Extensions::ALL);
    world.is_cut = true;
    world.run(Duration::from_secs(1_800));
    let told = world.told(Who::Bob);
    let expired =
        |event: &UaEvent| matches!(event, UaEvent::Ended { cause: EndCause::SessionExpired, .. });
    assert!(told.iter().any(expired), "{told:?}");
    let told = world.told(Who::Alice);
    let lost = |event: &UaEvent| {
        matches!(event, UaEvent::Ended { cause: EndCause::DialogLost { status: 408 }, .. })
    };
    assert!(told.iter().any(lost), "{told:?}");
    world.assert_nothing_is_left();
}

#[test]
fn a_session_timer_that_is_too_short_is_refused_and_offered_again_longer() {
    let mut world = World::new(11);
    let short = vec![Header::new("Session-Expires", b"60")];
    let mut incoming = world.call(sip::Invite { headers: short, ..invite(UDP) });
    assert_eq!(incoming.choose_extensions(Extensions::ALL), Ok(()), "no timer in Supported");
    let supported = ("Supported", b"timer");
    incoming.request.headers.set(supported.0, supported.1).expect("a header");
    let refusal = incoming.choose_extensions(Extensions::ALL).expect_err("60 is less than 90");
    assert_eq!(refusal.status, Some(422));
    world.admit(incoming);
    let response = last_response(&world);
    assert_eq!(response.headers.get_str("Min-SE"), Some("90"));
    world.run(Duration::from_secs(1));
    let again = last_request(&world, &Method::Invite);
    assert_eq!((again.cseq.number, again.headers.get_str("Min-SE")), (2, Some("90")));
}

#[test]
fn digits_come_by_info_once_each() {
    let mut world = World::new(12);
    talking(&mut world, Extensions::ALL);
    let bodies = [
        ("application/dtmf-relay", "Signal=5\r\nDuration=160\r\n", 200),
        ("application/dtmf", "#", 200),
        ("application/dtmf-relay", "Signal=99\r\n", 400),
        ("text/plain", "5", 415),
    ];
    for (kind, body, status) in bodies {
        inject(&mut world, Method::Info, &[], Some((kind, body)));
        assert_eq!(last_response(&world).status, status, "{body}");
    }
    inject(&mut world, Method::Info, &[], None);
    assert_eq!(last_response(&world).status, 200, "a keep-alive");
    inject(&mut world, Method::Info, &[("Info-Package", "x")], None);
    assert_eq!(last_response(&world).status, 469);
    let digits: Vec<u8> = world
        .told(Who::Bob)
        .iter()
        .filter_map(|event| match event {
            UaEvent::Digit { digit, .. } => Some(*digit),
            _ => None,
        })
        .collect();
    assert_eq!(digits, b"5#");
}

#[test]
fn methods_without_their_switch_are_405_with_what_is_served() {
    let mut world = World::new(13);
    talking(&mut world, Extensions::NONE);
    for method in [Method::Info, Method::Update, Method::Message, Method::Prack] {
        inject(&mut world, method.clone(), &[], None);
        let response = last_response(&world);
        assert_eq!(response.status, 405, "{method}");
        let allow = response.headers.get_str("Allow").unwrap_or_default();
        assert_eq!(allow, "INVITE, ACK, BYE, CANCEL, OPTIONS, REFER, NOTIFY");
    }
    inject(&mut world, Method::Options, &[], None);
    assert_eq!(last_response(&world).status, 200, "a keep-alive in the dialog");
    assert!(world.agent(Who::Alice).has_session(A));
}

#[test]
fn required_extensions_are_refused_unless_switched_on() {
    let mut world = World::new(14);
    let headers = vec![Header::new("Require", b"100rel, timer, gizmo")];
    let mut incoming = world.call(sip::Invite { headers, ..invite(UDP) });
    let timer = Extensions { timer: true, ..Extensions::NONE };
    let mut refused = incoming.clone();
    assert_eq!(refused.choose_extensions(timer).map_err(|refusal| refusal.status), Err(Some(420)));
    incoming.request.headers.set("Require", "100rel, timer").expect("text");
    assert_eq!(incoming.choose_extensions(Extensions::ALL), Ok(()));
    world.admit(refused);
    let response = last_response(&world);
    assert_eq!(response.headers.get_str("Unsupported"), Some("100rel, gizmo"));
}

#[test]
fn a_recording_session_has_metadata_and_its_server_may_require_siprec() {
    let siprec = Extensions { siprec: true, ..Extensions::NONE };
    let mut world = World::new(5);
    let call = sip::Invite {
        extensions: siprec,
        metadata: Some(b"<recording/>".to_vec()),
        media: LocalMedia {
            recording: Some(RecordingStreams {
                second: Some(SecondStream { port: 20_002, security: MediaSecurity::Clear }),
            }),
            ..media(20_000)
        },
        ..invite(UDP)
    };
    let mut incoming = world.call(call);
    let invite = last_request(&world, &Method::Invite);
    assert_eq!(invite.headers.require(), ["siprec"]);
    assert!(invite.contact.first().expect("a contact").parameters.contains("+sip.src"));
    assert!(String::from_utf8_lossy(&invite.body).contains("\r\n\r\n<recording/>\r\n--"));
    assert!(incoming.choose_extensions(Extensions::NONE).is_err(), "the extension is required");
    incoming.choose_extensions(siprec).expect("the server has it");
    world.admit(incoming);
    world.answer();
    world.run(Duration::from_secs(5));
    let told = world.told(Who::Alice);
    let ended = |event: &UaEvent| matches!(event, UaEvent::Ended { .. });
    assert!(told.iter().any(ended), "a server that answers with one stream loses the session");
}
