//! History that the database could not take, kept for the next process. Blocks.
//!
//! While the disk is full, calls continue and end. Their rows wait in memory, and are appended here as well, to a
//! file whose space was allocated while the disk had some. The next start writes them into the database before it
//! closes calls that were live, so that a call that had ended keeps its true end.
//!
//! One JSON document per line, zeros after the last. A line that a kill cut short is not read.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{FallocateFlags, fallocate};
use serde::{Deserialize, Serialize};
use store::{
    CallRecord, Change, ConferenceRecord, ExecutionRecord, HttpExchange, NotificationRecord,
    RecordingRecord, TimelineRecord,
};

/// The open file, its space allocated.
#[derive(Debug)]
pub struct Journal {
    file: File,
    bytes_max: u64,
    used: u64,
}

/// Rows that one call of [`Journal::append`] kept and dropped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Journaled {
    /// Rows on disk, for the next process.
    pub kept: usize,
    /// Rows without room.
    pub left_out: usize,
}

/// A line as it is written.
#[derive(Serialize)]
enum Line<'a> {
    Call(&'a CallRecord),
    Conference(&'a ConferenceRecord),
    Execution(&'a ExecutionRecord),
    Recording(&'a RecordingRecord),
    Notification(&'a NotificationRecord),
    Exchange(&'a HttpExchange),
    Timeline(&'a TimelineRecord),
}

/// A line as it is read.
#[derive(Deserialize)]
enum Kept {
    Call(CallRecord),
    Conference(ConferenceRecord),
    Execution(ExecutionRecord),
    Recording(RecordingRecord),
    Notification(NotificationRecord),
    Exchange(HttpExchange),
    Timeline(TimelineRecord),
}

impl Journal {
    /// Creates the file, or empties one that was read, and allocates `bytes` of the disk for it.
    ///
    /// # Errors
    /// Those of the file system, also where the space is not free.
    pub fn make(path: &Path, bytes: u64) -> io::Result<Self> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            // The old blocks stay the file's own: a full disk might not give them back.
            .truncate(false)
            // Rows hold phone numbers and the bodies of webhooks.
            .mode(0o600)
            .open(path)?;
        let mut first = [0];
        let is_empty = file.read_at(&mut first, 0)? == 0 || first == [0];
        // A file with rows does not say where they end: all of it is overwritten with zeros.
        let used = if is_empty { 0 } else { file.metadata()?.len() };
        let mut journal = Self { file, bytes_max: bytes, used };
        journal.clear()?;
        // Cuts a file that an earlier start made longer. `fallocate` alone never shortens one.
        journal.file.set_len(bytes)?;
        match fallocate(&journal.file, FallocateFlags::empty(), 0, bytes) {
            Ok(()) => {}
            // The file system cannot allocate: writing zeros takes the space as well.
            Err(rustix::io::Errno::OPNOTSUPP) => journal.fill_with_zeros(0, bytes)?,
            Err(errno) => return Err(errno.into()),
        }
        journal.file.sync_all()?;
        Ok(journal)
    }

    /// Appends rows of history; they are on disk when this returns. Details (exchanges, timelines) may fill half
    /// of the space only, so that the ends of calls find room.
    ///
    /// # Errors
    /// Those of the file system; none of the rows is kept then.
    pub fn append<'c>(
        &mut self,
        rows: impl IntoIterator<Item = &'c Change>,
    ) -> io::Result<Journaled> {
        let (mut lines, mut journaled) = (Vec::new(), Journaled::default());
        for row in rows {
            let Some((line, is_detail)) = line_of(row) else { continue };
            let mut text = serde_json::to_vec(&line)?;
            text.push(b'\n');
            // A row without room is left out, and a shorter one behind it may still fit.
            let bytes_max = if is_detail { self.bytes_max / 2 } else { self.bytes_max };
            if self.used + (lines.len() + text.len()) as u64 > bytes_max {
                journaled.left_out += 1;
                continue;
            }
            lines.append(&mut text);
            journaled.kept += 1;
        }
        self.file.write_all_at(&lines, self.used)?;
        // Suffices: length and blocks of the file were synced when it was made.
        self.file.sync_data()?;
        // After the sync: rows that did not reach the disk are overwritten by the next ones.
        self.used += lines.len() as u64;
        debug_assert!(self.used <= self.bytes_max, "rows stay within the space set aside");
        Ok(journaled)
    }

    /// Forgets all rows, once they are in the database.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn clear(&mut self) -> io::Result<()> {
        if self.used > 0 {
            self.fill_with_zeros(0, self.used)?;
            self.file.sync_data()?;
        }
        self.used = 0;
        Ok(())
    }

    /// True where it holds no row.
    pub const fn is_empty(&self) -> bool {
        self.used == 0
    }

    fn fill_with_zeros(&self, from: u64, to: u64) -> io::Result<()> {
        let zeros = [0; 64 * 1024];
        let mut at = from;
        while at < to {
            let count = (to - at).min(zeros.len() as u64);
            self.file.write_all_at(&zeros[..count as usize], at)?;
            at += count;
        }
        Ok(())
    }
}

/// The rows that an earlier process left; empty without a file. Reads at most `bytes_max`.
///
/// # Errors
/// Those of the file system.
pub(crate) fn read(path: &Path, bytes_max: u64) -> io::Result<Vec<Change>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut bytes = Vec::new();
    // Bounded, as the file may have been made by a version with a larger journal, or by another program.
    file.take(bytes_max).read_to_end(&mut bytes)?;
    let lines = bytes.split(|byte| *byte == b'\n');
    // Ends at the zeros, and at a line that a kill cut short: nothing was appended behind it.
    let kept = lines.map_while(|line| serde_json::from_slice::<Kept>(line).ok());
    Ok(kept.map(Change::from).collect())
}

/// The line of a row, and true where the row is a detail; `None` for a change that is not history.
fn line_of(change: &Change) -> Option<(Line<'_>, bool)> {
    Some(match change {
        Change::PutCall(row) => (Line::Call(row), false),
        Change::PutConference(row) => (Line::Conference(row), false),
        Change::PutExecution(row) => (Line::Execution(row), false),
        Change::PutRecording(row) => (Line::Recording(row), false),
        Change::AddNotification(row) => (Line::Notification(row), false),
        Change::AddExchange(row) => (Line::Exchange(row), true),
        Change::PutTimeline(row) => (Line::Timeline(row), true),
        _ => return None,
    })
}

impl From<Kept> for Change {
    fn from(kept: Kept) -> Self {
        match kept {
            Kept::Call(row) => Self::PutCall(Arc::new(row)),
            Kept::Conference(row) => Self::PutConference(Arc::new(row)),
            Kept::Execution(row) => Self::PutExecution(Arc::new(row)),
            Kept::Recording(row) => Self::PutRecording(Arc::new(row)),
            Kept::Notification(row) => Self::AddNotification(Arc::new(row)),
            Kept::Exchange(row) => Self::AddExchange(Arc::new(row)),
            Kept::Timeline(row) => Self::PutTimeline(Arc::new(row)),
        }
    }
}
