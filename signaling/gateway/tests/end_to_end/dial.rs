//! Two parties joined: Gather, then Dial, audio byte for byte.

use crate::application::{Answer, Application};
use crate::gateway::Gateway;
use crate::phone::PASSWORD;
use crate::rtp::{Packet, Party, Stream};
use crate::sipp::{self, Sipp};
const COUNT: u16 = 40;

fn payload(number: u16) -> Vec<u8> {
    (0..160u16).map(|sample| (number.wrapping_mul(31) ^ sample.wrapping_mul(7)) as u8).collect()
}

/// Payloads that arrived and are one of those that were sent, in order of arrival.
fn heard(party: &Party, expected: &[Vec<u8>]) -> Vec<Packet> {
    party.receive_until(expected.len(), |packet| expected.contains(&packet.payload))
}

/// A call is answered, its caller presses a key and is joined with a callee that speaks `formats`:
/// every payload byte that the caller says arrives as `map` makes it.
pub fn dial_through(gateway: &Gateway, formats: &'static str, map: impl Fn(u8) -> u8) {
    let callee_port = sipp::free_port();
    let application = Application::start(move |asked| match asked.path.as_str() {
        "/voice" => {
            Answer::twiml("<Gather numDigits=\"1\" action=\"/dial\"><Say>Press one.</Say></Gather>")
        }
        "/dial" => Answer::twiml(&format!(
            "<Dial action=\"/done\"><Sip>sip:bob@127.0.0.1:{callee_port}?X-Acct=7&amp;User-to-User=04AB%3Bencoding%3Dhex</Sip></Dial>"
        )),
        _ => Answer::twiml("<Hangup/>"),
    });
    gateway.domain_with_user("desk", &application.url("/voice"), "alice", PASSWORD);

    let (alice, bob) = (Party::new(), Party::new());
    let callee = Sipp::new(&sipp::callee("X-Answer: yes\n", formats))
        .key("media", &bob.port().to_string())
        .with(&format!("-p {callee_port} -m 1"))
        .spawn();
    let scenario = sipp::invite_with_digest("alice", PASSWORD, "")
        + &sipp::answered()
        + &sipp::hang_up_after(6_000);
    let caller = Sipp::caller(&scenario, alice.port()).start(gateway.sip_udp);

    let (_, gateway_for_alice) = alice.receive().expect("the prompt");
    let mut stream = Stream::new(0x5EED);
    stream.press(&alice, gateway_for_alice, 101, 1);
    let asked = application.wait_for_path("/dial");
    assert_eq!(asked.parameter("Digits"), Some("1"));
    bob.receive().expect("the bridge, or silence before it");

    let mapped: Vec<Vec<u8>> =
        (0..COUNT).map(|number| payload(number).into_iter().map(&map).collect()).collect();
    let listener = std::thread::spawn(move || heard(&bob, &mapped));
    stream.say(&alice, gateway_for_alice, (0..COUNT).map(payload));
    let arrived = listener.join().expect("no panic");
    assert_eq!(arrived.len(), usize::from(COUNT), "every packet arrived with the right bytes");
    for pair in arrived.windows(2) {
        // One clock for both numbers. Where this test's sender was late by more than the relay
        // waits, the gateway has filled in silence between two packets, numbered like any other.
        let step = pair[1].sequence.wrapping_sub(pair[0].sequence);
        assert!((1..50).contains(&step), "{step} packets on");
        let time = pair[1].timestamp.wrapping_sub(pair[0].timestamp);
        assert_eq!(time, u32::from(step) * 160);
        assert_eq!(pair[1].ssrc, pair[0].ssrc);
    }

    caller.finish().expect_success();
    let callee = callee.finish().expect_success();
    assert!(callee.messages().contains("X-Acct: 7"), "{}", callee.messages());
    assert!(callee.messages().contains("User-to-User: 04AB;encoding=hex"));
}

#[test]
fn gather_then_dial_with_audio_byte_identical_where_codecs_match() {
    dial_through(&Gateway::start(""), "0 101", |byte| byte);
}

#[test]
fn gather_then_dial_with_audio_equal_to_the_g711_tables_where_codecs_differ() {
    dial_through(&Gateway::start(""), "8 101", |byte| {
        plane::g711::MULAW_TO_ALAW[usize::from(byte)]
    });
}
