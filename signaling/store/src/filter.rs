//! Filters of lists described once, as data. Sans-IO.
//!
//! A [`Filter`] says which parameter of a query narrows a list by which column. The API reads the query by it and gets
//! [`Condition`]s; a driver makes SQL of them, and rows that wait for the writer are compared with them in memory. The
//! two must agree: a condition holds for no absent value, as in SQL.

use shared::Code;

use crate::parameter::Form;
use crate::value::Value;

/// A parameter of a list's query that narrows the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Filter {
    /// Its name in the query. One about time stands for three: `Name`, `Name<` and `Name>`.
    pub name: &'static str,
    /// The column it is about.
    pub column: &'static str,
    /// How the value of the column is compared.
    pub test: Test,
    /// Code of a value that has another form.
    pub code: Code,
}

/// How a filter compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Test {
    /// The column has exactly the value, which is of this form.
    Equal(Form),
    /// The column has the value in it somewhere; `*` stands for one digit.
    Digits,
    /// The column is a moment within a day, or on one side of a moment.
    During(Until),
    /// The column is a moment at or after this one.
    Since,
    /// The column is a moment of this day or second, or before.
    Through,
    /// The column has any value but this one, unless the query says `true`.
    Unless(&'static str),
}

/// Meaning of `Name<`: "before" for calls, "on or before" for the other lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// The moment itself is outside.
    Before,
    /// The moment's second is inside.
    OnOrBefore,
}

impl Filter {
    /// The column has exactly this value.
    pub const fn equal(name: &'static str, column: &'static str, form: Form, code: Code) -> Self {
        Self { name, column, test: Test::Equal(form), code }
    }

    /// The column is a moment that the query bounds.
    pub const fn during(name: &'static str, column: &'static str, until: Until) -> Self {
        Self::testing(name, column, Test::During(until))
    }

    /// A comparison whose values have no code of their own.
    pub const fn testing(name: &'static str, column: &'static str, test: Test) -> Self {
        Self { name, column, test, code: Code::INVALID_PARAMETER }
    }
}

/// What a row must meet to be listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// The name of the column.
    pub column: &'static str,
    /// What it must be.
    pub is: Is,
}

impl Condition {
    /// The column has this value.
    pub fn equal(column: &'static str, value: impl Into<Value>) -> Self {
        Self { column, is: Is::Equal(value.into()) }
    }

    /// The column has any value but this one.
    pub fn not(column: &'static str, value: impl Into<Value>) -> Self {
        Self { column, is: Is::Not(value.into()) }
    }

    /// The column is at or after this moment, Unix milliseconds.
    pub const fn from(column: &'static str, unix_ms: i64) -> Self {
        Self { column, is: Is::From(unix_ms) }
    }

    /// The column is before this moment, Unix milliseconds.
    pub const fn before(column: &'static str, unix_ms: i64) -> Self {
        Self { column, is: Is::Before(unix_ms) }
    }

    /// True where a value of the column meets it. An absent value meets none, as in SQL.
    pub(crate) fn is_met_by(&self, found: &Value) -> bool {
        match (&self.is, found) {
            (_, Value::Null) => false,
            (Is::Equal(wanted), found) => wanted == found,
            (Is::Not(unwanted), found) => unwanted != found,
            (Is::Holding(digits), Value::Text(text)) => holds(text, digits),
            (Is::Holding(_), _) => false,
            (Is::From(least), Value::Integer(found)) => found >= least,
            (Is::Before(end), Value::Integer(found)) => found < end,
            // A column of moments holds numbers or nothing. SQL would order a text behind every number, and
            // the list on disk and the rows that wait would differ.
            (Is::From(_) | Is::Before(_), _) => false,
        }
    }
}

/// What a column must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Is {
    /// The column equals this value.
    Equal(Value),
    /// Any value but this one.
    Not(Value),
    /// A text that has these digits in it somewhere: `+`, digits, and `*` for any one digit.
    Holding(String),
    /// A moment at or after this one, Unix milliseconds.
    From(i64),
    /// A moment before this one, Unix milliseconds.
    Before(i64),
}

/// Whether the text has the digits in it somewhere, as GLOB of SQL with `[0-9]` for `*` finds them.
fn holds(text: &str, digits: &str) -> bool {
    let (text, digits) = (text.as_bytes(), digits.as_bytes());
    let fits = |(found, wanted): (&u8, &u8)| match wanted {
        b'*' => found.is_ascii_digit(),
        _ => found == wanted,
    };
    digits.is_empty()
        || text.windows(digits.len()).any(|window| window.iter().zip(digits).all(fits))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_found_anywhere_and_a_star_is_one_digit() {
        for (digits, is_found) in [
            ("", true),
            ("+1500", true),
            ("555", true),
            ("5**000", true),
            ("**********", true),
            ("0006", true),
            ("*1500", false),
            ("00067", false),
            ("************", false),
        ] {
            let found = Condition { column: "phone_number", is: Is::Holding(digits.to_owned()) };
            assert_eq!(found.is_met_by(&Value::from("+15005550006")), is_found, "{digits}");
        }
    }
}
