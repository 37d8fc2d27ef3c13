//! Bridged calls inside the kernel: what both phones hear when a key, a hold, a prompt or a recording takes a call back to
//! user space and lets it go again, and what happens where the kernel refuses. `survival.rs` kills the gateway.

use plane::g711;
use shared::Codec;

use crate::application::{Answer, Application, Asked};
use crate::gateway::{Gateway, fast_path_is_denied};
use crate::rest::{Reply, request};
use crate::rtp::{Packet, Party, Stream, Talker, sound};
use crate::sdk;
use crate::sipp::{self, Running, Sipp, offer_anew};
use crate::transfers;
use crate::wait::{Pace, until};

const FAST: &str = "fast_path = \"tc\"\n";
/// What the parties say, and a prompt.
const ALICE: u8 = 0xA1;
const BOB: u8 = 0xB2;
const CAROL: u8 = 0xC3;
const PROMPT: u8 = 0x44;
/// A second of it.
const PROMPT_PACKETS: usize = 50;

/// A caller and a callee that the gateway bridges.
struct Bridge {
    _calls: [Running; 2],
    application: Application,
    /// A `<Dial>` of the callee.
    dial: String,
}

impl Bridge {
    fn between(gateway: &Gateway, alice: &Party, bob: &Party) -> Self {
        Self::between_while(gateway, alice, bob, &sipp::hang_up_after(39_000))
    }

    /// `scenario` is what the caller does during the call.
    fn between_while(gateway: &Gateway, alice: &Party, bob: &Party, scenario: &str) -> Self {
        let port = sipp::free_port();
        let dial = format!("<Dial><Sip>sip:bob@127.0.0.1:{port}</Sip></Dial>");
        let answer = dial.clone();
        let application = Application::start(move |asked| match asked.path.as_str() {
            "/prompt" => Answer::file("audio/basic", vec![PROMPT; PROMPT_PACKETS * 160]),
            "/recorded" => Answer::status(204),
            _ => Answer::twiml(&answer),
        });
        let domain = gateway.domain("desk", &[("VoiceUrl", &application.url("/voice"))]);
        gateway.allow_address(&domain, "127.0.0.1");
        // He takes every call that comes.
        let callee = Sipp::new(&sipp::callee("", "0 101")).key("media", &bob.port().to_string());
        let callee = callee.with(&format!("-p {port} -m 9")).spawn();
        let scenario = sipp::invite("") + &sipp::answered() + scenario;
        let caller = Sipp::caller(&scenario, alice.port()).start(gateway.sip_udp);
        Self { _calls: [callee, caller], application, dial }
    }

    /// The caller's call.
    fn sid(&self) -> String {
        let asked = self.application.wait_for_path("/voice");
        asked.parameter("CallSid").expect("every request has it").to_owned()
    }
}

/// Alice and bob over a bridge that the kernel relays.
struct Call<'g> {
    gateway: &'g Gateway,
    alice: Talker,
    bob: Talker,
    bridge: Bridge,
}

impl<'g> Call<'g> {
    fn start(gateway: &'g Gateway) -> Self {
        Self::start_while(gateway, &sipp::hang_up_after(39_000))
    }

    fn start_while(gateway: &'g Gateway, scenario: &str) -> Self {
        let (alice, bob) = (Party::new(), Party::new());
        let bridge = Bridge::between_while(gateway, &alice, &bob, scenario);
        let (alice, bob) = (Talker::start(alice, ALICE, 20), Talker::start(bob, BOB, 20));
        let call = Self { gateway, alice, bob, bridge };
        call.is_in_kernel(2);
        call
    }

    /// Waits until the kernel relays this many of the two directions.
    fn is_in_kernel(&self, directions: u64) {
        let what = format!("{directions} directions in the kernel");
        let holds =
            |now: &crate::metrics::Samples| now.sum("media_fast_path_legs", "") == directions;
        self.gateway.metrics_when(&what, holds);
    }

    /// Waits until both have heard another half second of each other.
    fn both_hear(&self) {
        let heard = || (self.alice.heard(BOB), self.bob.heard(ALICE));
        let before = heard();
        until("both to hear each other", || {
            let now = heard();
            now.0 >= before.0 + 25 && now.1 >= before.1 + 25
        });
    }

    /// Gives a call a new document by REST.
    fn update(&self, sid: &str, verbs: &str) {
        let document = format!("<Response>{verbs}</Response>");
        self.gateway.create(&format!("Calls/{sid}.json"), &[("Twiml", &document)]);
    }

