//! Recording sessions with outside servers: however they end, the call hears one end and every leg comes back.

use std::time::Duration;

use shared::config::Siprec;
use shared::{CoreId, MediaCommand};

use super::conferences::{change, enter, hang_up};
use super::rig::{Book, Invite, Rig, sdp};
use crate::Input;
use crate::effect::Effect;

const VERBS: &str = "<Start><Siprec connectorName=\"srs\" statusCallback=\"http://a.example/s\"/></Start>\
                     <Gather timeout=\"60\" numDigits=\"9\"/>";
const LEGS: usize = 8;

/// A gateway with a recording server.
fn rig() -> Rig {
    Rig::with_settings(Book::with_ip_list("192.0.2.7"), |settings| {
        let server = Siprec {
            uri: "sip:srs@r.example;transport=udp".to_owned(),
            username: "desk".to_owned(),
            password: "s3cret".to_owned(),
            ..Siprec::default()
        };
        settings.siprec.insert("srs".to_owned(), server);
    })
}

/// A call that is up and whose document has ordered a session.
fn ordered() -> Rig {
    let mut rig = rig();
    let invite = Invite::default();
    rig.invite(&invite);
    rig.answer_webhook(VERBS);
    rig.ack_last(&invite);
    rig
}

/// The same, and the INVITE is out.
fn inviting() -> Rig {
    let mut rig = ordered();
    assert_eq!(rig.resolves.len(), 1);
    rig.resolve();
    assert_eq!(rig.requests(), ["INVITE"]);
    rig
}

/// The server takes both streams.
fn takes(rig: &mut Rig) {
    let second = "m=audio 4002 RTP/AVP 0\r\na=recvonly\r\n";
    rig.respond(200, &sdp("RTP/AVP 0", &format!("a=recvonly\r\n{second}")));
}

/// The same, and the server has answered.
fn recording() -> Rig {
    let mut rig = inviting();
    takes(&mut rig);
    assert_eq!(events(&mut rig), ["siprec-started"]);
    assert_eq!(rig.control.placement.room(), LEGS - 3);
    rig
}

/// The events that the application got since the last time.
fn events(rig: &mut Rig) -> Vec<String> {
    let mut events = Vec::new();
    while let Some((_, request)) = rig.http.first() {
        let fields = request.standard.iter().chain(request.extra.iter());
        let event = fields.filter(|(name, _)| *name == "SiprecEvent").map(|(_, value)| value);
        events.extend(event.map(str::to_owned));
        rig.answer_webhook("");
    }
    events
}

/// The INVITEs that the server got, in order.
fn invites(rig: &Rig) -> Vec<sip::message::Request> {
    let requests = rig.sent.iter().filter_map(|(_, message)| match message {
        sip::message::Message::Request(request) => Some(request.clone()),
        sip::message::Message::Response(_) => None,
    });
    requests.filter(|request| request.method == sip::message::Method::Invite).collect()
}

/// How many participants send, by the metadata of the last of so many INVITEs.
fn senders(rig: &Rig, count: usize) -> usize {
    let invites = invites(rig);
    assert_eq!(invites.len(), count);
    let body = String::from_utf8_lossy(&invites[count - 1].body).into_owned();
    assert_eq!(body.matches("m=audio").count(), 2, "both streams stay: {body}");
    assert!(body.contains("application/rs-metadata+xml"), "{body}");
    body.matches("<send>").count()
}

/// The party holds the call, or resumes it.
fn holds(rig: &mut Rig, direction: &str, cseq: u32) {
    let more = format!("a=rtpmap:101 telephone-event/8000\r\na={direction}\r\n");
    rig.reinvite(&Invite { sdp: sdp("RTP/AVP 0 101", &more), ..Invite::default() }, cseq);
}

/// The cores confirm, the application answers, and every BYE of ours gets no answer.
fn all_ends(rig: &mut Rig) {
    rig.let_go();
    rig.after(Duration::from_secs(40));
    rig.let_go();
}

/// The party hangs up, the cores confirm: nothing is left.
fn assert_nothing_is_left(mut rig: Rig) {
    rig.bye_last(&Invite::default());
    all_ends(&mut rig);
    assert!(rig.control.calls.is_empty(), "the call is forgotten");
    assert_eq!(rig.control.placement.room(), LEGS, "every leg came back");
    assert_eq!(rig.faults, Vec::<String>::new());
}

