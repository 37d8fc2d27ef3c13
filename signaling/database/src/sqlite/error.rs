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
            // As text, so that no caller can match on an error of the driver.
            OpenError::Sqlite(error) => Self::Unusable(error.to_string()),
        }
    }
}

pub(super) fn cannot_write(error: rusqlite::Error) -> StoreError {
    StoreError::CannotWrite(error.to_string())
}

pub(super) fn unreadable(path: &Path, error: &io::Error) -> StoreError {
    StoreError::Unreadable { path: path.to_owned(), cause: error.to_string() }
}
