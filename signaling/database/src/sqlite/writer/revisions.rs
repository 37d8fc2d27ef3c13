//! What a flow has beside its row. Its revisions: a copy of the row each time it changes, in the transaction of the change.
//!
//! A flow keeps its newest [`FLOW_REVISIONS_MAX`]. Past that the oldest goes, but never the published one, which answers calls. Its
//! test users.

use rusqlite::{Transaction, params};
use shared::limits::FLOW_REVISIONS_MAX;
use store::{Conflict, Resource, ResourceKind};

use super::{Written, conflict_of};
use crate::sqlite::sql::Bits;

/// Keeps the flow as it was just written.
pub(super) fn keep(transaction: &Transaction<'_>, resource: &Resource) -> Written {
    let Resource::Flow(flow) = resource else { return Ok(()) };
    let sid = Bits(flow.sid.0);
    transaction
        .prepare_cached(
            "INSERT INTO flow_revisions
             SELECT sid, revision, friendly_name, status, definition, commit_message, updated_ms
             FROM flows WHERE sid = ?1",
        )?
        .execute([sid])?;
    // One at a time until there is room: a program with a lower limit may have written before.
    let mut drop_oldest = transaction.prepare_cached(
        "DELETE FROM flow_revisions
         WHERE flow = ?1
           AND (SELECT count(*) FROM flow_revisions WHERE flow = ?1) > ?2
           AND number = (SELECT min(number) FROM flow_revisions WHERE flow = ?1 AND number IS NOT ?3)",
    )?;
    let published = flow.published_revision.map(|number| number as i64);
    while drop_oldest.execute(params![sid, FLOW_REVISIONS_MAX as i64, published])? > 0 {}
    Ok(())
}

pub(super) fn set_test_users(transaction: &Transaction<'_>, flow: Bits, users: &str) -> Written {
    let put = transaction
        .prepare_cached("INSERT OR REPLACE INTO flow_test_users VALUES (?1, ?2)")?
        .execute(params![flow, users]);
    conflict_of(put, ResourceKind::Flow, Conflict::Missing).map(drop)
}
