//! The one writer: batches of changes, each batch one transaction, each change with its precondition.

use std::sync::Arc;

use rusqlite::{Connection, ErrorCode, Transaction, TransactionBehavior, ffi, params};
use store::{
    Account, CallRecord, Change, Conflict, Credential, CredentialList, Domain, HttpExchange,
    IpAccessControlList, IpAddress, Key, MappedList, Mapping, NotificationLevel,
    NotificationRecord, Outcome, RecordingRecord, Resource, ResourceKey, ResourceKind, Sealer,
    TimelineRecord, limit_of,
};

use crate::retention::forget_call;
use crate::sql::{Bits, kind_number};

/// Writes changes. Lives on the store thread.
pub struct Writer {
    connection: Connection,
    sealer: Arc<dyn Sealer>,
}

/// Why a change was not written.
enum Failure {
    /// Its precondition did not hold: only this change fails.
    Conflict(Conflict),
    /// The store cannot write: the batch fails.
    Broken(String),
}

type Written = Result<(), Failure>;

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Broken(error.to_string())
    }
}

impl Writer {
    pub(crate) fn new(connection: Connection, sealer: Arc<dyn Sealer>) -> Self {
        Self { connection, sealer }
    }

    pub(crate) fn connection(&mut self) -> &mut Connection {
        &mut self.connection
    }

    /// Commits a batch as one transaction, synced to disk when this returns: one outcome a change, in
    /// order. A change whose precondition fails does not touch the others; where the disk fails,
    /// nothing of the batch was written and every outcome is `Unavailable`.
    ///
    /// `unix_ms` is kept as the last moment this process was known to run; see [`crate::Recovered`].
    pub fn commit(&mut self, unix_ms: i64, batch: &[Change]) -> Vec<Outcome> {
        match self.try_commit(unix_ms, batch) {
            Ok(outcomes) => outcomes,
            Err(problem) => {
                tracing::error!(changes = batch.len(), %problem, "the store cannot write");
                vec![Outcome::Unavailable; batch.len()]
            }
        }
    }

    fn try_commit(&mut self, unix_ms: i64, batch: &[Change]) -> Result<Vec<Outcome>, String> {
        let text = |error: rusqlite::Error| error.to_string();
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(text)?;
        let mut outcomes = Vec::with_capacity(batch.len());
        for change in batch {
            outcomes.push(match write(&transaction, &*self.sealer, change) {
                Ok(()) => Outcome::Committed,
                Err(Failure::Conflict(conflict)) => Outcome::Conflict(conflict),
                // Dropping the transaction rolls it back.
                Err(Failure::Broken(problem)) => return Err(problem),
            });
        }
        transaction
            .prepare_cached("INSERT OR REPLACE INTO meta VALUES ('alive_ms', ?1)")
            .and_then(|mut statement| statement.execute([unix_ms.to_string()]))
            .map_err(text)?;
        transaction.commit().map_err(text)?;
        Ok(outcomes)
    }

    /// Says on disk that the process still runs, also when nothing is written: about every 10 s.
    ///
    /// # Errors
    /// Those of SQLite.
    pub fn note_alive(&mut self, unix_ms: i64) -> rusqlite::Result<()> {
        self.connection
            .prepare_cached("INSERT OR REPLACE INTO meta VALUES ('alive_ms', ?1)")?
            .execute([unix_ms.to_string()])
            .map(drop)
    }

    /// Writes a consistent copy of the whole database to a file that must not be there yet.
    ///
    /// # Errors
    /// Those of SQLite; blocks other writes while it runs.
    pub fn back_up(&self, path: &std::path::Path) -> rusqlite::Result<()> {
        self.connection.execute("VACUUM INTO ?1", [path.to_string_lossy()]).map(drop)
    }
}

