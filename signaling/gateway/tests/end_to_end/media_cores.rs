//! Media cores of the real binary: two that share calls, one that panics, one that stalls, one without
//! io_uring, and both IP versions at once.

use std::process::{Child, Command, Stdio};

use crate::application::{Answer, Application};
use crate::dial::dial_through;
use crate::gateway::Gateway;
use crate::load::threads;
use crate::rtp::{Packet, Party};
use crate::sipp::{self, Running, Sipp};
use crate::wait::Pace;

/// More seconds than a core may stall.
const STALL: &str = "7s";

/// A gateway whose callers hear a prompt and then nothing for a minute.
fn answering(gateway: &Gateway) -> Application {
    let application =
        Application::start(|_| Answer::twiml("<Say>Hello.</Say><Pause length=\"60\"/>"));
    let domain = gateway.domain("quiet", &[("VoiceUrl", &application.url("/voice"))]);
    gateway.allow_address(&domain, "127.0.0.1");
    application
}

/// A caller that stays until it is hung up on.
fn caller(gateway: &Gateway, party: &Party) -> Running {
    let scenario = sipp::invite("") + &sipp::answered() + &sipp::hung_up();
    Sipp::caller(&scenario, party.port())
        .key("domain", "quiet.sip.sidetone.test")
        .start(gateway.sip_udp)
}

/// strace on a media core's thread; it lets go when dropped.
struct Meddler(Child);

