//! Reasons the database cannot be opened.

use std::path::PathBuf;

/// Reason the database cannot be opened. Always the operator's or the system's fault.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A newer program wrote the file.
    #[error(
        "the database has schema version {found}, this program knows up to {newest}: start the newer program"
    )]
    Newer {
        /// Version of the file.
        found: u32,
        /// Newest version this program knows.
        newest: u32,
    },
    /// An older program wrote the file, and a reader may not migrate it.
    #[error(
        "the database has schema version {found}, this program reads {newest}: start the gateway once"
    )]
    Older {
        /// Version of the file.
        found: u32,
        /// Version this program reads.
        newest: u32,
    },
    /// `node.domain_suffix` was changed: the kept password digests belong to the old realm.
    #[error(
        "the database was made for the digest realm `{stored}`, the setting node.domain_suffix now gives `{asked}`: \
         passwords of SIP users cannot be carried over; set the old suffix, or start with another data folder"
    )]
    OtherRealm {
        /// Realm of the file.
        stored: String,
        /// Realm of the settings.
        asked: String,
    },
    /// SQLite cannot open or read it.
    #[error("the database cannot be used: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// The write-ahead log was overwritten.
    #[error(
        "the database's log {} is damaged ({what}): what was committed there is lost. To go on with what the \
         main file holds, move the log away",
        .path.display()
    )]
    DamagedLog {
        /// The file.
        path: PathBuf,
        /// The damage found.
        what: &'static str,
    },
    /// A file of the store cannot be read.
    #[error("{} cannot be read: {source}", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Error of the system.
        source: std::io::Error,
    },
}
