//! Wall clock to text (RFC 2822 §3.3), for `Timestamp` and `RecordingStartTime`. Sans-IO.

/// For example `Fri, 20 Aug 2010 01:13:42 +0000`.
pub fn rfc2822(unix_ms: i64) -> String {
    let seconds = unix_ms.div_euclid(1_000);
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, day) = civil(days);
    // Day 0 was a Thursday, three days after the first name of the list.
    let weekday = WEEKDAYS[usize::try_from((days + 3).rem_euclid(7)).unwrap_or(0)];
    let month = MONTHS[usize::try_from(month).unwrap_or(0)];
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{weekday}, {day:02} {month} {year} {hour:02}:{minute:02}:{second:02} +0000")
}

/// For example `2010-08-20T01:13:42.000Z`.
pub fn iso8601(unix_ms: i64) -> String {
    let (seconds, millis) = (unix_ms.div_euclid(1_000), unix_ms.rem_euclid(1_000));
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, day) = civil(days);
    let month = month + 1;
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
}

/// Year, month from 0, day from 1 of a day counted from 1970: proleptic Gregorian, years begin in
/// March while we count so that the leap day is the last one.
fn civil(days: i64) -> (i64, i64, i64) {
    // 719,468 days lie between 1 March of year 0 and 1970; 400 years have 146,097 days.
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = (shifted + 2) % 12;
    debug_assert!((1..=31).contains(&day), "a day of the calendar");
    (year + era * 400 + i64::from(month < 2), month, day)
}

const WEEKDAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_dates() {
        for (seconds, text) in [
            (0, "Thu, 01 Jan 1970 00:00:00 +0000"),
            (1_282_266_822, "Fri, 20 Aug 2010 01:13:42 +0000"),
            (951_782_400, "Tue, 29 Feb 2000 00:00:00 +0000"),
            (-1, "Wed, 31 Dec 1969 23:59:59 +0000"),
            (4_102_444_799, "Thu, 31 Dec 2099 23:59:59 +0000"),
        ] {
            assert_eq!(rfc2822(seconds * 1_000), text);
        }
        assert_eq!(iso8601(1_282_266_822_007), "2010-08-20T01:13:42.007Z");
    }
}
