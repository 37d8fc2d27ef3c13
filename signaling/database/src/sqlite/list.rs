//! The query of a list: conditions, order and one page of it.

use std::fmt::{Display, Write as _};

use rusqlite::types::Value;
use rusqlite::{Connection, Row, params_from_iter};
use shared::AccountSid;
use shared::ids::{Origin, sid_bits};
use store::{Condition, Cursor, Is, Page, PageRequest};

use super::sql::{Bits, plain};

/// A query of a list under construction, newest first by a SID column.
pub(super) struct List {
    /// `SELECT … FROM … WHERE …`, with the conditions so far.
    sql: String,
    /// What stands before the next condition: ` WHERE ` or ` AND `.
    joint: &'static str,
    order: &'static str,
    /// One for each `?`, in order.
    parameters: Vec<Value>,
}

impl List {
    pub(super) fn of(columns: impl Display, tables: impl Display) -> Self {
        let sql = format!("SELECT {columns} FROM {tables}");
        Self { sql, joint: " WHERE ", order: "sid", parameters: Vec::new() }
    }

    pub(super) fn ordered_by(mut self, column: &'static str) -> Self {
        self.order = column;
        self
    }

    pub(super) fn with<const N: usize>(
        mut self,
        condition: impl Display,
        parameters: [Value; N],
    ) -> Self {
        // Writing to a `String` cannot fail.
        let _ = write!(self.sql, "{}{condition}", self.joint);
        self.joint = " AND ";
        self.parameters.extend(parameters);
        self
    }

    fn compare(self, column: &str, operator: &str, value: impl Into<Value>) -> Self {
        self.with(format_args!("{column} {operator} ?"), [value.into()])
    }

    pub(super) fn of_account(self, account: AccountSid) -> Self {
        self.compare("account", "=", Bits(account.0))
    }

    pub(super) fn of_owner(self, column: &str, owner: u128) -> Self {
        self.compare(column, "=", Bits(owner))
    }

    pub(super) fn meeting(self, condition: &Condition) -> Self {
        let (operator, value) = match &condition.is {
            // Copied: rows that wait for the writer are compared with the conditions after the query.
            Is::Equal(value) => ("=", plain(value.clone())),
            Is::Not(value) => ("<>", plain(value.clone())),
            // Digits, `+` and `*` only, so nothing else in the text means anything to GLOB.
            Is::Holding(digits) => {
                ("GLOB", Value::Text(format!("*{}*", digits.replace('*', "[0-9]"))))
            }
            Is::From(unix_ms) => (">=", Value::Integer(*unix_ms)),
            Is::Before(unix_ms) => ("<", Value::Integer(*unix_ms)),
        };
        self.compare(condition.column, operator, value)
    }

    /// Narrows a bound on start or end times to the SIDs that can be within it, which the primary key finds. A call
    /// starts and ends at most two days after its SID was made (ring time 600 s, backlog and length 24 h each);
    /// a day more on either side allows for clocks that were set.
    pub(super) fn made_about(self, bound: &Is) -> Self {
        const DAY_MS: i64 = 86_400_000;
        let bits = |unix_ms: i64| {
            let origin = Origin { node: 0, generation: 0 };
            Bits(sid_bits(unix_ms.max(0), origin, 0))
        };
        match bound {
            Is::From(from_ms) => {
                self.compare("sid", ">=", bits(from_ms.saturating_sub(3 * DAY_MS)))
            }
            Is::Before(before_ms) => {
                self.compare("sid", "<", bits(before_ms.saturating_add(DAY_MS)))
            }
            Is::Equal(_) | Is::Not(_) | Is::Holding(_) => self,
        }
    }

    /// Reads one row more than the page has: where it exists, there is another page.
    pub(super) fn run<T>(
        &self,
        connection: &Connection,
        page: PageRequest,
        read: impl Fn(&Row<'_>) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<Page<T>> {
        debug_assert_eq!(self.joint, " AND ", "a list belongs to an owner");
        let (cursor, backwards) = match page.cursor {
            Cursor::Start => (None, false),
            Cursor::After(sid) => (Some(Bits(sid)), false),
            Cursor::Before(sid) => (Some(Bits(sid)), true),
        };
        let has_before = cursor.is_some();
        let sql = self.page_sql(page.size, has_before, backwards);
        let cursor = cursor.map(Value::from);
        let parameters = self.parameters.iter().chain(&cursor);
        let mut statement = connection.prepare_cached(&sql)?;
        let mut rows: Vec<T> = statement
            .query_map(params_from_iter(parameters), |row| read(row))?
            .collect::<Result<_, _>>()?;
        let more = rows.len() > page.size as usize;
        rows.truncate(page.size as usize);
        if backwards {
            // The page before a cursor is read upwards from it: the nearest rows, and then newest first
            // again.
            rows.reverse();
            debug_assert!(rows.len() <= page.size as usize);
            return Ok(Page { rows, has_previous: more, has_next: has_before });
        }
        Ok(Page { rows, has_previous: has_before, has_next: more })
    }

    /// The statement of one page. A page from a cursor on has one parameter more, the last.
    fn page_sql(&self, size: u32, has_cursor: bool, backwards: bool) -> String {
        let Self { sql, joint, order, .. } = self;
        let (operator, direction) = if backwards { (">", "ASC") } else { ("<", "DESC") };
        let limit = u64::from(size) + 1;
        // Names of columns come from descriptions, never from a request; every value is a parameter.
        // A copy, as the merge with waiting rows may read several pages of one list.
        match has_cursor {
            false => format!("{sql} ORDER BY {order} {direction} LIMIT {limit}"),
            true => format!(
                "{sql}{joint}{order} {operator} ? ORDER BY {order} {direction} LIMIT {limit}"
            ),
        }
    }
}

impl From<Bits> for Value {
    fn from(bits: Bits) -> Self {
        Self::Blob(bits.0.to_be_bytes().to_vec())
    }
}
