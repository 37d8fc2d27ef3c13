//! Phones that people use: pjsua2 and baresip.

use crate::application::{Answer, Application};
use crate::gateway::Gateway;
use crate::phone::{Baresip, Caller, PASSWORD};
use crate::wav;

#[test]
fn pjsua_hears_speech_presses_a_key_holds_and_resumes() {
    let gateway = Gateway::start_with_default_domain("desk");
    let application = Application::start(|asked| match asked.path.as_str() {
        "/voice" => Answer::twiml(
            "<Gather numDigits=\"1\" timeout=\"20\" action=\"/pressed\"><Say>Press a key, please.</Say></Gather>",
        ),
        _ => Answer::twiml("<Say>Thank you very much. Goodbye.</Say>"),
    });
    gateway.domain_with_user("desk", &application.url("/voice"), "alice", PASSWORD);
    let steps = ["wait=1", "hold", "wait=1", "resume", "wait=1", "press=5"];
    let heard = Caller::new(&gateway).codec("PCMA").call(&steps);
    let printed = &heard.printed;
    assert_eq!(application.wait_for_path("/pressed").parameter("Digits"), Some("5"), "{printed}");
    assert!(printed.contains("CONFIRMED 200"), "{printed}");
    assert!(heard.loud() > 4_000, "{} loud samples\n{printed}", heard.loud());
}

#[test]
fn baresip_calls_with_digest_and_hears_speech() {
    let gateway = Gateway::start_with_default_domain("desk");
    let application =
        Application::start(|_| Answer::twiml("<Say>Hello from the gateway.</Say><Hangup/>"));
    gateway.domain_with_user("desk", &application.url("/voice"), "alice", PASSWORD);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let baresip = Baresip::new(folder.path(), "alice", "sip:alice@127.0.0.1").account(";regint=0");
    let target = format!("sip:1000@{}", gateway.sip_udp);
    let printed = baresip.saying(&wav::silence(8_000)).dial(&target, 8);
    let asked = application.wait_for_path("/voice");
    assert_eq!(asked.parameter("SipUsername"), Some("alice"));
    assert!(printed.contains("Call established"), "{printed}");
    assert!(printed.contains("terminated") || printed.contains("closed"), "{printed}");
}
