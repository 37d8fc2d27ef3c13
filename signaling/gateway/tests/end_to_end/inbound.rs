//! Calls that come in: admission, webhook, first verbs.

use crate::application::{Answer, Application};
use crate::gateway::Gateway;
use crate::phone::PASSWORD;
use crate::rtp::Party;
use crate::sdk;
use crate::sipp::{self, Sipp};

fn caller(scenario: String, party: &Party) -> Sipp {
    Sipp::caller(&scenario, party.port()).key("formats", "0 8 101")
}

#[test]
fn digest_then_signed_webhook_then_say_then_hangup() {
    let gateway = Gateway::start("");
    let application = Application::start(|_| Answer::twiml("<Say>Hello.</Say>"));
    gateway.domain_with_user("desk", &application.url("/voice?tenant=7"), "alice", PASSWORD);
    let party = Party::new();
    let scenario = sipp::invite_with_digest("alice", PASSWORD, "X-Route-Id: 42;tier=gold\n")
        + &sipp::answered()
        + &sipp::hung_up();
    let call = caller(scenario, &party);
    let audio = std::thread::spawn(move || {
        party.receive_until(20, |packet| packet.payload.iter().any(|byte| byte & 0x7F != 0x7F))
    });
    call.call(gateway.sip_udp, 1).expect_success();
    assert_eq!(audio.join().expect("no panic").len(), 20, "speech was heard");

    let asked = application.wait_for_path("/voice");
    assert_eq!(asked.parameter("SipHeader_X-Route-Id"), Some("42;tier=gold"));
    assert_eq!(asked.parameter("CallStatus"), Some("ringing"));
    assert_eq!(asked.parameter("To"), Some("sip:1000@desk.sip.sidetone.test"));
    assert_eq!(asked.parameter("SipDomain"), Some("desk.sip.sidetone.test"));
    let url = application.url(&asked.target);
    let signature = asked.headers.get("x-twilio-signature").expect("signed");
    assert!(sdk::signature_is_valid(&url, &asked.parameters, signature));
}

#[test]
fn a_wrong_password_is_refused_and_asks_no_application() {
    let gateway = Gateway::start("");
    let application = Application::start(|_| Answer::twiml("<Say>Hello.</Say>"));
    gateway.domain_with_user("desk", &application.url("/voice"), "alice", PASSWORD);
    let party = Party::new();
    let scenario = sipp::invite_with_digest("alice", "Wrong-Passw0rd", "") + &sipp::refused(403);
    caller(scenario, &party).call(gateway.sip_udp, 1).expect_success();
    assert!(application.asked().is_empty());
}

#[test]
fn a_foreign_address_gets_no_response() {
    let gateway = Gateway::start("");
    let application = Application::start(|_| Answer::twiml("<Say>Hello.</Say>"));
    let domain = gateway.domain("desk", &[("VoiceUrl", &application.url("/voice"))]);
    gateway.allow_address(&domain, "192.0.2.1");
    let party = Party::new();
    let scenario = sipp::invite("") + &sipp::answered();
    let finished = caller(scenario, &party).with("-max_retrans 2").call(gateway.sip_udp, 1);
    assert!(!finished.output.status.success(), "{}", finished.messages());
    assert!(!finished.messages().contains("\nSIP/2.0"), "{}", finished.messages());
    assert!(application.asked().is_empty());
}

#[test]
fn with_both_lists_both_must_pass() {
    let gateway = Gateway::start("");
    let application = Application::start(|_| Answer::twiml("<Reject reason=\"busy\"/>"));
    let voice = application.url("/voice");
    let domain = gateway.domain_with_user("desk", &voice, "alice", PASSWORD);
    gateway.allow_address(&domain, "127.0.0.1");
    let party = Party::new();
    let scenario = sipp::invite_with_digest("alice", PASSWORD, "") + &sipp::refused(486);
    caller(scenario, &party).call(gateway.sip_udp, 1).expect_success();
}

#[test]
fn the_same_call_over_tcp() {
    let gateway = Gateway::start("");
    let application = Application::start(|_| Answer::twiml("<Pause length=\"1\"/><Hangup/>"));
    gateway.domain_with_user("desk", &application.url("/voice"), "alice", PASSWORD);
    let party = Party::new();
    let scenario =
        sipp::invite_with_digest("alice", PASSWORD, "") + &sipp::answered() + &sipp::hung_up();
    caller(scenario, &party).with("-t t1").call(gateway.sip_tcp, 1).expect_success();
}
