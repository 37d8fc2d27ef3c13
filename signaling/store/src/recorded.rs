//! Records of history described once, as data. Sans-IO.
//!
//! `record!` declares the type of a row of history together with its table and columns. A driver writes, reads and
//! filters such rows by them, as it does with configuration resources. A record has no precondition, no revision and
//! no parameters: one machine owns it, and its newest version replaces the one on disk.

use crate::filter::{Condition, Filter};
use crate::resource::{Column, Damaged};
use crate::value::Value;

/// A row of history. `record!` implements it.
pub trait Recorded: Sized {
    /// Table of the database.
    const TABLE: &'static str;
    /// The first column is `sid`. A newer version writes the columns that change.
    const COLUMNS: &'static [Column];

    /// The row's values, one a column.
    fn values(&self) -> Vec<Value>;

    /// The row that has these values.
    ///
    /// # Errors
    /// [`Damaged`] where they are too few, or one of them is not a value of its field's type.
    fn from_values(values: Vec<Value>) -> Result<Self, Damaged>;
}

/// A record whose list has filters. Rows that wait for the writer are compared with them in memory.
pub trait Filtered: Recorded {
    /// The filters of its list.
    const FILTERS: &'static [Filter];

    /// True where the row meets every condition.
    fn meets(&self, conditions: &[Condition]) -> bool {
        // Most lists have no filter, and the values of a row are copies of its text.
        if conditions.is_empty() {
            return true;
        }
        let values = self.values();
        conditions.iter().all(|condition| {
            let mut columns = Self::COLUMNS.iter().zip(&values);
            let found = columns.find(|(column, _)| column.name == condition.column);
            debug_assert!(found.is_some(), "{} has no column {}", Self::TABLE, condition.column);
            // A column that the kind lacks meets nothing: a list that is too short shows the mistake, one
            // that is too long would show rows that were filtered out.
            found.is_some_and(|(_, value)| condition.is_met_by(value))
        })
    }
}

/// Declares the type of a row of history: after each field the columns that keep it, and the table.
macro_rules! record {
    (
        $(#[$meta:meta])*
        pub struct $name:ident {
            $($(#[$doc:meta])* $field:ident: $type:ty => [$($column:expr),+ $(,)?],)*
        }
        kept in $table:literal
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
        pub struct $name {
            $($(#[$doc])* pub $field: $type,)*
        }

        impl $crate::recorded::Recorded for $name {
            const TABLE: &'static str = $table;
            const COLUMNS: &'static [$crate::resource::Column] = &[$($($column),+),*];

            fn values(&self) -> Vec<$crate::value::Value> {
                let mut values = Vec::with_capacity(Self::COLUMNS.len());
                $($crate::stored::Stored::put(&self.$field, &mut values);)*
                debug_assert_eq!(values.len(), Self::COLUMNS.len());
                values
            }

            fn from_values(
                values: Vec<$crate::value::Value>,
            ) -> Result<Self, $crate::resource::Damaged> {
                let mut values = values.into_iter();
                Ok(Self {
                    $($field: $crate::stored::Stored::take(&mut values).ok_or(
                        $crate::resource::Damaged { table: $table, field: stringify!($field) },
                    )?,)*
                })
            }
        }
    };
}
pub(crate) use record;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calls::{CallDirection, CallRecord, CallStatus, RecordingTrack};
    use crate::conferences::{ConferenceEnd, ConferenceRecord, ConferenceStatus};
    use crate::record::{NotificationLevel, NotificationRecord, RecordingRecord};
    use crate::record::{RecordingSource, RecordingStatus};
    use shared::{AccountSid, CallSid, Code, ConferenceSid, NotificationSid, RecordingSid};

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
            owed_callback: None,
            created_ms: 0,
            updated_ms: 0,
        }
    }

    fn knows_its_columns<R: Filtered>(row: &R, filters: &[Filter]) {
        for filter in filters {
            let mut columns = R::COLUMNS.iter().zip(row.values());
            let found = columns.find(|(column, _)| column.name == filter.column);
            assert!(found.is_some_and(|(_, value)| value != Value::Null), "{}", filter.name);
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
            encryption: None,
            transcript: None,
            created_ms: 1,
            updated_ms: 1,
            track: RecordingTrack::Both,
        };
        let conference = ConferenceRecord {
            sid: ConferenceSid(1),
            account: AccountSid(2),
            friendly_name: "ops".to_owned(),
            status: ConferenceStatus::Completed,
            region: "us1".to_owned(),
            reason_ended: Some(ConferenceEnd::Api),
            call_ending: None,
            created_ms: 1,
            updated_ms: 1,
        };
        let notification = NotificationRecord {
            sid: NotificationSid(1),
            account: AccountSid(2),
            call: Some(CallSid(3)),
            level: NotificationLevel::Error,
            error_code: Code::HTTP_RETRIEVAL,
            message: String::new(),
            exchange: None,
            created_ms: 1,
        };
        knows_its_columns(&call(), CallRecord::FILTERS);
        knows_its_columns(&conference, ConferenceRecord::FILTERS);
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
