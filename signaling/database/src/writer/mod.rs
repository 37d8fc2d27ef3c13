//! The one writer: batches of changes, each batch one transaction, each change with its precondition.

mod bindings;
mod history;
mod resources;

use std::sync::Arc;

use rusqlite::{Connection, ErrorCode, Transaction, TransactionBehavior, ffi};
use store::{Change, Conflict, Outcome, ResourceKind, Sealer};

use crate::sql::Bits;
use history::{
    add_exchange, add_notification, delete_call, delete_recording, put_call, put_recording,
    put_timeline,
};
use resources::{delete, insert, map, unmap, update};

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
        Change::ChangeBindings(changes) => bindings::change(transaction, changes),
    }
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