    fn play(&self) -> String {
        format!("<Play>{}</Play>", self.bridge.application.url("/prompt"))
    }
}

/// Asserts one stream without a hole, a repetition or a step back of time.
#[track_caller]
fn expect_one_stream(packets: &[Packet]) {
    for pair in packets.windows(2) {
        let [one, next] = pair else { unreachable!("windows of two") };
        assert_eq!(next.ssrc, one.ssrc, "{one:?}\n{next:?}");
        assert_eq!(next.sequence, one.sequence.wrapping_add(1), "{one:?}\n{next:?}");
        let step = next.timestamp.wrapping_sub(one.timestamp);
        // The packets of one key have one timestamp.
        let is_event = next.payload_type == 101;
        assert!((1..40_000).contains(&step) || is_event && step == 0, "{one:?}\n{next:?}");
    }
}

/// The bytes that were said, each once for the packets in a row that were nothing else; silence left out.
fn sounds(packets: &[Packet]) -> Vec<(u8, usize)> {
    let mut sounds: Vec<(u8, usize)> = Vec::new();
    for packet in packets.iter().filter(|packet| packet.payload_type == 0) {
        let byte = packet.payload[0];
        assert!(packet.payload.iter().all(|other| *other == byte), "{packet:?}");
        match sounds.last_mut() {
            _ if byte == 0xFF || byte == 0x7F => {}
            Some((last, count)) if *last == byte => *count += 1,
            _ => sounds.push((byte, 1)),
        }
    }
    sounds
}

/// The sounds without how long they were.
fn order(sounds: &[(u8, usize)]) -> Vec<u8> {
    sounds.iter().map(|(byte, _)| *byte).collect()
}

#[test]
fn a_key_in_the_middle_arrives_and_the_numbers_go_on() {
    if fast_path_is_denied() {
        return;
    }
    let gateway = Gateway::start(FAST);
    let (alice, bob) = (Party::new(), Party::new());
    let _bridge = Bridge::between(&gateway, &alice, &bob);
    let (_, to) = alice.receive().expect("silence of the gateway");
    let mut stream = Stream::new(0xA11CE);
    // She is up before bob is, so that the first of these may find nobody.
    stream.say(&alice, to, vec![vec![0x20; 160]; 50]);
    gateway
        .metrics_when("alice's leg in the kernel", |now| now.sum("media_fast_path_legs", "") == 1);
    for key in [5, 11] {
        stream.say(&alice, to, sound(25));
        stream.press(&alice, to, 101, key);
    }
    stream.say(&alice, to, sound(25));
    // All that bob got, up to alice's last packet, silence of the gateway before and between included.
    let (mut heard, mut sounds) = (Vec::new(), 0);
    while sounds < 75 {
        let (packet, _) = bob.receive().expect("alice's last packet is to come");
        sounds += usize::from(packet.payload_type == 0 && packet.payload[0] & 0xF8 == 0x10);
        heard.extend((packet.payload_type == 0 || packet.payload_type == 101).then_some(packet));
    }
    expect_one_stream(&heard);
    let mut keys: Vec<u8> = heard
        .iter()
        .filter(|packet| packet.payload_type == 101)
        .map(|event| event.payload[0])
        .collect();
    assert_eq!(keys.len(), 16);
    keys.dedup();
    assert_eq!(keys, [5, 11]);
    let metrics = gateway.metrics();
    assert_eq!(metrics.sum("media_digits_received_total", ""), 2, "{metrics:#?}");
    assert_eq!(metrics.sum("media_packets_dropped_total", ""), 0, "{metrics:#?}");
    assert!(metrics.sum("media_fast_path_packets_total", "") > 100, "{metrics:#?}");
}

#[test]
fn a_hold_and_its_end_are_heard_and_the_numbers_go_on_at_both_phones() {
    if fast_path_is_denied() {
        return;
    }
    let gateway = Gateway::start(FAST);
    let pause = "<pause milliseconds=\"4000\"/>\n";
    let hold = [pause, &offer_anew(3, "inactive"), pause, &offer_anew(4, "sendrecv")].concat();
    let bye = sipp::hang_up_after(30_000).replace("CSeq: 3 BYE", "CSeq: 5 BYE");
    let call = Call::start_while(&gateway, &(hold + &bye));
    call.both_hear();
    call.is_in_kernel(0);
    let held = (call.alice.heard(BOB), call.bob.heard(ALICE));
    let dropped = || gateway.metrics().sum("media_packets_dropped_total", "");
    let before = dropped();
    until("packets to be dropped while she holds", || dropped() >= before + 40);
    assert_eq!((call.alice.heard(BOB), call.bob.heard(ALICE)), held, "nobody is heard");
    call.is_in_kernel(2);
    call.both_hear();
    for (talker, other) in [(&call.alice, BOB), (&call.bob, ALICE)] {
        let packets = talker.packets();
        expect_one_stream(&packets);
        assert_eq!(order(&sounds(&packets)), [other]);
    }
}

