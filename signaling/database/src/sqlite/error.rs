//! Errors of SQLite as errors of the store: the cause becomes text, so that no caller depends on the driver.

use std::io;
use std::path::Path;

use store::StoreError;

/// Reason a file cannot be opened: one that has a variant of its own, or whatever SQLite says.
#[derive(Debug)]
pub(super) enum OpenError {
    Store(StoreError),
    Sqlite(rusqlite::Error),
}

impl From<StoreError> for OpenError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<rusqlite::Error> for OpenError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl From<OpenError> for StoreError {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Store(error) => error,
            OpenError::Sqlite(error) if is_full(&error) => Self::NoRoom(error.to_string()),
            // As text, so that no caller can match on an error of the driver.
            OpenError::Sqlite(error) => Self::Unusable(error.to_string()),
        }
    }
}

/// Whether the disk had no room. Also an error of the file that SQLite maps into memory beside the
/// database: it grows by whole pages, and has no other reason to fail.
fn is_full(error: &rusqlite::Error) -> bool {
    let Some(code) = error.sqlite_error() else { return false };
    code.code == rusqlite::ErrorCode::DiskFull
        || code.extended_code == rusqlite::ffi::SQLITE_IOERR_SHMSIZE
}

pub(super) fn cannot_write(error: rusqlite::Error) -> StoreError {
    StoreError::CannotWrite(error.to_string())
}

pub(super) fn unreadable(path: &Path, error: &io::Error) -> StoreError {
    StoreError::Unreadable { path: path.to_owned(), cause: error.to_string() }
}
