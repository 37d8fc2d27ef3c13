//! Reasons the store cannot be opened, read or written, whichever database keeps it. Pure.

use std::path::PathBuf;

/// Reason the store cannot be opened, read or written. Always the operator's or the system's fault, never that of
/// a request.
///
/// A driver puts its own error into the text: a caller decides by the variant and shows the text.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A newer program wrote the database.
    #[error(
        "the database has schema version {found}, this program knows up to {newest}: start the newer program"
    )]
    Newer {
        /// Version of the database.
        found: u32,
        /// Newest version this program knows.
        newest: u32,
    },
    /// An older program wrote the database, and a reader may not migrate it.
    #[error(
        "the database has schema version {found}, this program reads {newest}: start the gateway once"
    )]
    Older {
        /// Version of the database.
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
        /// Realm of the database.
        stored: String,
        /// Realm of the settings.
        asked: String,
    },
    /// The database's log was overwritten.
    #[error(
        "the database's log {} is damaged ({what}): what was committed there is lost. To go on with what the \
         main file holds, move the log away",
        .path.display()
    )]
    DamagedLog {
        /// The path of the file.
        path: PathBuf,
        /// The damage found.
        what: &'static str,
    },
    /// A file of the store cannot be read.
    #[error("{} cannot be read: {cause}", .path.display())]
    Unreadable {
        /// The path of the file.
        path: PathBuf,
        /// Error of the system.
        cause: String,
    },
    /// The disk has no room for what opening the database writes.
    #[error(
        "the database cannot be opened: {0}. The disk has no room: free some, or name a data folder on another \
         disk (--data, node.data_dir)"
    )]
    NoRoom(String),
    /// The driver cannot open the database, or finds no database there.
    #[error("the database cannot be used: {0}")]
    Unusable(String),
    /// A read failed. The request that needed it is answered 503.
    #[error("the store cannot be read: {0}")]
    CannotRead(String),
    /// The disk is full or fails: nothing of what was to be written is there.
    #[error("the store cannot write: {0}")]
    CannotWrite(String),
}