#[test]
fn a_prompt_in_the_middle_is_heard_whole_and_the_numbers_of_the_caller_go_on() {
    if fast_path_is_denied() {
        return;
    }
    let gateway = Gateway::start(FAST);
    let call = Call::start(&gateway);
    call.both_hear();
    call.update(&call.bridge.sid(), &(call.play() + &call.bridge.dial));
    until("the prompt", || call.alice.heard(PROMPT) == PROMPT_PACKETS);
    call.is_in_kernel(2);
    call.both_hear();
    let packets = call.alice.packets();
    expect_one_stream(&packets);
    let sounds = sounds(&packets);
    assert_eq!(order(&sounds), [BOB, PROMPT, BOB]);
    assert_eq!(sounds[1].1, PROMPT_PACKETS);
}

#[test]
fn a_prompt_for_the_callee_is_heard_whole_and_its_numbers_go_on_with_another_party() {
    if fast_path_is_denied() {
        return;
    }
    let gateway = Gateway::start(FAST);
    let call = Call::start(&gateway);
    call.both_hear();
    let carol = Party::new();
    let port = sipp::free_port();
    let _carol_answers = transfers::callee(port, &carol, None);
    let carol = Talker::start(carol, CAROL, 20);
    let parent = call.bridge.sid();
    let children = gateway.fetch(&format!("Calls.json?ParentCallSid={parent}")).json();
    let child = children["calls"][0]["sid"].as_str().expect("the callee's call").to_owned();
    let dial = format!("<Dial><Sip>sip:carol@127.0.0.1:{port}</Sip></Dial>");
    call.update(&child, &(call.play() + &dial));
    until("the prompt", || call.bob.heard(PROMPT) == PROMPT_PACKETS);
    call.is_in_kernel(2);
    until("bob and carol to hear each other", || {
        call.bob.heard(CAROL) > 25 && carol.heard(BOB) > 25
    });
    let packets = call.bob.packets();
    expect_one_stream(&packets);
    let sounds = sounds(&packets);
    assert_eq!(order(&sounds), [ALICE, PROMPT, CAROL]);
    assert_eq!(sounds[1].1, PROMPT_PACKETS);
    expect_one_stream(&carol.packets());
}

#[test]
fn a_recording_in_the_middle_holds_both_and_the_numbers_of_the_caller_go_on() {
    if fast_path_is_denied() {
        return;
    }
    let gateway = Gateway::start(FAST);
    let call = Call::start(&gateway);
    call.both_hear();
    let sid = call.bridge.sid();
    let done = call.bridge.application.url("/recorded");
    let record =
        format!("<Dial record=\"record-from-answer-dual\" recordingStatusCallback=\"{done}\">");
    call.update(&sid, &call.bridge.dial.replacen("<Dial>", &record, 1));
    call.is_in_kernel(0);
    (0..4).for_each(|_| call.both_hear());
    call.update(&sid, &call.bridge.dial);
    let recorded = call.bridge.application.wait_for_path("/recorded");
    call.is_in_kernel(2);
    call.both_hear();
    let packets = call.alice.packets();
    expect_one_stream(&packets);
    assert_eq!(order(&sounds(&packets)), [BOB]);
    assert_eq!(gateway.metrics().sum("media_packets_lost_total", ""), 0);
    expect_recording(&gateway, &recorded);
}

#[test]
fn a_recording_by_rest_holds_both_and_the_numbers_of_both_go_on() {
    if fast_path_is_denied() {
        return;
    }
    let gateway = Gateway::start(FAST);
    let call = Call::start(&gateway);
    call.both_hear();
    let sid = call.bridge.sid();
    let done = call.bridge.application.url("/recorded");
    let printed = sdk::python(
        &gateway,
        &format!(
            "recording = client.calls('{sid}').recordings.create(recording_channels='dual',\n\
             \x20   recording_status_callback='{done}')\n\
             print(recording.status)\n"
        ),
    );
    assert_eq!(printed.trim(), "in-progress");
    call.is_in_kernel(0);
    (0..4).for_each(|_| call.both_hear());
    let stop = [("Status", "stopped")];
    let current = format!("Calls/{sid}/Recordings/Twilio.CURRENT.json");
    assert_eq!(gateway.create(&current, &stop).text("status"), "stopped");
    let recorded = call.bridge.application.wait_for_path("/recorded");
    call.is_in_kernel(2);
    call.both_hear();
    for (talker, other) in [(&call.alice, BOB), (&call.bob, ALICE)] {
        let packets = talker.packets();
        expect_one_stream(&packets);
        assert_eq!(order(&sounds(&packets)), [other]);
    }
    assert_eq!(gateway.metrics().sum("media_packets_lost_total", ""), 0);
    expect_recording(&gateway, &recorded);
}

