//! Reads for the REST API, on a connection of their own: with a write-ahead log they never wait for the writer.
//!
//! They include history that waits for the writer.

use std::path::Path;
use std::sync::Arc;

use rusqlite::types::ToSql;
use rusqlite::{Connection, OpenFlags, Row};
use shared::{
    AccountSid, BindingSid, CallSid, ConferenceSid, DomainSid, ExecutionSid, FlowSid,
    NotificationSid, RecordingSid,
};
use store::{
    Account, BindingRecord, CallRecord, CallStatus, Condition, ConferenceRecord, ConferenceStatus,
    Derived, Description, ExecutionRecord, Filtered, Flow, HttpExchange, Is, MappedList,
    MappingKind, MappingView, NotificationRecord, Page, PageRequest, RecordingRecord, Sealer,
    StoreError, TimelineRecord, Value,
};

use super::list::List;
use super::open::connect;
use super::rows;
use super::sql::{Bits, kind_number};
use crate::waiting::{HistoryRow, Waiting};

/// A connection for reads.
pub(super) struct Reader {
    connection: Connection,
    sealer: Arc<dyn Sealer>,
    waiting: Waiting,
}

type Read<T> = Result<T, StoreError>;

impl Reader {
    /// Opens the file that [`super::open::open`] made.
    ///
    /// # Errors
    /// Those of SQLite.
    pub(super) fn open(
        path: &Path,
        sealer: Arc<dyn Sealer>,
        waiting: Waiting,
    ) -> rusqlite::Result<Self> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        Ok(Self { connection: connect(path, flags)?, sealer, waiting })
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
        self.waiting.page(account, page, takes, |page| self.page(list, page, &read))
    }

    /// [`Reader::history`] of a list that meets every condition on disk; those that wait are compared with them here.
    fn filtered<T: HistoryRow + Filtered>(
        &self,
        account: AccountSid,
        list: &List,
        conditions: &[Condition],
        page: PageRequest,
    ) -> Read<Page<T>> {
        self.history(account, list, page, rows::record, |row: &T| row.meets(conditions))
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
        list: &List,
        page: PageRequest,
        read: impl Fn(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Read<Page<T>> {
        list.run(&self.connection, page, read).map_err(unreadable)
    }
}

fn unreadable(error: rusqlite::Error) -> StoreError {
    // Logged here, where the cause is known. A client reads only that it may try again.
    tracing::error!(%error, "the store cannot be read");
    StoreError::CannotRead(error.to_string())
}

impl store::Reader for Reader {
    fn row(
        &self,
        description: &'static Description,
        owner: Option<u128>,
        sid: u128,
    ) -> Read<Option<Vec<Value>>> {
        let Description { table, owner: column, .. } = description;
        let columns = columns(description);
        let read = |row: &Row<'_>| rows::shown(row, description, &*self.sealer);
        // Without an owner, the second condition holds for every row.
        self.one(
            &format!(
                "SELECT {columns} FROM {table} WHERE sid = ?1 AND (?2 IS NULL OR {column} = ?2)"
            ),
            &[&Bits(sid), &owner.map(Bits)],
            read,
        )
    }

    fn rows(
        &self,
        description: &'static Description,
        owner: u128,
        conditions: &[Condition],
        page: PageRequest,
    ) -> Read<Page<Vec<Value>>> {
        let list = List::of(columns(description), description.table);
        // The owner of accounts is an account: its own row belongs to the list.
        let list = if description.lists_owner {
            let either = format_args!("(sid = ? OR {} = ?)", description.owner);
            list.with(either, [Bits(owner).into(), Bits(owner).into()])
        } else {
            list.of_owner(description.owner, owner)
        };
        let list = conditions.iter().fold(list, List::meeting);
        let page = self.page(&list, page, |row| rows::shown(row, description, &*self.sealer))?;
        let sids = |pair: &[Vec<Value>]| (pair[0][0].sid_bits(), pair[1][0].sid_bits());
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

    fn mapping(
        &self,
        account: AccountSid,
        domain: DomainSid,
        list: MappedList,
    ) -> Read<Option<MappingView>> {
        // A mapping has no column for its account: that of its domain decides.
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
        // The queue first and the disk second: a row that is committed in between is still found.
        if let Some(row) = self.waiting.row(account, sid.0) {
            return Ok(Some(row));
        }
        self.one(
            "SELECT * FROM calls WHERE sid = ?1 AND account = ?2",
            &[&Bits(sid.0), &Bits(account.0)],
            rows::record,
        )
    }

    fn conference(
        &self,
        account: AccountSid,
        sid: ConferenceSid,
    ) -> Read<Option<ConferenceRecord>> {
        if let Some(row) = self.waiting.row(account, sid.0) {
            return Ok(Some(row));
        }
        self.one(
            "SELECT * FROM conferences WHERE sid = ?1 AND account = ?2",
            &[&Bits(sid.0), &Bits(account.0)],
            rows::record,
        )
    }

    fn timeline(&self, account: AccountSid, call: CallSid) -> Read<Option<String>> {
        if let Some(row) = self.waiting.row::<TimelineRecord>(account, call.0) {
            return Ok(Some(row.json));
        }
        self.one(
            "SELECT json FROM timelines WHERE call = ?1 AND account = ?2",
            &[&Bits(call.0), &Bits(account.0)],
            |row| row.get(0),
        )
    }

    fn execution(&self, account: AccountSid, sid: ExecutionSid) -> Read<Option<ExecutionRecord>> {
        if let Some(row) = self.waiting.row(account, sid.0) {
            return Ok(Some(row));
        }
        self.one(
            "SELECT * FROM executions WHERE sid = ?1 AND account = ?2",
            &[&Bits(sid.0), &Bits(account.0)],
            rows::record,
        )
    }

    fn flow_revisions(&self, flow: FlowSid) -> Read<Vec<u64>> {
        let numbers = self
            .connection
            .prepare_cached("SELECT number FROM flow_revisions WHERE flow = ?1")
            .and_then(|mut statement| statement.query_map([Bits(flow.0)], rows::number)?.collect());
        numbers.map_err(unreadable)
    }

    fn flow_test_users(&self, flow: FlowSid) -> Read<String> {
        let sql = "SELECT users FROM flow_test_users WHERE flow = ?1";
        let users = self.one(sql, &[&Bits(flow.0)], |row| row.get(0))?;
        Ok(users.unwrap_or_default())
    }

    fn flow_revision(&self, flow: FlowSid, number: u64) -> Read<Option<Flow>> {
        let Ok(number) = i64::try_from(number) else { return Ok(None) };
        self.one(
            "SELECT sid, account, kept.friendly_name, kept.status, kept.definition,
                    kept.commit_message, published_definition, published_revision, published_ms,
                    created_ms, kept.updated_ms, number AS revision
             FROM flow_revisions AS kept JOIN flows ON sid = flow
             WHERE flow = ?1 AND number = ?2",
            &[&Bits(flow.0), &number],
            |row| rows::described(row, &*self.sealer),
        )
    }

    fn recording(&self, account: AccountSid, sid: RecordingSid) -> Read<Option<RecordingRecord>> {
        if let Some(row) = self.waiting.row(account, sid.0) {
            return Ok(Some(row));
        }
        self.one(
            "SELECT * FROM recordings WHERE sid = ?1 AND account = ?2",
            &[&Bits(sid.0), &Bits(account.0)],
            rows::record,
        )
    }

    fn notification(
        &self,
        account: AccountSid,
        sid: NotificationSid,
    ) -> Read<Option<NotificationRecord>> {
        if let Some(row) = self.waiting.row(account, sid.0) {
            return Ok(Some(row));
        }
        self.one(
            "SELECT * FROM notifications WHERE sid = ?1 AND account = ?2",
            &[&Bits(sid.0), &Bits(account.0)],
            rows::record,
        )
    }

    fn mappings(
        &self,
        account: AccountSid,
        domain: DomainSid,
        kind: MappingKind,
        page: PageRequest,
    ) -> Read<Page<MappingView>> {
        let tables = format_args!(
            "mappings JOIN domains ON domains.sid = mappings.domain
             JOIN {} AS lists ON lists.sid = mappings.list",
            list_table(kind)
        );
        let list = List::of("mappings.*, lists.friendly_name AS friendly_name", tables)
            .ordered_by("mappings.list")
            .with("domains.account = ?", [Bits(account.0).into()])
            .with("mappings.domain = ?", [Bits(domain.0).into()])
            .with("mappings.kind = ?", [i64::from(kind_number(kind)).into()]);
        self.page(&list, page, |row| mapping_view(row, account))
    }

    fn bindings(
        &self,
        domain: DomainSid,
        conditions: &[Condition],
        page: PageRequest,
    ) -> Read<Page<BindingRecord>> {
        // Not merged with the queue: contacts are not history, and a REGISTER is answered after its commit.
        let list = List::of("*", "bindings").of_owner("domain", domain.0);
        let list = conditions.iter().fold(list, List::meeting);
        self.page(&list, page, rows::binding)
    }

    fn calls(
        &self,
        account: AccountSid,
        conditions: &[Condition],
        page: PageRequest,
    ) -> Read<Page<CallRecord>> {
        let list = List::of("*", "calls").of_account(account);
        let list = conditions.iter().fold(list, |list, condition| {
            let list = list.meeting(condition);
            match (condition.column, &condition.is) {
                // No index has these columns: without a bound on SIDs, the filter would read every call of
                // the account.
                ("start_ms" | "end_ms", is) => list.made_about(is),
                // Selects the index of live calls, which are few among all.
                ("status", Is::Equal(status)) if is_live(status) => list.with("end_ms IS NULL", []),
                _ => list,
            }
        });
        self.filtered(account, &list, conditions, page)
    }

    fn conferences(
        &self,
        account: AccountSid,
        conditions: &[Condition],
        page: PageRequest,
    ) -> Read<Page<ConferenceRecord>> {
        let list = List::of("*", "conferences").of_account(account);
        let ended = Value::from(ConferenceStatus::Completed.name());
        let list = conditions.iter().fold(list, |list, condition| {
            let list = list.meeting(condition);
            match (condition.column, &condition.is) {
                // Selects the index of live conferences, which are few among all.
                ("status", Is::Equal(status)) if *status != ended => {
                    list.with("reason_ended IS NULL", [])
                }
                _ => list,
            }
        });
        self.filtered(account, &list, conditions, page)
    }

    fn executions(
        &self,
        account: AccountSid,
        conditions: &[Condition],
        page: PageRequest,
    ) -> Read<Page<ExecutionRecord>> {
        let list = List::of("*", "executions").of_account(account);
        let list = conditions.iter().fold(list, |list, condition| list.meeting(condition));
        self.filtered(account, &list, conditions, page)
    }

    fn recordings(
        &self,
        account: AccountSid,
        conditions: &[Condition],
        page: PageRequest,
    ) -> Read<Page<RecordingRecord>> {
        let list = List::of("*", "recordings").of_account(account);
        let list = conditions.iter().fold(list, List::meeting);
        self.filtered(account, &list, conditions, page)
    }

    fn notifications(
        &self,
        account: AccountSid,
        conditions: &[Condition],
        page: PageRequest,
    ) -> Read<Page<NotificationRecord>> {
        let list = List::of("*", "notifications").of_account(account);
        let list = conditions.iter().fold(list, List::meeting);
        self.filtered(account, &list, conditions, page)
    }

    fn exchanges(
        &self,
        account: AccountSid,
        call: CallSid,
        page: PageRequest,
    ) -> Read<Page<HttpExchange>> {
        // The account is asked for too, though a call has one: rows of another account are never read by
        // its SID.
        let list = List::of("*", "exchanges")
            .ordered_by("id")
            .of_account(account)
            .with("call = ?", [Bits(call.0).into()]);
        self.history(account, &list, page, rows::exchange, |row| row.call == call)
    }
}

/// True of the name of a status that a call has before it ends.
fn is_live(status: &Value) -> bool {
    let Value::Text(name) = status else { return false };
    CallStatus::from_name(name).is_some_and(|status| !status.is_final())
}

/// The columns of a described kind, and those from which its derived fields are made.
fn columns(description: &Description) -> String {
    let mut columns = format!("{}.*", description.table);
    for derived in description.derived {
        columns.push_str(match derived {
            Derived::CurrentSize | Derived::AverageWaitTime => "",
            // Kinds 0 and 1 of `kind_number`.
            Derived::AuthType => {
                ", EXISTS (SELECT 1 FROM mappings WHERE domain = domains.sid AND kind = 0)
                    AS has_ip_access_control_list,
                EXISTS (SELECT 1 FROM mappings WHERE domain = domains.sid AND kind = 1)
                    AS has_credential_list"
            }
        });
    }
    columns
}

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