/// Writes one change. Preconditions are checked before anything is written, or by the one statement
/// that writes, so a conflict leaves nothing behind and needs no savepoint.
fn write(transaction: &Transaction<'_>, sealer: &dyn Sealer, change: &Change) -> Written {
    match change {
        Change::Insert(resource) => insert(transaction, sealer, resource),
        Change::Update(resource) => update(transaction, resource),
        Change::Delete(key) => delete(transaction, *key),
        Change::Map(mapping) => map(transaction, mapping),
        Change::Unmap { domain, list } => unmap(transaction, Bits(domain.0), *list),
        Change::PutCall(call) => put_call(transaction, call),
        Change::DeleteCall { account, call } => {
            delete_call(transaction, Bits(account.0), Bits(call.0))
        }
        Change::PutRecording(recording) => put_recording(transaction, recording),
        Change::DeleteRecording { account, call, recording, deleted_ms } => delete_recording(
            transaction,
            Bits(account.0),
            call.map(|call| Bits(call.0)),
            Bits(recording.0),
            *deleted_ms,
        ),
        Change::AddNotification(row) => add_notification(transaction, row),
        Change::AddExchange(row) => add_exchange(transaction, row),
        Change::PutTimeline(row) => put_timeline(transaction, row),
    }
}

fn insert(transaction: &Transaction<'_>, sealer: &dyn Sealer, resource: &Resource) -> Written {
    check_limit(transaction, resource)?;
    let kind = resource.kind();
    let inserted = match resource {
        Resource::Account(row) => insert_account(transaction, sealer, row)?,
        Resource::Key(row) => insert_key(transaction, row),
        Resource::Domain(row) => insert_domain(transaction, row),
        Resource::CredentialList(row) => insert_credential_list(transaction, row),
        Resource::Credential(row) => insert_credential(transaction, row),
        Resource::IpAccessControlList(row) => insert_ip_list(transaction, row),
        Resource::IpAddress(row) => insert_ip_address(transaction, row),
    };
    conflict_of(inserted, kind, Conflict::Missing).map(drop)
}

/// The limit again, inside the transaction: two writes may have been planned on the same last place.
fn check_limit(transaction: &Transaction<'_>, resource: &Resource) -> Written {
    let (table, column, owner) = match resource {
        Resource::Account(row) => match row.parent {
            None => return Ok(()),
            Some(parent) => ("accounts", "parent", parent.0),
        },
        Resource::Key(row) => ("api_keys", "account", row.account.0),
        Resource::Domain(row) => ("domains", "account", row.account.0),
        Resource::CredentialList(row) => ("credential_lists", "account", row.account.0),
        Resource::Credential(row) => ("credentials", "list", row.list.0),
        Resource::IpAccessControlList(row) => ("ip_access_control_lists", "account", row.account.0),
        Resource::IpAddress(row) => ("ip_addresses", "list", row.list.0),
    };
    let count: i64 = transaction
        .prepare_cached(&format!("SELECT count(*) FROM {table} WHERE {column} = ?1"))?
        .query_row([Bits(owner)], |row| row.get(0))?;
    let kind = resource.kind();
    if count >= limit_of(kind) as i64 {
        return Err(Failure::Conflict(Conflict::LimitReached(kind)));
    }
    Ok(())
}

fn insert_account(
    transaction: &Transaction<'_>,
    sealer: &dyn Sealer,
    row: &Account,
) -> Result<rusqlite::Result<usize>, Failure> {
    let token = row.auth_token.expose_secret().as_bytes();
    let sealed = sealer
        .seal(&row.sid.0.to_be_bytes(), token)
        .map_err(|error| Failure::Broken(error.to_string()))?;
    Ok(transaction
        .prepare_cached("INSERT INTO accounts VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")?
        .execute(params![
            Bits(row.sid.0),
            row.parent.map(|sid| Bits(sid.0)),
            row.friendly_name,
            row.status.name(),
            sealed,
            row.created_ms,
            row.updated_ms,
            row.revision as i64,
        ]))
}

fn insert_key(transaction: &Transaction<'_>, row: &Key) -> rusqlite::Result<usize> {
    transaction.prepare_cached("INSERT INTO api_keys VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")?.execute(
        params![
            Bits(row.sid.0),
            Bits(row.account.0),
            row.friendly_name,
            row.secret_hash.0,
            row.created_ms,
            row.updated_ms,
            row.revision as i64,
        ],
    )
}

