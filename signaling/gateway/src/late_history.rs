//! History in the journal while the database cannot write, for the next start. Shell; may block.

use database::Journal;
use store::Place;

use crate::history::History;

/// The journal, and how far the waiting rows are in it. The journal has its space from the start, so a
/// full disk does not keep rows out of it.
#[derive(Debug)]
pub struct LateHistory {
    journal: Option<Journal>,
    /// The last row that was offered to the journal; `None`: it is empty.
    kept: Option<Place>,
    /// Whether the log has the failure of the journal already, since the journal was last emptied.
    is_reported: bool,
}

impl LateHistory {
    /// `None` without a journal: then nothing outlives the process.
    pub const fn new(journal: Option<Journal>) -> Self {
        Self { journal, kept: None, is_reported: false }
    }

    /// Appends every row that is not in the journal yet.
    pub fn keep(&mut self, history: &History) {
        let Some(journal) = &mut self.journal else { return };
        loop {
            let rows = history.oldest(self.kept, GROUP_MAX);
            let Some((last, _)) = rows.last() else { return };
            let appended = journal.append(rows.iter().map(|(_, row)| row));
            let problem = match appended {
                Ok(journaled) if journaled.left_out == 0 => None,
                Ok(_) => Some("it is full".to_owned()),
                Err(error) => Some(error.to_string()),
            };
            if let Some(problem) =
                problem.filter(|_| !std::mem::replace(&mut self.is_reported, true))
            {
                tracing::error!(
                    "history that waits for the store cannot be kept for a restart ({problem}): \
                     free space in the data folder before the gateway is stopped"
                );
            }
            self.kept = Some(*last);
        }
    }

    /// Empties the journal when all its rows are in the database. `first` is the oldest row that waits.
    pub fn forget_written(&mut self, first: Option<Place>) {
        if self.kept.is_none() || first.is_some_and(|first| Some(first) <= self.kept) {
            return;
        }
        (self.kept, self.is_reported) = (None, false);
        if let Some(Err(error)) = self.journal.as_mut().map(Journal::clear) {
            tracing::warn!(%error, "rows of history that are written may be written again at the next start");
        }
    }

    /// Logs what becomes of waiting rows, at the end of a process whose last commit failed.
    pub fn report_rest(&self, history: &History) {
        let (_, bytes) = history.waiting();
        match self.journal.is_some() && !self.is_reported {
            true => tracing::warn!(bytes, "history waits in history.journal for the next start"),
            false => tracing::error!(bytes, "history that the store could not write is lost"),
        }
    }
}

/// Rows of one append.
const GROUP_MAX: usize = 1_000;
