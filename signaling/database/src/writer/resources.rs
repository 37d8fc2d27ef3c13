//! Rows of configuration: inserted, updated, deleted, mapped, each under its precondition.

use rusqlite::{Transaction, params};
use store::{
    Account, Conflict, Credential, CredentialList, Domain, IpAccessControlList, IpAddress, Key,
    MappedList, Mapping, Resource, ResourceKey, ResourceKind, Sealer, limit_of,
};

use super::{Failure, Written, conflict_of, found};
use crate::sql::{Bits, kind_number};

pub(super) fn insert(
    transaction: &Transaction<'_>,
    sealer: &dyn Sealer,
    resource: &Resource,
) -> Written {
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
        .map_err(|error| Failure::Refused(error.to_string()))?;
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
pub(super) fn update(transaction: &Transaction<'_>, resource: &Resource) -> Written {
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
pub(super) fn delete(transaction: &Transaction<'_>, key: ResourceKey) -> Written {
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

pub(super) fn map(transaction: &Transaction<'_>, mapping: &Mapping) -> Written {
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

pub(super) fn unmap(transaction: &Transaction<'_>, domain: Bits, list: MappedList) -> Written {
    found(
        transaction
            .prepare_cached("DELETE FROM mappings WHERE domain = ?1 AND kind = ?2 AND list = ?3")?
            .execute(params![domain, kind_number(list.kind()), Bits(list.bits())])?,
    )
}
