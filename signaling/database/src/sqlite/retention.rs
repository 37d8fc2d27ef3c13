//! Deletion of old history: by age, then by size (settings `[retention]`).
//!
//! It runs in bounded turns on the store thread between commits, so that a backlog of old rows never delays a call.

use rusqlite::{Connection, params};
use shared::ids::{Origin, sid_bits};
use store::{Retained, Retention};

use super::sql::Bits;

/// Most rows of one kind that a turn deletes, so that commits never wait long.
const ROWS_A_TURN: u32 = 1_000;
/// Most free pages that a turn returns to the file system.
const PAGES_A_TURN: u32 = 1_000;
/// Time that a deleted recording's metadata is kept, as the contract promises: 40 days.
const DELETED_RECORDING_MS: i64 = 40 * 24 * 3_600_000;

/// One bounded turn. See [`store::Writer::retain`].
///
/// # Errors
/// Those of SQLite; nothing was deleted then.
pub(super) fn retain(
    connection: &mut Connection,
    retention: Retention,
    unix_ms: i64,
) -> rusqlite::Result<Retained> {
    // By pages in use and not by the size of the file, which shrinks a little each turn only.
    let full = bytes_used(connection)? > retention.bytes;
    // Over the size: delete the oldest, whatever its age.
    let oldest_ms = if full { unix_ms } else { unix_ms - retention.age_ms };
    let transaction = connection.transaction()?;
    // SIDs begin with their time: the primary key finds what is old, and no index of dates is needed.
    let before = Bits(sid_bits(oldest_ms, Origin { node: 0, generation: 0 }, 0));
    let calls = delete_calls(&transaction, before)?;
    let conferences = transaction.execute(
        "DELETE FROM conferences WHERE sid IN
           (SELECT sid FROM conferences WHERE sid < ?1 AND reason_ended IS NOT NULL
            ORDER BY sid LIMIT ?2)",
        params![before, ROWS_A_TURN],
    )?;
    let executions = transaction.execute(
        "DELETE FROM executions WHERE sid IN
           (SELECT sid FROM executions WHERE sid < ?1 AND status = 'ended' ORDER BY sid LIMIT ?2)",
        params![before, ROWS_A_TURN],
    )?;
    let notifications = transaction.execute(
        "DELETE FROM notifications WHERE sid IN
           (SELECT sid FROM notifications WHERE sid < ?1 ORDER BY sid LIMIT ?2)",
        params![before, ROWS_A_TURN],
    )?;
    transaction.execute(
        "DELETE FROM recordings WHERE sid IN
           (SELECT sid FROM recordings WHERE status = 'deleted' AND updated_ms < ?1 LIMIT ?2)",
        params![unix_ms - DELETED_RECORDING_MS, ROWS_A_TURN],
    )?;
    transaction.commit()?;
    // After the commit: pages are free only then.
    give_back(connection)?;
    let deleted_full_turn =
        calls.max(conferences).max(executions).max(notifications) == ROWS_A_TURN as usize;
    // While the size is exceeded and something was deleted, another turn follows. Where nothing is left to
    // delete, configuration alone exceeds the size, and more turns would not help.
    let early = full && calls + conferences + executions + notifications > 0;
    Ok(Retained { calls, conferences, notifications, early, more: deleted_full_turn || early })
}

/// Bytes of the pages in use.
fn bytes_used(connection: &Connection) -> rusqlite::Result<u64> {
    let number = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let pages = number("page_count")? - number("freelist_count")?;
    Ok(u64::try_from(pages * number("page_size")?).unwrap_or(0))
}

/// Deletes ended calls with all that belongs to them. Live calls stay, whatever their age.
fn delete_calls(connection: &Connection, before: Bits) -> rusqlite::Result<usize> {
    // Chosen first and deleted one by one: timelines and exchanges have no foreign key by which they would
    // follow.
    let sids: Vec<Bits> = connection
        .prepare_cached(
            "SELECT sid FROM calls WHERE sid < ?1 AND end_ms IS NOT NULL ORDER BY sid LIMIT ?2",
        )?
        .query_map(params![before, ROWS_A_TURN], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    for sid in &sids {
        forget_call(connection, *sid)?;
    }
    Ok(sids.len())
}

/// Deletes a call's record, timeline and exchanges. Its recordings stay.
pub(super) fn forget_call(connection: &Connection, call: Bits) -> rusqlite::Result<()> {
    connection.prepare_cached("DELETE FROM exchanges WHERE call = ?1")?.execute([call])?;
    connection.prepare_cached("DELETE FROM timelines WHERE call = ?1")?.execute([call])?;
    connection.prepare_cached("DELETE FROM calls WHERE sid = ?1")?.execute([call])?;
    Ok(())
}

fn give_back(connection: &Connection) -> rusqlite::Result<()> {
    let mut statement =
        // A pragma takes no parameter.
        connection.prepare(&format!("PRAGMA incremental_vacuum({PAGES_A_TURN})"))?;
    let mut rows = statement.query([])?;
    // SQLite frees one page a step, so the statement has to be read to its end.
    while rows.next()?.is_some() {}
    Ok(())
}
