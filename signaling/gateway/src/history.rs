//! Rows of history that are not on disk yet, shared by three kinds of thread. Shell.
//!
//! The signaling thread makes rows, the store thread writes them, and readers of the REST API see them at
//! once. The signaling thread takes no lock: it puts a row into a bounded channel. The next reader or the
//! store thread moves rows from there into the queue behind the lock. A row is in the channel before the
//! webhook that names it leaves, so an application can ask for it as soon as it knows the SID.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

use parking_lot::{Mutex, MutexGuard};
use shared::AccountSid;
use shared::limits::{HISTORY_WAITING_BYTES_MAX, STORE_QUEUE_MAX};
use store::{Change, HistoryQueue, Place, RowKey, RowKind, Unwritten};

/// The end of a thread that makes rows: above all the signaling thread.
#[derive(Clone, Debug)]
pub struct HistorySender {
    arriving: SyncSender<Change>,
    history: Arc<History>,
}

/// The queue that readers and the store thread share.
#[derive(Debug)]
pub struct History(Mutex<Shelf>);

#[derive(Debug)]
struct Shelf {
    arriving: Receiver<Change>,
    queue: HistoryQueue,
}

/// Makes both ends.
pub fn history() -> (HistorySender, Arc<History>) {
    let (arriving, arrived) = sync_channel(STORE_QUEUE_MAX);
    let queue = HistoryQueue::new(HISTORY_WAITING_BYTES_MAX);
    let history = Arc::new(History(Mutex::new(Shelf { arriving: arrived, queue })));
    (HistorySender { arriving, history: Arc::clone(&history) }, history)
}

impl HistorySender {
    /// Hands a row over. Never blocks. A full channel means that the store thread waits for its disk;
    /// then this thread moves the rows into the queue, if the lock is free.
    ///
    /// # Errors
    /// The row, if there is still no room.
    pub fn send(&self, row: Change) -> Result<(), Change> {
        let Err(TrySendError::Full(row) | TrySendError::Disconnected(row)) =
            self.arriving.try_send(row)
        else {
            return Ok(());
        };
        if let Some(mut shelf) = self.history.0.try_lock() {
            shelf.take_in();
        }
        self.arriving.try_send(row).map_err(|error| match error {
            TrySendError::Full(row) | TrySendError::Disconnected(row) => row,
        })
    }
}

impl History {
    /// The oldest rows behind `after`, at most `count`. They stay in the queue until
    /// [`History::written`].
    pub fn oldest(&self, after: Option<Place>, count: usize) -> Vec<(Place, Change)> {
        self.shelf().queue.from(after, count)
    }

    /// Forgets rows that are on disk.
    pub fn written(&self, places: &[Place]) {
        self.shelf().queue.written(places);
    }

    /// The place of the oldest row, and the bytes that all hold.
    pub fn waiting(&self) -> (Option<Place>, usize) {
        let shelf = self.shelf();
        (shelf.queue.first_place(), shelf.queue.bytes())
    }

    /// Rows lost since the last call, by account.
    pub fn take_lost(&self) -> BTreeMap<AccountSid, u64> {
        self.shelf().queue.take_lost()
    }

    /// Locks the queue, with all rows that have arrived.
    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        let mut shelf = self.0.lock();
        shelf.take_in();
        shelf
    }
}

impl Shelf {
    fn take_in(&mut self) {
        for row in self.arriving.try_iter().take(STORE_QUEUE_MAX) {
            let put = self.queue.put(row);
            debug_assert!(put.is_ok(), "only rows of history are sent");
        }
    }
}

impl Unwritten for History {
    fn row(&self, key: RowKey) -> Option<Change> {
        self.shelf().queue.row(key).cloned()
    }

    /// Copies in turns, so that a long list does not hold the lock. A row that changes between two turns
    /// shows its newer version, here or on disk.
    fn rows(
        &self,
        kind: RowKind,
        account: AccountSid,
        (mut first, last): (u128, u128),
    ) -> Vec<(u128, Change)> {
        let mut rows = Vec::new();
        loop {
            let turn = self.shelf().queue.rows(kind, account, (first, last), ROWS_A_TURN);
            let is_last = turn.len() < ROWS_A_TURN;
            let next = turn.last().and_then(|(bits, _)| bits.checked_add(1));
            rows.extend(turn);
            match next {
                Some(next) if !is_last => first = next,
                _ => return rows,
            }
        }
    }
}

/// Rows that a reader copies under one lock.
const ROWS_A_TURN: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;
    use shared::CallSid;
    use store::TimelineRecord;

    fn row(number: u128) -> Change {
        let json = "{}".to_owned();
        let row = TimelineRecord { call: CallSid(number), account: AccountSid(1), json };
        Change::PutTimeline(Arc::new(row))
    }

    #[test]
    fn a_reader_sees_a_row_at_once() {
        let (sender, history) = history();
        sender.send(row(7)).expect("room");
        let key = RowKey { kind: RowKind::Timeline, account: AccountSid(1), bits: 7 };
        assert_eq!(history.row(key), Some(row(7)));
    }

    #[test]
    fn more_rows_than_the_channel_holds_wait_while_the_store_thread_stalls() {
        let (sender, history) = history();
        let count = STORE_QUEUE_MAX + 2 * ROWS_A_TURN;
        for number in 0..count {
            sender.send(row(number as u128)).expect("room");
        }
        let rows = history.rows(RowKind::Timeline, AccountSid(1), (0, u128::MAX));
        assert_eq!(rows.len(), count);
        assert!(rows.is_sorted_by_key(|(bits, _)| *bits));
        let places: Vec<_> =
            history.oldest(None, count).into_iter().map(|(place, _)| place).collect();
        history.written(&places);
        assert_eq!(history.waiting(), (None, 0));
    }
}
