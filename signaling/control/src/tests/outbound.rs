//! Calls that go out by values: targets one after the other, redirects, identity.

use std::time::Duration;

use shared::config::Trunk;
use shared::{Code, TlsFailure};
use sip::{Message, Method};
use store::{CallCommand, CallStatus, CallTarget};

use super::calls::{ask, call_to};
use super::rig::{Book, CALLEE, Invite, PASSWORD, Rig, sdp};
use crate::Input;

#[test]
fn the_next_target_of_a_trunk_is_tried_after_a_refusal_that_decides_nothing() {
    let mut rig = with_targets(&["sip:a.example", "sip:b.example"]);
    let call = number(&mut rig);
    assert_eq!(hosts(&rig), ["a.example"]);
    rig.resolve();
    rig.respond(480, "");
    assert_eq!(hosts(&rig), ["b.example"], "the second is looked up");
    assert_eq!(warnings(&rig), [Code::TARGET_FAILED]);
    rig.resolve();
    assert_eq!(last_invite(&rig).uri.to_string(), "sip:+15550100@b.example");
    rig.respond(200, &sdp("RTP/AVP 0", ""));
    assert_eq!(rig.record(call).status, CallStatus::InProgress);
    rig.after(Duration::from_secs(1));
    assert_eq!(warnings(&rig), [Code::TARGET_FAILED]);
}

#[test]
fn a_refusal_that_decides_the_call_ends_it_at_the_first_target() {
    for status in [400, 404, 405, 410, 416, 482, 484, 486, 600, 603] {
        let mut rig = with_targets(&["sip:a.example", "sip:b.example"]);
        let call = number(&mut rig);
        rig.resolve();
        rig.respond(status, "");
        assert!(rig.resolves.is_empty(), "{status}");
        let expected = match status {
            486 | 600 => CallStatus::Busy,
            603 => CallStatus::NoAnswer,
            _ => CallStatus::Failed,
        };
        assert_eq!(rig.record(call).status, expected, "{status}");
        assert_eq!(warnings(&rig), [], "{status}");
    }
}

#[test]
fn four_seconds_of_silence_send_a_number_to_the_next_target_and_then_fail_the_call() {
    let mut rig = with_targets(&["sip:a.example", "sip:b.example"]);
    let call = number(&mut rig);
    rig.resolve();
    rig.after(Duration::from_millis(3_900));
    assert!(rig.resolves.is_empty());
    rig.after(Duration::from_millis(200));
    assert_eq!(hosts(&rig), ["b.example"]);
    assert_eq!(warnings(&rig), [Code::TARGET_FAILED]);
    rig.resolve();
    rig.after(Duration::from_millis(4_100));
    assert_unreachable(&rig, call);
}

#[test]
fn a_silent_target_is_unreachable_and_not_a_phone_that_rang() {
    let mut rig = Rig::new(Book::with_ip_list("192.0.2.7"));
    let call = create(&mut rig, CallTarget::Sip("sip:bob@192.0.2.8".to_owned()));
    rig.resolve();
    rig.after(Duration::from_millis(4_100));
    assert_unreachable(&rig, call);
    let call = create(&mut rig, CallTarget::Sip("sip:bob@192.0.2.8".to_owned()));
    rig.resolve();
    rig.respond(100, "");
    rig.after(Duration::from_millis(4_100));
    assert!(!rig.record(call).status.is_final(), "somebody is there");
}

#[test]
fn a_closed_port_fails_the_call_at_once() {
    let mut rig = Rig::new(Book::with_ip_list("192.0.2.7"));
    let call = create(&mut rig, CallTarget::Sip("sip:bob@192.0.2.8".to_owned()));
    rig.resolve();
    let (remote, quoted) = (CALLEE.parse().unwrap(), last_invite(&rig).to_bytes());
    rig.tell(Input::Sip(sip::Input::Undelivered { remote, quoted: &quoted }));
    assert_unreachable(&rig, call);
}