#[test]
fn a_session_taps_the_call_and_feeds_a_leg_for_each_track() {
    let rig = recording();
    let starts = rig.media.iter().filter(|c| matches!(c, MediaCommand::StartFeed { .. })).count();
    let taps = rig.media.iter().filter(|c| matches!(c, MediaCommand::StartTap { .. })).count();
    assert_eq!((starts, taps), (2, 1));
    let copies = rig.effects.iter().filter(|effect| {
        matches!(effect, Effect::CopyTap { inbound: Some(_), outbound: Some(_), .. })
    });
    assert_eq!(copies.count(), 1);
    assert_nothing_is_left(rig);
}

#[test]
fn the_call_may_end_at_any_time_before_its_session() {
    for rig in [ordered(), inviting(), recording()] {
        assert_nothing_is_left(rig);
    }
}

#[test]
fn a_server_that_refuses_or_has_no_address_fails_the_session_and_not_the_call() {
    let mut rig = inviting();
    rig.respond(403, "");
    assert_eq!(events(&mut rig), ["siprec-error"]);
    assert_eq!(rig.control.placement.room(), LEGS - 1);
    assert_nothing_is_left(rig);
    let mut rig = ordered();
    rig.resolve_nothing();
    assert_eq!(events(&mut rig), ["siprec-error"]);
    assert_nothing_is_left(rig);
}

#[test]
fn a_dead_core_ends_sessions_that_have_a_leg_there() {
    let mut rig = recording();
    rig.add_core();
    let sentence = "core 0 died".to_owned();
    rig.tell(Input::CoreLost { core: CoreId(0), sentence });
    all_ends(&mut rig);
    assert!(rig.control.calls.is_empty(), "the call was there, too");
}

#[test]
fn a_core_that_starts_over_gives_the_legs_back() {
    let mut rig = recording();
    let sentence = "core 0 panicked".to_owned();
    rig.tell(Input::CoreRestarted { core: CoreId(0), sentence });
    all_ends(&mut rig);
    assert!(rig.control.calls.is_empty());
    assert_eq!(rig.control.placement.room(), LEGS);
}

#[test]
fn a_server_that_challenges_gets_the_login_of_its_connector() {
    let mut rig = inviting();
    let challenge = "Proxy-Authenticate: Digest realm=\"r.example\", nonce=\"abc\", qop=\"auth\"";
    rig.respond_with(407, challenge);
    let invites = invites(&rig);
    assert_eq!(invites.len(), 2);
    let login = invites[1].headers.get("Proxy-Authorization").expect("a login").to_lossy();
    assert!(
        login.contains("username=\"desk\"") && login.contains("realm=\"r.example\""),
        "{login}"
    );
    assert_eq!(senders(&rig, 2), 2);
    takes(&mut rig);
    assert_eq!(events(&mut rig), ["siprec-started"]);
    assert_nothing_is_left(rig);
}

#[test]
fn a_wrong_login_fails_the_session() {
    let mut rig = inviting();
    let challenge = "WWW-Authenticate: Digest realm=\"r.example\", nonce=\"abc\"";
    rig.respond_with(401, challenge);
    rig.respond_with(401, challenge);
    assert_eq!(events(&mut rig), ["siprec-error"]);
    assert_eq!(rig.control.placement.room(), LEGS - 1);
    assert_nothing_is_left(rig);
}

#[test]
fn metadata_follow_the_party_on_hold_one_invite_after_the_other() {
    let mut rig = recording();
    holds(&mut rig, "inactive", 2);
    assert_eq!(senders(&rig, 2), 0);
    // While that one is open, the party resumes and holds again.
    holds(&mut rig, "sendrecv", 3);
    holds(&mut rig, "sendonly", 4);
    assert_eq!(invites(&rig).len(), 2);
    takes(&mut rig);
    assert_eq!(senders(&rig, 3), 1);
    takes(&mut rig);
    holds(&mut rig, "sendrecv", 5);
    assert_eq!(senders(&rig, 4), 2);
    // A server that does not want them keeps what it has.
    rig.respond(488, "");
    assert_eq!(invites(&rig).len(), 4);
    assert_nothing_is_left(rig);
}

