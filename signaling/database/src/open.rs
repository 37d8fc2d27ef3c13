//! Opening the file, in the one order that is safe: bring the schema up to date, refuse a file of another realm,
//! recover from a kill, and only then read the snapshot, so that it holds what recovery wrote.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};
use shared::ids::Origin;
use shared::limits::HISTORY_JOURNAL_BYTES_MAX;
use store::{Change, DomainSuffix, Resource, ResourceKind, Sealer, Snapshot};

use crate::error::OpenError;
use crate::journal::{self, Journal};
use crate::recover::{self, Recovered};
use crate::writer::Writer;
use crate::{rows, schema};

/// An open database: all that the gateway starts from.
pub struct Opened {
    /// For the store thread.
    pub writer: Writer,
    /// For Control. Empty of accounts at the first start.
    pub snapshot: Snapshot,
    /// State that the previous process left behind.
    pub recovered: Recovered,
    /// Space for history that cannot be committed; `None` where the disk has none to set aside.
    pub journal: Option<Journal>,
}

/// Opens the file at `path`, or creates it, and brings it up to date: migrates the schema, writes the history that
/// the previous process could not commit, and closes calls that were live when it was killed as failed.
///
/// Call once per process, with the lock of the data folder held. `unix_ms` and `origin` date and name
/// the notifications about closed calls.
///
/// # Errors
/// See [`OpenError`]. A migration that succeeded stays; nothing else was changed.
pub fn open(
    path: &Path,
    suffix: DomainSuffix,
    sealer: Arc<dyn Sealer>,
    unix_ms: i64,
    origin: Origin,
) -> Result<Opened, OpenError> {
    let mut connection = connect(path, OpenFlags::default())?;
    connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // A commit returns only once the log is on disk: an answered write survives a power failure.
    connection.pragma_update(None, "synchronous", "FULL")?;
    // A burst may grow the log; a checkpoint cuts it back to this.
    connection.pragma_update(None, "journal_size_limit", LOG_BYTES_KEPT)?;
    schema::migrate(&mut connection)?;
    check_realm(&connection, &suffix)?;
    let late = read_journal(path)?;
    let recovered = recover::recover(&mut connection, &*sealer, &late, unix_ms, origin)?;
    let snapshot = load(&connection, suffix, &*sealer)?;
    let writer = Writer::new(connection, sealer);
    Ok(Opened { writer, snapshot, recovered, journal: make_journal(path) })
}

/// Path of the journal for history that could not be committed: beside the database.
pub fn journal_path(database: &Path) -> PathBuf {
    database.with_file_name("history.journal")
}

fn read_journal(database: &Path) -> Result<Vec<Change>, OpenError> {
    let path = journal_path(database);
    let rows = journal::read(&path, HISTORY_JOURNAL_BYTES_MAX);
    rows.map_err(|source| OpenError::Unreadable { path, source })
}

/// Sets the journal's space aside: a sixteenth of what is free at most, so that a small disk keeps room.
fn make_journal(database: &Path) -> Option<Journal> {
    let path = journal_path(database);
    let folder = database.parent().unwrap_or(Path::new("."));
    let free = rustix::fs::statvfs(folder).map_or(0, |disk| disk.f_bavail * disk.f_frsize);
    // The new journal takes over the space of the old one.
    let free = free + std::fs::metadata(&path).map_or(0, |file| file.len());
    let journal = Journal::make(&path, HISTORY_JOURNAL_BYTES_MAX.min(free / 16));
    journal
        .inspect_err(|error| {
            tracing::warn!(
                path = %path.display(), %error,
                "no space is set aside for history that a full disk would lose with the process"
            );
        })
        .ok()
}

/// Reads the configuration of a file that a running gateway may hold open. Writes nothing.
///
/// # Errors
/// [`OpenError`]; [`OpenError::Older`] where no gateway of this version has run on it yet.
pub fn read_snapshot(
    path: &Path,
    suffix: DomainSuffix,
    sealer: &dyn Sealer,
) -> Result<Snapshot, OpenError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = connect(path, flags)?;
    let transaction = connection.transaction()?;
    schema::check(&transaction)?;
    Ok(load(&transaction, suffix, sealer)?)
}

/// A connection with the settings that readers and the writer share.
pub(crate) fn connect(path: &Path, flags: OpenFlags) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(PathBuf::from(path), flags)?;
    connection.busy_timeout(Duration::from_secs(5))?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.set_prepared_statement_cache_capacity(128);
    Ok(connection)
}

/// Size the write-ahead log is cut back to.
const LOG_BYTES_KEPT: i64 = 64 << 20;

fn check_realm(connection: &Connection, suffix: &DomainSuffix) -> Result<(), OpenError> {
    let asked = suffix.realm();
    connection.execute("INSERT OR IGNORE INTO meta VALUES ('realm', ?1)", [&asked])?;
    let stored: String =
        connection.query_row("SELECT value FROM meta WHERE key = 'realm'", [], |row| row.get(0))?;
    if stored == asked {
        return Ok(());
    }
    let users: i64 =
        connection.query_row("SELECT count(*) FROM credentials", [], |row| row.get(0))?;
    if users > 0 {
        return Err(OpenError::OtherRealm { stored, asked });
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
            snapshot.apply(&read(row)?);
        }
        Ok::<(), rusqlite::Error>(())
    };
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
