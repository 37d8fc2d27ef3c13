//! The one clock of the process: `CLOCK_MONOTONIC`, so that all threads agree.

use rustix::time::{ClockId, Timespec, clock_gettime};
use shared::{Instant, Now};

/// Monotonic time. The origin is the kernel's (boot), the same for every thread and for every
/// process on this machine. Costs about 20 ns (vDSO).
pub fn now() -> Instant {
    let time = clock_gettime(ClockId::Monotonic);
    Instant::from_nanos(u64::try_from(nanos(time)).unwrap_or(0))
}

/// Wall clock in milliseconds since 1970 UTC. May jump.
pub fn unix_ms() -> i64 {
    nanos(clock_gettime(ClockId::Realtime)) / 1_000_000
}

/// Both clocks, for a machine's `now` argument.
pub fn read() -> Now {
    Now { mono: now(), unix_ms: unix_ms() }
}

/// Unix time in milliseconds at [`Instant::ZERO`], by the present wall clock.
pub fn unix_ms_at_zero() -> i64 {
    let now = read();
    now.unix_ms - i64::try_from(now.mono.as_millis()).unwrap_or(0)
}

fn nanos(time: Timespec) -> i64 {
    time.tv_sec.saturating_mul(1_000_000_000).saturating_add(time.tv_nsec)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_threads_read_the_same_clock() {
        let before = now();
        let between = std::thread::spawn(now).join().expect("a clock does not panic");
        let after = now();
        assert!(before <= between && between <= after);
    }

    #[test]
    fn the_origin_and_the_wall_clock_agree() {
        let now = read();
        let rebuilt = unix_ms_at_zero() + now.mono.as_millis() as i64;
        assert!((rebuilt - now.unix_ms).abs() < 2_000);
    }
}
