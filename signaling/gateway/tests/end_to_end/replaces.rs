//! A phone takes the place of another in a call: INVITE with Replaces, by pjsua.

use std::process::Stdio;

use crate::application::{Answer, Application};
use crate::gateway::Gateway;
use crate::phone::PASSWORD;
use crate::rtp::Party;
use crate::sipp::{self, Sipp};
use crate::{sdk, transfers};

#[test]
fn a_phone_that_was_handed_a_call_takes_the_place_of_the_first() {
    let gateway = transfers::gateway("");
    let (bob_port, nobody) = (sipp::free_port(), sipp::free_port());
    let application = transfers::dialling(bob_port, nobody, "");
    gateway.domain_with_user("desk", &application.url("/voice"), "alice", PASSWORD);
    let free = gateway.settled().value("signaling_legs_free");
    let bob = Party::new();
    let callee = transfers::callee(bob_port, &bob, None);
    let host = format!("127.0.0.1:{}", gateway.sip_udp.port());
    let phones = sdk::python_file("pjsua_replaces.py", &[&host, "alice", PASSWORD])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .output()
        .expect("pjsua2 runs");
    let printed = String::from_utf8_lossy(&phones.stdout).into_owned();
    let errors = String::from_utf8_lossy(&phones.stderr).into_owned();
    assert!(printed.contains("state taken CONFIRMED 200"), "{printed}{errors}");
    assert!(printed.contains("state gateway DISCONNECTED 200"), "{printed}{errors}");
    let packets = printed.lines().find_map(|line| line.strip_prefix("packets "));
    let packets: u32 = packets.and_then(|number| number.parse().ok()).unwrap_or_default();
    assert!(packets > 20, "the other party is heard: {printed}{errors}");
    callee.finish().expect_success();
    let voices = application.asked().iter().filter(|asked| asked.path == "/voice").count();
    assert_eq!(voices, 1, "the call is the same one");
    assert_eq!(gateway.settled().value("signaling_legs_free"), free);
}

#[test]
fn support_for_replaces_is_announced_and_an_unknown_dialog_is_481() {
    let application = Application::start(|_| Answer::twiml("<Reject/>"));
    let gateway = Gateway::start("");
    let domain = gateway.domain("desk", &[("VoiceUrl", &application.url("/voice"))]);
    gateway.allow_address(&domain, "127.0.0.1");
    let replaces = "Replaces: gone@h.example;to-tag=1;from-tag=2\nRequire: replaces\n";
    let scenario = sipp::invite(replaces) + &sipp::refused(481);
    let caller =
        |scenario: &str| Sipp::caller(scenario, sipp::SILENT_MEDIA_PORT).key("formats", "0");
    caller(&scenario).call(gateway.sip_udp, 1).expect_success();
    let supported = "<recv response=\"200\"><action><ereg regexp=\"replaces\" search_in=\"hdr\" \
                     header=\"Supported:\" check_it=\"true\" assign_to=\"1\"/></action></recv>\n\
                     <Reference variables=\"1\"/>\n";
    let options = sipp::request_in_dialog("OPTIONS", 1, "", "").replace("[peer_tag_param]", "");
    caller(&(options + supported)).call(gateway.sip_udp, 1).expect_success();
    assert!(application.asked().is_empty());
}
