//! Opening the file, in the one order that is safe: bring the schema up to date, refuse a file of another realm,
//! recover from a kill, and only then read the snapshot, so that it holds what recovery wrote.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};
use store::{Change, DomainSuffix, Resource, ResourceKind, Sealer, Snapshot, StoreError};

use super::error::OpenError;
use super::writer::Writer;
use super::{recover, rows, schema};
use crate::driver::{Recovered, Start};

/// Opens the file at `path`, or creates it. See [`crate::Database::open`].
pub(super) fn open(
    path: &Path,
    sealer: Arc<dyn Sealer>,
    start: Start<'_>,
) -> Result<(Writer, Snapshot, Recovered), OpenError> {
    let mut connection = connect(path, OpenFlags::default())?;
    // Before the schema: SQLite takes this setting only in a file without tables.
    connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // A commit returns only once the log is on disk: an answered write survives a power failure.
    connection.pragma_update(None, "synchronous", "FULL")?;
    // A burst may grow the log; a checkpoint cuts it back to this.
    connection.pragma_update(None, "journal_size_limit", LOG_BYTES_KEPT)?;
    schema::migrate(&mut connection)?;
    check_realm(&connection, &start.suffix)?;
    let recovered =
        recover::recover(&mut connection, &*sealer, start.late, start.unix_ms, start.origin)?;
    let snapshot = load(&connection, start.suffix, &*sealer)?;
    Ok((Writer::new(connection, sealer), snapshot, recovered))
}

/// See [`crate::Database::snapshot`].
pub(super) fn read_snapshot(
    path: &Path,
    suffix: DomainSuffix,
    sealer: &dyn Sealer,
) -> Result<Snapshot, OpenError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = connect(path, flags)?;
    // One view of all tables: a gateway may commit between the reads of two of them.
    let transaction = connection.transaction()?;
    schema::check(&transaction)?;
    Ok(load(&transaction, suffix, sealer)?)
}

/// A connection with the settings that readers and the writer share.
pub(super) fn connect(path: &Path, flags: OpenFlags) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(path, flags)?;
    // Readers and the writer never wait for each other. What remains is short: the first connection after a
    // kill reads the log and holds a lock meanwhile.
    connection.busy_timeout(Duration::from_secs(5))?;
    // A setting of the connection and not of the file. The conflicts `Missing` and `InUse` rest on it.
    connection.pragma_update(None, "foreign_keys", true)?;
    // The default of 16 is less than the statements of seven kinds of resources and their lists.
    connection.set_prepared_statement_cache_capacity(128);
    Ok(connection)
}

/// Size the write-ahead log is cut back to.
const LOG_BYTES_KEPT: i64 = 64 << 20;

fn check_realm(connection: &Connection, suffix: &DomainSuffix) -> Result<(), OpenError> {
    let asked = suffix.realm();
    // A new database takes the realm of the settings.
    connection.execute("INSERT OR IGNORE INTO meta VALUES ('realm', ?1)", [&asked])?;
    let stored: String =
        connection.query_row("SELECT value FROM meta WHERE key = 'realm'", [], |row| row.get(0))?;
    if stored == asked {
        return Ok(());
    }
    // Hashes contain the realm (RFC 7616 §3.4.2). Without users there are none, and another suffix is
    // harmless.
    let users: i64 =
        connection.query_row("SELECT count(*) FROM credentials", [], |row| row.get(0))?;
    if users > 0 {
        return Err(StoreError::OtherRealm { stored, asked }.into());
    }
    connection.execute("UPDATE meta SET value = ?1 WHERE key = 'realm'", [&asked])?;
    Ok(())
}

fn load(
    connection: &Connection,
    suffix: DomainSuffix,
    sealer: &dyn Sealer,
) -> rusqlite::Result<Snapshot> {
    let mut snapshot = Snapshot::new(suffix);
    let mut each = |table: &str, read: &dyn Fn(&rusqlite::Row<'_>) -> rusqlite::Result<Change>| {
        let mut statement = connection.prepare(&format!("SELECT * FROM {table}"))?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            // By the changes that made the rows, so that the asserts of the snapshot hold for a loaded one
            // too.
            snapshot.apply(&read(row)?);
        }
        Ok::<(), rusqlite::Error>(())
    };
    // In this order, each kind comes after the kinds that its rows refer to.
    for kind in ResourceKind::ALL {
        let description = kind.description();
        each(description.table, &|row| {
            let values = rows::values(row, description, sealer)?;
            Ok(Change::Insert(Resource::from_values(*kind, values).map_err(rows::damaged)?))
        })?;
    }
    each("mappings", &|row| Ok(Change::Map(rows::mapping(row)?)))?;
    Ok(snapshot)
}