impl Drop for Meddler {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Lets the wait of a media core's next turn end in another way than the kernel's.
fn meddle(gateway: &Gateway, core: &str, how: &str) -> Meddler {
    let thread = threads(gateway.process_id(), core).pop().expect("the core's thread");
    let inject = format!("inject=io_uring_enter:{how}:when=1");
    let strace = Command::new("strace")
        .args(["-qq", "-e", "trace=io_uring_enter", "-e", &inject, "-o", "/dev/null"])
        .args(["-p", &thread.to_string()])
        .stdin(Stdio::null())
        .spawn();
    Meddler(strace.expect("strace is installed (make clients)"))
}

fn legs_free(gateway: &Gateway) -> u64 {
    gateway.metrics().value("signaling_legs_free")
}

#[test]
fn a_call_is_bridged_across_two_cores_byte_for_byte() {
    // Two ports a core: with one caller on each, the callee of the third has no room beside it.
    let gateway = Gateway::start_with_media_ports(8, "cores = [0, 1]\n");
    let _application = answering(&gateway);
    let parties = [Party::new(), Party::new()];
    let callers = [0, 1].map(|index| {
        let caller = caller(&gateway, &parties[index]);
        parties[index].receive().expect("the call is up");
        caller
    });
    dial_through(&gateway, "0 101", |byte| byte);
    let figures = gateway.metrics();
    assert!(figures.sum("media_mesh_packets_forwarded_total", "") >= 40, "{figures:?}");
    assert_eq!(figures.sum("media_mesh_packets_dropped_total", ""), 0);
    drop(callers);
}

#[test]
fn calls_of_a_core_that_panics_end_and_it_takes_new_ones() {
    let gateway = Gateway::start("backend = \"io_uring\"\n");
    let _application = answering(&gateway);
    let free = legs_free(&gateway);
    for restarts in 1..=2 {
        let party = Party::new();
        let living = caller(&gateway, &party);
        party.receive().expect("the call is up");
        let _meddler = meddle(&gateway, "media-0", "error=EBADF");
        living.finish().expect_success();
        let figures = gateway.metrics_when("the core has restarted", |now| {
            now.sum("media_core_restarts_total", "") == restarts && now.sum("media_legs", "") == 0
        });
        assert_eq!(figures.sum("media_core_up", ""), 1);
    }
    gateway.metrics_when("every place is back", |now| now.value("signaling_legs_free") == free);
    let party = Party::new();
    let _living = caller(&gateway, &party);
    party.receive().expect("a new call is up on the new core");
    gateway.wait_for_log("panicked and restarted");
}

#[test]
fn a_core_that_stalls_is_retired_and_the_other_one_goes_on() {
    let gateway = Gateway::start("cores = [0, 1]\nbackend = \"io_uring\"\n");
    let _application = answering(&gateway);
    let (lost, kept) = (Party::new(), Party::new());
    let ending = caller(&gateway, &lost);
    lost.receive().expect("the call on the first core is up");
    let _living = caller(&gateway, &kept);
    kept.receive().expect("the call on the second core is up");
    let _meddler = meddle(&gateway, "media-0", &format!("delay_enter={STALL}"));
    ending.finish().expect_success();
    gateway.wait_for_log("retired until restart");
    let party = Party::new();
    let _another = caller(&gateway, &party);
    party.receive().expect("a new call is up, on the other core");
    gateway.metrics_when("both calls", |now| now.value("signaling_calls_live") == 2);
    gateway.metrics_when("the core is gone", |now| now.sum("media_core_up", "") == 1);
}

#[test]
fn where_io_uring_is_denied_the_portable_backend_serves_and_it_is_said_once() {
    let gateway = Gateway::start_without_io_uring();
    assert!(gateway.ready_line.contains("media=portable/"), "{}", gateway.ready_line);
    let sentence = "portable backend (epoll): io_uring is denied";
    gateway.wait_for_log(sentence);
    let said = gateway.log().matches(sentence).count();
    assert_eq!(said, 1, "{}", gateway.log());
    dial_through(&gateway, "0 101", |byte| byte);
}

#[test]
fn callers_and_callees_of_both_ip_versions_are_joined() {
    let gateway = Gateway::start_on_both_versions();
    let callee_port = Party::on_ipv6().port();
    let application = Application::start(move |asked| match asked.path.as_str() {
        "/voice" => Answer::twiml(&format!("<Dial><Sip>sip:bob@[::1]:{callee_port}</Sip></Dial>")),
        _ => Answer::status(204),
    });
    let domain = gateway.domain("desk", &[("VoiceUrl", &application.url("/voice"))]);
    gateway.allow_address(&domain, "127.0.0.1");
    let (alice, bob) = (Party::new(), Party::on_ipv6());
    let callee = sipp::callee("", "0 101").replace("IN IP4 127.0.0.1", "IN IP6 ::1");
    let callee = Sipp::new(&callee)
        .key("media", &bob.port().to_string())
        .with(&format!("-i ::1 -p {callee_port} -m 1"))
        .spawn();
    let scenario = sipp::invite("") + &sipp::answered() + &sipp::hang_up_after(2_000);
    let caller = Sipp::caller(&scenario, alice.port()).start(gateway.sip_udp);
    let (_, to_alice) = alice.receive().expect("media by IPv4");
    let (_, to_bob) = bob.receive().expect("media by IPv6");
    assert!(to_alice.is_ipv4() && to_bob.is_ipv6(), "{to_alice} {to_bob}");
    let mut pace = Pace::every_ms(20);
    for number in 0..20 {
        alice.send(to_alice, &spoken(number, 0x44));
        bob.send(to_bob, &spoken(number, 0x45));
        pace.tick();
    }
    assert!(!bob.receive_until(1, |packet| packet.payload == [0x44; 160]).is_empty());
    assert!(!alice.receive_until(1, |packet| packet.payload == [0x45; 160]).is_empty());
    caller.finish().expect_success();
    callee.finish().expect_success();
}

#[test]
fn a_caller_whose_media_is_of_the_other_ip_version_than_its_sip_is_served() {
    let gateway = Gateway::start_on_both_versions();
    let _application = answering(&gateway);
    let party = Party::on_ipv6();
    let scenario = sipp::invite("").replace("IN IP4 127.0.0.1", "IN IP6 ::1")
        + &sipp::answered()
        + &sipp::hang_up_after(500);
    let caller = Sipp::caller(&scenario, party.port())
        .key("domain", "quiet.sip.sidetone.test")
        .start(gateway.sip_udp);
    party.receive().expect("the prompt by IPv6");
    let caller = caller.finish().expect_success();
    assert!(caller.messages().contains("c=IN IP6 ::1"), "{}", caller.messages());
}

fn spoken(number: u16, byte: u8) -> Packet {
    Packet {
        payload_type: 0,
        marker: number == 0,
        sequence: number,
        timestamp: u32::from(number) * 160,
        ssrc: 9,
        payload: vec![byte; 160],
    }
}