fn insert_domain(transaction: &Transaction<'_>, row: &Domain) -> rusqlite::Result<usize> {
    transaction
        .prepare_cached(
            "INSERT INTO domains VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14,
                                         ?15, ?16, ?17, ?18, ?19, ?20)",
        )?
        .execute(params![
            Bits(row.sid.0),
            Bits(row.account.0),
            row.domain_name,
            row.labels.as_str(),
            row.parent.map(|sid| Bits(sid.0)),
            row.friendly_name,
            row.voice_url,
            row.voice_method.name(),
            row.voice_fallback_url,
            row.voice_fallback_method.name(),
            row.voice_status_callback_url,
            row.voice_status_callback_method.name(),
            row.sip_registration,
            row.emergency_calling_enabled,
            row.secure,
            row.byoc_trunk_sid,
            row.emergency_caller_sid,
            row.created_ms,
            row.updated_ms,
            row.revision as i64,
        ])
}

fn insert_credential_list(
    transaction: &Transaction<'_>,
    row: &CredentialList,
) -> rusqlite::Result<usize> {
    transaction
        .prepare_cached("INSERT INTO credential_lists VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?
        .execute(params![
            Bits(row.sid.0),
            Bits(row.account.0),
            row.friendly_name,
            row.created_ms,
            row.updated_ms,
            row.revision as i64,
        ])
}

fn insert_credential(transaction: &Transaction<'_>, row: &Credential) -> rusqlite::Result<usize> {
    transaction
        .prepare_cached("INSERT INTO credentials VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)")?
        .execute(params![
            Bits(row.sid.0),
            Bits(row.account.0),
            Bits(row.list.0),
            row.username,
            row.ha1.md5,
            row.ha1.sha256,
            row.created_ms,
            row.updated_ms,
            row.revision as i64,
        ])
}

fn insert_ip_list(
    transaction: &Transaction<'_>,
    row: &IpAccessControlList,
) -> rusqlite::Result<usize> {
    transaction
        .prepare_cached("INSERT INTO ip_access_control_lists VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?
        .execute(params![
            Bits(row.sid.0),
            Bits(row.account.0),
            row.friendly_name,
            row.created_ms,
            row.updated_ms,
            row.revision as i64,
        ])
}

fn insert_ip_address(transaction: &Transaction<'_>, row: &IpAddress) -> rusqlite::Result<usize> {
    transaction
        .prepare_cached("INSERT INTO ip_addresses VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)")?
        .execute(params![
            Bits(row.sid.0),
            Bits(row.account.0),
            Bits(row.list.0),
            row.friendly_name,
            row.block.address().to_string(),
            row.block.prefix(),
            row.created_ms,
            row.updated_ms,
            row.revision as i64,
        ])
}

/// Writes the columns that can change, where the stored revision is the one before.
fn update(transaction: &Transaction<'_>, resource: &Resource) -> Written {
    let kind = resource.kind();
    let (table, sid, updated) = match resource {
        Resource::Account(row) => ("accounts", row.sid.0, update_account(transaction, row)),
        Resource::Key(row) => ("api_keys", row.sid.0, update_key(transaction, row)),
        Resource::Domain(row) => ("domains", row.sid.0, update_domain(transaction, row)),
        Resource::CredentialList(row) => (
            "credential_lists",
            row.sid.0,
            update_name(
                transaction,
                "credential_lists",
                (row.sid.0, &row.friendly_name, row.updated_ms, row.revision),
            ),
        ),
        Resource::Credential(row) => {
            ("credentials", row.sid.0, update_credential(transaction, row))
        }
        Resource::IpAccessControlList(row) => (
            "ip_access_control_lists",
            row.sid.0,
            update_name(
                transaction,
                "ip_access_control_lists",
                (row.sid.0, &row.friendly_name, row.updated_ms, row.revision),
            ),
        ),
        Resource::IpAddress(row) => {
            ("ip_addresses", row.sid.0, update_ip_address(transaction, row))
        }
    };
    if conflict_of(updated, kind, Conflict::Missing)? == 1 {
        return Ok(());
    }
    let is_there: bool = transaction
        .prepare_cached(&format!("SELECT EXISTS (SELECT 1 FROM {table} WHERE sid = ?1)"))?
        .query_row([Bits(sid)], |row| row.get(0))?;
    Err(Failure::Conflict(if is_there { Conflict::Stale } else { Conflict::Missing }))
}

fn update_account(transaction: &Transaction<'_>, row: &Account) -> rusqlite::Result<usize> {
    transaction
        .prepare_cached(
            "UPDATE accounts SET friendly_name = ?2, status = ?3, updated_ms = ?4, revision = ?5
             WHERE sid = ?1 AND revision = ?5 - 1",
        )?
        .execute(params![
            Bits(row.sid.0),
            row.friendly_name,
            row.status.name(),
            row.updated_ms,
            row.revision as i64,
        ])
}

fn update_key(transaction: &Transaction<'_>, row: &Key) -> rusqlite::Result<usize> {
    update_name(
        transaction,
        "api_keys",
        (row.sid.0, &row.friendly_name, row.updated_ms, row.revision),
    )
}

/// Keys and both kinds of lists change only in their name.
fn update_name(
    transaction: &Transaction<'_>,
    table: &str,
    (sid, friendly_name, updated_ms, revision): (u128, &str, i64, u64),
) -> rusqlite::Result<usize> {
    transaction
        .prepare_cached(&format!(
            "UPDATE {table} SET friendly_name = ?2, updated_ms = ?3, revision = ?4
             WHERE sid = ?1 AND revision = ?4 - 1"
        ))?
        .execute(params![Bits(sid), friendly_name, updated_ms, revision as i64])
}

fn update_domain(transaction: &Transaction<'_>, row: &Domain) -> rusqlite::Result<usize> {
    transaction
        .prepare_cached(
            "UPDATE domains SET domain_name = ?2, labels = ?3, parent = ?4, friendly_name = ?5,
                 voice_url = ?6, voice_method = ?7, voice_fallback_url = ?8,
                 voice_fallback_method = ?9, voice_status_callback_url = ?10,
                 voice_status_callback_method = ?11, sip_registration = ?12,
                 emergency_calling_enabled = ?13, secure = ?14, byoc_trunk_sid = ?15,
                 emergency_caller_sid = ?16, updated_ms = ?17, revision = ?18
             WHERE sid = ?1 AND revision = ?18 - 1",
        )?
        .execute(params![
            Bits(row.sid.0),
            row.domain_name,
            row.labels.as_str(),
            row.parent.map(|sid| Bits(sid.0)),
            row.friendly_name,
            row.voice_url,
            row.voice_method.name(),
            row.voice_fallback_url,
            row.voice_fallback_method.name(),
            row.voice_status_callback_url,
            row.voice_status_callback_method.name(),
            row.sip_registration,
            row.emergency_calling_enabled,
            row.secure,
            row.byoc_trunk_sid,
            row.emergency_caller_sid,
            row.updated_ms,
            row.revision as i64,
        ])
}

fn update_credential(transaction: &Transaction<'_>, row: &Credential) -> rusqlite::Result<usize> {
    transaction
        .prepare_cached(
            "UPDATE credentials SET ha1_md5 = ?2, ha1_sha256 = ?3, updated_ms = ?4, revision = ?5
             WHERE sid = ?1 AND revision = ?5 - 1",
        )?
        .execute(params![
            Bits(row.sid.0),
            row.ha1.md5,
            row.ha1.sha256,
            row.updated_ms,
            row.revision as i64,
        ])
}

fn update_ip_address(transaction: &Transaction<'_>, row: &IpAddress) -> rusqlite::Result<usize> {
    transaction
        .prepare_cached(
            "UPDATE ip_addresses SET friendly_name = ?2, address = ?3, prefix = ?4, updated_ms = ?5,
                                     revision = ?6
             WHERE sid = ?1 AND revision = ?6 - 1",
        )?
        .execute(params![
            Bits(row.sid.0),
            row.friendly_name,
            row.block.address().to_string(),
            row.block.prefix(),
            row.updated_ms,
            row.revision as i64,
        ])
}

/// What hangs on a resource keeps it (subdomains, mappings of a list) or goes with it (mappings of a
/// domain, rows of a list): the foreign keys say which.
fn delete(transaction: &Transaction<'_>, key: ResourceKey) -> Written {
    let (table, sid) = match key {
        ResourceKey::Key(sid) => ("api_keys", sid.0),
        ResourceKey::Domain(sid) => ("domains", sid.0),
        ResourceKey::CredentialList(sid) => ("credential_lists", sid.0),
        ResourceKey::Credential(sid) => ("credentials", sid.0),
        ResourceKey::IpAccessControlList(sid) => ("ip_access_control_lists", sid.0),
        ResourceKey::IpAddress(sid) => ("ip_addresses", sid.0),
    };
    let deleted = transaction
        .prepare_cached(&format!("DELETE FROM {table} WHERE sid = ?1"))?
        .execute([Bits(sid)]);
    let kind = key.kind();
    found(conflict_of(deleted, kind, Conflict::InUse(kind))?)
}

fn map(transaction: &Transaction<'_>, mapping: &Mapping) -> Written {
    let list = Bits(mapping.list.bits());
    let (credential_list, ip_list) = match mapping.list {
        MappedList::CallsIpAccessControlList(_) => (None, Some(list)),
        MappedList::CallsCredentialList(_) | MappedList::RegistrationsCredentialList(_) => {
            (Some(list), None)
        }
    };
    let inserted = transaction
        .prepare_cached("INSERT INTO mappings VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?
        .execute(params![
            Bits(mapping.domain.0),
            kind_number(mapping.list.kind()),
            list,
            credential_list,
            ip_list,
            mapping.created_ms,
        ]);
    match conflict_of(inserted, ResourceKind::Domain, Conflict::Missing) {
        Err(Failure::Conflict(Conflict::NameTaken(_))) => {
            Err(Failure::Conflict(Conflict::AlreadyMapped))
        }
        other => other.map(drop),
    }
}

fn unmap(transaction: &Transaction<'_>, domain: Bits, list: MappedList) -> Written {
    found(
        transaction
            .prepare_cached("DELETE FROM mappings WHERE domain = ?1 AND kind = ?2 AND list = ?3")?
            .execute(params![domain, kind_number(list.kind()), Bits(list.bits())])?,
    )
}

fn put_call(transaction: &Transaction<'_>, row: &CallRecord) -> Written {
    transaction
        .prepare_cached(
            "INSERT INTO calls VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14,
                                       ?15, ?16)
             ON CONFLICT (sid) DO UPDATE SET
                 parent = ?3, callee = ?4, caller = ?5, status = ?6, start_ms = ?8, end_ms = ?9,
                 duration_s = ?10, queue_time_ms = ?11, answered_by = ?12, forwarded_from = ?13,
                 caller_name = ?14, updated_ms = ?16",
        )?
        .execute(params![
            Bits(row.sid.0),
            Bits(row.account.0),
            row.parent.map(|sid| Bits(sid.0)),
            row.to,
            row.from,
            row.status.name(),
            row.direction.name(),
            row.start_ms,
            row.end_ms,
            row.duration_s,
            row.queue_time_ms,
            row.answered_by,
            row.forwarded_from,
            row.caller_name,
            row.created_ms,
            row.updated_ms,
        ])?;
    Ok(())
}

fn delete_call(transaction: &Transaction<'_>, account: Bits, call: Bits) -> Written {
    let ended: Option<bool> = first(
        transaction
            .prepare_cached("SELECT end_ms IS NOT NULL FROM calls WHERE sid = ?1 AND account = ?2")?
            .query_row([call, account], |row| row.get(0)),
    )?;
    match ended {
        None => Err(Failure::Conflict(Conflict::Missing)),
        Some(false) => Err(Failure::Conflict(Conflict::CallLive)),
        Some(true) => Ok(forget_call(transaction, call)?),
    }
}

fn put_recording(transaction: &Transaction<'_>, row: &RecordingRecord) -> Written {
    transaction
        .prepare_cached(
            "INSERT INTO recordings VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)
             ON CONFLICT (sid) DO UPDATE SET
                 status = ?5, channels = ?7, duration_s = ?8, bytes = ?9, start_ms = ?10,
                 error_code = ?11, updated_ms = ?13",
        )?
        .execute(params![
            Bits(row.sid.0),
            Bits(row.account.0),
            Bits(row.call.0),
            row.conference.map(|sid| Bits(sid.0)),
            row.status.name(),
            row.source.name(),
            row.channels,
            row.duration_s,
            row.bytes.map(|bytes| i64::try_from(bytes).unwrap_or(i64::MAX)),
            row.start_ms,
            row.error_code,
            row.created_ms,
            row.updated_ms,
        ])?;
    Ok(())
}

fn delete_recording(
    transaction: &Transaction<'_>,
    account: Bits,
    call: Option<Bits>,
    recording: Bits,
    deleted_ms: i64,
) -> Written {
    let found: Option<String> = first(
        transaction
            .prepare_cached(
                "SELECT status FROM recordings
                 WHERE sid = ?1 AND account = ?2 AND call = coalesce(?3, call)",
            )?
            .query_row(params![recording, account, call], |row| row.get(0)),
    )?;
    match found.as_deref().map(store::RecordingStatus::from_name) {
        None | Some(Some(store::RecordingStatus::Deleted)) => {
            Err(Failure::Conflict(Conflict::Missing))
        }
        Some(Some(status)) if status.is_running() => {
            Err(Failure::Conflict(Conflict::RecordingRunning))
        }
        Some(_) => {
            transaction
                .prepare_cached(
                    "UPDATE recordings SET status = 'deleted', updated_ms = ?2 WHERE sid = ?1",
                )?
                .execute(params![recording, deleted_ms])?;
            Ok(())
        }
    }
}

fn add_notification(transaction: &Transaction<'_>, row: &NotificationRecord) -> Written {
    let exchange = row.exchange.as_ref();
    let level = match row.level {
        NotificationLevel::Error => 0,
        NotificationLevel::Warning => 1,
    };
    transaction
        .prepare_cached(
            "INSERT OR IGNORE INTO notifications VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11,
                                                         ?12)",
        )?
        .execute(params![
            Bits(row.sid.0),
            Bits(row.account.0),
            row.call.map(|sid| Bits(sid.0)),
            level,
            row.error_code,
            row.message,
            exchange.map(|messages| messages.method.name()),
            exchange.map(|messages| &messages.url),
            exchange.map(|messages| &messages.request_variables),
            exchange.map(|messages| &messages.response_headers),
            exchange.map(|messages| &messages.response_body),
            row.created_ms,
        ])?;
    Ok(())
}

fn add_exchange(transaction: &Transaction<'_>, row: &HttpExchange) -> Written {
    let parameters = serde_json::to_string(&row.parameters)
        .map_err(|error| Failure::Broken(error.to_string()))?;
    transaction
        .prepare_cached(
            "INSERT OR IGNORE INTO exchanges VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
        )?
        .execute(params![
            Bits(row.call.0),
            Bits(row.id),
            Bits(row.account.0),
            row.method.name(),
            row.url,
            parameters,
            row.response_code,
            row.request_duration_ms,
            row.content_type,
            row.response_body,
            row.created_ms,
        ])?;
    Ok(())
}

fn put_timeline(transaction: &Transaction<'_>, row: &TimelineRecord) -> Written {
    transaction
        .prepare_cached("INSERT OR REPLACE INTO timelines VALUES (?1, ?2, ?3)")?
        .execute(params![Bits(row.call.0), Bits(row.account.0), row.json])?;
    Ok(())
}

/// A constraint that did not hold is a conflict; anything else breaks the batch.
fn conflict_of(
    result: rusqlite::Result<usize>,
    kind: ResourceKind,
    foreign_key: Conflict,
) -> Result<usize, Failure> {
    match result {
        Ok(count) => Ok(count),
        Err(rusqlite::Error::SqliteFailure(error, message))
            if error.code == ErrorCode::ConstraintViolation =>
        {
            match error.extended_code {
                ffi::SQLITE_CONSTRAINT_UNIQUE | ffi::SQLITE_CONSTRAINT_PRIMARYKEY => {
                    Err(Failure::Conflict(Conflict::NameTaken(kind)))
                }
                ffi::SQLITE_CONSTRAINT_FOREIGNKEY => Err(Failure::Conflict(foreign_key)),
                _ => Err(Failure::Broken(message.unwrap_or_else(|| error.to_string()))),
            }
        }
        Err(error) => Err(error.into()),
    }
}

fn found(count: usize) -> Written {
    if count == 0 { Err(Failure::Conflict(Conflict::Missing)) } else { Ok(()) }
}

fn first<T>(result: rusqlite::Result<T>) -> Result<Option<T>, Failure> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(rusqlite::Error::QueryReturnedNoRows) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
