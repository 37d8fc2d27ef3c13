//! With 500 calls up a media core takes no lock and no memory: its system calls are watched.

use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::application::{Answer, Application};
use crate::gateway::Gateway;
use crate::load::{Load, threads};
use crate::rtp::Party;
use crate::sipp;

const CALLS: u32 = 500;
const RATE: u32 = 50;
const SECONDS: &str = "3";
/// Of a lock, of memory; and what a core waits with, as a proof that the trace sees the thread.
const FORBIDDEN: [&str; 6] = ["futex", "mmap", "munmap", "brk", "mremap", "madvise"];
const WAITS: [&str; 3] = ["io_uring_enter", "epoll_wait", "epoll_pwait"];

#[test]
fn with_500_calls_up_a_media_core_calls_no_futex_mmap_or_brk() {
    let gateway = Gateway::start_with_media_ports(2_000, "");
    // Prompts, silence and recordings: all that a core does by its own clock.
    let count = AtomicUsize::new(0);
    let application =
        Application::start(move |_| match count.fetch_add(1, Ordering::Relaxed) % 10 {
            0 => Answer::twiml("<Record playBeep=\"false\" timeout=\"0\" maxLength=\"120\"/>"),
            1..=4 => Answer::twiml("<Say loop=\"0\">Hello there, nice to hear you.</Say>"),
            _ => Answer::twiml("<Say>Hello.</Say><Pause length=\"120\"/>"),
        });
    let domain = gateway.domain("desk", &[("VoiceUrl", &application.url("/voice"))]);
    gateway.allow_address(&domain, "127.0.0.1");
    let party = Party::new();
    let scenario = sipp::invite("") + &sipp::answered() + &sipp::hang_up_after(120_000);
    let mut load = Load::start(&gateway, &scenario, RATE, CALLS, party.port());
    gateway.metrics_when("500 legs up", |now| now.sum("media_legs", "") == u64::from(CALLS));
    assert!(!load.has_ended(), "{:?}", load.finish());

    let cores = threads(gateway.process_id(), "media-");
    assert!(!cores.is_empty(), "no media thread");
    for core in cores {
        let trace = traced(core);
        let waits = trace.lines().filter(|line| is_call(line, &WAITS)).count();
        assert!(waits > 100, "the trace saw only {waits} waits:\n{trace}");
        let found: Vec<&str> = trace.lines().filter(|line| is_call(line, &FORBIDDEN)).collect();
        assert!(found.is_empty(), "a media core called {found:?}");
    }
    let legs = gateway.metrics().sum("media_legs", "");
    assert_eq!(legs, u64::from(CALLS), "calls that were up to the end");
}

/// A line of strace: `io_uring_enter(14, 0, 1, …`.
fn is_call(line: &str, names: &[&str]) -> bool {
    line.split('(').next().is_some_and(|name| names.contains(&name.trim()))
}

/// The system calls that strace counted for one thread.
fn traced(thread: u32) -> String {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("trace");
    let calls = [FORBIDDEN.as_slice(), &WAITS].concat().join(",");
    let output = Command::new("timeout")
        .args(["--signal=INT", SECONDS, "strace", "-e", &format!("trace={calls}"), "-o"])
        .arg(&file)
        .args(["-p", &thread.to_string()])
        .stdin(Stdio::null())
        .output()
        .expect("timeout (coreutils) is installed");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        said.contains("attached"),
        "strace could not watch the media thread, so nothing is proved: it needs strace (make clients) \
         and the right to trace (root or CAP_SYS_PTRACE; in a container --cap-add=SYS_PTRACE). It says: {said}"
    );
    std::fs::read_to_string(&file).expect("strace wrote its trace")
}
