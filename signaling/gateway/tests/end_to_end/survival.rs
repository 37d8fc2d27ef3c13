//! Bridged calls that outlive the gateway inside the kernel: 200 at once, when it is killed, restarted and stopped.

use std::sync::Arc;

use io::kernel::Object;
use tempfile::TempDir;

use crate::crowd::Crowd;
use crate::gateway::{Bpffs, Gateway, fast_path_is_denied};
use crate::wait::until;

const CALLS: u16 = 200;
/// Two ports a leg, two legs a call, and one in five to spare.
const PORTS: u16 = 1_000;
/// 40 ms of audio.
const LOST_MAX: u32 = 2;

fn start(bpffs: &Bpffs, folder: Arc<TempDir>) -> Gateway {
    Gateway::start_on(bpffs, folder, PORTS, "fast_path = \"tc\"\n")
}

/// A gateway and its calls, all of which the kernel relays.
fn start_with_calls(bpffs: &Bpffs) -> (Gateway, Crowd) {
    let folder = Arc::new(tempfile::tempdir().expect("a temporary folder"));
    let gateway = start(bpffs, folder);
    let crowd = Crowd::start(&gateway, CALLS);
    let legs = 2 * u64::from(CALLS);
    gateway
        .metrics_when("every leg in the kernel", |now| now.sum("media_fast_path_legs", "") == legs);
    (gateway, crowd)
}

/// Waits for 300 ms in which nobody hears anything.
fn wait_for_silence(crowd: &Crowd) {
    let mut last = crowd.pass(1).heard();
    until("nothing to be relayed", || {
        let before = std::mem::replace(&mut last, crowd.pass(15).heard());
        last == before
    });
}

/// A stop by SIGTERM, after which the kernel has nothing of this gateway.
fn stop(gateway: Gateway, bpffs: &Bpffs) {
    let objects = Object::of_process(gateway.process_id()).expect("it runs");
    for of_kind in [Object::is_map, Object::is_program, Object::is_link] {
        assert!(objects.iter().any(of_kind), "{objects:?}");
    }
    let is_loaded = |object: &Object| object.is_loaded().expect("this process may ask");
    assert!(objects.iter().all(is_loaded), "{objects:?}");
    let (status, folder) = gateway.terminate();
    assert!(status.success() && !bpffs.has_pins_of(&folder));
    // The kernel frees them behind the last file.
    until("no map, program or link", || !objects.iter().any(is_loaded));
}

#[test]
fn two_hundred_calls_are_heard_after_a_kill_until_the_lease_ends_and_not_longer() {
    if fast_path_is_denied() {
        return;
    }
    let bpffs = Bpffs::mount();
    let (gateway, crowd) = start_with_calls(&bpffs);
    let before = crowd.pass(1);
    let folder = gateway.kill();
    assert!(bpffs.has_pins_of(&folder));
    // The lease is 10 s, of which at most 1 s and what a busy machine adds is over.
    let after = crowd.pass(350);
    let lost = after.expect_audio_since(&before, LOST_MAX);
    println!("{lost} packets lost of 400 streams in 7 s after the kill");
    wait_for_silence(&crowd);
    // The next start finds what is left, ends it, and leaves nothing itself.
    let next = start(&bpffs, folder);
    next.wait_for_log("calls of the process before have ended with its lease");
    let silent = crowd.pass(1).heard();
    assert_eq!(crowd.pass(50).heard(), silent, "nobody relays for calls that are over");
    stop(next, &bpffs);
}

#[test]
fn a_restart_within_the_lease_is_not_heard_by_two_hundred_calls() {
    if fast_path_is_denied() {
        return;
    }
    let bpffs = Bpffs::mount();
    let (gateway, crowd) = start_with_calls(&bpffs);
    let before = crowd.pass(1);
    let folder = gateway.kill();
    let next = start(&bpffs, folder);
    next.wait_for_log("calls of the process before are relayed until its lease ends");
    let after = crowd.pass(100);
    let lost = after.expect_audio_since(&before, LOST_MAX);
    println!("{lost} packets lost of 400 streams over the restart");
    // Nobody hears the BYE of these calls, so they end with the lease of the process that bridged them.
    wait_for_silence(&crowd);
    stop(next, &bpffs);
}