/// Both channels, of a second and a half or more, are what the parties said.
fn expect_recording(gateway: &Gateway, recorded: &Asked) {
    let url = recorded.parameter("RecordingUrl").expect("a URL");
    let (_, path) = url.split_once("/2010-04-01/").expect("a URL of the API");
    let Reply { status, body } =
        request(gateway, "GET", &format!("/2010-04-01/{path}.wav?RequestedChannels=2"), &[]);
    assert_eq!(status, 200, "{}", String::from_utf8_lossy(&body));
    let samples = crate::wav::samples(&body);
    for (channel, said) in [ALICE, BOB].into_iter().enumerate() {
        let level = g711::decode(Codec::Pcmu, said);
        let of_channel: Vec<i16> = samples.iter().skip(channel).step_by(2).copied().collect();
        let right = of_channel.iter().filter(|sample| **sample == level).count();
        let other = of_channel.iter().filter(|sample| sample.unsigned_abs() > 16).count() - right;
        assert!(right > 12_000, "channel {channel}: {right} of {} samples", of_channel.len());
        assert_eq!(other, 0, "channel {channel} holds nothing else");
    }
}

#[test]
fn six_hundred_forged_packets_are_heard_by_nobody() {
    if fast_path_is_denied() {
        return;
    }
    let gateway = Gateway::start(FAST);
    let call = Call::start(&gateway);
    call.both_hear();
    const FORGED: u8 = 0x66;
    let ports = [call.alice.gateway(), call.bob.gateway()];
    let forger = Party::new();
    let mut stream = Stream::new(u32::from(ALICE));
    let mut pace = Pace::every_ms(1);
    for step in 0..600u16 {
        // SSRC, payload type and length are those of alice; the source is not.
        forger.send(ports[usize::from(step) % 2], &stream.next(vec![FORGED; 160]));
        pace.tick();
    }
    let dropped = "media_packets_dropped_total";
    let metrics = gateway.metrics_when("all of them to be counted", |now| {
        now.sum(dropped, "reason=\"stranger\"") == 600
    });
    assert_eq!(metrics.sum("media_fast_path_packets_dropped_total", ""), 600, "{metrics:#?}");
    call.is_in_kernel(2);
    call.both_hear();
    assert_eq!((call.alice.heard(FORGED), call.bob.heard(FORGED)), (0, 0));
    for talker in [&call.alice, &call.bob] {
        expect_one_stream(&talker.packets());
    }
}

#[test]
fn without_capabilities_the_gateway_says_what_is_missing_and_calls_go_on() {
    let gateway = Gateway::start_without_capabilities("fast_path = \"auto\"\n");
    let log = expect_calls_in_user_space(&gateway);
    assert!(log.contains("CAP_BPF") && log.contains("CAP_NET_ADMIN"), "{log}");
}

#[test]
fn where_a_container_denies_bpf_the_gateway_says_so_and_calls_go_on() {
    let gateway = Gateway::start_denied("bpf", "fast_path = \"auto\"\n");
    let log = expect_calls_in_user_space(&gateway);
    match ::io::kernel::probe() {
        Ok(()) => assert!(log.contains("allow the system call bpf"), "{log}"),
        Err(missing) => assert!(log.contains(&missing.to_string()), "{log}"),
    }
}

/// A call whose audio takes the way through the media core; what the gateway logged.
fn expect_calls_in_user_space(gateway: &Gateway) -> String {
    gateway.wait_for_log("bridged calls are relayed in user space");
    let (alice, bob) = (Party::new(), Party::new());
    let _bridge = Bridge::between(gateway, &alice, &bob);
    let (alice, bob) = (Talker::start(alice, ALICE, 20), Talker::start(bob, BOB, 20));
    until("both to hear each other", || alice.heard(BOB) > 20 && bob.heard(ALICE) > 20);
    assert_eq!(gateway.metrics().sum("media_fast_path_packets_total", ""), 0);
    gateway.log()
}
