//! Rows of registered contacts: small, many, and rewritten by each refresh.

use rusqlite::{Transaction, params};
use store::{BindingChanges, BindingRecord, Conflict, ResourceKind};

use super::{Written, conflict_of};
use crate::sqlite::sql::Bits;

pub(super) fn change(transaction: &Transaction<'_>, changes: &BindingChanges) -> Written {
    // A binding that is gone already is no conflict: expiry and a lost connection may both remove it.
    for sid in &changes.removed {
        transaction
            .prepare_cached("DELETE FROM bindings WHERE sid = ?1")?
            .execute([Bits(sid.0)])?;
    }
    changes.put.iter().try_for_each(|row| put(transaction, row))
}

fn put(transaction: &Transaction<'_>, row: &BindingRecord) -> Written {
    // A refresh keeps account, domain, user and the date of the first REGISTER: the update leaves these
    // columns out.
    let outbound = row.outbound.as_ref();
    let written = transaction
        .prepare_cached(
            "INSERT INTO bindings VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14,
                                          ?15, ?16, ?17, ?18)
             ON CONFLICT (sid) DO UPDATE SET
                 contact = ?5, path = ?6, call_id = ?7, cseq = ?8, transport = ?9, remote = ?10,
                 local = ?11, edge = ?12, instance = ?13, reg_id = ?14, user_agent = ?15,
                 updated_ms = ?17, expires_ms = ?18",
        )?
        .execute(params![
            Bits(row.sid.0),
            Bits(row.account.0),
            Bits(row.domain.0),
            row.user,
            row.contact,
            row.path,
            row.call_id,
            row.cseq,
            row.transport.parameter(),
            row.remote.to_string(),
            row.local.to_string(),
            row.edge,
            outbound.map(|(instance, _)| instance),
            outbound.map(|(_, reg_id)| reg_id),
            row.user_agent,
            row.created_ms,
            row.updated_ms,
            row.expires_ms,
        ]);
    // The only foreign key is the domain's: it was deleted meanwhile.
    conflict_of(written, ResourceKind::Domain, Conflict::Missing).map(drop)
}
