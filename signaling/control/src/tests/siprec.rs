//! Recording sessions with outside servers: however they end, the call hears one end and every leg comes back.

use std::time::Duration;

use shared::config::Siprec;
use shared::{CoreId, MediaCommand};

use super::rig::{Book, Invite, Rig, sdp};
use crate::Input;
use crate::effect::Effect;

const VERBS: &str = "<Start><Siprec connectorName=\"srs\" statusCallback=\"http://a.example/s\"/></Start>\
                     <Gather timeout=\"60\" numDigits=\"9\"/>";
const LEGS: usize = 8;

/// A call that is up and whose document has ordered a session.
fn ordered() -> Rig {
    let mut rig = Rig::with_settings(Book::with_ip_list("192.0.2.7"), |settings| {
        let server =
            Siprec { uri: "sip:srs@r.example;transport=udp".to_owned(), header: String::new() };
        settings.siprec.insert("srs".to_owned(), server);
    });
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

/// The same, and the server has answered.
fn recording() -> Rig {
    let mut rig = inviting();
    let second = "m=audio 4002 RTP/AVP 0\r\na=recvonly\r\n";
    rig.respond(200, &sdp("RTP/AVP 0", &format!("a=recvonly\r\n{second}")));
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
