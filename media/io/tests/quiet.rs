//! A core at work allocates nothing and calls the kernel for nothing but its one wait (I2): traffic,
//! commands, prompts, taps and events, counted by an allocator of this test's own and by strace.
#![allow(unsafe_code)] // A counting allocator cannot be written without; it only passes calls on.

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use common::{Site, backends, config, event_when, payload, when};
use io::{BackendChoice, Core};
use shared::media::{TapLimits, TapTracks};
use shared::{
    Codec, FeedId, FeedItem, FeedPart, LegQuality, MediaCommand, MediaEvent, PlayId, Prompt, Sink,
    TapId,
};

/// Counts what happens on threads that were marked.
struct Counting;

thread_local! {
    static IS_MARKED: Cell<bool> = const { Cell::new(false) };
}
static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);
static FREES: AtomicU64 = AtomicU64::new(0);
/// Turns in which a marked thread rang: shows that the marking works.
static RINGS: AtomicU64 = AtomicU64::new(0);

// SAFETY: every call goes to the system allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(&ALLOCATIONS);
        // SAFETY: by the caller.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(&FREES);
        // SAFETY: by the caller.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn count(counter: &AtomicU64) {
    if IS_MARKED.with(Cell::get) {
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

/// One test, because the counters are the process's.
#[test]
fn a_core_at_work_neither_allocates_nor_calls_the_kernel_for_memory_or_locks() {
    for backend in backends() {
        // The core's thread marks itself when it first rings signaling.
        let mark = Arc::new(|| {
            IS_MARKED.with(|is_marked| is_marked.set(true));
            RINGS.fetch_add(1, Ordering::Relaxed);
        });
        let mut site = Site::open_with(&config(backend, 1), mark);
        let mut parties = (site.join(0, 0), site.join(0, 1));
        site.bridge(&parties.0, &parties.1);
        let rings = RINGS.load(Ordering::Relaxed);
        let latched = |event: &MediaEvent| matches!(event, MediaEvent::Latched { .. });
        parties.0.say(&payload(0));
        event_when(site.core(0), latched);
        assert_eq!(parties.1.hear(), payload(0));
        when(&site.media.cores[0], |_| RINGS.load(Ordering::Relaxed) > rings);

        let before = (ALLOCATIONS.load(Ordering::Relaxed), FREES.load(Ordering::Relaxed));
        let tracer = Tracer::attach(&site.media.cores[0]);
        work(&mut site, &mut parties);
        let after = (ALLOCATIONS.load(Ordering::Relaxed), FREES.load(Ordering::Relaxed));
        assert_eq!(before, after, "allocations and frees on the core ({backend:?})");
        if let Some(calls) = tracer.map(Tracer::detach) {
            check_calls(&calls, backend);
        }
        // Ends while still counting nothing: what the thread frees on its way out does not matter.
        drop(site);
    }
}

/// A bit of all that a core does.
fn work(site: &mut Site, parties: &mut (common::Party, common::Party)) {
    let audio: Box<[u8]> = (0..1_600).map(|i| (i % 120) as u8).collect();
    let prompt = Arc::new(Prompt { mulaw: audio.clone().into(), alaw: audio.into() });
    let leg = parties.0.leg;
    let (tap, tracks, limits) = (TapId(1), TapTracks::Both, TapLimits::default());
    let sink = Sink::Recorder;
    site.send(0, MediaCommand::StartTap { leg, tap, sink, tracks, limits });
    let mut writer = site.core(0).take_feed().expect("taken once");
    let (feed, codec) = (FeedId(3), Codec::Pcmu);
    site.send(0, MediaCommand::StartFeed { leg, feed, codec });
    for number in 1..=20 {
        let part = FeedPart::Audio(payload(number));
        assert!(writer.send(&FeedItem { leg, feed, part }), "the ring has room");
        when(&site.media.cores[0], |figures| figures.feed_frames_played >= u64::from(number));
    }
    (1..=20).for_each(|number| assert_eq!(parties.0.hear(), payload(number)));
    site.send(0, MediaCommand::StopFeed { leg, feed });
    event_when(site.core(0), |event| matches!(event, MediaEvent::FeedEnded { .. }));
    for number in 0..500 {
        parties.0.say(&payload(number));
        parties.1.say(&payload(number));
        assert_eq!(parties.1.hear(), payload(number));
        assert_eq!(parties.0.hear(), payload(number));
    }
    site.send(0, MediaCommand::Play { leg, play: PlayId(1), prompt, repeat: 1 });
    let digits =
        MediaCommand::SendDigits { leg: parties.1.leg, play: PlayId(2), digits: Arc::from("12#") };
    site.send(0, digits);
    for _ in 0..2 {
        event_when(site.core(0), |event| matches!(event, MediaEvent::PlayEnded { .. }));
    }
    for leg in [parties.0.leg, parties.1.leg] {
        let quality = Box::new(LegQuality::default());
        site.send(0, MediaCommand::StopLeg { leg, quality });
    }
    for _ in 0..2 {
        event_when(site.core(0), |event| matches!(event, MediaEvent::LegStopped { .. }));
    }
    when(&site.media.cores[0], |figures| figures.legs == 0);
}

/// System calls that a core may make once it has started: to move packets and to wait. The rest are
/// the tracer's own doing (`restart_syscall`) and `write`, which rings a sleeper.
fn check_calls(calls: &[String], backend: BackendChoice) {
    let allowed: &[&str] = match backend {
        BackendChoice::IoUring => &["io_uring_enter", "write", "restart_syscall"],
        BackendChoice::Portable | BackendChoice::Auto => &[
            "epoll_wait",
            "epoll_pwait",
            "epoll_pwait2",
            "recvfrom",
            "sendto",
            "read",
            "timerfd_settime",
            "write",
            "restart_syscall",
        ],
    };
    assert!(calls.len() > 100, "the trace is too short: {} calls", calls.len());
    for call in calls {
        let name = call.split(['(', ' ']).next().unwrap_or_default();
        assert!(allowed.contains(&name), "the core called {call}");
    }
}

/// strace on one thread, where it is installed and may attach.
struct Tracer {
    child: Child,
    output: std::path::PathBuf,
}

impl Tracer {
    fn attach(core: &Core) -> Option<Self> {
        let thread = thread_id(&format!("media-{}", core.id.0))?;
        let output = std::env::temp_dir().join(format!("sidetone-trace-{thread}"));
        let child = Command::new("strace")
            .args(["-q", "-p", &thread, "-o"])
            .arg(&output)
            .stderr(Stdio::piped())
            .spawn()
            .ok()?;
        let mut tracer = Self { child, output };
        tracer.is_attached(&thread).then_some(tracer)
    }

    /// The thread's own status says when it is traced.
    fn is_attached(&mut self, thread: &str) -> bool {
        let status = format!("/proc/self/task/{thread}/status");
        loop {
            let text = std::fs::read_to_string(&status).unwrap_or_default();
            let traced = text.lines().find(|line| line.starts_with("TracerPid:"));
            if traced.is_some_and(|line| line.trim_end() != "TracerPid:\t0") {
                return true;
            }
            if self.child.try_wait().is_ok_and(|ended| ended.is_some()) {
                let reason = self.child.stderr.take().map(BufReader::new);
                let reason = reason.and_then(|lines| lines.lines().next()?.ok());
                eprintln!("system calls are not checked, strace may not attach: {reason:?}");
                return false;
            }
            std::thread::yield_now();
        }
    }

    /// One line a call.
    fn detach(mut self) -> Vec<String> {
        let child = self.child.id().to_string();
        let _ = Command::new("kill").args(["-INT", &child]).status();
        let _ = self.child.wait();
        let text = std::fs::read_to_string(&self.output).unwrap_or_default();
        let _ = std::fs::remove_file(&self.output);
        let is_call = |line: &&str| !line.starts_with(['+', '-', '<']) && !line.is_empty();
        text.lines().filter(is_call).map(str::to_owned).collect()
    }
}

fn thread_id(name: &str) -> Option<String> {
    let tasks = std::fs::read_dir("/proc/self/task").ok()?;
    tasks.flatten().find_map(|task| {
        let comm = std::fs::read_to_string(task.path().join("comm")).ok()?;
        (comm.trim() == name).then(|| task.file_name().to_string_lossy().into_owned())
    })
}
