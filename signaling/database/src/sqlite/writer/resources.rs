//! Rows of configuration: inserted, updated, deleted, mapped, each under its precondition.
//!
//! Statements are made from the kind's description, so that all kinds share them; only mappings, which are
//! not resources of their own, have statements written out.

use std::fmt::Write as _;

use rusqlite::types::Value as Kept;
use rusqlite::{Transaction, params, params_from_iter};
use store::{
    Column, Conflict, Description, MappedList, Mapping, Resource, ResourceKey, ResourceKind,
    Sealer, Value,
};

use super::{Failure, Written, conflict_of, found};
use crate::sqlite::sql::{Bits, kept, kind_number};

pub(super) fn insert(
    transaction: &Transaction<'_>,
    sealer: &dyn Sealer,
    resource: &Resource,
) -> Written {
    let description = resource.kind().description();
    debug_assert_eq!(resource.revision(), 1, "a row begins at revision 1");
    let values = resource.values();
    check_limit(transaction, description, &values)?;
    let values = values_kept(description, values, sealer, |_| true)?;
    let mut statement = format!("INSERT INTO {} (", description.table);
    comma_separated(&mut statement, description.columns, |s, _, column| s.write_str(column.name));
    statement.push_str(") VALUES (");
    comma_separated(&mut statement, description.columns, |s, number, _| write!(s, "?{number}"));
    statement.push(')');
    let inserted = transaction.prepare_cached(&statement)?.execute(params_from_iter(values));
    conflict_of(inserted, description.kind, Conflict::Missing).map(drop)
}

/// Counts the owner's rows again inside the transaction: two writes may have been planned on the same
/// last place.
fn check_limit(
    transaction: &Transaction<'_>,
    description: &Description,
    values: &[Value],
) -> Written {
    let mut owners = description.columns.iter().zip(values);
    let owner = owners.find(|(column, _)| column.name == description.owner);
    // A main account has no owner, and no limit counts it.
    let Some(owner) = owner.and_then(|(_, value)| value.sid_bits()) else { return Ok(()) };
    let (table, column) = (description.table, description.owner);
    let count: i64 = transaction
        .prepare_cached(&format!("SELECT count(*) FROM {table} WHERE {column} = ?1"))?
        .query_row([Bits(owner)], |row| row.get(0))?;
    if count >= description.limit as i64 {
        return Err(Failure::Conflict(Conflict::LimitReached(description.kind)));
    }
    Ok(())
}

/// Writes the columns that can change, where the stored revision is the one before.
pub(super) fn update(
    transaction: &Transaction<'_>,
    sealer: &dyn Sealer,
    resource: &Resource,
) -> Written {
    let description = resource.kind().description();
    let table = description.table;
    let values = resource.values();
    let sid = values.first().and_then(Value::sid_bits).map(Bits);
    debug_assert!(sid.is_some(), "the first column of {table} is a SID");
    // The SID is ?1, the columns follow in their order, and the last of them is the revision.
    let is_written = |column: &Column| column.changes || column.name == "sid";
    let values = values_kept(description, values, sealer, is_written)?;
    // Only these: a fixed column that an update wrote could move a row to another owner.
    let changing: Vec<Column> = description.columns.iter().filter(|c| c.changes).copied().collect();
    let mut statement = format!("UPDATE {table} SET ");
    comma_separated(&mut statement, &changing, |s, number, column| {
        write!(s, "{} = ?{}", column.name, number + 1)
    });
    let revision = values.len();
    debug_assert_eq!(values.last(), Some(&Kept::Integer(resource.revision() as i64)));
    debug_assert!(resource.revision() > 1, "an update raises the revision");
    // Writing to a `String` cannot fail.
    let _ = write!(statement, " WHERE sid = ?1 AND revision = ?{revision} - 1");
    let updated = transaction.prepare_cached(&statement)?.execute(params_from_iter(values));
    if conflict_of(updated, description.kind, Conflict::Missing)? == 1 {
        return Ok(());
    }
    // Asked only after the update failed, so that the usual one costs one statement.
    let is_there: bool = transaction
        .prepare_cached(&format!("SELECT EXISTS (SELECT 1 FROM {table} WHERE sid = ?1)"))?
        .query_row([sid], |row| row.get(0))?;
    Err(Failure::Conflict(if is_there { Conflict::Stale } else { Conflict::Missing }))
}

/// The values of the columns that `takes` chooses, as SQLite keeps them.
fn values_kept(
    description: &Description,
    values: Vec<Value>,
    sealer: &dyn Sealer,
    takes: impl Fn(&Column) -> bool,
) -> Result<Vec<Kept>, Failure> {
    debug_assert_eq!(values.len(), description.columns.len(), "{}", description.table);
    let sid = values.first().and_then(Value::sid_bits).unwrap_or_default();
    let columns = description.columns.iter().zip(values).filter(|(column, _)| takes(column));
    let kept = columns.map(|(column, value)| {
        debug_assert_eq!(column.sealed, matches!(value, Value::Secret(_)), "{}", column.name);
        kept(value, sid, sealer).map_err(|error| Failure::Refused(error.into()))
    });
    kept.collect()
}

/// Appends what `part` writes for each column and its number, counted from 1, separated by commas.
pub(super) fn comma_separated(
    statement: &mut String,
    columns: &[Column],
    part: impl Fn(&mut String, usize, &Column) -> std::fmt::Result,
) {
    for (number, column) in (1..).zip(columns) {
        if number > 1 {
            statement.push_str(", ");
        }
        // Writing to a `String` cannot fail.
        let _ = part(statement, number, column);
    }
}

/// Deletes a row. The foreign keys decide what refers to it: subdomains, and mappings of a list, keep it;
/// mappings of a domain, and rows of a list, go with it.
pub(super) fn delete(transaction: &Transaction<'_>, key: ResourceKey) -> Written {
    let ResourceKey { kind, sid } = key;
    let deleted = transaction
        .prepare_cached(&format!("DELETE FROM {} WHERE sid = ?1", kind.description().table))?
        .execute([Bits(sid)]);
    found(conflict_of(deleted, kind, Conflict::InUse(kind))?)
}

pub(super) fn map(transaction: &Transaction<'_>, mapping: &Mapping) -> Written {
    let list = Bits(mapping.list.bits());
    // A column for each table, as a foreign key names one table.
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

pub(super) fn unmap(transaction: &Transaction<'_>, domain: Bits, list: MappedList) -> Written {
    found(
        transaction
            .prepare_cached("DELETE FROM mappings WHERE domain = ?1 AND kind = ?2 AND list = ?3")?
            .execute(params![domain, kind_number(list.kind()), Bits(list.bits())])?,
    )
}
