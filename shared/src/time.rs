//! Time as a value: machines take it as an argument, only shells read a clock. Pure.

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

/// The time, as every input of a machine carries it.
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

/// The sooner of two optional deadlines; the word names the timer, for the log.
pub fn soonest(
    a: Option<(Instant, &'static str)>,
    b: Option<(Instant, &'static str)>,
) -> Option<(Instant, &'static str)> {
    match (a, b) {
        (Some(a), Some(b)) => Some(if b.0 < a.0 { b } else { a }),
        (a, b) => a.or(b),
    }
}

/// Year, month (1–12) and day (1–31) of a day counted from 1970-01-01, in the Gregorian calendar.
///
/// Counts in eras of 400 years (146,097 days) that begin on 1 March, so that the leap day is the last.
pub const fn civil_date(days_since_1970: i64) -> (i64, u8, u8) {
    let days = days_since_1970.saturating_add(719_468);
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + (month <= 2) as i64;
    (year, month as u8, day as u8)
}

/// The inverse of [`civil_date`]: days from 1970-01-01 to this date. `None` when there is no such day.
pub const fn days_since_1970(year: i64, month: u8, day: u8) -> Option<i64> {
    if month < 1 || month > 12 || day < 1 || day > 31 || year < 0 || year > 9_999 {
        return None;
    }
    let (month_number, day_number) = (month as i64, day as i64);
    let shifted_year = if month <= 2 { year - 1 } else { year };
    let era = shifted_year.div_euclid(400);
    let year_of_era = shifted_year.rem_euclid(400);
    let month_from_march = if month > 2 { month_number - 3 } else { month_number + 9 };
    let day_of_year = (153 * month_from_march + 2) / 5 + day_number - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    let days = era * 146_097 + day_of_era - 719_468;
    // 31 April comes out as 1 May: a day exists when it reads back as itself.
    let (_, month_back, day_back) = civil_date(days);
    if month_back == month && day_back == day { Some(days) } else { None }
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

    #[test]
    fn dates_and_days_are_inverse_over_leap_years() {
        for (days, date) in [
            (0, (1970, 1, 1)),
            (11_016, (2000, 2, 29)),
            (20_094, (2025, 1, 6)),
            (-1, (1969, 12, 31)),
        ] {
            assert_eq!(civil_date(days), date);
            assert_eq!(days_since_1970(date.0, date.1, date.2), Some(days));
        }
        assert_eq!(days_since_1970(2023, 2, 29), None);
        assert_eq!(days_since_1970(2024, 4, 31), None);
        assert_eq!(days_since_1970(2024, 13, 1), None);
    }
}
