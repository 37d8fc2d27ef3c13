//! The one writer: a batch of changes is one transaction, synced once, and each change is checked against its own
//! precondition inside it.
//!
//! Three outcomes differ in what they touch. A conflict fails one change and the rest of the batch goes on: its
//! precondition is tested before anything is written, or by the one statement that writes, so no savepoint is
//! needed. A change that the database refuses whatever its state fails alone too. A disk that is full or fails
//! fails the whole batch, which may be tried again.

mod bindings;
mod history;
mod resources;
mod revisions;

use std::path::Path;
use std::sync::Arc;

use rusqlite::{Connection, ErrorCode, Transaction, TransactionBehavior, ffi};
use store::{Change, Conflict, Outcome, ResourceKind, Retained, Retention, Sealer, StoreError};

use super::error::cannot_write;
use super::retention::retain;
use super::sql::Bits;
use history::{
    add_exchange, delete_call, delete_execution, delete_recording, note_transcript, note_upload,
    put, put_timeline,
};
use resources::{delete, insert, map, unmap, update};

/// The connection for writes. Lives on the store thread.
pub(super) struct Writer {
    connection: Connection,
    sealer: Arc<dyn Sealer>,
}

/// Reason a change was not written.
enum Failure {
    /// Its precondition did not hold: only this change fails.
    Conflict(Conflict),
    /// The store cannot write: the batch fails.
    Broken(rusqlite::Error),
    /// The database refuses this change, whatever the space: only this change fails.
    Refused(Box<dyn std::error::Error + Send + Sync>),
}

type Written = Result<(), Failure>;

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        use ErrorCode::{ConstraintViolation, TooBig, TypeMismatch};
        let is_of_the_change = match &error {
            rusqlite::Error::SqliteFailure(failure, _) => {
                matches!(failure.code, ConstraintViolation | TooBig | TypeMismatch)
            }
            rusqlite::Error::ToSqlConversionFailure(_) => true,
            _ => false,
        };
        match is_of_the_change {
            true => Self::Refused(error.into()),
            false => Self::Broken(error),
        }
    }
}

impl Writer {
    pub(super) fn new(connection: Connection, sealer: Arc<dyn Sealer>) -> Self {
        Self { connection, sealer }
    }

    #[cfg(test)]
    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }

    fn try_commit(&mut self, unix_ms: i64, batch: &[Change]) -> rusqlite::Result<Vec<Outcome>> {
        let transaction =
            // Takes the lock for writes at once: what a precondition reads cannot change before the commit.
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut outcomes = Vec::with_capacity(batch.len());
        for change in batch {
            outcomes.push(match write(&transaction, &*self.sealer, change) {
                Ok(()) => Outcome::Committed,
                Err(Failure::Conflict(conflict)) => Outcome::Conflict(conflict),
                // Dropping the transaction rolls it back.
                Err(Failure::Broken(error)) => return Err(error),
                Err(Failure::Refused(problem)) => {
                    tracing::error!(%problem, "the database refuses a change");
                    Outcome::Unavailable
                }
            });
        }
        // In the same transaction: a commit is the best sign of life and costs no sync of its own.
        note_alive(&transaction, unix_ms)?;
        transaction.commit()?;
        debug_assert_eq!(outcomes.len(), batch.len(), "one outcome a change, in order");
        Ok(outcomes)
    }
}

impl store::Writer for Writer {
    fn commit(&mut self, unix_ms: i64, batch: &[Change]) -> Result<Vec<Outcome>, StoreError> {
        self.try_commit(unix_ms, batch).map_err(cannot_write)
    }

    fn note_alive(&mut self, unix_ms: i64) -> Result<(), StoreError> {
        note_alive(&self.connection, unix_ms).map_err(cannot_write)
    }

    fn retain(&mut self, retention: Retention, unix_ms: i64) -> Result<Retained, StoreError> {
        retain(&mut self.connection, retention, unix_ms).map_err(cannot_write)
    }

