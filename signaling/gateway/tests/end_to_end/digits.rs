//! Digits as phones send them: SIPp's captures of RFC 4733, tones in the audio, and one as the other.

use std::time::Duration;

use plane::dtmf::{Detector, DualTone};
use plane::g711;
use shared::Codec;

use crate::application::{Answer, Application};
use crate::gateway::Gateway;
use crate::phone::PASSWORD;
use crate::rtp::{Packet, Party, Stream};
use crate::sipp::{self, Sipp};
/// The folder of captures in Debian's package sip-tester.
const CAPTURES: &str = "/usr/share/sip-tester";

#[test]
fn gather_sees_every_digit_of_sipps_captures() {
    let gateway = Gateway::start("");
    let application = gathering();
    gateway.domain_with_user("desk", &application.url("/voice"), "alice", PASSWORD);
    let port = sipp::free_port();
    let plays: String = ["1", "2", "3", "4", "5", "6", "7", "8", "9", "0", "star", "pound"]
        .iter()
        .map(|key| {
            let play = format!("play_pcap_audio=\"{CAPTURES}/dtmf_2833_{key}.pcap\"");
            format!("<nop><action><exec {play}/></action></nop>\n<pause milliseconds=\"260\"/>\n")
        })
        .collect();
    let scenario = sipp::invite_with_digest("alice", PASSWORD, "")
        + &sipp::answered()
        + &plays
        + &sipp::hung_up();
    caller(&scenario, port, "0 101")
        .with(&format!("-mp {port}"))
        .call(gateway.sip_udp, 1)
        .expect_success();
    let asked = application.wait_for_path("/pressed");
    assert_eq!(asked.parameter("Digits"), Some("1234567890*#"));
}

#[test]
fn gather_hears_tones_of_a_phone_without_telephone_events() {
    let gateway = Gateway::start("");
    let application = gathering();
    gateway.domain_with_user("desk", &application.url("/voice"), "alice", PASSWORD);
    let alice = Party::new();
    let scenario =
        sipp::invite_with_digest("alice", PASSWORD, "") + &sipp::answered() + &sipp::hung_up();
    let call = caller(&scenario, alice.port(), "0").start(gateway.sip_udp);
    let (_, media) = alice.receive().expect("the prompt");
    let keys = tones(&[1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 10, 11]);
    Stream::new(0x5EED).say(&alice, media, packets(&keys));
    let asked = application.wait_for_path("/pressed");
    assert_eq!(asked.parameter("Digits"), Some("1234567890*#"));
    call.finish().expect_success();
}

#[test]
fn a_dialed_party_without_telephone_events_hears_tones_and_its_tones_become_events() {
    let gateway = Gateway::start("");
    let callee_port = sipp::free_port();
    let application = Application::start(move |_| {
        Answer::twiml(&format!("<Dial><Sip>sip:bob@127.0.0.1:{callee_port}</Sip></Dial>"))
    });
    gateway.domain_with_user("desk", &application.url("/voice"), "alice", PASSWORD);
    let (alice, bob) = (Party::new(), Party::new());
    let callee = Sipp::new(&sipp::callee("", "0"))
        .key("media", &bob.port().to_string())
        .with(&format!("-p {callee_port} -m 1"))
        .spawn();
    let scenario = sipp::invite_with_digest("alice", PASSWORD, "")
        + &sipp::answered()
        + &sipp::hang_up_after(3_500);
    let call = caller(&scenario, alice.port(), "0 101").start(gateway.sip_udp);
    let (_, media_of_alice) = alice.receive().expect("silence, or the bridge");
    let (_, media_of_bob) = bob.receive().expect("silence, or the bridge");

    // Alice presses 7 as events, then Bob presses 3 and # as tones.
    Stream::new(0xA11CE).press(&alice, media_of_alice, 101, 7);
    let from_bob = [silence(300), tones(&[3, 11]), silence(200)].concat();
    Stream::new(0xB0B).say(&bob, media_of_bob, packets(&from_bob));
    let heard_by_bob = drain(&bob);
    let heard_by_alice = drain(&alice);

    let tones: Vec<u8> = detected(&heard_by_bob).into_iter().map(|(event, _)| event).collect();
    assert_eq!(tones, [7]);
    assert_eq!(detected(&heard_by_alice), [], "no tone is left in the audio");
    let mut events: Vec<(u32, u8)> = heard_by_alice
        .iter()
        .filter(|packet| packet.payload_type == 101 && packet.payload[1] & 0x80 != 0)
        .map(|packet| (packet.timestamp, packet.payload[0]))
        .collect();
    assert_eq!(events.len(), 6, "three ends a press");
    events.dedup();
    assert_eq!(events.iter().map(|(_, event)| *event).collect::<Vec<_>>(), [3, 11]);
    call.finish().expect_success();
    callee.finish().expect_success();
}

fn gathering() -> Application {
    Application::start(|asked| match asked.path.as_str() {
        "/voice" => Answer::twiml(
            "<Gather numDigits=\"12\" finishOnKey=\"\" timeout=\"10\" action=\"/pressed\"/>",
        ),
        _ => Answer::twiml("<Hangup/>"),
    })
}

fn caller(scenario: &str, media: u16, formats: &str) -> Sipp {
    Sipp::caller(scenario, media).key("formats", formats)
}

/// 20 ms a packet.
fn packets(samples: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    samples.chunks(160).map(<[u8]>::to_vec)
}

/// 80 ms of each key with 80 ms of silence after it, in mu-law.
fn tones(events: &[u8]) -> Vec<u8> {
    let key = |event: &u8| {
        let mut tone = DualTone::new(*event, 10).expect("a key");
        let mut codes: Vec<u8> =
            (0..640).map(|_| g711::encode(Codec::Pcmu, tone.sample())).collect();
        codes.extend(silence(80));
        codes
    };
    events.iter().flat_map(key).collect()
}

fn silence(milliseconds: usize) -> Vec<u8> {
    vec![0xFF; milliseconds * 8]
}

/// All that has arrived.
fn drain(party: &Party) -> Vec<Packet> {
    party.socket.set_read_timeout(Some(Duration::from_millis(100))).expect("a timeout");
    let deadline = std::time::Instant::now() + Duration::from_millis(300);
    let mut packets = Vec::new();
    while let Some((packet, _)) = party.receive().filter(|_| std::time::Instant::now() < deadline) {
        packets.push(packet);
    }
    packets
}

/// Keys in the audio of these packets.
fn detected(packets: &[Packet]) -> Vec<(u8, u32)> {
    let mut detector = Detector::default();
    let mut found = Vec::new();
    for packet in packets.iter().filter(|packet| packet.payload_type == 0) {
        detector.hear(Codec::Pcmu, &packet.payload, |event, length| found.push((event, length)));
    }
    found
}
