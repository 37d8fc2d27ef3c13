//! `Date`: RFC 1123 form, GMT only (RFC 3261 §20.17). Sans-IO.

/// A date as written, each part in its range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SipDate {
    /// Year of four digits.
    pub year: u16,
    /// 1..=12.
    pub month: u8,
    /// 1..=31.
    pub day: u8,
    /// 0..=23.
    pub hour: u8,
    /// 0..=59.
    pub minute: u8,
    /// 0..=60.
    pub second: u8,
}

/// A `Date` that is not of the form `Sat, 13 Nov 2010 23:29:00 GMT`. Always the sender's error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the Date is not of the form `Sat, 13 Nov 2010 23:29:00 GMT`")]
pub struct DateError;

impl SipDate {
    /// Reads a date. The day of the week must be one, but need not fit the date.
    ///
    /// # Errors
    /// Any other form, or a time zone other than GMT.
    pub fn parse(value: &[u8]) -> Result<Self, DateError> {
        let text = std::str::from_utf8(value).map_err(|_| DateError)?;
        let (weekday, rest) = text.split_once(", ").ok_or(DateError)?;
        if !WEEKDAYS.contains(&weekday) {
            return Err(DateError);
        }
        let mut parts = rest.split(' ');
        let mut next = || parts.next().ok_or(DateError);
        let (day, month, year) = (next()?, next()?, next()?);
        let (time, zone) = (next()?, next()?);
        if zone != "GMT" || parts.next().is_some() {
            return Err(DateError);
        }
        let month = MONTHS.iter().position(|name| *name == month).ok_or(DateError)?;
        let mut clock = time.split(':');
        let mut next = || clock.next().ok_or(DateError);
        let (hour, minute, second) = (next()?, next()?, next()?);
        if clock.next().is_some() {
            return Err(DateError);
        }
        Ok(Self {
            year: digits(year, 4, 0..=9999)?,
            month: u8::try_from(month + 1).map_err(|_| DateError)?,
            day: digits(day, 2, 1..=31)? as u8,
            hour: digits(hour, 2, 0..=23)? as u8,
            minute: digits(minute, 2, 0..=59)? as u8,
            second: digits(second, 2, 0..=60)? as u8,
        })
    }
}

fn digits(text: &str, len: usize, range: std::ops::RangeInclusive<u16>) -> Result<u16, DateError> {
    if text.len() != len || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(DateError);
    }
    text.parse().ok().filter(|number| range.contains(number)).ok_or(DateError)
}

const WEEKDAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_gmt_and_the_fixed_form_is_a_date() {
        let date = SipDate::parse(b"Sat, 15 Oct 2005 04:44:56 GMT").unwrap();
        assert_eq!((date.year, date.month, date.day), (2005, 10, 15));
        for text in [
            "Fri, 01 Jan 2010 16:00:00 EST",
            "Fri, 1 Jan 2010 16:00:00 GMT",
            "Fri, 01 Jan 2010 24:00:00 GMT",
            "01 Jan 2010 16:00:00 GMT",
            "Fri, 01 Jan 2010 16:00 GMT",
            "",
        ] {
            assert_eq!(SipDate::parse(text.as_bytes()), Err(DateError), "{text}");
        }
    }
}
