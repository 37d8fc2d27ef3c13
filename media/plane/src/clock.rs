//! The core's two coarse clocks, both derived from the instant that the caller passes. Sans-IO.

use shared::Instant;

/// Samples at 8,000 Hz since the clock's origin, wrapping after six days: compared by difference.
#[inline]
pub(crate) const fn samples(now: Instant) -> u32 {
    (now.as_nanos() / NANOS_A_SAMPLE) as u32
}

/// Samples from `earlier` to `later`; 0 when `later` lies before `earlier`.
#[inline]
pub(crate) const fn elapsed(later: u32, earlier: u32) -> u32 {
    let difference = later.wrapping_sub(earlier);
    if difference as i32 > 0 { difference } else { 0 }
}

/// Milliseconds since the clock's origin, wrapping after 49 days: compared by difference.
#[inline]
pub(crate) const fn millis(now: Instant) -> u32 {
    now.as_millis() as u32
}

/// Whether the deadline `at` has passed.
#[inline]
pub(crate) const fn is_due(now_ms: u32, at_ms: u32) -> bool {
    now_ms.wrapping_sub(at_ms) as i32 >= 0
}

/// The sooner of two wrapping millisecond deadlines, both within 24 days of `now_ms`.
pub(crate) const fn sooner(now_ms: u32, a: u32, b: u32) -> u32 {
    if (a.wrapping_sub(now_ms) as i32) < (b.wrapping_sub(now_ms) as i32) { a } else { b }
}

pub(crate) const SAMPLES_A_MS: u32 = 8;
const NANOS_A_SAMPLE: u64 = 125_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_wraps_without_going_backwards() {
        assert_eq!(elapsed(5, u32::MAX), 6);
        assert_eq!(elapsed(u32::MAX, 5), 0);
        assert!(is_due(3, u32::MAX) && !is_due(u32::MAX, 3));
        assert_eq!(sooner(u32::MAX - 1, u32::MAX, 2), u32::MAX);
        assert_eq!(samples(Instant::from_millis(20)), 20 * SAMPLES_A_MS);
    }
}
