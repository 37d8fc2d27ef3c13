//! Pins threads and schedules them in real time, so that other processes disturb less. Shell.

use std::io;
use std::process::{Command, Stdio};

use rustix::process::Pid;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::schedstat::Thread;

/// The two CPUs of a media measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cpus {
    /// CPU of the relay, ours or a peer.
    pub relay: usize,
    /// CPU of the generator.
    pub generator: usize,
}

impl Cpus {
    /// Takes the last CPU that this process may use for the relay and the first for the generator. On a
    /// machine with one CPU both are that one.
    pub fn choose() -> Self {
        let allowed = allowed();
        let first = allowed.first().copied().unwrap_or(0);
        Self { relay: allowed.last().copied().unwrap_or(first), generator: first }
    }

    /// Whether generator and relay have a CPU each.
    pub const fn are_apart(self) -> bool {
        self.relay != self.generator
    }
}

fn allowed() -> Vec<usize> {
    let Ok(set) = sched_getaffinity(None) else { return vec![0] };
    (0..CpuSet::MAX_CPU).filter(|cpu| set.is_set(*cpu)).collect()
}

/// Pins the calling thread.
///
/// # Errors
/// This process may not use that CPU.
pub(crate) fn pin_self(cpu: usize) -> io::Result<()> {
    Ok(sched_setaffinity(None, &only(cpu))?)
}

/// Pins threads of any process; one that ended is left out.
pub(crate) fn pin(threads: &[Thread], cpu: usize) {
    for thread in threads {
        if let Some(id) = Pid::from_raw(thread.id) {
            let _ = sched_setaffinity(Some(id), &only(cpu));
        }
    }
}

fn only(cpu: usize) -> CpuSet {
    let mut set = CpuSet::new();
    set.set(cpu);
    set
}

/// Puts a thread under SCHED_FIFO, so that ordinary processes do not preempt it. `true` where the system
/// allows it (CAP_SYS_NICE and util-linux' `chrt`).
///
/// Real-time threads may take 95 % of a second by the kernel's defaults: keep bursts below 0.9 s, with a
/// pause between them.
pub(crate) fn make_fifo(thread_id: i32) -> bool {
    Command::new("chrt")
        .args(["--fifo", "--pid", FIFO_PRIORITY, &thread_id.to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// Id of the calling thread.
pub(crate) fn own_thread_id() -> i32 {
    rustix::thread::gettid().as_raw_nonzero().get()
}

/// Above everything ordinary, below the kernel's own threads (50).
const FIFO_PRIORITY: &str = "10";
