//! One database, whichever driver keeps it, with the journal for history that it could not take.
//!
//! ```text
//! find ──► open ──► Writer (one, for the store thread)
//!             └───► reader, as often as wanted
//! ```
//!
//! The journal is read before the driver opens and made anew after it: the driver writes the rows of the journal in
//! the transaction that closes interrupted calls, so its file may be emptied only when that is on disk.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use shared::ids::Origin;
use shared::limits::HISTORY_JOURNAL_BYTES_MAX;
use store::{DomainSuffix, Reader, Sealer, Snapshot, StoreError, Unwritten, Writer};

use crate::driver::{Driver, Found, Recovered, Start, Started};
use crate::journal::{self, Journal};
use crate::sqlite::Sqlite;

/// A database by its place and the key of its secrets. Making one opens nothing.
pub struct Database {
    driver: Box<dyn Driver>,
    /// Path of the journal for history that could not be committed: beside the database.
    journal: PathBuf,
}

/// An open database: all that the gateway starts from.
pub struct Opened {
    /// For the store thread.
    pub writer: Box<dyn Writer>,
    /// For Control. Empty of accounts at the first start.
    pub snapshot: Snapshot,
    /// State that the previous process left behind.
    pub recovered: Recovered,
    /// Space for history that cannot be committed; `None` where the disk has none to set aside.
    pub journal: Option<Journal>,
}

impl Database {
    /// The database in the file at `path`. `sealer` seals and unseals its secrets.
    pub fn at(path: &Path, sealer: Arc<dyn Sealer>) -> Self {
        let journal = path.with_file_name("history.journal");
        Self { driver: Box::new(Sqlite::new(path, sealer)), journal }
    }

    /// Looks at the database without changing it.
    ///
    /// # Errors
    /// [`StoreError::DamagedLog`] where its log lost commits, [`StoreError::Unusable`] where it is not a database.
    pub fn find(&self) -> Result<Found, StoreError> {
        self.driver.find()
    }

    /// Every file that belongs to the database, whether it exists or not.
    pub fn files(&self) -> Vec<PathBuf> {
        let mut files = self.driver.files();
        files.push(self.journal.clone());
        files
    }

    /// Opens the database, or creates it, and brings it up to date: migrates the schema, writes the history that
    /// the previous process could not commit, and closes calls that were live when it was killed as failed, conferences as completed, transcripts as failed.
    ///
    /// Call once per process, with the lock of the data folder held. `unix_ms` and `origin` date and name
    /// the notifications about closed calls.
    ///
    /// # Errors
    /// [`StoreError`]. A migration that succeeded stays; nothing else was changed.
    pub fn open(
        &self,
        suffix: DomainSuffix,
        unix_ms: i64,
        origin: Origin,
    ) -> Result<Opened, StoreError> {
        // A journal that cannot be read stops the start: it is made anew below, and its rows would be gone
        // for good.
        let late = journal::read(&self.journal, HISTORY_JOURNAL_BYTES_MAX).map_err(|error| {
            StoreError::Unreadable { path: self.journal.clone(), cause: error.to_string() }
        })?;
        let Started { writer, snapshot, recovered } =
            self.driver.open(Start { suffix, late: &late, unix_ms, origin })?;
        if !late.is_empty() {
            tracing::warn!(
                rows = late.len(),
                "wrote history that the last process could not write"
            );
        }
        if recovered.calls_closed > 0 {
            tracing::warn!(
                calls = recovered.calls_closed,
                "closed calls that were up when the process was killed"
            );
        }
        if recovered.conferences_closed > 0 {
            tracing::warn!(
                conferences = recovered.conferences_closed,
                "ended conferences that were live when the process was killed"
            );
        }
        if recovered.transcripts_failed > 0 {
            tracing::warn!(
                transcripts = recovered.transcripts_failed,
                "failed transcripts of recordings whose text was not there when the process ended"
            );
        }
        // Only now, when the rows of the old journal are committed.
        Ok(Opened { writer, snapshot, recovered, journal: make_journal(&self.journal) })
    }

    /// Reads the configuration of a database that a running gateway may hold open. Writes nothing.
    ///
    /// # Errors
    /// [`StoreError`]; [`StoreError::Older`] where no gateway of this version has run on it yet.
    pub fn snapshot(&self, suffix: DomainSuffix) -> Result<Snapshot, StoreError> {
        self.driver.snapshot(suffix)
    }

    /// A connection for reads, which never wait for the writer. Each HTTP worker has its own. It also sees the
    /// history in `unwritten`.
    ///
    /// # Errors
    /// [`StoreError::Unusable`].
    pub fn reader(
        &self,
        unwritten: Option<Arc<dyn Unwritten>>,
    ) -> Result<Box<dyn Reader + Send>, StoreError> {
        self.driver.reader(unwritten)
    }
}

/// Sets the journal's space aside: a sixteenth of what is free at most, so that a small disk keeps room.
fn make_journal(path: &Path) -> Option<Journal> {
    let folder = path.parent().unwrap_or(Path::new("."));
    // Without an answer no space counts as free, and the start goes on without a journal.
    let free = rustix::fs::statvfs(folder).map_or(0, |disk| disk.f_bavail * disk.f_frsize);
    // The new journal takes over the space of the old one.
    let free = free + std::fs::metadata(path).map_or(0, |file| file.len());
    let journal = Journal::make(path, HISTORY_JOURNAL_BYTES_MAX.min(free / 16));
    journal
        .inspect_err(|error| {
            tracing::warn!(
                path = %path.display(), %error,
                "no space is set aside for history that a full disk would lose with the process"
            );
        })
        .ok()
}
