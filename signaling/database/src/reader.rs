//! Reads for the REST API, on a connection of their own: with a write-ahead log they never wait for the writer.
//!
//! They include history that waits for the writer. The queue is read first and the disk second, so that a row
//! written in between is found at least once.

use std::path::Path;
use std::sync::Arc;

use rusqlite::types::{ToSql, Value};
use rusqlite::{Connection, OpenFlags, Row, params_from_iter};
use shared::ids::{Origin, sid_bits};
use shared::{AccountSid, BindingSid, CallSid, DomainSid, NotificationSid, RecordingSid};
use store::{
    Account, AccountFilter, BindingRecord, CallFilter, CallRecord, Change, Cursor, Description,
    Domain, DomainAuth, HttpExchange, MappedList, MappingKind, MappingView, NotificationFilter,
    NotificationLevel, NotificationRecord, Page, PageRequest, ReadError, RecordingFilter,
    RecordingRecord, RowKey, RowKind, Sealer, TimeRange, TimelineRecord, Unwritten,
};

use crate::open::connect;
use crate::rows;
use crate::sql::{Bits, kind_number};

/// A connection for reads. Each HTTP worker has its own.
pub struct Reader {
    connection: Connection,
    sealer: Arc<dyn Sealer>,
    unwritten: Option<Arc<dyn Unwritten>>,
}

type Read<T> = Result<T, ReadError>;

