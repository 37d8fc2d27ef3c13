//! The one writer of the store: a trait that the driver of a database implements.
//!
//! The store thread owns the writer and every call of it blocks until the disk has answered. There is one writer
//! per store, so that the preconditions of a batch are checked in the order in which Control planned the changes.

use std::path::Path;

use crate::change::{Change, Outcome};
use crate::error::StoreError;

/// Commits changes, and deletes old history.
///
/// # Errors
/// Every method fails with [`StoreError::CannotWrite`], and only when the disk is full or fails.
pub trait Writer: Send {
    /// Commits a batch as one transaction, on disk when this returns. Returns one outcome per change, in order. A
    /// change whose precondition fails, or which the database refuses, does not affect the others.
    ///
    /// `unix_ms` is stored as the last moment this process is known to have run: calls that a kill interrupts end
    /// there.
    ///
    /// # Errors
    /// Nothing of the batch was written, and all of it may be tried again.
    fn commit(&mut self, unix_ms: i64, batch: &[Change]) -> Result<Vec<Outcome>, StoreError>;

    /// Records that the process still runs, for times without writes. Call about every 10 s.
    ///
    /// # Errors
    /// See [`Writer`].
    fn note_alive(&mut self, unix_ms: i64) -> Result<(), StoreError>;

    /// Deletes old history: one bounded turn. The store thread calls it from time to time while it has nothing to
    /// commit, and again while [`Retained::more`] is true.
    ///
    /// # Errors
    /// Nothing was deleted.
    fn retain(&mut self, retention: Retention, unix_ms: i64) -> Result<Retained, StoreError>;

    /// Moves a log into the main file, so that a copy of that file alone is whole. A driver without a log of its own
    /// does nothing.
    ///
    /// # Errors
    /// The log keeps what the main file lacks.
    fn checkpoint(&mut self) -> Result<(), StoreError>;

    /// Writes a consistent copy of the whole database to a file that must not exist yet. No commit runs meanwhile.
    ///
    /// # Errors
    /// See [`Writer`].
    fn back_up(&mut self, path: &Path) -> Result<(), StoreError>;
}

/// Limits of the history that is kept: ended calls with their timelines and exchanges, ended conferences, and
/// notifications.
/// Recordings stay; only the metadata of deleted ones is removed, after 40 days.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Age at which a record is deleted, milliseconds since its creation.
    pub age_ms: i64,
    /// Most bytes that the database may hold.
    pub bytes: u64,
}

impl Default for Retention {
    fn default() -> Self {
        // The defaults of the section `[retention]`; the gateway passes its settings.
        Self { age_ms: 7 * 24 * 3_600_000, bytes: 10 << 30 }
    }
}

/// Result of one turn of retention.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retained {
    /// Records of calls deleted.
    pub calls: usize,
    /// Records of conferences deleted.
    pub conferences: usize,
    /// Notifications deleted.
    pub notifications: usize,
    /// True where some were deleted to save space, before their age.
    pub early: bool,
    /// True where more remains: call again after other writes had their turn.
    pub more: bool,
}
