//! Bridged calls inside the kernel: what a party hears when the gateway is killed, restarted, stopped, or may not.

use std::sync::Arc;

use tempfile::TempDir;

use crate::application::{Answer, Application};
use crate::gateway::{Bpffs, Gateway, fast_path_is_denied};
use crate::rtp::{Party, Stream, Talker, sound};
use crate::sipp::{self, Running, Sipp};
use crate::transfers;
use crate::wait::{Pace, until};

const FAST: &str = "fast_path = \"tc\"\n";
const ALICE: u8 = 0xA1;
const BOB: u8 = 0xB2;

/// A caller and a callee that the gateway bridges.
struct Bridge {
    _calls: [Running; 2],
    _application: Application,
}

impl Bridge {
    fn between(gateway: &Gateway, alice: &Party, bob: &Party) -> Self {
        let port = sipp::free_port();
        let application = Application::start(move |_| {
            Answer::twiml(&format!("<Dial><Sip>sip:bob@127.0.0.1:{port}</Sip></Dial>"))
        });
        let domain = gateway.domain("desk", &[("VoiceUrl", &application.url("/voice"))]);
        gateway.allow_address(&domain, "127.0.0.1");
        let callee = transfers::callee(port, bob, None);
        let scenario = sipp::invite("") + &sipp::answered() + &sipp::hang_up_after(39_000);
        let caller = Sipp::caller(&scenario, alice.port()).start(gateway.sip_udp);
        Self { _calls: [callee, caller], _application: application }
    }
}

/// Alice and bob over a bridge that the kernel relays.
struct Call {
    alice: Talker,
    bob: Talker,
    _bridge: Bridge,
}

impl Call {
    fn start(gateway: &Gateway) -> Self {
        let (alice, bob) = (Party::new(), Party::new());
        let bridge = Bridge::between(gateway, &alice, &bob);
        let (alice, bob) = (Talker::start(alice, ALICE, 20), Talker::start(bob, BOB, 20));
        gateway.metrics_when("both legs in the kernel", |now| {
            now.sum("media_fast_path_legs", "") == 2
        });
        Self { alice, bob, _bridge: bridge }
    }

    /// Packets that both have heard of each other.
    fn heard(&self) -> (usize, usize) {
        (self.alice.heard(BOB), self.bob.heard(ALICE))
    }
}

fn folder() -> Arc<TempDir> {
    Arc::new(tempfile::tempdir().expect("a temporary folder"))
}

/// Lets this many packet times pass.
fn pass(packets: u32) {
    let mut pace = Pace::every_ms(20);
    (0..packets).for_each(|_| pace.tick());
}

#[test]
fn audio_goes_on_after_a_kill_until_the_lease_ends_and_not_longer() {
    if fast_path_is_denied() {
        return;
    }
    let bpffs = Bpffs::mount();
    let gateway = Gateway::start_on(&bpffs, folder(), FAST);
    let call = Call::start(&gateway);
    let folder = gateway.kill();
    assert!(bpffs.has_pins_of(&folder));
    let before = call.heard();
    pass(100);
    let after = call.heard();
    for heard in [after.0 - before.0, after.1 - before.1] {
        assert!((95..=105).contains(&heard), "{heard} of 100 packets after the kill");
    }
    // The lease is 10 s.
    let silent = || {
        let now = call.heard();
        pass(15);
        call.heard() == now
    };
    until("the lease to end", silent);
    // The next start finds what is left, ends it, and leaves nothing itself.
    let next = Gateway::start_on(&bpffs, Arc::clone(&folder), FAST);
    next.wait_for_log("calls of the process before");
    let (status, folder) = next.terminate();
    assert!(status.success() && !bpffs.has_pins_of(&folder));
}

#[test]
fn a_restart_within_the_lease_is_not_heard() {
    if fast_path_is_denied() {
        return;
    }
    let bpffs = Bpffs::mount();
    let gateway = Gateway::start_on(&bpffs, folder(), FAST);
    let call = Call::start(&gateway);
    let folder = gateway.kill();
    let before = call.heard();
    let mut pace = Pace::every_ms(20);
    let next = Gateway::start_on(&bpffs, folder, FAST);
    (0..100).for_each(|_| pace.tick());
    let after = call.heard();
    for heard in [after.0 - before.0, after.1 - before.1] {
        assert!(heard >= 98, "{heard} of 100 packets over the restart");
    }
    drop(call);
    let (status, folder) = next.terminate();
    assert!(status.success() && !bpffs.has_pins_of(&folder));
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
    stream.say(&alice, to, sound(50));
    gateway
        .metrics_when("alice's leg in the kernel", |now| now.sum("media_fast_path_legs", "") == 1);
    for key in [5, 11] {
        stream.say(&alice, to, sound(25));
        stream.press(&alice, to, 101, key);
    }
    stream.say(&alice, to, sound(25));
    // All that bob got, up to alice's last packet, silence of the gateway before and between included.
    let (mut heard, mut sounds) = (Vec::new(), 0);
    while sounds < 125 {
        let (packet, _) = bob.receive().expect("alice's last packet is to come");
        sounds += usize::from(packet.payload_type == 0 && packet.payload[0] & 0xF8 == 0x10);
        heard.extend((packet.payload_type == 0 || packet.payload_type == 101).then_some(packet));
    }
    for pair in heard.windows(2) {
        assert_eq!(pair[1].sequence, pair[0].sequence.wrapping_add(1), "one stream, no hole");
        assert_eq!(pair[1].ssrc, pair[0].ssrc);
    }
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
fn without_capabilities_the_gateway_says_what_is_missing_and_calls_go_on() {
    let gateway = Gateway::start_without_capabilities("fast_path = \"auto\"\n");
    gateway.wait_for_log("bridged calls are relayed in user space");
    let log = gateway.log();
    assert!(log.contains("CAP_BPF") && log.contains("CAP_NET_ADMIN"), "{log}");
    let (alice, bob) = (Party::new(), Party::new());
    let _bridge = Bridge::between(&gateway, &alice, &bob);
    let (alice, bob) = (Talker::start(alice, ALICE, 20), Talker::start(bob, BOB, 20));
    until("both to hear each other", || alice.heard(BOB) > 20 && bob.heard(ALICE) > 20);
    assert_eq!(gateway.metrics().sum("media_fast_path_packets_total", ""), 0);
}