impl Reader {
    /// Opens the file that [`crate::open`] made.
    ///
    /// # Errors
    /// Those of SQLite.
    pub fn open(path: &Path, sealer: Arc<dyn Sealer>) -> rusqlite::Result<Self> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        Ok(Self { connection: connect(path, flags)?, sealer, unwritten: None })
    }

    /// The reader, which from now on also sees the history in `unwritten`.
    #[must_use]
    pub fn seeing(self, unwritten: Arc<impl Unwritten + 'static>) -> Self {
        Self { unwritten: Some(unwritten), ..self }
    }

    /// The newest version of a row, where one waits for the writer.
    fn waiting<T: HistoryRow>(&self, account: AccountSid, bits: u128) -> Option<T> {
        let key = RowKey { kind: T::KIND, account, bits };
        T::of(&self.unwritten.as_ref()?.row(key)?)
    }

    /// A page of history: `list` on disk, merged with the rows that wait for the writer and that `takes` accepts.
    fn history<T: HistoryRow>(
        &self,
        account: AccountSid,
        list: &List,
        page: PageRequest,
        read: impl Fn(&Row<'_>) -> rusqlite::Result<T>,
        takes: impl Fn(&T) -> bool,
    ) -> Read<Page<T>> {
        let waiting = self.unwritten.as_ref().map(|unwritten| {
            unwritten.rows(T::KIND, account, store::bounds(page.cursor)).into_iter()
        });
        let waiting = waiting.into_iter().flatten();
        let waiting = waiting.map(|(bits, change)| (bits, T::of(&change).filter(&takes))).collect();
        store::merge(page, waiting, T::bits, |page| self.page(list.clone(), page, &read))
    }

    fn domain_with_auth(&self, row: &Row<'_>) -> rusqlite::Result<(Domain, DomainAuth)> {
        Ok((rows::described(row, &*self.sealer)?, rows::domain_auth(row)?))
    }

    fn one<T>(
        &self,
        sql: &str,
        parameters: &[&dyn ToSql],
        read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Read<Option<T>> {
        let found = self
            .connection
            .prepare_cached(sql)
            .and_then(|mut statement| statement.query_row(parameters, read));
        match found {
            Ok(row) => Ok(Some(row)),
            Err(rusqlite::Error::QueryReturnedNoRows) => Ok(None),
            Err(error) => Err(unreadable(error)),
        }
    }

    fn page<T>(
        &self,
        list: List,
        page: PageRequest,
        read: impl Fn(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Read<Page<T>> {
        list.run(&self.connection, page, read).map_err(unreadable)
    }
}

fn unreadable(error: rusqlite::Error) -> ReadError {
    tracing::error!(%error, "the store cannot be read");
    ReadError(error.to_string())
}

impl store::Reader for Reader {
    fn row(
        &self,
        description: &'static Description,
        owner: Option<u128>,
        sid: u128,
    ) -> Read<Option<Vec<store::Value>>> {
        let Description { table, owner: column, .. } = description;
        let read = |row: &Row<'_>| rows::values(row, description, &*self.sealer);
        // Without an owner, the second condition holds for every row.
        self.one(
            &format!("SELECT * FROM {table} WHERE sid = ?1 AND (?2 IS NULL OR {column} = ?2)"),
            &[&Bits(sid), &owner.map(Bits)],
            read,
        )
    }

    fn rows(
        &self,
        description: &'static Description,
        owner: u128,
        page: PageRequest,
    ) -> Read<Page<Vec<store::Value>>> {
        let list = List::of("*", description.table).equal_sid(description.owner, Some(owner));
        let page = self.page(list, page, |row| rows::values(row, description, &*self.sealer))?;
        let sids = |pair: &[Vec<store::Value>]| (pair[0][0].sid_bits(), pair[1][0].sid_bits());
        debug_assert!(
            page.rows.windows(2).map(sids).all(|(newer, older)| newer > older),
            "a page of {} is newest first",
            description.table
        );
        Ok(page)
    }

    fn account(&self, sid: AccountSid) -> Read<Option<Account>> {
        self.one("SELECT * FROM accounts WHERE sid = ?1", &[&Bits(sid.0)], |row| {
            rows::described(row, &*self.sealer)
        })
    }

    fn domain(&self, account: AccountSid, sid: DomainSid) -> Read<Option<(Domain, DomainAuth)>> {
        self.one(
            &format!("SELECT {DOMAIN_COLUMNS} FROM domains WHERE sid = ?1 AND account = ?2"),
            &[&Bits(sid.0), &Bits(account.0)],
            |row| self.domain_with_auth(row),
        )
    }

    fn mapping(
        &self,
        account: AccountSid,
        domain: DomainSid,
        list: MappedList,
    ) -> Read<Option<MappingView>> {
        let kind = list.kind();
        self.one(
            &format!(
                "SELECT mappings.*, lists.friendly_name AS friendly_name FROM mappings
                 JOIN domains ON domains.sid = mappings.domain AND domains.account = ?1
                 JOIN {} AS lists ON lists.sid = mappings.list
                 WHERE domain = ?2 AND kind = ?3 AND list = ?4",
                list_table(kind)
            ),
            &[&Bits(account.0), &Bits(domain.0), &kind_number(kind), &Bits(list.bits())],
            |row| mapping_view(row, account),
        )
    }

    fn binding(&self, domain: DomainSid, sid: BindingSid) -> Read<Option<BindingRecord>> {
        self.one(
            "SELECT * FROM bindings WHERE sid = ?1 AND domain = ?2",
            &[&Bits(sid.0), &Bits(domain.0)],
            rows::binding,
        )
    }

    fn call(&self, account: AccountSid, sid: CallSid) -> Read<Option<CallRecord>> {
        if let Some(row) = self.waiting(account, sid.0) {
            return Ok(Some(row));
        }
        self.one(
            "SELECT * FROM calls WHERE sid = ?1 AND account = ?2",
            &[&Bits(sid.0), &Bits(account.0)],
            rows::call,
        )
    }

    fn timeline(&self, account: AccountSid, call: CallSid) -> Read<Option<String>> {
        if let Some(row) = self.waiting::<TimelineRecord>(account, call.0) {
            return Ok(Some(row.json));
        }
        self.one(
            "SELECT json FROM timelines WHERE call = ?1 AND account = ?2",
            &[&Bits(call.0), &Bits(account.0)],
            |row| row.get(0),
        )
    }

    fn recording(&self, account: AccountSid, sid: RecordingSid) -> Read<Option<RecordingRecord>> {
        if let Some(row) = self.waiting(account, sid.0) {
            return Ok(Some(row));
        }
        self.one(
            "SELECT * FROM recordings WHERE sid = ?1 AND account = ?2",
            &[&Bits(sid.0), &Bits(account.0)],
            rows::recording,
        )
    }

    fn notification(
        &self,
        account: AccountSid,
        sid: NotificationSid,
    ) -> Read<Option<NotificationRecord>> {
        if let Some(row) = self.waiting(account, sid.0) {
            return Ok(Some(row));
        }
        self.one(
            "SELECT * FROM notifications WHERE sid = ?1 AND account = ?2",
            &[&Bits(sid.0), &Bits(account.0)],
            rows::notification,
        )
    }

    fn accounts(
        &self,
        account: AccountSid,
        filter: &AccountFilter,
        page: PageRequest,
    ) -> Read<Page<Account>> {
        let list = List::of("*", "accounts")
            .with("(sid = ? OR parent = ?)", [Bits(account.0).into(), Bits(account.0).into()])
            .equal("friendly_name", filter.friendly_name.as_deref())
            .equal("status", filter.status.map(|status| status.name()));
        self.page(list, page, |row| rows::described(row, &*self.sealer))
    }

    fn domains(&self, account: AccountSid, page: PageRequest) -> Read<Page<(Domain, DomainAuth)>> {
        let list = List::of(DOMAIN_COLUMNS, "domains").of_account(account);
        self.page(list, page, |row| self.domain_with_auth(row))
    }

    fn mappings(
        &self,
        account: AccountSid,
        domain: DomainSid,
        kind: MappingKind,
        page: PageRequest,
    ) -> Read<Page<MappingView>> {
        let tables = format!(
            "mappings JOIN domains ON domains.sid = mappings.domain
             JOIN {} AS lists ON lists.sid = mappings.list",
            list_table(kind)
        );
        let list = List::of("mappings.*, lists.friendly_name AS friendly_name", &tables)
            .ordered_by("mappings.list")
            .with("domains.account = ?", [Bits(account.0).into()])
            .with("mappings.domain = ?", [Bits(domain.0).into()])
            .with("mappings.kind = ?", [i64::from(kind_number(kind)).into()]);
        self.page(list, page, |row| mapping_view(row, account))
    }

    fn bindings(
        &self,
        domain: DomainSid,
        user: Option<&str>,
        unix_ms: i64,
        page: PageRequest,
    ) -> Read<Page<BindingRecord>> {
        let mut list = List::of("*", "bindings")
            .with("domain = ?", [Bits(domain.0).into()])
            .with("expires_ms > ?", [unix_ms.into()]);
        if let Some(user) = user {
            list = list.with("user = ?", [user.to_owned().into()]);
        }
        self.page(list, page, rows::binding)
    }

    fn calls(
        &self,
        account: AccountSid,
        filter: &CallFilter,
        page: PageRequest,
    ) -> Read<Page<CallRecord>> {
        let mut list = List::of("*", "calls")
            .of_account(account)
            .equal("callee", filter.to.as_deref())
            .equal("caller", filter.from.as_deref())
            .equal_sid("parent", filter.parent.map(|sid| sid.0))
            .equal("status", filter.status.map(|status| status.name()))
            .within("start_ms", filter.start)
            .made_about(filter.start)
            .within("end_ms", filter.end)
            .made_about(filter.end);
        if filter.status.is_some_and(|status| !status.is_final()) {
            // Selects the index of live calls, which are few among all.
            list = list.with("end_ms IS NULL", []);
        }
        self.history(account, &list, page, rows::call, |row| filter.takes(row))
    }

    fn recordings(
        &self,
        account: AccountSid,
        filter: &RecordingFilter,
        page: PageRequest,
    ) -> Read<Page<RecordingRecord>> {
        let mut list = List::of("*", "recordings")
            .of_account(account)
            .equal_sid("call", filter.call.map(|sid| sid.0))
            .equal_sid("conference", filter.conference.map(|sid| sid.0))
            .within("created_ms", filter.created);
        if !filter.include_deleted {
            list = list.with("status <> 'deleted'", []);
        }
        self.history(account, &list, page, rows::recording, |row| filter.takes(row))
    }

    fn notifications(
        &self,
        account: AccountSid,
        filter: &NotificationFilter,
        page: PageRequest,
    ) -> Read<Page<NotificationRecord>> {
        let mut list = List::of("*", "notifications")
            .of_account(account)
            .equal_sid("call", filter.call.map(|sid| sid.0))
            .within("created_ms", filter.created);
        if let Some(level) = filter.level {
            let number = match level {
                NotificationLevel::Error => 0_i64,
                NotificationLevel::Warning => 1,
            };
            list = list.with("level = ?", [number.into()]);
        }
        self.history(account, &list, page, rows::notification, |row| filter.takes(row))
    }

    fn exchanges(
        &self,
        account: AccountSid,
        call: CallSid,
        page: PageRequest,
    ) -> Read<Page<HttpExchange>> {
        let list = List::of("*", "exchanges")
            .ordered_by("id")
            .of_account(account)
            .with("call = ?", [Bits(call.0).into()]);
        self.history(account, &list, page, rows::exchange, |row| row.call == call)
    }
}

/// A row of history that a change carries.
trait HistoryRow: Clone {
    const KIND: RowKind;
    fn of(change: &Change) -> Option<Self>;
    fn bits(&self) -> u128;
}

macro_rules! history_rows {
    ($($row:ident: $kind:ident, $change:ident, $bits:expr;)*) => {$(
        impl HistoryRow for $row {
            const KIND: RowKind = RowKind::$kind;

            fn of(change: &Change) -> Option<Self> {
                match change {
                    Change::$change(row) => Some((**row).clone()),
                    _ => None,
                }
            }

            fn bits(&self) -> u128 {
                $bits(self)
            }
        }
    )*};
}

history_rows! {
    CallRecord: Call, PutCall, |row: &Self| row.sid.0;
    RecordingRecord: Recording, PutRecording, |row: &Self| row.sid.0;
    NotificationRecord: Notification, AddNotification, |row: &Self| row.sid.0;
    HttpExchange: Exchange, AddExchange, |row: &Self| row.id;
    TimelineRecord: Timeline, PutTimeline, |row: &Self| row.call.0;
}

/// A query of a list under construction, newest first by a SID column.
#[derive(Clone)]
struct List {
    columns: String,
    tables: String,
    order: &'static str,
    conditions: Vec<String>,
    parameters: Vec<Value>,
}

impl List {
    fn of(columns: &str, tables: &str) -> Self {
        Self {
            columns: columns.to_owned(),
            tables: tables.to_owned(),
            order: "sid",
            conditions: Vec::new(),
            parameters: Vec::new(),
        }
    }

    fn ordered_by(mut self, column: &'static str) -> Self {
        self.order = column;
        self
    }

    fn with<const N: usize>(mut self, condition: &str, parameters: [Value; N]) -> Self {
        self.conditions.push(condition.to_owned());
        self.parameters.extend(parameters);
        self
    }

    fn compare(self, column: &str, operator: &str, value: impl Into<Value>) -> Self {
        self.with(&format!("{column} {operator} ?"), [value.into()])
    }

    fn of_account(self, account: AccountSid) -> Self {
        self.compare("account", "=", Bits(account.0))
    }

    fn equal(self, column: &str, value: Option<&str>) -> Self {
        match value {
            None => self,
            Some(value) => self.compare(column, "=", value.to_owned()),
        }
    }

    fn equal_sid(self, column: &str, value: Option<u128>) -> Self {
        match value {
            None => self,
            Some(bits) => self.compare(column, "=", Bits(bits)),
        }
    }

    fn within(mut self, column: &str, range: TimeRange) -> Self {
        if let Some(from_ms) = range.from_ms {
            self = self.compare(column, ">=", from_ms);
        }
        if let Some(before_ms) = range.before_ms {
            self = self.compare(column, "<", before_ms);
        }
        self
    }

    /// Narrows a range of start or end times to the SIDs that can be in it, which the primary key finds. A call
    /// starts and ends at most two days after its SID was made (ring time 600 s, backlog and length 24 h each);
    /// a day more on either side allows for clocks that were set.
    fn made_about(mut self, range: TimeRange) -> Self {
        const DAY_MS: i64 = 86_400_000;
        let bits = |unix_ms: i64| {
            let origin = Origin { node: 0, generation: 0 };
            Bits(sid_bits(unix_ms.max(0), origin, 0))
        };
        if let Some(from_ms) = range.from_ms {
            self = self.with("sid >= ?", [bits(from_ms.saturating_sub(3 * DAY_MS)).into()]);
        }
        if let Some(before_ms) = range.before_ms {
            self = self.with("sid < ?", [bits(before_ms.saturating_add(DAY_MS)).into()]);
        }
        self
    }

    /// Reads one row more than the page has: where it exists, there is another page.
    fn run<T>(
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

/// A domain, and the kinds of lists mapped to it for calls (kinds 0 and 1 of `kind_number`).
const DOMAIN_COLUMNS: &str = "domains.*,
    EXISTS (SELECT 1 FROM mappings WHERE domain = domains.sid AND kind = 0)
        AS has_ip_access_control_list,
    EXISTS (SELECT 1 FROM mappings WHERE domain = domains.sid AND kind = 1)
        AS has_credential_list";

fn mapping_view(row: &Row<'_>, account: AccountSid) -> rusqlite::Result<MappingView> {
    Ok(MappingView {
        account,
        mapping: rows::mapping(row)?,
        friendly_name: row.get("friendly_name")?,
    })
}

const fn list_table(kind: MappingKind) -> &'static str {
    match kind {
        MappingKind::CallsIpAccessControlList => "ip_access_control_lists",
        MappingKind::CallsCredentialList | MappingKind::RegistrationsCredentialList => {
            "credential_lists"
        }
    }
}