#[test]
fn metadata_that_change_before_the_answer_follow_it() {
    let mut rig = ordered();
    holds(&mut rig, "inactive", 2);
    rig.resolve();
    assert_eq!(senders(&rig, 1), 0);
    holds(&mut rig, "sendrecv", 3);
    assert_eq!(invites(&rig).len(), 1);
    takes(&mut rig);
    assert_eq!(senders(&rig, 2), 2);
    takes(&mut rig);
    assert_eq!(events(&mut rig), ["siprec-started"]);
    assert_nothing_is_left(rig);
}

#[test]
fn a_server_may_challenge_a_later_request_alone() {
    let mut rig = recording();
    holds(&mut rig, "inactive", 2);
    let challenge = "WWW-Authenticate: Digest realm=\"r.example\", nonce=\"abc\"";
    rig.respond_with(401, challenge);
    assert_eq!(senders(&rig, 3), 0);
    let login = |request: &sip::message::Request| request.headers.get("Authorization").is_some();
    assert_eq!(invites(&rig).iter().map(login).collect::<Vec<_>>(), [false, false, true]);
    // A second challenge is a refusal: the metadata stay, and the session goes on.
    rig.respond_with(401, challenge);
    assert_eq!(invites(&rig).len(), 3);
    assert_eq!(events(&mut rig), Vec::<String>::new());
    rig.bye_last(&Invite::default());
    let byes = |rig: &Rig| rig.requests().iter().filter(|method| *method == "BYE").count();
    assert_eq!(byes(&rig), 1);
    rig.respond_to_last(401, "WWW-Authenticate: Digest realm=\"r.example\", nonce=\"def\"");
    assert_eq!(byes(&rig), 2);
    rig.respond_to_last(200, "");
    all_ends(&mut rig);
    assert!(rig.control.calls.is_empty());
    assert_eq!(rig.control.placement.room(), LEGS);
}

#[test]
fn metadata_follow_the_members_of_a_conference() {
    const ROOM: &str = "<Dial><Conference waitUrl=\"\">ops</Conference></Dial>";
    let mut rig = rig();
    let first = enter(&mut rig, &format!("<Start><Siprec connectorName=\"srs\"/></Start>{ROOM}"));
    rig.ack_last(&Invite::default());
    rig.resolve();
    takes(&mut rig);
    assert_eq!((senders(&rig, 1), participants(&rig)), (2, 2), "it waits alone");
    enter(&mut rig, ROOM);
    assert_eq!((senders(&rig, 2), participants(&rig)), (2, 2));
    takes(&mut rig);
    let third = enter(&mut rig, ROOM);
    assert_eq!((senders(&rig, 3), participants(&rig)), (3, 3), "two send the mix");
    takes(&mut rig);
    let muted = store::ParticipantChange { muted: Some(true), ..Default::default() };
    change(&mut rig, third, muted).expect("it is a member");
    assert_eq!((senders(&rig, 4), participants(&rig)), (2, 3));
    takes(&mut rig);
    hang_up(&mut rig, third);
    assert_eq!((senders(&rig, 5), participants(&rig)), (2, 2));
    takes(&mut rig);
    hang_up(&mut rig, first);
    assert_eq!(invites(&rig).len(), 5, "the session of a call that is over ends");
}

#[test]
fn a_crowd_in_a_conference_is_one_participant() {
    const ROOM: &str = "<Dial><Conference waitUrl=\"\">ops</Conference></Dial>";
    let mut rig = rig();
    rig.add_core();
    rig.add_core();
    rig.add_core();
    let most = shared::limits::SIPREC_PARTNERS_MAX;
    for _ in 0..most {
        enter(&mut rig, ROOM);
    }
    enter(&mut rig, &format!("<Start><Siprec connectorName=\"srs\"/></Start>{ROOM}"));
    rig.resolve();
    takes(&mut rig);
    assert_eq!((senders(&rig, 1), participants(&rig)), (1 + most, 1 + most));
    enter(&mut rig, ROOM);
    assert_eq!((senders(&rig, 2), participants(&rig)), (2, 2));
    let body = String::from_utf8_lossy(&invites(&rig)[1].body).into_owned();
    assert!(body.contains("aor=\"urn:sidetone:conference:CF"), "{body}");
}

/// How many participants the last INVITE names.
fn participants(rig: &Rig) -> usize {
    let invites = invites(rig);
    let body = &invites.last().expect("an INVITE").body;
    String::from_utf8_lossy(body).matches("<participant ").count()
}