/// The one value that says so, to the record and to the account, with the address.
fn assert_unreachable(rig: &Rig, call: shared::CallSid) {
    assert_eq!(rig.record(call).status, CallStatus::Failed);
    let told = rig.notifications.last().expect("the account hears of it");
    assert_eq!((told.error_code, told.call), (Code::TARGET_FAILED, Some(call)));
    assert!(told.message.contains(CALLEE), "{}", told.message);
}

#[test]
fn a_target_without_address_is_a_warning_and_the_next_one_rings() {
    let mut rig = with_targets(&["sip:a.example", "sip:b.example"]);
    number(&mut rig);
    rig.resolve_nothing();
    assert_eq!(hosts(&rig), ["b.example"]);
    assert_eq!(warnings(&rig), [Code::TARGET_FAILED]);
}

#[test]
fn all_targets_in_vain_fail_the_call_and_free_its_leg() {
    let mut rig = with_targets(&["sip:a.example", "sip:b.example"]);
    let legs = rig.control.legs_free();
    let call = number(&mut rig);
    for _ in 0..2 {
        rig.resolve();
        rig.respond(503, "");
    }
    assert_eq!(rig.record(call).status, CallStatus::Failed);
    rig.let_go();
    assert_eq!(rig.control.legs_free(), legs);
}

#[test]
fn a_redirect_is_followed_once_to_its_first_contact_without_the_password() {
    let mut rig = Rig::new(Book::with_ip_list("192.0.2.7"));
    let call = create(&mut rig, CallTarget::Sip("sip:bob@192.0.2.8?X-Id=7".to_owned()));
    rig.resolve();
    rig.respond_with(302, "Contact: <sip:carol@c.example;edge=dublin>, <sip:dave@d.example>");
    assert_eq!(hosts(&rig), ["c.example"]);
    rig.resolve();
    let invite = last_invite(&rig);
    assert_eq!(invite.uri.to_string(), "sip:carol@c.example");
    assert_eq!(invite.headers.get("X-Id").unwrap().to_lossy(), "7");
    rig.respond_with(302, "Contact: <sip:erin@e.example>");
    assert!(rig.resolves.is_empty(), "one hop");
    assert_eq!(warnings(&rig), [Code::REDIRECT_NOT_FOLLOWED]);
    assert_eq!(rig.record(call).status, CallStatus::Failed);
}

#[test]
fn a_redirect_back_into_this_gateway_is_not_followed() {
    let mut rig = Rig::new(Book::with_ip_list("192.0.2.7"));
    create(&mut rig, CallTarget::Sip("sip:bob@192.0.2.8".to_owned()));
    rig.resolve();
    rig.respond_with(302, "Contact: <sip:1000@desk.sip.sidetone.test>");
    assert!(rig.resolves.is_empty());
    assert_eq!(warnings(&rig), [Code::REDIRECT_NOT_FOLLOWED]);
}

#[test]
fn a_large_invite_goes_by_tcp_and_by_udp_where_that_is_refused() {
    let settings = |settings: &mut crate::ControlSettings| settings.tcp_port = Some(5060);
    let mut rig = Rig::with_settings(Book::with_ip_list("192.0.2.7"), settings);
    let large = format!("sip:bob@192.0.2.8?X-Big={}", "x".repeat(900));
    create(&mut rig, CallTarget::Sip(large.clone()));
    rig.resolve();
    let by_tcp = text(last_invite(&rig));
    assert!(by_tcp.contains("Via: SIP/2.0/TCP") && by_tcp.contains("transport=tcp>"), "{by_tcp}");
    let (token, reason) = (rig.last_send, sip::SendFailure::Unreachable);
    rig.tell(Input::Sip(sip::Input::SendFailed { token, reason }));
    let by_udp = text(last_invite(&rig));
    assert!(by_udp.contains("Via: SIP/2.0/UDP") && by_udp.contains("transport=udp>"), "{by_udp}");
    assert_eq!(warnings(&rig), [], "it is the same target");
    let sent = rig.sent.len();
    create(&mut rig, CallTarget::Sip(large));
    rig.resolve();
    assert_eq!(rig.sent.len(), sent + 1, "a peer without TCP is remembered");
    assert!(text(last_invite(&rig)).contains("Via: SIP/2.0/UDP"));
    let named = format!("sip:bob@192.0.2.8;transport=udp?X-Big={}", "y".repeat(900));
    create(&mut rig, CallTarget::Sip(named));
    rig.resolve();
    assert!(text(last_invite(&rig)).contains("Via: SIP/2.0/UDP"), "as it was asked");
}

