//! Rows of history: calls, recordings, notifications, exchanges, timelines.

use rusqlite::{Transaction, params};
use store::{
    CallRecord, Conflict, HttpExchange, NotificationRecord, RecordingRecord, TimelineRecord,
};

use super::{Failure, Written, first};
use crate::sqlite::retention::forget_call;
use crate::sqlite::sql::Bits;

pub(super) fn put_call(transaction: &Transaction<'_>, row: &CallRecord) -> Written {
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

pub(super) fn delete_call(transaction: &Transaction<'_>, account: Bits, call: Bits) -> Written {
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

pub(super) fn put_recording(transaction: &Transaction<'_>, row: &RecordingRecord) -> Written {
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

pub(super) fn add_notification(transaction: &Transaction<'_>, row: &NotificationRecord) -> Written {
    let exchange = row.exchange.as_ref();
    transaction
        .prepare_cached(
            "INSERT OR IGNORE INTO notifications VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11,
                                                         ?12)",
        )?
        .execute(params![
            Bits(row.sid.0),
            Bits(row.account.0),
            row.call.map(|sid| Bits(sid.0)),
            row.level.number(),
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

pub(super) fn add_exchange(transaction: &Transaction<'_>, row: &HttpExchange) -> Written {
    let parameters = serde_json::to_string(&row.parameters)
        .map_err(|error| Failure::Refused(error.to_string()))?;
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
