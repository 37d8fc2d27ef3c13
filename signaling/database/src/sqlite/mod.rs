//! The SQLite driver, bundled into the binary: one file, its write-ahead log, one connection for writes.
//!
//! With the write-ahead log a reader never waits for the writer. `synchronous = FULL` makes a commit return only
//! when it is on disk. Nothing outside this folder names SQLite.

mod error;
mod list;
mod log;
mod open;
mod reader;
mod recover;
mod retention;
mod rows;
mod schema;
mod sql;
mod writer;

#[cfg(test)]
mod tests;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::OpenFlags;
use store::{DomainSuffix, Reader, Sealer, Snapshot, StoreError, Unwritten};

use crate::driver::{Driver, Found, Start, Started};
use crate::waiting::Waiting;
use error::{OpenError, unreadable};

/// A database file by its path.
pub(crate) struct Sqlite {
    path: PathBuf,
    sealer: Arc<dyn Sealer>,
}

impl Sqlite {
    pub(crate) fn new(path: &Path, sealer: Arc<dyn Sealer>) -> Self {
        Self { path: path.to_owned(), sealer }
    }

    /// The path with a suffix that SQLite gives to a file beside the database.
    fn beside(&self, suffix: &str) -> PathBuf {
        let mut name = self.path.as_os_str().to_owned();
        name.push(suffix);
        name.into()
    }

    fn log_path(&self) -> PathBuf {
        self.beside("-wal")
    }
}

impl Driver for Sqlite {
    /// Looks before anything opens the file, because SQLite would silently start an empty database.
    fn find(&self) -> Result<Found, StoreError> {
        let bytes = match std::fs::metadata(&self.path) {
            Ok(file) => file.len(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
            Err(error) => return Err(unreadable(&self.path, &error)),
        };
        // SQLite deletes the log of an empty file, so it must not open this one.
        if bytes == 0 {
            return Ok(Found::Nothing);
        }
        log::check(&self.log_path())?;
        Ok(find_accounts(&self.path).map_err(OpenError::from)?)
    }

    fn files(&self) -> Vec<PathBuf> {
        vec![self.path.clone(), self.log_path(), self.beside("-shm")]
    }

    fn open(&self, start: Start<'_>) -> Result<Started, StoreError> {
        let (writer, snapshot, recovered) =
            open::open(&self.path, Arc::clone(&self.sealer), start)?;
        Ok(Started { writer: Box::new(writer), snapshot, recovered })
    }

    fn snapshot(&self, suffix: DomainSuffix) -> Result<Snapshot, StoreError> {
        Ok(open::read_snapshot(&self.path, suffix, &*self.sealer)?)
    }

    fn reader(
        &self,
        unwritten: Option<Arc<dyn Unwritten>>,
    ) -> Result<Box<dyn Reader + Send>, StoreError> {
        let sealer = Arc::clone(&self.sealer);
        let reader = reader::Reader::open(&self.path, sealer, Waiting(unwritten));
        Ok(Box::new(reader.map_err(OpenError::from)?))
    }
}

fn find_accounts(path: &Path) -> rusqlite::Result<Found> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = open::connect(path, flags)?;
    // Version 0 is a file that SQLite made and no migration reached.
    let version: u32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if version == 0 {
        return Ok(Found::Nothing);
    }
    let accounts: i64 =
        connection.query_row("SELECT count(*) FROM accounts", [], |row| row.get(0))?;
    Ok(if accounts == 0 { Found::Empty } else { Found::Accounts })
}