#[test]
fn a_failed_tls_handshake_is_reported_to_the_account_with_its_reason() {
    let fail = |rig: &mut Rig, failure| {
        let (token, reason) = (rig.last_send, sip::SendFailure::Tls(failure));
        rig.tell(Input::Sip(sip::Input::SendFailed { token, reason }));
    };
    let errors = |rig: &Rig| -> Vec<(Code, String)> {
        rig.notifications.iter().map(|one| (one.error_code, one.message.clone())).collect()
    };
    // Each target of a trunk for its own reason, the last one with the call.
    let mut rig = with_targets(&["sip:a.example", "sip:b.example"]);
    let call = number(&mut rig);
    rig.resolve();
    fail(&mut rig, TlsFailure::OldVersion);
    assert_eq!(hosts(&rig), ["b.example"]);
    assert_eq!(warnings(&rig), [Code::TLS_VERSION]);
    rig.resolve();
    fail(&mut rig, TlsFailure::UnknownAuthority);
    assert_eq!(rig.record(call).status, CallStatus::Failed);
    let (code, message) = errors(&rig).pop().expect("the end of the call");
    assert_eq!(code, Code::TARGET_FAILED);
    assert!(message.contains(TlsFailure::UnknownAuthority.sentence()), "{message}");
    rig.let_go();
    let timeline = rig.timelines.last().expect("written");
    assert!(timeline.contains("(tls_old_version)"), "{timeline}");

    // A reason of one try is not that of the next.
    let mut rig = with_targets(&["sip:a.example", "sip:b.example"]);
    number(&mut rig);
    rig.resolve();
    fail(&mut rig, TlsFailure::OldVersion);
    rig.resolve();
    let (token, reason) = (rig.last_send, sip::SendFailure::Unreachable);
    rig.tell(Input::Sip(sip::Input::SendFailed { token, reason }));
    let (code, message) = errors(&rig).pop().expect("the end of the call");
    assert!(code == Code::TARGET_FAILED && !message.contains("TLS"), "{message}");
}

#[test]
fn a_phone_without_tls_1_2_is_reported_to_the_account_of_its_domain() {
    let mut rig = Rig::new(Book::with_credentials());
    let source: std::net::SocketAddr = "192.0.2.9:40000".parse().expect("fixed");
    for name in [Some("desk.sip.frankfurt.sidetone.test"), Some("nobody.sip.sidetone.test"), None] {
        let (name, failure) = (name.map(str::to_owned), TlsFailure::OldVersion);
        rig.tell(Input::TlsRefused { source, name, failure });
    }
    let told: Vec<_> = rig.notifications.iter().map(|one| one.error_code).collect();
    assert_eq!(told, [Code::TLS_VERSION], "of the name that is a domain, once");
    assert_eq!(rig.refusals.len(), 3, "log and metric have all of them");
    assert!(rig.refusals.iter().all(|refusal| refusal.rule == "tls_old_version"));
}

#[test]
fn sha_256_is_offered_first_where_it_is_switched_on_and_md5_still_passes() {
    let settings = |settings: &mut crate::ControlSettings| settings.digest_sha256 = true;
    let mut rig = Rig::with_settings(Book::with_credentials(), settings);
    let invite = Invite::default();
    assert_eq!(rig.invite_as(&invite, "alice", PASSWORD), [100, 180]);
    assert_eq!(rig.invite(&invite), [407]);
    let offered: Vec<String> = rig
        .last_response()
        .headers
        .all("Proxy-Authenticate")
        .map(|value| value.to_lossy().into_owned())
        .collect();
    assert!(offered[0].ends_with("algorithm=SHA-256") && !offered[1].contains("algorithm"));
    let mut rig = Rig::new(Book::with_credentials());
    assert_eq!(rig.invite_as(&invite, "alice", PASSWORD), [100, 180], "MD5 alone by default");
}

