//! Bridged calls in the driver of a network interface: what both phones hear when the gateway is killed and stopped.

use std::sync::Arc;

use crate::application::{Answer, Application};
use crate::gateway::{Bpffs, Gateway, fast_path_is_denied};
use crate::rtp::Talker;
use crate::sipp::{self, Sipp};
use crate::transfers;
use crate::wait::{Pace, until};
use crate::wire::Wire;

const ALICE: u8 = 0xA1;
const BOB: u8 = 0xB2;

#[test]
fn a_call_in_the_driver_outlives_a_kill_and_a_clean_stop_leaves_no_program() {
    if fast_path_is_denied() {
        return;
    }
    let (bpffs, wire) = (Bpffs::mount(), Wire::new());
    let gateway = Gateway::start_at_wire(&bpffs, &wire);
    gateway.wait_for_log(&format!("at the XDP hook of {}", wire.name));
    let (alice, bob) = (wire.party(2), wire.party(3));
    let port = sipp::free_port();
    let application = Application::start(move |_| {
        Answer::twiml(&format!("<Dial><Sip>sip:bob@127.0.0.1:{port}</Sip></Dial>"))
    });
    let domain = gateway.domain("desk", &[("VoiceUrl", &application.url("/voice"))]);
    gateway.allow_address(&domain, "127.0.0.1");
    let _callee = transfers::callee(port, &bob, None);
    let scenario = sipp::invite("") + &sipp::answered() + &sipp::hang_up_after(39_000);
    let _caller = Sipp::caller(&alice.named_in(&scenario), alice.port()).start(gateway.sip_udp);
    let (alice, bob) = (Talker::start(alice, ALICE, 20), Talker::start(bob, BOB, 20));

    // Nobody knows the neighbours when the legs are given: the tc hook relays until the kernel has found them.
    let metrics = gateway.metrics_when("100 packets by the driver", |now| {
        now.sum("media_fast_path_driver_packets_total", "") >= 100
    });
    let labels = format!("interface=\"{}\",hook=\"xdp\"", wire.name);
    assert_eq!(metrics.sum("media_fast_path_interface_info", &labels), 1, "{metrics:#?}");
    assert_eq!(metrics.sum("media_packets_dropped_total", ""), 0, "{metrics:#?}");
    let folder = gateway.kill();
    assert!(bpffs.has_pins_of(&folder) && wire.programs() == 1);
    let before = [&alice, &bob].map(|phone| phone.packets().len());
    let mut pace = Pace::every_ms(20);
    (0..100).for_each(|_| pace.tick());
    for (phone, before) in [&alice, &bob].into_iter().zip(before) {
        // The last packet before, and all behind it.
        let packets = phone.packets().split_off(before - 1);
        let [first, .., last] = &packets[..] else { panic!("silence after the kill") };
        let span = usize::from(last.sequence.wrapping_sub(first.sequence));
        assert!(span >= 50 && packets.iter().all(|packet| packet.ssrc == first.ssrc), "{span}");
        // 40 ms that were on their way through the process.
        let lost = (span + 1).saturating_sub(packets.len());
        assert!(lost <= 2, "{lost} of {span} packets lost");
    }
    let next = Gateway::start_on(&bpffs, Arc::clone(&folder), 400, "");
    next.wait_for_log("calls of the process before");
    let (status, folder) = next.terminate();
    assert!(status.success() && !bpffs.has_pins_of(&folder));
    until("the driver to be free", || wire.programs() == 0);
}
