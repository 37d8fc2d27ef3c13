//! Hops across legs: whatever comes back to us through somebody else comes to an end (RFC 7332).

use shared::{CallSid, Code};
use sip::message::Request;
use sip::{Message, Method};
use store::{CallCommand, CallTarget, NotificationRecord};

use super::calls::{ask, call_to};
use super::rig::{Book, Invite, Rig, header};

const DIAL: &str = "<Dial><Sip>sip:1000@pbx.example</Sip></Dial>";

#[test]
fn what_a_call_dials_has_one_hop_less_than_the_call() {
    for (came_with, leaves_with) in [(70, 69), (12, 11), (1, 0)] {
        let mut rig = rig();
        assert_eq!(rig.invite(&with_hops(came_with)), [100, 180]);
        rig.answer_webhook(DIAL);
        rig.resolve();
        assert_eq!(last_invite(&rig).max_forwards, Some(leaves_with));
    }
}

#[test]
fn a_call_that_somebody_sends_back_again_and_again_ends_with_483_and_an_alert() {
    let mut rig = rig();
    let (mut hops, mut rounds) = (3, 0);
    loop {
        let answered = rig.invite(&with_hops(hops));
        if answered == [483] {
            break;
        }
        assert_eq!(answered, [100, 180], "round {rounds}");
        rig.answer_webhook(DIAL);
        rig.resolve();
        hops = last_invite(&rig).max_forwards.expect("a number");
        rounds += 1;
    }
    assert_eq!(rounds, 3);
    assert_eq!(rig.refused, ["max_forwards"]);
    assert_eq!(codes(&rig.notifications), [Code::MAX_FORWARDS]);
}

/// A PBX that is a back-to-back user agent begins with 70 hops each time, and passes our header on.
#[test]
fn a_call_that_names_the_call_it_continues_has_one_hop_less_than_that() {
    let mut rig = rig();
    assert_eq!(rig.invite(&with_hops(3)), [100, 180]);
    rig.answer_webhook(DIAL);
    rig.resolve();
    let back = |rig: &Rig| {
        let sid = last_invite(rig).headers.get("X-Twilio-CallSid").expect("ours").to_lossy();
        Invite::header(&format!("X-Twilio-CallSid: {sid}"))
    };
    assert_eq!(last_invite(&rig).max_forwards, Some(2));
    let again = back(&rig);
    assert_eq!(rig.invite(&again), [100, 180]);
    rig.answer_webhook(DIAL);
    rig.resolve();
    assert_eq!(last_invite(&rig).max_forwards, Some(0), "1 came in");
    let again = back(&rig);
    assert_eq!(rig.invite(&again), [483]);
    let reason = header(rig.last_response(), "X-Twilio-Error").unwrap();
    assert!(reason.starts_with("32006 "), "{reason}");
    assert_eq!(codes(&rig.notifications), [Code::MAX_FORWARDS]);
    let foreign = Invite::header(&format!("X-Twilio-CallSid: {}", CallSid(7)));
    assert_eq!(rig.invite(&foreign), [100, 180], "it is nobody's");
}

#[test]
fn a_call_by_rest_begins_with_70_and_a_redirect_takes_a_hop() {
    let mut rig = rig();
    let call = call_to(CallTarget::Sip("sip:bob@192.0.2.8".to_owned()));
    ask(&mut rig, CallCommand::Create(Box::new(call))).expect("it is let in");
    rig.resolve();
    assert_eq!(last_invite(&rig).max_forwards, Some(70));
    rig.respond_with(302, "Contact: <sip:carol@c.example>");
    rig.resolve();
    assert_eq!(last_invite(&rig).max_forwards, Some(69));
}

#[test]
fn a_redirect_of_a_call_without_hops_is_not_followed() {
    let mut rig = rig();
    assert_eq!(rig.invite(&with_hops(1)), [100, 180]);
    rig.answer_webhook(DIAL);
    rig.resolve();
    rig.respond_with(302, "Contact: <sip:carol@c.example>");
    assert!(rig.resolves.is_empty());
    assert_eq!(codes(&rig.notifications), [Code::REDIRECT_NOT_FOLLOWED]);
}

fn rig() -> Rig {
    Rig::new(Book::with_ip_list("192.0.2.7"))
}

fn with_hops(hops: u8) -> Invite {
    Invite { hops, ..Invite::default() }
}

fn last_invite(rig: &Rig) -> &Request {
    let invite = rig.sent.iter().rev().find_map(|(_, message)| match message {
        Message::Request(request) if request.method == Method::Invite => Some(request),
        _ => None,
    });
    invite.expect("an INVITE")
}

fn codes(notifications: &[NotificationRecord]) -> Vec<Code> {
    notifications.iter().map(|one| one.error_code).collect()
}
