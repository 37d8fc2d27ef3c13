//! Media of phones that people use, off the beaten track: IPv6, long packets, silence that is not sent.
//!
//! pjsua2 from PyPI is built without IPv6, so that is baresip's part.

use serde_json::Value;

use crate::application::{Answer, Application};
use crate::gateway::Gateway;
use crate::impairment;
use crate::phone::{Baresip, Caller, PASSWORD};
use crate::rtp::{Party, Talker};
use crate::sipp;
use crate::transfers;
use crate::wav;

/// The figures of the only call.
fn quality(gateway: &Gateway) -> Value {
    let calls = gateway.fetch("Calls.json").json();
    let [call] = &calls["calls"].as_array().expect("a list")[..] else { panic!("{calls:#}") };
    impairment::quality(gateway, call["sid"].as_str().expect("a SID"))
}

fn number(quality: &Value, name: &str) -> f64 {
    quality[name].as_f64().unwrap_or_else(|| panic!("no {name} in {quality:#}"))
}

#[test]
fn silence_that_a_phone_does_not_send_is_not_a_loss_and_keeps_its_length_in_a_recording() {
    let gateway = Gateway::start_with_default_domain("desk");
    let application = Application::start(|asked| match asked.path.as_str() {
        "/voice" => Answer::twiml(
            "<Record maxLength=\"6\" timeout=\"30\" playBeep=\"false\" action=\"/recorded\"/>",
        ),
        _ => Answer::twiml("<Hangup/>"),
    });
    gateway.domain_with_user("desk", &application.url("/voice"), "alice", PASSWORD);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let says = folder.path().join("spurts.wav");
    std::fs::write(&says, spurts()).expect("writable");
    let printed = Caller::new(&gateway).saying(&says).call(&["wait=10"]).printed;
    let recorded = application.wait_for_path("/recorded");
    assert_eq!(recorded.parameter("RecordingDuration"), Some("6"), "{printed}");
    let quality = quality(&gateway);
    assert_eq!(number(&quality, "packets_lost"), 0.0, "{quality:#}");
    let received = number(&quality, "packets_received");
    assert!((40.0..240.0).contains(&received), "of 300 in six seconds: {quality:#}");
    assert_eq!(number(&quality, "stream_restarts"), 0.0, "{quality:#}");
    assert!(number(&quality, "r_factor") > 85.0, "{quality:#}");
}

#[test]
fn an_echo_returns_a_phones_own_voice_to_it() {
    let gateway = Gateway::start_with_default_domain("desk");
    let application = Application::start(|_| Answer::twiml("<Echo length=\"6\"/><Hangup/>"));
    gateway.domain_with_user("desk", &application.url("/voice"), "alice", PASSWORD);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let says = folder.path().join("spurts.wav");
    std::fs::write(&says, spurts()).expect("writable");
    let alice = Caller::new(&gateway).codec("PCMA").saying(&says).call(&["wait=10"]);
    // Six seconds: of the half-second spurts at least two, at the 16,000 Hz that pjsua2 records with.
    let (heard, printed) = (alice.loud(), &alice.printed);
    assert!((8_000..60_000).contains(&heard), "the phone heard {heard} loud samples\n{printed}");
    let quality = quality(&gateway);
    assert_eq!(number(&quality, "packets_dropped"), 0.0, "{quality:#}");
    assert!(number(&quality, "r_factor") > 85.0, "{quality:#}");
}

#[test]
fn a_phone_that_sends_no_silence_and_one_with_packets_of_60_ms_hear_each_other() {
    let gateway = Gateway::start_with_default_domain("desk");
    let port = sipp::free_port();
    let application = Application::start(move |_| {
        Answer::twiml(&format!("<Dial><Sip>sip:bob@127.0.0.1:{port}</Sip></Dial>"))
    });
    gateway.domain_with_user("desk", &application.url("/voice"), "alice", PASSWORD);
    let bob = Party::new();
    let callee = transfers::callee(port, &bob, None);
    let bob = Talker::start(bob, 0xB0, 60);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let says = folder.path().join("spurts.wav");
    std::fs::write(&says, spurts()).expect("writable");
    let alice = Caller::new(&gateway).saying(&says).call(&["wait=4", "hangup"]);
    let printed = &alice.printed;
    callee.finish().expect_success();
    // Four seconds: of alice's half-second spurts one or two, each of 25 packets; of bob all, at
    // the 16,000 Hz that pjsua2 records with.
    let spurts = bob.loud();
    assert!((15..100).contains(&spurts), "bob heard {spurts} loud packets\n{printed}");
    let heard = alice.loud();
    assert!(heard > 52_000, "alice heard {heard} loud samples\n{printed}");
    let calls = gateway.fetch("Calls.json").json();
    let calls = calls["calls"].as_array().expect("a list");
    let of = |direction: &str| {
        let call = calls.iter().find(|call| call["direction"] == direction).expect("that call");
        impairment::quality(&gateway, call["sid"].as_str().expect("a SID"))
    };
    let (alice, bob) = (of("inbound"), of("outbound-dial"));
    assert_eq!(number(&bob, "packet_ms"), 60.0, "{bob:#}");
    assert_eq!(number(&alice, "packet_ms"), 20.0, "{alice:#}");
    for quality in [&alice, &bob] {
        assert_eq!(number(quality, "packets_lost"), 0.0, "{quality:#}");
        assert_eq!(number(quality, "packets_dropped"), 0.0, "{quality:#}");
    }
}

/// Half a second of noise and two seconds of silence, over and over: 16 bit, 8,000 Hz, mono.
fn spurts() -> Vec<u8> {
    let mut state = 1u32;
    let mut noise = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        ((state >> 16) as i16) / 4
    };
    let samples = (0..60_000).map(|at| if at % 20_000 < 4_000 { noise() } else { 0 });
    wav::file(samples)
}

#[test]
fn baresip_talks_over_ipv6_and_hears_the_packets_of_40_ms_that_it_asks_for() {
    let gateway = Gateway::start_on_ipv6_with_default_domain("desk");
    // baresip reports every 5 s; what it sends in the first millisecond may come before our port is open.
    let application = Application::start(|_| {
        Answer::twiml("<Say>Hello from the gateway.</Say><Pause length=\"5\"/><Hangup/>")
    });
    gateway.domain_with_user("desk", &application.url("/voice"), "alice", PASSWORD);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let baresip = Baresip::new(folder.path(), "alice", "sip:alice@[::1]")
        .account(";regint=0;ptime=40")
        .saying(&spurts());
    let printed = baresip.dial_by_ipv6(&format!("sip:1000@{}", gateway.sip_udp), 8);
    assert!(printed.contains("Call established"), "{printed}");
    let quality = quality(&gateway);
    let (sent, received) = (number(&quality, "packets_sent"), number(&quality, "packets_received"));
    // Our answer asks for 20 ms, baresip's offer for 40.
    assert_eq!(number(&quality, "packet_ms"), 20.0, "{quality:#}\n{printed}");
    assert!(received > 100.0 && (1.5..2.5).contains(&(received / sent)), "{quality:#}\n{printed}");
    assert_eq!(number(&quality, "packets_lost"), 0.0, "{quality:#}");
    assert_eq!(number(&quality, "packets_dropped"), 0.0, "{quality:#}");
    // Its SDP names another address than it speaks from: reports find their way back all the same.
    assert!(number(&quality, "rtcp_received") > 0.0, "{quality:#}");
    assert!(number(&quality, "rtcp_sent") > 0.0, "{quality:#}");
}
