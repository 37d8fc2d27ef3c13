//! The seam between [`crate::Database`] and the driver that keeps it.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use shared::ids::Origin;
use shared::{AccountSid, RecordingSid};
use store::{
    BindingRecord, CallRecord, Change, DomainSuffix, Reader, RecordingRecord, Snapshot, StoreError,
    Unwritten, Writer,
};

/// A kind of database: it keeps its own place and the sealer of its secrets.
pub(crate) trait Driver: Send + Sync {
    /// See [`crate::Database::find`].
    fn find(&self) -> Result<Found, StoreError>;

    /// The database's own files; none where it is a server.
    fn files(&self) -> Vec<PathBuf>;

    /// Brings the schema up to date, refuses a database of another realm, recovers from a kill, and only then reads
    /// the snapshot, so that it holds what recovery wrote.
    fn open(&self, start: Start<'_>) -> Result<Started, StoreError>;

    /// See [`crate::Database::snapshot`].
    fn snapshot(&self, suffix: DomainSuffix) -> Result<Snapshot, StoreError>;

    /// See [`crate::Database::reader`].
    fn reader(
        &self,
        unwritten: Option<Arc<dyn Unwritten>>,
    ) -> Result<Box<dyn Reader + Send>, StoreError>;
}

/// What [`Driver::open`] needs.
pub(crate) struct Start<'a> {
    pub(crate) suffix: DomainSuffix,
    /// History that the previous process could not commit.
    pub(crate) late: &'a [Change],
    /// Date of the notifications about closed calls, Unix milliseconds.
    pub(crate) unix_ms: i64,
    /// Node and generation in the SIDs of these notifications.
    pub(crate) origin: Origin,
}

/// What [`Driver::open`] gives.
pub(crate) struct Started {
    pub(crate) writer: Box<dyn Writer>,
    pub(crate) snapshot: Snapshot,
    pub(crate) recovered: Recovered,
}

/// State of a database before it is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// No database, or one without tables.
    Nothing,
    /// Tables without any account: a first start was interrupted.
    Empty,
    /// At least one account.
    Accounts,
}

/// State that the previous process left behind when it was killed.
#[derive(Debug, Default)]
pub struct Recovered {
    /// Calls that were live and are now closed as failed, each with a notification.
    pub calls_closed: usize,
    /// Calls whose last status callback was not answered, those that are now closed among them.
    pub callbacks: Vec<CallRecord>,
    /// Conferences that were live and are now completed.
    pub conferences_closed: usize,
    /// Transcripts that no text will come for any more.
    pub transcripts_failed: usize,
    /// Recordings that were running. The recorder repairs their files and writes their records.
    pub recordings: Vec<RecordingRecord>,
    /// Recordings deleted in the last hour of the previous process. Their files may still exist, as a file is removed
    /// after the commit.
    pub deleted: Vec<(AccountSid, RecordingSid)>,
    /// Registered contacts that are still valid: those over UDP. A connection ends with its process, and the
    /// contacts reached over it with the connection.
    pub bindings: Vec<BindingRecord>,
    /// Sources of the contacts that ended with their connection, each with the latest expiry (Unix milliseconds):
    /// their phones will register again.
    pub returning: BTreeMap<IpAddr, i64>,
}
