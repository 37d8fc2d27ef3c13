//! The observer that writes: rows of history on their way to the store thread. Shell.
//!
//! A row is there for readers of the REST API when `take` returns, and so before the webhook that names it
//! leaves (`crate::history`).

use std::sync::Arc;

use super::{Event, Observer, Taken};
use crate::history::HistorySender;
use crate::metrics::Metrics;
use crate::store_thread::Nudge;

/// Puts rows into the queue of history, and tells the store thread.
#[derive(Debug)]
pub struct StoredHistory {
    rows: HistorySender,
    nudge: Nudge,
    metrics: Arc<Metrics>,
}

impl StoredHistory {
    /// Rows go by `rows`.
    pub fn new(rows: HistorySender, nudge: Nudge, metrics: Arc<Metrics>) -> Self {
        Self { rows, nudge, metrics }
    }
}

impl Observer for StoredHistory {
    fn name(&self) -> &'static str {
        "history"
    }

    fn take(&mut self, event: &Event) -> Taken {
        let Event::Row(row) = event else { return Taken::Unwanted };
        if self.rows.send(row.clone()).is_err() {
            self.metrics.store_changes_total.count("queue_full");
            self.metrics.store_history_rows_lost_total.count();
            return Taken::Lost;
        }
        self.nudge.ring();
        Taken::Queued
    }
}