    fn checkpoint(&mut self) -> Result<(), StoreError> {
        let moved = self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
        moved.map_err(cannot_write)
    }

    fn back_up(&mut self, path: &Path) -> Result<(), StoreError> {
        // One statement, one view: the copy has no log and no free pages.
        let copied = self.connection.execute("VACUUM INTO ?1", [path.to_string_lossy()]);
        copied.map(drop).map_err(cannot_write)
    }
}

fn note_alive(connection: &Connection, unix_ms: i64) -> rusqlite::Result<()> {
    connection
        .prepare_cached("INSERT OR REPLACE INTO meta VALUES ('alive_ms', ?1)")?
        .execute([unix_ms.to_string()])
        .map(drop)
}

/// Writes rows of history that an earlier process kept in its journal.
///
/// # Errors
/// Those of SQLite. A row that the database refuses is left out and logged.
pub(super) fn write_late(
    transaction: &Transaction<'_>,
    sealer: &dyn Sealer,
    rows: &[Change],
) -> rusqlite::Result<()> {
    for row in rows {
        match write(transaction, sealer, row) {
            // History has no precondition, so nothing is lost by a conflict here.
            Ok(()) | Err(Failure::Conflict(_)) => {}
            Err(Failure::Refused(problem)) => {
                tracing::error!(%problem, "the database refuses a row of the last process");
            }
            Err(Failure::Broken(error)) => return Err(error),
        }
    }
    Ok(())
}

/// Writes one change, or leaves nothing of it behind.
fn write(transaction: &Transaction<'_>, sealer: &dyn Sealer, change: &Change) -> Written {
    match change {
        Change::Insert(resource) => {
            insert(transaction, sealer, resource)?;
            revisions::keep(transaction, resource)
        }
        Change::Update(resource) => {
            update(transaction, sealer, resource)?;
            revisions::keep(transaction, resource)
        }
        Change::Delete(key) => delete(transaction, *key),
        Change::Map(mapping) => map(transaction, mapping),
        Change::Unmap { domain, list } => unmap(transaction, Bits(domain.0), *list),
        Change::PutCall(call) => put(transaction, &**call),
        Change::DeleteCall { account, call } => {
            delete_call(transaction, Bits(account.0), Bits(call.0))
        }
        Change::PutExecution(execution) => put(transaction, &**execution),
        Change::DeleteExecution { account, execution } => {
            delete_execution(transaction, Bits(account.0), Bits(execution.0))
        }
        Change::SetTestUsers { flow, users } => {
            revisions::set_test_users(transaction, Bits(flow.0), users)
        }
        Change::PutConference(conference) => put(transaction, &**conference),
        Change::PutRecording(recording) => put(transaction, &**recording),
        Change::DeleteRecording { account, call, recording, deleted_ms } => delete_recording(
            transaction,
            Bits(account.0),
            call.map(|call| Bits(call.0)),
            Bits(recording.0),
            *deleted_ms,
        ),
        Change::NoteTranscript { account, recording, transcript } => {
            let row = transcript.as_deref();
            note_transcript(transaction, Bits(account.0), Bits(recording.0), row)
        }
        Change::NoteUpload { account, recording, error_code, updated_ms } => note_upload(
            transaction,
            Bits(account.0),
            Bits(recording.0),
            error_code.map(shared::Code::number),
            *updated_ms,
        ),
        Change::AddNotification(row) => put(transaction, &**row),
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
                    // Also for a SID that is taken, which its random bits all but exclude.
                    Err(Failure::Conflict(Conflict::NameTaken(kind)))
                }
                // What a foreign key means depends on the statement: an owner that is gone, or a row that
                // something refers to.
                ffi::SQLITE_CONSTRAINT_FOREIGNKEY => Err(Failure::Conflict(foreign_key)),
                _ => Err(Failure::Refused(message.map_or_else(|| error.into(), Into::into))),
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