#[test]
fn a_call_whose_answer_is_never_acknowledged_has_failed() {
    let mut rig = Rig::new(Book::with_ip_list("192.0.2.7"));
    assert_eq!(rig.invite(&Invite::default()), [100, 180]);
    rig.answer_webhook("<Say>Hello.</Say>");
    rig.after(Duration::from_secs(3));
    let call = rig.records.last().unwrap().sid;
    rig.after(Duration::from_secs(90));
    assert_eq!(rig.record(call).status, CallStatus::Failed);
    assert!(rig.notifications.iter().any(|record| record.error_code == Code::NO_ACK));
}

#[test]
fn a_display_name_stands_in_from_and_is_quoted() {
    let mut rig = with_targets(&["sip:a.example"]);
    let mut asked = call_to(CallTarget::Sip("sip:bob@192.0.2.8".to_owned()));
    asked.display_name = Some("Front \"desk\"".to_owned());
    ask(&mut rig, CallCommand::Create(Box::new(asked))).expect("it is let in");
    rig.resolve();
    let invite = text(last_invite(&rig));
    let from = "From: \"Front \\\"desk\\\"\" <sip:alice@sip.sidetone.test>";
    assert!(invite.contains(from), "{invite}");
}

#[test]
fn a_number_is_asserted_to_the_carrier_and_its_reason_is_shown() {
    let mut rig = with_targets(&["sip:a.example"]);
    let mut asked = call_to(CallTarget::Number("+15550100".to_owned()));
    asked.from = "+15550199".to_owned();
    ask(&mut rig, CallCommand::Create(Box::new(asked))).expect("it is let in");
    rig.resolve();
    let invite = text(last_invite(&rig));
    assert!(invite.contains("P-Asserted-Identity: <sip:+15550199@sip.sidetone.test>"), "{invite}");
    rig.respond_with(486, "Reason: Q.850;cause=17");
    rig.let_go();
    assert!(rig.timelines[0].contains("reason Q.850 cause 17: user busy"), "{:?}", rig.timelines);
}

fn with_targets(targets: &[&str]) -> Rig {
    let trunk =
        Trunk { targets: targets.iter().map(|target| (*target).to_owned()).collect(), ..trunk() };
    Rig::with_settings(Book::with_ip_list("192.0.2.7"), |settings| settings.trunks = vec![trunk])
}

fn trunk() -> Trunk {
    Trunk { name: "carrier".to_owned(), ..Trunk::default() }
}

fn number(rig: &mut Rig) -> shared::CallSid {
    create(rig, CallTarget::Number("+15550100".to_owned()))
}

fn create(rig: &mut Rig, to: CallTarget) -> shared::CallSid {
    ask(rig, CallCommand::Create(Box::new(call_to(to)))).expect("it is let in");
    rig.records.last().expect("a record").sid
}

fn hosts(rig: &Rig) -> Vec<&str> {
    rig.resolves.iter().map(|(_, target)| target.host.as_str()).collect()
}

fn warnings(rig: &Rig) -> Vec<Code> {
    let is_warning =
        |record: &&store::NotificationRecord| record.level == store::NotificationLevel::Warning;
    rig.notifications.iter().filter(is_warning).map(|record| record.error_code).collect()
}

fn last_invite(rig: &Rig) -> &sip::message::Request {
    let invites = rig.sent.iter().rev().find_map(|(_, message)| match message {
        Message::Request(request) if request.method == Method::Invite => Some(request),
        _ => None,
    });
    invites.expect("an INVITE")
}

fn text(request: &sip::Request) -> String {
    String::from_utf8_lossy(&request.to_bytes()).into_owned()
}
