//! Dates and times of day in UTC, from Unix milliseconds.

/// A moment as a calendar shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Civil {
    year: i64,
    month: u8,
    day: u8,
    seconds: i64,
}

impl Civil {
    pub(crate) fn of(unix_ms: i64) -> Self {
        let seconds = unix_ms.div_euclid(1000);
        let (year, month, day) = shared::time::civil_date(seconds.div_euclid(86_400));
        Self { year, month, day, seconds: seconds.rem_euclid(86_400) }
    }

    /// `YYYY-MM-DD`.
    pub(crate) fn date(self) -> String {
        format!("{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }

    /// `HH:MM:SS`.
    pub(crate) fn time(self) -> String {
        let Self { seconds, .. } = self;
        format!("{:02}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_have_a_date_and_a_time() {
        let cases = [
            (0, "1970-01-01", "00:00:00"),
            (951_782_400_000, "2000-02-29", "00:00:00"),
            (1_796_072_709_000, "2026-11-30", "21:05:09"),
            (-1, "1969-12-31", "23:59:59"),
        ];
        for (unix_ms, date, time) in cases {
            let moment = Civil::of(unix_ms);
            assert_eq!((moment.date().as_str(), moment.time().as_str()), (date, time));
        }
    }
}
