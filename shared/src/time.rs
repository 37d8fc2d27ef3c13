//! Time as a value. Machines are told the time; only shells read a clock.

use std::ops::{Add, Sub};
use std::time::Duration;

/// A monotonic instant: nanoseconds since an origin that only the shell knows.
///
/// Unlike `std::time::Instant` it can be made from a number, so that the simulator
/// can run a machine on a virtual clock and replay it from a seed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(u64);

impl Instant {
    /// The origin of the clock.
    pub const ZERO: Self = Self(0);

    /// The instant `nanos` nanoseconds after the origin.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// The instant `millis` milliseconds after the origin.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis.saturating_mul(1_000_000))
    }

    /// Nanoseconds since the origin.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Whole milliseconds since the origin.
    pub const fn as_millis(self) -> u64 {
        self.0 / 1_000_000
    }

    /// Time since `earlier`; zero when `earlier` lies in the future.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    /// Saturates at the end of time (584 years after the origin).
    fn add(self, duration: Duration) -> Self {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(nanos))
    }
}

impl Sub for Instant {
    type Output = Duration;

    fn sub(self, earlier: Self) -> Duration {
        self.since(earlier)
    }
}

/// What a machine is told about time with every input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// Monotonic time, for deadlines and durations.
    pub mono: Instant,
    /// Wall clock in milliseconds since 1970 UTC, for what people read. May jump.
    pub unix_ms: i64,
}

impl Now {
    /// Both clocks moved forward by `duration`.
    pub fn after(self, duration: Duration) -> Self {
        let millis = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        Self { mono: self.mono + duration, unix_ms: self.unix_ms.saturating_add(millis) }
    }
}

/// Keeps the sooner of two optional deadlines; the name says who asked.
pub fn soonest(
    a: Option<(Instant, &'static str)>,
    b: Option<(Instant, &'static str)>,
) -> Option<(Instant, &'static str)> {
    match (a, b) {
        (Some(a), Some(b)) => Some(if b.0 < a.0 { b } else { a }),
        (a, b) => a.or(b),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn soonest_keeps_the_earlier_deadline_and_its_reason() {
        let early = Some((Instant::from_millis(1), "early"));
        let late = Some((Instant::from_millis(2), "late"));
        assert_eq!(soonest(early, late), early);
        assert_eq!(soonest(late, early), early);
        assert_eq!(soonest(None, late), late);
        assert_eq!(soonest(None, None), None);
    }

    #[test]
    fn a_difference_never_underflows() {
        assert_eq!(Instant::ZERO - Instant::from_millis(5), Duration::ZERO);
    }
}
