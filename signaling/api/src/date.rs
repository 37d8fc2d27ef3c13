//! Dates as the contract writes and reads them.

use std::fmt::{self, Display};

use shared::Code;
use shared::time::{civil_date, days_since_1970};
use store::{Is, Until, WriteError};

use crate::form::{Form, must_be};
use crate::text::Text;

const DAY_MS: i64 = 86_400_000;
const SECOND_MS: i64 = 1_000;
// 1970-01-01 was a Thursday.
const WEEKDAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// `Tue, 31 Aug 2010 20:36:28 +0000` (RFC 2822), for v2010. The Python SDK reads an ISO date there as `None`.
pub(crate) fn rfc2822(unix_ms: i64) -> Text<impl Display> {
    let (year, month, day) = civil_date(unix_ms.div_euclid(DAY_MS));
    let weekday = WEEKDAYS[unix_ms.div_euclid(DAY_MS).rem_euclid(7) as usize];
    let month = MONTHS[usize::from(month - 1)];
    let (hour, minute, second) = time_of_day(unix_ms);
    Text(fmt::from_fn(move |f| {
        write!(f, "{weekday}, {day:02} {month} {year:04} {hour:02}:{minute:02}:{second:02} +0000")
    }))
}

/// `2020-03-18T23:31:36Z` (ISO 8601), for v1.
pub(crate) fn iso8601(unix_ms: i64) -> Text<impl Display> {
    let (year, month, day) = civil_date(unix_ms.div_euclid(DAY_MS));
    let (hour, minute, second) = time_of_day(unix_ms);
    Text(fmt::from_fn(move |f| {
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
    }))
}

fn time_of_day(unix_ms: i64) -> (i64, i64, i64) {
    let seconds = unix_ms.rem_euclid(DAY_MS) / SECOND_MS;
    (seconds / 3_600, seconds / 60 % 60, seconds % 60)
}

/// A moment that a filter names, as an interval: a whole day or one second, in Unix milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moment {
    pub start_ms: i64,
    pub length_ms: i64,
}

/// Reads `YYYY-MM-DD` or `YYYY-MM-DDThh:mm:ss[.fff](Z|+00:00)`.
pub(crate) fn moment(text: &str) -> Option<Moment> {
    let date = text.get(..10)?;
    let mut parts = date.split('-');
    let year = digits(parts.next()?, 4)?;
    let month = u8::try_from(digits(parts.next()?, 2)?).ok()?;
    let day = u8::try_from(digits(parts.next()?, 2)?).ok()?;
    let day_ms = days_since_1970(year, month, day)? * DAY_MS;
    let rest = text.get(10..)?;
    if rest.is_empty() {
        return Some(Moment { start_ms: day_ms, length_ms: DAY_MS });
    }
    // RFC 3339 §5.6 allows a blank for the `T`.
    let clock = rest.strip_prefix('T').or_else(|| rest.strip_prefix(' '))?;
    // Without a zone it is UTC, the only zone of the contract.
    let clock = clock.strip_suffix('Z').or_else(|| clock.strip_suffix("+00:00")).unwrap_or(clock);
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
    // Checked and dropped: rows are compared by the second that a filter names.
    digits(fraction, fraction.len())?;
    let mut parts = clock.split(':');
    let hour = digits(parts.next()?, 2)?;
    let minute = digits(parts.next()?, 2)?;
    let second = digits(parts.next()?, 2)?;
    // 60 is a leap second; it counts as the first of the next minute.
    if parts.next().is_some() || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let start_ms = day_ms + ((hour * 60 + minute) * 60 + second) * SECOND_MS;
    Some(Moment { start_ms, length_ms: SECOND_MS })
}

fn digits(text: &str, count: usize) -> Option<i64> {
    // Nine digits at most, so that no product of them overflows.
    let fits = text.len() == count && count <= 9 && text.bytes().all(|b| b.is_ascii_digit());
    if fits { text.parse().ok() } else { None }
}

/// The moment that a parameter names; `None` where it is absent.
pub(crate) fn moment_of(query: &Form, name: &str) -> Result<Option<Moment>, WriteError> {
    let Some(text) = query.value(name) else { return Ok(None) };
    moment(text)
        .map(Some)
        .ok_or_else(|| must_be(name, "YYYY-MM-DD or YYYY-MM-DDThh:mm:ssZ", Code::INVALID_PARAMETER))
}

/// Reads the filters `name`, `name<` and `name>` of a list: the moments that a row may have.
///
/// `name` means a whole day where it is a date or midnight (UTC), because the SDKs write a date as its midnight.
/// The bounds of a range mean the moment itself.
pub(crate) fn range(
    query: &Form,
    name: &str,
    until: Until,
) -> Result<impl Iterator<Item = Is> + use<>, WriteError> {
    let (mut from_ms, mut before_ms) = (None, None);
    if let Some(moment) = moment_of(query, &format!("{name}>"))? {
        from_ms = Some(moment.start_ms);
    }
    if let Some(moment) = moment_of(query, &format!("{name}<"))? {
        before_ms = Some(match until {
            Until::Before => moment.start_ms,
            // The second itself is inside: rows have milliseconds, and a filter names whole seconds.
            Until::OnOrBefore => moment.start_ms + SECOND_MS,
        });
    }
    // Last, so that the exact name replaces bounds that the query gives beside it.
    if let Some(moment) = moment_of(query, name)? {
        let is_midnight = moment.start_ms.rem_euclid(DAY_MS) == 0;
        let length_ms = if is_midnight { DAY_MS } else { moment.length_ms };
        from_ms = Some(moment.start_ms);
        before_ms = Some(moment.start_ms + length_ms);
    }
    Ok(from_ms.map(Is::From).into_iter().chain(before_ms.map(Is::Before)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_written_as_the_sdks_read_them() {
        assert_eq!(rfc2822(1_283_286_988_000).to_string(), "Tue, 31 Aug 2010 20:36:28 +0000");
        assert_eq!(rfc2822(1_736_154_000_999).to_string(), "Mon, 06 Jan 2025 09:00:00 +0000");
        assert_eq!(iso8601(1_584_574_296_000).to_string(), "2020-03-18T23:31:36Z");
        assert_eq!(rfc2822(0).to_string(), "Thu, 01 Jan 1970 00:00:00 +0000");
    }

    #[test]
    fn a_moment_is_a_day_or_a_second() {
        let day = Moment { start_ms: 1_736_121_600_000, length_ms: DAY_MS };
        assert_eq!(moment("2025-01-06"), Some(day));
        let second = Moment { start_ms: 1_736_154_000_000, length_ms: SECOND_MS };
        assert_eq!(moment("2025-01-06T09:00:00Z"), Some(second));
        assert_eq!(moment("2025-01-06T09:00:00.123Z"), Some(second));
        assert_eq!(moment("2025-01-06T09:00:00+00:00"), Some(second));
        for bad in
            ["", "2025", "2025-02-30", "2025-01-06T25:00:00Z", "2025-01-06X", "20\u{e9}5-01-06"]
        {
            assert_eq!(moment(bad), None, "{bad}");
        }
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(256))]

        #[test]
        fn what_is_written_reads_back(second in 0_i64..4_102_444_800) {
            let read = moment(&iso8601(second * SECOND_MS).to_string());
            let expected = Moment { start_ms: second * SECOND_MS, length_ms: SECOND_MS };
            proptest::prop_assert_eq!(read, Some(expected));
        }

        #[test]
        fn no_text_panics(text in "[0-9]{0,5}-?[0-9]{0,3}-?\\PC{0,12}") {
            let _ = moment(&text);
        }
    }
}
