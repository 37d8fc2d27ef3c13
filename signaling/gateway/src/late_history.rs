//! Keeps history for the next start while the database does not take it. Shell; may block.

use database::Journal;
use store::Place;

use crate::history::History;

/// History that the database does not take now, kept so that it outlives the process.
#[derive(Debug)]
pub struct LateHistory {
    journal: Option<Journal>,
    /// The last row that was offered to the journal.
    kept: Option<Place>,
    /// Whether the journal was full or failed in this spell: said once.
    is_said: bool,
}

impl LateHistory {
    /// Nothing is kept yet.
    pub const fn new(journal: Option<Journal>) -> Self {
        Self { journal, kept: None, is_said: false }
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
            if let Some(problem) = problem.filter(|_| !std::mem::replace(&mut self.is_said, true)) {
                tracing::error!(
                    "history that waits for the store cannot be kept for a restart ({problem}): \
                     free space in the data folder before the gateway is stopped"
                );
            }
            self.kept = Some(*last);
        }
    }

    /// Empties the journal when all that it keeps is in the database. `first` is the oldest row that waits.
    pub fn forget_written(&mut self, first: Option<Place>) {
        if self.kept.is_none() || first.is_some_and(|first| Some(first) <= self.kept) {
            return;
        }
        (self.kept, self.is_said) = (None, false);
        if let Some(Err(error)) = self.journal.as_mut().map(Journal::clear) {
            tracing::warn!(%error, "history that is written by now may be written again at start");
        }
    }

    /// For the log, at the end of a process whose last commit failed.
    pub fn say_what_is_left(&self, history: &History) {
        let (_, bytes) = history.waiting();
        match self.journal.is_some() && !self.is_said {
            true => tracing::warn!(bytes, "history waits in history.journal for the next start"),
            false => tracing::error!(bytes, "history that the store could not write is lost"),
        }
    }
}

/// Rows of one append.
const GROUP_MAX: usize = 1_000;
