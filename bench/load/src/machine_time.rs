//! CPU time of the whole machine, from `/proc/stat`. Shell.
//!
//! The kernel handles a packet in a softirq, on the CPU time of the thread that it interrupts or that sent the packet.
//! A relay inside the kernel therefore has no thread whose time is its cost. What the whole machine was busy for
//! shows whether the threads that a bench adds up leave anything out. The file rounds idle time to 10 ms a CPU.

use std::fs;
use std::io;
use std::time::Instant;

/// The machine at one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    at: Instant,
    idle: Idle,
}

/// Time since boot in which CPUs did nothing for this machine, over all CPUs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Idle {
    cpus: u64,
    ns: u64,
}

impl Moment {
    /// # Errors
    /// `/proc/stat` cannot be read.
    pub fn now() -> io::Result<Self> {
        let text = fs::read_to_string("/proc/stat")?;
        let idle = parse(&text).ok_or_else(|| io::Error::other("/proc/stat holds no idle time"))?;
        Ok(Self { at: Instant::now(), idle })
    }

    /// Nanoseconds of CPU time since `earlier`, over all CPUs.
    pub fn busy_ns_since(&self, earlier: &Self) -> u64 {
        let elapsed = self.at.duration_since(earlier.at).as_nanos() as u64;
        let idle = self.idle.ns.saturating_sub(earlier.idle.ns);
        (elapsed * self.idle.cpus).saturating_sub(idle)
    }
}

/// Adds up idle, waiting for a disk, and taken by the hypervisor (proc_stat(5)).
fn parse(text: &str) -> Option<Idle> {
    let mut idle = Idle { cpus: 0, ns: 0 };
    for line in text.lines() {
        let mut words = line.split_ascii_whitespace();
        // The line `cpu` is the sum of the others, rounded once more.
        if words.next().is_none_or(|name| name == "cpu" || !name.starts_with("cpu")) {
            continue;
        }
        let ticks: Vec<u64> = words.map_while(|word| word.parse().ok()).collect();
        let of = |column: usize| ticks.get(column).copied();
        idle.ns += (of(IDLE)? + of(IO_WAIT)? + of(STEAL)?) * TICK_NS;
        idle.cpus += 1;
    }
    (idle.cpus > 0).then_some(idle)
}

const IDLE: usize = 3;
const IO_WAIT: usize = 4;
const STEAL: usize = 7;
/// `USER_HZ` is 100 on every architecture that we build for.
const TICK_NS: u64 = 10_000_000;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn idle_time_is_added_over_the_cpus() {
        let text = "cpu  9 9 9 9 9 9 9 9 9 9\ncpu0 1 2 3 10 20 5 6 30 0 0\ncpu1 0 0 0 1 0 0 0 0 0 0\nintr 7\n";
        assert_eq!(parse(text), Some(Idle { cpus: 2, ns: 61 * TICK_NS }));
        assert_eq!(parse("intr 7\n"), None);
        assert_eq!(parse("cpu0 1 2\n"), None);
    }

    #[test]
    fn busy_is_what_is_left_of_all_cpus() {
        let at = Instant::now();
        let earlier = Moment { at, idle: Idle { cpus: 2, ns: TICK_NS } };
        let later =
            Moment { at: at + Duration::from_millis(100), idle: Idle { cpus: 2, ns: 7 * TICK_NS } };
        assert_eq!(later.busy_ns_since(&earlier), 140_000_000);
    }
}
