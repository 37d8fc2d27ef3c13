//! Recovery after a kill: what was live is closed, at the last moment the process is known to have run; calls as
//! failed.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use rusqlite::{Connection, Transaction, params};
use shared::ids::{Origin, sid_bits};
use shared::{AccountSid, RecordingSid};
use store::{CallRecord, CallStatus, Change, ConferenceEnd, ConferenceStatus, Sealer};

use super::rows;
use super::sql::{Bits, word};
use super::writer;
use crate::driver::Recovered;

/// Longest time between the deletion of a recording and that of its file.
const DELETED_LATELY_MS: i64 = 3_600_000;

/// The contract's code for an internal failure.
const INTERNAL_FAILURE: u32 = 12400;

/// Writes `late`, the rows of history that the previous process could not commit, and closes live calls and
/// conferences, in one transaction. Their end is the last moment the previous process is known to have run, not the moment of this
/// start: no call outlives the process.
pub(super) fn recover(
    connection: &mut Connection,
    sealer: &dyn Sealer,
    late: &[Change],
    unix_ms: i64,
    origin: Origin,
) -> rusqlite::Result<Recovered> {
    // All or nothing: after a kill in here the next start finds the same state.
    let transaction = connection.transaction()?;
    let alive_ms = last_alive(&transaction)?;
    // Before live calls are looked for: a call whose end only the journal has keeps its true end.
    writer::write_late(&transaction, sealer, late)?;
    let live: Vec<CallRecord> = transaction
        .prepare("SELECT * FROM calls WHERE end_ms IS NULL")?
        .query_map([], rows::record)?
        .collect::<Result<_, _>>()?;
    for call in &live {
        close(&transaction, call, alive_ms.unwrap_or(call.updated_ms), unix_ms, origin)?;
    }
    let callbacks = transaction
        .prepare("SELECT * FROM calls WHERE owed_callback IS NOT NULL ORDER BY sid")?
        .query_map([], rows::record)?
        .collect::<Result<_, _>>()?;
    let conferences_closed = close_conferences(&transaction, alive_ms)?;
    // Their calls are over, and no request of one comes any more.
    transaction.execute("UPDATE executions SET status = 'ended' WHERE status = 'active'", [])?;
    let transcripts_failed = fail_transcripts(&transaction, unix_ms)?;
    let recordings = transaction
        .prepare(
            "SELECT * FROM recordings
             WHERE status IN ('in-progress', 'paused', 'stopped', 'processing')",
        )?
        .query_map([], rows::record)?
        .collect::<Result<_, _>>()?;
    let deleted = transaction
        .prepare(
            "SELECT account, sid FROM recordings WHERE status = 'deleted' AND updated_ms >= ?1",
        )?
        .query_map([alive_ms.unwrap_or(0) - DELETED_LATELY_MS], |row| {
            let (account, sid): (Bits, Bits) = (row.get(0)?, row.get(1)?);
            Ok((AccountSid(account.0), RecordingSid(sid.0)))
        })?
        .collect::<Result<_, _>>()?;
    // Before these rows are deleted.
    let returning = returning(&transaction, unix_ms)?;
    transaction
        .execute("DELETE FROM bindings WHERE expires_ms <= ?1 OR transport <> 'udp'", [unix_ms])?;
    let bindings = transaction
        .prepare("SELECT * FROM bindings")?
        .query_map([], rows::binding)?
        .collect::<Result<_, _>>()?;
    transaction.commit()?;
    Ok(Recovered {
        calls_closed: live.len(),
        callbacks,
        conferences_closed,
        transcripts_failed,
        recordings,
        deleted,
        bindings,
        returning,
    })
}

fn returning(
    transaction: &Transaction<'_>,
    unix_ms: i64,
) -> rusqlite::Result<BTreeMap<IpAddr, i64>> {
    let mut sources = BTreeMap::new();
    let mut select = transaction.prepare(
        "SELECT remote, expires_ms FROM bindings WHERE expires_ms > ?1 AND transport <> 'udp'",
    )?;
    let mut rows = select.query([unix_ms])?;
    while let Some(row) = rows.next()? {
        let remote: SocketAddr = word(row, "remote", |text| text.parse().ok())?;
        let expires_ms: i64 = row.get("expires_ms")?;
        // Canonical, as admission sees an IPv4 source on a dual-stack socket.
        let latest = sources.entry(remote.ip().to_canonical()).or_insert(expires_ms);
        *latest = expires_ms.max(*latest);
    }
    Ok(sources)
}

fn last_alive(transaction: &Transaction<'_>) -> rusqlite::Result<Option<i64>> {
    transaction.query_row(
        "SELECT max(CAST(value AS INTEGER)) FROM meta WHERE key = 'alive_ms'",
        [],
        |row| row.get(0),
    )
}

/// Ends live conferences as the end of their calls does: their last participant left.
fn close_conferences(
    transaction: &Transaction<'_>,
    alive_ms: Option<i64>,
) -> rusqlite::Result<usize> {
    // A conference may have changed after the last note, which is up to 10 s old.
    transaction.execute(
        "UPDATE conferences SET status = ?1, reason_ended = ?2,
                                updated_ms = max(updated_ms, coalesce(?3, updated_ms))
         WHERE reason_ended IS NULL",
        params![
            ConferenceStatus::Completed.name(),
            ConferenceEnd::LastParticipantLeft.name(),
            alive_ms
        ],
    )
}

/// The recogniser ended with its process, and nothing reads a recording again.
fn fail_transcripts(transaction: &Transaction<'_>, unix_ms: i64) -> rusqlite::Result<usize> {
    transaction.execute(
        "UPDATE recordings
         SET transcript = json_set(transcript, '$.status', 'Failed', '$.updated_ms', ?1)
         WHERE transcript IS NOT NULL AND json_extract(transcript, '$.status') = 'InProgress'",
        [unix_ms],
    )
}

fn close(
    transaction: &Transaction<'_>,
    call: &CallRecord,
    alive_ms: i64,
    unix_ms: i64,
    origin: Origin,
) -> rusqlite::Result<()> {
    // A call may have changed after the last note, which is up to 10 s old.
    let end_ms = alive_ms.max(call.updated_ms);
    // A call that only rang has no duration, however long it rang.
    let answered = call.status == CallStatus::InProgress;
    let duration_s =
        call.start_ms.filter(|_| answered).map(|start| (end_ms - start).max(0) / 1_000);
    transaction
        .prepare_cached(
            "UPDATE calls SET status = ?2, end_ms = ?3, duration_s = ?4, updated_ms = ?5,
                              start_ms = coalesce(start_ms, created_ms)
             WHERE sid = ?1",
        )?
        .execute(params![
            Bits(call.sid.0),
            CallStatus::Failed.name(),
            end_ms,
            duration_s,
            unix_ms
        ])?;
    // The call's random bits make the SID unique among those of this millisecond.
    let sid = sid_bits(unix_ms, origin, call.sid.0 as u64);
    transaction
        .prepare_cached(
            "INSERT INTO notifications (sid, account, call, level, error_code, message, created_ms)
             VALUES (?1, ?2, ?3, 0, ?4, ?5, ?6)",
        )?
        .execute(params![
            Bits(sid),
            Bits(call.account.0),
            Bits(call.sid.0),
            INTERNAL_FAILURE,
            "The gateway was stopped while this call was up. The call is closed as failed; its end \
             is the last moment the gateway is known to have run.",
            unix_ms,
        ])?;
    Ok(())
}
