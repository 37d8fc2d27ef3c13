//! Answering-machine detection of real calls: SIPp answers, and its party sounds like a person or a machine.

use crate::application::{Answer, Application};
use crate::gateway::Gateway;
use crate::rtp::{Party, Stream};
use crate::sipp::{self, Running, Sipp};

#[test]
fn the_document_of_a_call_waits_until_it_is_known_that_a_person_answered() {
    let (gateway, application) = (Gateway::start(""), hangs_up());
    let (to, callee, bob) = answers();
    gateway.create(
        "Calls.json",
        &[
            ("To", &to),
            ("From", "alice"),
            ("Url", &application.url("/voice")),
            ("MachineDetection", "Enable"),
        ],
    );
    speaks(&bob, 45, 100);
    let asked = application.wait_for_path("/voice");
    assert_eq!(asked.parameter("AnsweredBy"), Some("human"));
    let after_ms: u32 = asked.parameter("MachineDetectionDuration").unwrap().parse().unwrap();
    // Less than 1.25 s after the end of 0.9 s of speech, as the contract asks.
    assert!((2_000..=2_300).contains(&after_ms), "{after_ms}");
    callee.finish().expect_success();
    let calls = gateway.fetch("Calls.json").json();
    assert_eq!(calls["calls"][0]["answered_by"], "human");
}

#[test]
fn a_machine_is_reported_to_the_callback_while_the_document_runs() {
    let (gateway, application) = (Gateway::start(""), hangs_up());
    let (to, callee, bob) = answers();
    gateway.create(
        "Calls.json",
        &[
            ("To", &to),
            ("From", "alice"),
            ("Twiml", "<Response><Pause length=\"6\"/></Response>"),
            ("MachineDetection", "Enable"),
            ("AsyncAmd", "true"),
            ("AsyncAmdStatusCallback", &application.url("/amd")),
        ],
    );
    speaks(&bob, 180, 0);
    let asked = application.wait_for_path("/amd");
    assert_eq!(asked.parameter("AnsweredBy"), Some("machine_start"));
    assert!(asked.parameter("CallSid").is_some_and(|sid| sid.starts_with("CA")));
    callee.finish().expect_success();
}

fn hangs_up() -> Application {
    Application::start(|asked| match asked.path.as_str() {
        "/voice" => Answer::twiml("<Hangup/>"),
        _ => Answer::status(204),
    })
}

/// A callee, its address and its party.
fn answers() -> (String, Running, Party) {
    let (port, bob) = (sipp::free_port(), Party::new());
    let callee = Sipp::new(&sipp::callee("", "0 101"))
        .key("media", &bob.port().to_string())
        .with(&format!("-p {port} -m 1"))
        .spawn();
    (format!("sip:bob@127.0.0.1:{port}"), callee, bob)
}

/// Packets that go up and down as speech does: 160 ms of a syllable, 60 ms between two. A sound whose level never
/// changes is noise to a detector.
fn syllables(packets: u16) -> impl Iterator<Item = Vec<u8>> {
    let mut random = 7_u32;
    (0..packets).map(move |number| {
        let level = if number % 11 < 8 { 0x10 + (number % 3) as u8 * 8 } else { 0x58 };
        let mut code = || {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            level | (random >> 24) as u8 & 0x80
        };
        (0..160).map(|_| code()).collect()
    })
}

/// Speaks to whoever sends audio first, and is silent then; in packets of 20 ms.
fn speaks(party: &Party, speech: u16, silence: usize) {
    let (_, gateway) = party.receive().expect("the gateway sends silence");
    let mut stream = Stream::new(7);
    stream.say(party, gateway, syllables(speech));
    stream.say(party, gateway, std::iter::repeat_n(vec![0xFF; 160], silence));
}
