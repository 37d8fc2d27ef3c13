//! Rows of history: calls, recordings, notifications, exchanges, timelines.

use std::fmt::Write as _;

use rusqlite::{Transaction, params, params_from_iter};
use store::{Column, Conflict, HttpExchange, Recorded, TimelineRecord, Transcript};

use super::resources::comma_separated;
use super::{Failure, Written, first};
use crate::sqlite::retention::forget_call;
use crate::sqlite::sql::{Bits, plain};

/// Writes a record, new or newer. Of an older version on disk, the columns that change are replaced.
pub(super) fn put<R: Recorded>(transaction: &Transaction<'_>, row: &R) -> Written {
    let mut statement = String::with_capacity(512);
    // Writing to a `String` cannot fail.
    let _ = write!(statement, "INSERT INTO {} (", R::TABLE);
    comma_separated(&mut statement, R::COLUMNS, |s, _, column| s.write_str(column.name));
    statement.push_str(") VALUES (");
    comma_separated(&mut statement, R::COLUMNS, |s, number, _| write!(s, "?{number}"));
    statement.push_str(") ON CONFLICT (sid) DO ");
    let changing: Vec<Column> = R::COLUMNS.iter().filter(|c| c.changes).copied().collect();
    // A row without changing columns may be written again: the journal may hold what was committed after
    // all.
    statement.push_str(if changing.is_empty() { "NOTHING" } else { "UPDATE SET " });
    comma_separated(&mut statement, &changing, |s, _, column| {
        write!(s, "{} = excluded.{}", column.name, column.name)
    });
    let values = row.values().into_iter().map(plain);
    transaction.prepare_cached(&statement)?.execute(params_from_iter(values))?;
    Ok(())
}

pub(super) fn delete_call(transaction: &Transaction<'_>, account: Bits, call: Bits) -> Written {
    // Asked inside the transaction, where nothing else writes: the answer holds for the delete.
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

pub(super) fn delete_execution(
    transaction: &Transaction<'_>,
    account: Bits,
    execution: Bits,
) -> Written {
    let ended: Option<bool> = first(
        transaction
            .prepare_cached(
                "SELECT status = 'ended' FROM executions WHERE sid = ?1 AND account = ?2",
            )?
            .query_row([execution, account], |row| row.get(0)),
    )?;
    match ended {
        None => Err(Failure::Conflict(Conflict::Missing)),
        Some(false) => Err(Failure::Conflict(Conflict::ExecutionActive)),
        Some(true) => {
            transaction.execute("DELETE FROM executions WHERE sid = ?1", [execution])?;
            Ok(())
        }
    }
}

pub(super) fn delete_recording(
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
        // A second DELETE finds nothing, as it would once the metadata is gone.
        None | Some(Some(store::RecordingStatus::Deleted)) => {
            Err(Failure::Conflict(Conflict::Missing))
        }
        Some(Some(status)) if status.is_running() => {
            Err(Failure::Conflict(Conflict::RecordingRunning))
        }
        // Also a status that this version does not know: it is not one that a running recorder writes.
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

pub(super) fn note_upload(
    transaction: &Transaction<'_>,
    account: Bits,
    recording: Bits,
    error_code: Option<u32>,
    updated_ms: i64,
) -> Written {
    transaction
        .prepare_cached(
            "UPDATE recordings SET error_code = ?3, updated_ms = ?4
             WHERE sid = ?1 AND account = ?2 AND status = 'completed'",
        )?
        .execute(params![recording, account, error_code, updated_ms])?;
    Ok(())
}

pub(super) fn note_transcript(
    transaction: &Transaction<'_>,
    account: Bits,
    recording: Bits,
    transcript: Option<&Transcript>,
) -> Written {
    let json = transcript.map(serde_json::to_string).transpose();
    let json = json.map_err(|error| Failure::Refused(error.into()))?;
    transaction
        .prepare_cached(
            "UPDATE recordings SET transcript = ?3
             WHERE sid = ?1 AND account = ?2 AND status <> 'deleted'",
        )?
        .execute(params![recording, account, json])?;
    Ok(())
}

pub(super) fn add_exchange(transaction: &Transaction<'_>, row: &HttpExchange) -> Written {
    // In one column: a table of parameters would have many rows for each exchange, and no list filters by
    // one.
    let parameters =
        serde_json::to_string(&row.parameters).map_err(|error| Failure::Refused(error.into()))?;
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

pub(super) fn put_timeline(transaction: &Transaction<'_>, row: &TimelineRecord) -> Written {
    transaction
        .prepare_cached("INSERT OR REPLACE INTO timelines VALUES (?1, ?2, ?3)")?
        .execute(params![Bits(row.call.0), Bits(row.account.0), row.json])?;
    Ok(())
}
