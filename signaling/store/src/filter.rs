//! Filters of lists described once, as data. Sans-IO.
//!
//! A [`Filter`] says which parameter of a query narrows a list by which column. The API reads the query by it and gets
//! [`Condition`]s; a driver makes SQL of them, and rows that wait for the writer are compared with them in memory. The
//! two must agree: a condition holds for no absent value, as in SQL.

use crate::parameter::Form;
use crate::value::Value;

/// A parameter of a list's query that narrows the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Filter {
    /// Its name in the query. One about time stands for three: `Name`, `Name<` and `Name>`.
    pub name: &'static str,
    /// The column it is about.
    pub column: &'static str,
    /// The comparison.
    pub test: Test,
    /// Code of a value that has another form.
    pub code: u32,
}

/// How a filter compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Test {
    /// The column has exactly the value, which is of this form.
    Equal(Form),
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
    pub const fn equal(name: &'static str, column: &'static str, form: Form, code: u32) -> Self {
        Self { name, column, test: Test::Equal(form), code }
    }

    /// The column is a moment that the query bounds.
    pub const fn during(name: &'static str, column: &'static str, until: Until) -> Self {
        Self::testing(name, column, Test::During(until))
    }

    /// A comparison whose values have no code of their own.
    pub const fn testing(name: &'static str, column: &'static str, test: Test) -> Self {
        Self { name, column, test, code: 20422 }
    }
}

/// What a row must meet to be listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// The column.
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

    /// True where a row meets it. An absent value meets none, as in SQL.
    fn is_met_by(&self, row: &impl Filtered) -> bool {
        match (&self.is, row.column(self.column)) {
            (_, Value::Null) => false,
            (Is::Equal(wanted), found) => *wanted == found,
            (Is::Not(unwanted), found) => *unwanted != found,
            (Is::From(least), Value::Integer(found)) => found >= *least,
            (Is::Before(end), Value::Integer(found)) => found < *end,
            (Is::From(_) | Is::Before(_), _) => false,
        }
    }
}

/// A row that is compared with conditions in memory, while it waits for the writer.
pub trait Filtered {
    /// The filters of its list, of every path that has one.
    const FILTERS: &'static [Filter];

    /// The value of a column that a filter is about; [`Value::Null`] where it is absent.
    fn column(&self, name: &str) -> Value;

    /// True where the row meets every condition.
    fn meets(&self, conditions: &[Condition]) -> bool
    where
        Self: Sized,
    {
        conditions.iter().all(|condition| condition.is_met_by(self))
    }
}

/// What a column must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Is {
    /// This value.
    Equal(Value),
    /// Any value but this one.
    Not(Value),
    /// A moment at or after this one, Unix milliseconds.
    From(i64),
    /// A moment before this one, Unix milliseconds.
    Before(i64),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calls::{CallDirection, CallRecord, CallStatus};
    use crate::record::{NotificationLevel, NotificationRecord, RecordingRecord};
    use crate::record::{RecordingSource, RecordingStatus};
    use shared::{AccountSid, CallSid, ConferenceSid, NotificationSid, RecordingSid};

    fn call() -> CallRecord {
        CallRecord {
            sid: CallSid(1),
            account: AccountSid(2),
            parent: Some(CallSid(3)),
            to: "sip:bob@pbx.example".to_owned(),
            from: "alice".to_owned(),
            status: CallStatus::Completed,
            direction: CallDirection::Inbound,
            start_ms: Some(1_000),
            end_ms: Some(2_000),
            duration_s: Some(1),
            queue_time_ms: 0,
            answered_by: None,
            forwarded_from: None,
            caller_name: None,
            created_ms: 0,
            updated_ms: 0,
        }
    }

    fn knows_its_columns<R: Filtered>(row: &R, filters: &[Filter]) {
        for filter in filters {
            assert_ne!(row.column(filter.column), Value::Null, "{}", filter.name);
        }
    }

    #[test]
    fn each_row_has_a_value_for_every_column_that_its_filters_are_about() {
        let recording = RecordingRecord {
            sid: RecordingSid(1),
            account: AccountSid(2),
            call: CallSid(3),
            conference: Some(ConferenceSid(4)),
            status: RecordingStatus::Completed,
            source: RecordingSource::RecordVerb,
            channels: 1,
            duration_s: None,
            bytes: None,
            start_ms: 0,
            error_code: None,
            created_ms: 1,
            updated_ms: 1,
        };
        let notification = NotificationRecord {
            sid: NotificationSid(1),
            account: AccountSid(2),
            call: Some(CallSid(3)),
            level: NotificationLevel::Error,
            error_code: 11200,
            message: String::new(),
            exchange: None,
            created_ms: 1,
        };
        knows_its_columns(&call(), CallRecord::FILTERS);
        knows_its_columns(&recording, RecordingRecord::FILTERS);
        knows_its_columns(&notification, NotificationRecord::FILTERS);
        knows_its_columns(&notification, NotificationRecord::ALERT_FILTERS);
    }

    #[test]
    fn a_row_meets_what_its_columns_are_and_an_absent_value_meets_nothing() {
        let row = call();
        let live = CallRecord { end_ms: None, parent: None, ..call() };
        for (condition, ended, unended) in [
            (Condition::equal("caller", "alice"), true, true),
            (Condition::equal("caller", "bob"), false, false),
            (Condition::not("status", "completed"), false, false),
            (Condition::equal("parent", Value::sid(3)), true, false),
            (Condition::not("parent", Value::sid(4)), true, false),
            (Condition::from("end_ms", 2_000), true, false),
            (Condition::before("end_ms", 2_000), false, false),
            (Condition::before("end_ms", 2_001), true, false),
        ] {
            let conditions = [Condition::equal("callee", row.to.as_str()), condition];
            assert_eq!(
                (row.meets(&conditions), live.meets(&conditions)),
                (ended, unended),
                "{conditions:?}"
            );
        }
        assert!(row.meets(&[]));
    }
}
