//! Conditions of a split.

use regex::RegexBuilder;

use crate::date::Civil;

/// A condition: `argument` and `value` are templates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Condition {
    pub kind: Kind,
    pub argument: String,
    pub value: String,
}

macro_rules! kinds {
    ($($name:literal $kind:ident,)*) => {
        /// Ways to compare.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Kind {
            $(#[doc = concat!("`", $name, "`")] $kind,)*
        }

        impl Kind {
            pub(crate) fn of(name: &str) -> Option<Self> {
                match name {
                    $($name => Some(Self::$kind),)*
                    _ => None,
                }
            }
        }

        /// Every kind by its name.
        pub(crate) const NAMES: &[&str] = &[$($name),*];
    };
}

kinds! {
    "equal_to" EqualTo,
    "not_equal_to" NotEqualTo,
    "matches_any_of" MatchesAnyOf,
    "does_not_match_any_of" DoesNotMatchAnyOf,
    "contains" Contains,
    "does_not_contain" DoesNotContain,
    "starts_with" StartsWith,
    "does_not_start_with" DoesNotStartWith,
    "is_blank" IsBlank,
    "is_not_blank" IsNotBlank,
    "regex" Regex,
    "less_than" LessThan,
    "greater_than" GreaterThan,
    "is_before_date" IsBeforeDate,
    "is_after_date" IsAfterDate,
    "is_before_time" IsBeforeTime,
    "is_after_time" IsAfterTime,
}

/// Why a condition cannot be decided. It then does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Undecided {
    /// A side is not a number.
    Number,
    /// The expression does not compile.
    Regex,
}

/// Bytes that one compiled expression may take.
const REGEX_BYTES_MAX: usize = 256 * 1024;

impl Kind {
    /// Compares what the two templates made.
    pub(crate) fn holds(
        self,
        argument: &str,
        value: &str,
        unix_ms: i64,
    ) -> Result<bool, Undecided> {
        let (argument, value) = (argument.trim(), value.trim());
        let equal = |left: &str, right: &str| left.to_lowercase() == right.to_lowercase();
        let any = || value.split(',').any(|item| equal(argument, item.trim()));
        let contains = || argument.to_lowercase().contains(&value.to_lowercase());
        let starts = || argument.to_lowercase().starts_with(&value.to_lowercase());
        let now = Civil::of(unix_ms);
        Ok(match self {
            Self::EqualTo => equal(argument, value),
            Self::NotEqualTo => !equal(argument, value),
            Self::MatchesAnyOf => any(),
            Self::DoesNotMatchAnyOf => !any(),
            Self::Contains => contains(),
            Self::DoesNotContain => !contains(),
            Self::StartsWith => starts(),
            Self::DoesNotStartWith => !starts(),
            Self::IsBlank => argument.is_empty(),
            Self::IsNotBlank => !argument.is_empty(),
            Self::Regex => regex(argument, value)?,
            Self::LessThan => number(argument)? < number(value)?,
            Self::GreaterThan => number(argument)? > number(value)?,
            // Both are written from the largest unit to the smallest, so that texts compare as moments do.
            Self::IsBeforeDate => or_now(argument, &now.date()).as_str() < value,
            Self::IsAfterDate => or_now(argument, &now.date()).as_str() > value,
            Self::IsBeforeTime => or_now(argument, &now.time()[..5]).as_str() < value,
            Self::IsAfterTime => or_now(argument, &now.time()[..5]).as_str() > value,
        })
    }
}

/// The expression stands for the whole text, in either case.
fn regex(argument: &str, value: &str) -> Result<bool, Undecided> {
    let expression = RegexBuilder::new(&format!("^(?:{value})$"))
        .case_insensitive(true)
        .size_limit(REGEX_BYTES_MAX)
        .build();
    expression.map(|expression| expression.is_match(argument)).map_err(|_| Undecided::Regex)
}

fn number(text: &str) -> Result<f64, Undecided> {
    text.parse().map_err(|_| Undecided::Number)
}

/// A date or time of day that the argument gives; now, where it is empty.
fn or_now(argument: &str, now: &str) -> String {
    if argument.is_empty() { now.to_owned() } else { argument.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_holds_and_fails() {
        // 2026-11-30 21:05:09 UTC.
        let now = 1_796_072_709_000;
        let cases = [
            ("equal_to", "Ja", "ja ", true),
            ("equal_to", "Ja", "nein", false),
            ("not_equal_to", "a", "b", true),
            ("matches_any_of", "Two", "one, two", true),
            ("matches_any_of", "three", "one, two", false),
            ("does_not_match_any_of", "three", "one, two", true),
            ("contains", "the Moon", "moon", true),
            ("does_not_contain", "the Moon", "sun", true),
            ("starts_with", "+49 30", "+49", true),
            ("does_not_start_with", "+49 30", "+1", true),
            ("is_blank", " ", "", true),
            ("is_blank", "x", "", false),
            ("is_not_blank", "x", "", true),
            ("regex", "YES please", "yes.*|ja", true),
            ("regex", "say yes", "yes.*", false),
            ("less_than", "2", "10", true),
            ("greater_than", "2", "10", false),
            ("is_before_date", "2026-11-29", "2026-11-30", true),
            ("is_after_date", "", "2026-11-29", true),
            ("is_before_time", "", "17:00", false),
            ("is_after_time", "18:30", "17:00", true),
        ];
        for (name, argument, value, expected) in cases {
            let kind = Kind::of(name).expect(name);
            assert_eq!(kind.holds(argument, value, now), Ok(expected), "{argument} {name} {value}");
        }
        assert_eq!(NAMES.len(), 17);
    }

    #[test]
    fn what_cannot_be_compared_is_not_decided() {
        assert_eq!(Kind::LessThan.holds("many", "3", 0), Err(Undecided::Number));
        assert_eq!(Kind::Regex.holds("x", "(", 0), Err(Undecided::Regex));
        assert_eq!(Kind::Regex.holds("x", "(a{1000}){1000}", 0), Err(Undecided::Regex));
    }
}
