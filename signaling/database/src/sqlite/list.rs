//! The query of a list: conditions, order and one page of it.

use rusqlite::types::Value;
use rusqlite::{Connection, Row, params_from_iter};
use shared::AccountSid;
use shared::ids::{Origin, sid_bits};
use store::{Condition, Cursor, Is, Page, PageRequest};

use super::sql::{Bits, plain};

/// A query of a list under construction, newest first by a SID column.
#[derive(Clone)]
pub(super) struct List {
    columns: String,
    tables: String,
    order: &'static str,
    conditions: Vec<String>,
    parameters: Vec<Value>,
}

impl List {
    pub(super) fn of(columns: &str, tables: &str) -> Self {
        Self {
            columns: columns.to_owned(),
            tables: tables.to_owned(),
            order: "sid",
            conditions: Vec::new(),
            parameters: Vec::new(),
        }
    }

    pub(super) fn ordered_by(mut self, column: &'static str) -> Self {
        self.order = column;
        self
    }

    pub(super) fn with<const N: usize>(mut self, condition: &str, parameters: [Value; N]) -> Self {
        self.conditions.push(condition.to_owned());
        self.parameters.extend(parameters);
        self
    }

    fn compare(self, column: &str, operator: &str, value: impl Into<Value>) -> Self {
        self.with(&format!("{column} {operator} ?"), [value.into()])
    }

    pub(super) fn of_account(self, account: AccountSid) -> Self {
        self.compare("account", "=", Bits(account.0))
    }

    pub(super) fn of_owner(self, column: &str, owner: u128) -> Self {
        self.compare(column, "=", Bits(owner))
    }

    pub(super) fn meeting(self, condition: &Condition) -> Self {
        let column = condition.column;
        match &condition.is {
            Is::Equal(value) => self.compare(column, "=", plain(value.clone())),
            Is::Not(value) => self.compare(column, "<>", plain(value.clone())),
            Is::From(unix_ms) => self.compare(column, ">=", *unix_ms),
            Is::Before(unix_ms) => self.compare(column, "<", *unix_ms),
        }
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
            Is::Equal(_) | Is::Not(_) => self,
        }
    }

    /// Reads one row more than the page has: where it exists, there is another page.
    pub(super) fn run<T>(
        mut self,
        connection: &Connection,
        page: PageRequest,
        read: impl Fn(&Row<'_>) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<Page<T>> {
        let order = self.order;
        let (backwards, has_before) = match page.cursor {
            Cursor::Start => (false, false),
            Cursor::After(sid) => {
                self = self.compare(order, "<", Bits(sid));
                (false, true)
            }
            Cursor::Before(sid) => {
                self = self.compare(order, ">", Bits(sid));
                (true, true)
            }
        };
        let direction = if backwards { "ASC" } else { "DESC" };
        let conditions = self.conditions.join(" AND ");
        let sql = format!(
            "SELECT {} FROM {} WHERE {conditions} ORDER BY {order} {direction} LIMIT {}",
            self.columns,
            self.tables,
            u64::from(page.size) + 1,
        );
        let mut statement = connection.prepare_cached(&sql)?;
        let mut rows: Vec<T> = statement
            .query_map(params_from_iter(self.parameters), |row| read(row))?
            .collect::<Result<_, _>>()?;
        let more = rows.len() > page.size as usize;
        rows.truncate(page.size as usize);
        if backwards {
            rows.reverse();
            debug_assert!(rows.len() <= page.size as usize);
            return Ok(Page { rows, has_previous: more, has_next: has_before });
        }
        Ok(Page { rows, has_previous: has_before, has_next: more })
    }
}

impl From<Bits> for Value {
    fn from(bits: Bits) -> Self {
        Self::Blob(bits.0.to_be_bytes().to_vec())
    }
}
