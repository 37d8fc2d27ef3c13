//! The store thread: takes what is queued, commits it as one group, answers. Shell; may block.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use control::{CommitToken, Input};
use database::{Retention, Writer};
use shared::Instant;
use shared::limits::{STORE_COMMIT_MS_MAX, STORE_QUEUE_MAX};
use store::{Change, Outcome};

use crate::clock::Clock;
use crate::metrics::Metrics;
use crate::queue::Sender;
use crate::signaling_loop::Message;

/// One change on its way to disk.
#[derive(Debug)]
pub struct Order {
    /// Who waits for the outcome, if anybody.
    pub token: Option<CommitToken>,
    /// What to write.
    pub change: Box<Change>,
}

/// The commit under way, told by the store thread: since when, in milliseconds; 0 where there is none.
#[derive(Debug, Default)]
struct Commit(AtomicU64);

impl Commit {
    fn begins(&self, now: Instant) {
        self.0.store(now.as_millis().max(1), Ordering::Relaxed);
    }

    fn ends(&self) {
        self.0.store(0, Ordering::Relaxed);
    }

    /// Whether the disk takes longer than anybody should wait.
    fn is_stalled(&self, now: Instant) -> bool {
        let begun = self.0.load(Ordering::Relaxed);
        begun > 0 && now.as_millis().saturating_sub(begun) >= STORE_COMMIT_MS_MAX
    }
}

/// The queue into the store thread. Dropping it lets the thread write what is queued and end.
#[derive(Debug)]
pub struct StoreHandle {
    orders: Option<SyncSender<Order>>,
    commit: Arc<Commit>,
    metrics: Arc<Metrics>,
    thread: Option<JoinHandle<()>>,
}

impl StoreHandle {
    /// Queues a change.
    ///
    /// # Errors
    /// Gives it back when [`STORE_QUEUE_MAX`] changes are waiting or the thread is gone, and, where
    /// somebody waits for it, when the commit under way takes [`STORE_COMMIT_MS_MAX`] already: to the
    /// customer that is 503, calls go on.
    pub fn queue(&self, order: Order) -> Result<(), Order> {
        self.queue_at(Clock.mono(), order)
    }

    fn queue_at(&self, now: Instant, order: Order) -> Result<(), Order> {
        use std::sync::mpsc::TrySendError::{Disconnected, Full};
        let Some(orders) = &self.orders else { return Err(order) };
        if order.token.is_some() && self.commit.is_stalled(now) {
            self.metrics.store_changes_total.count("stalled");
            return Err(order);
        }
        match orders.try_send(order) {
            Ok(()) => {
                self.metrics.store_queue_changes.add(1);
                Ok(())
            }
            Err(Full(order) | Disconnected(order)) => {
                self.metrics.store_changes_total.count("queue_full");
                Err(order)
            }
        }
    }
}

impl Drop for StoreHandle {
    fn drop(&mut self) {
        drop(self.orders.take());
        if let Some(thread) = self.thread.take() {
            // A panic there has been logged; there is nothing more to write with.
            let _ = thread.join();
        }
    }
}

/// Starts the thread. `recordings` is the folder of all recordings. Outcomes go to `answers`, in the order of the orders.
///
/// # Errors
/// When the system gives no thread.
pub fn start(
    writer: Writer,
    retention: Retention,
    recordings: PathBuf,
    metrics: Arc<Metrics>,
    answers: Sender<Message>,
) -> io::Result<StoreHandle> {
    let (orders, queue) = sync_channel(STORE_QUEUE_MAX);
    let failed = Arc::new(AtomicBool::new(false));
    let commit = Arc::new(Commit::default());
    let store = StoreThread {
        writer,
        retention,
        recordings,
        metrics: Arc::clone(&metrics),
        answers,
        failed,
        under_way: Arc::clone(&commit),
        deletes_early: false,
        next_retention_ms: 0,
        next_alive_ms: 0,
    };
    let thread =
        std::thread::Builder::new().name("store".to_owned()).spawn(move || store.run(&queue))?;
    Ok(StoreHandle { orders: Some(orders), commit, metrics, thread: Some(thread) })
}

struct StoreThread {
    writer: Writer,
    retention: Retention,
    /// Folder of all recordings: a deleted one's file goes after the commit.
    recordings: PathBuf,
    metrics: Arc<Metrics>,
    answers: Sender<Message>,
    /// Whether the last commit failed: said once when it begins and once when it ends.
    failed: Arc<AtomicBool>,
    under_way: Arc<Commit>,
    /// Whether the last turn of retention deleted for size.
    deletes_early: bool,
    next_retention_ms: i64,
    next_alive_ms: i64,
}

impl StoreThread {
    fn run(mut self, queue: &Receiver<Order>) {
        loop {
            match queue.recv_timeout(IDLE) {
                Ok(first) => self.commit(group(first, queue)),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return self.note_alive(Clock.unix_ms()),
            }
            self.keep_house();
        }
    }

    fn commit(&mut self, orders: Vec<Order>) {
        let begun = Clock.mono();
        let (tokens, changes): (Vec<_>, Vec<_>) =
            orders.into_iter().map(|order| (order.token, *order.change)).unzip();
        self.under_way.begins(begun);
        let outcomes = self.writer.commit(Clock.unix_ms(), &changes);
        self.under_way.ends();
        self.metrics.store_queue_changes.add(-i64::try_from(changes.len()).unwrap_or(0));
        self.metrics.store_commit_seconds.observe(Clock.mono().since(begun));
        self.metrics.store_commit_changes_total.add(changes.len() as u64);
        self.note_failure(&outcomes);
        self.remove_files(&changes, &outcomes);
        for (token, outcome) in tokens.into_iter().zip(outcomes) {
            self.metrics.store_changes_total.count(label(&outcome));
            if let Some(token) = token {
                // Blocks while the signaling thread is behind: that holds the queue back, truthfully.
                self.answers.send_patiently(Message::Input(Input::Committed { token, outcome }));
            }
        }
    }

    /// Before the answer, so that who was told 204 finds the file gone.
    fn remove_files(&self, changes: &[Change], outcomes: &[Outcome]) {
        for (change, outcome) in changes.iter().zip(outcomes) {
            let Change::DeleteRecording { account, recording, .. } = change else { continue };
            if *outcome != Outcome::Committed {
                continue;
            }
            if let Err(error) = recorder::remove(&self.recordings, *account, *recording) {
                tracing::error!(%recording, %error, "a deleted recording's file is still there");
            }
        }
    }

    fn note_failure(&self, outcomes: &[Outcome]) {
        let failed = outcomes.contains(&Outcome::Unavailable);
        if self.failed.swap(failed, Ordering::Relaxed) == failed {
            return;
        }
        match failed {
            true => tracing::error!(
                "the store cannot write: REST writes get 503, live calls go on; \
                 look at free space and permissions of the data folder"
            ),
            false => tracing::warn!("the store writes again"),
        }
    }

    /// Small things for when nothing waits: that we are alive, and old history.
    fn keep_house(&mut self) {
        let now_ms = Clock.unix_ms();
        if now_ms >= self.next_alive_ms {
            self.note_alive(now_ms);
            self.next_alive_ms = now_ms + ALIVE_EVERY_MS;
        }
        if now_ms >= self.next_retention_ms {
            let more = match self.writer.retain(self.retention, now_ms) {
                Ok(retained) => {
                    self.note_early(retained.early);
                    retained.more
                }
                Err(error) => {
                    tracing::warn!(%error, "old history could not be deleted");
                    false
                }
            };
            self.next_retention_ms = now_ms + if more { 0 } else { RETENTION_EVERY_MS };
        }
    }

    /// Said once a spell, as the operator may believe that history is kept for `retention.days`.
    fn note_early(&mut self, early: bool) {
        if early && !self.deletes_early {
            tracing::warn!(
                "history younger than retention.days is deleted, as the store holds more than \
                 retention.bytes (domains, lists and credentials included): raise retention.bytes"
            );
        }
        self.deletes_early = early;
    }

    fn note_alive(&mut self, now_ms: i64) {
        if let Err(error) = self.writer.note_alive(now_ms) {
            tracing::debug!(%error, "could not note that the gateway is alive");
        }
    }
}

/// The first order and what else is waiting, up to a group's size.
fn group(first: Order, queue: &Receiver<Order>) -> Vec<Order> {
    let mut orders = vec![first];
    orders.extend(queue.try_iter().take(GROUP_MAX - 1));
    orders
}

const fn label(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Committed => "committed",
        Outcome::Conflict(_) => "conflict",
        Outcome::Unavailable => "unavailable",
    }
}

/// Changes of one commit: large enough that one sync serves all who wait, small enough that nobody
/// waits for a hundred milliseconds of rows.
const GROUP_MAX: usize = 1_000;
const IDLE: Duration = Duration::from_millis(500);
const ALIVE_EVERY_MS: i64 = 5_000;
const RETENTION_EVERY_MS: i64 = 60_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waits_is_refused_while_the_disk_stalls_and_what_nobody_waits_for_is_queued() {
        let (orders, queue) = sync_channel(4);
        let (commit, metrics) = (Arc::new(Commit::default()), Arc::new(Metrics::default()));
        let (orders, thread) = (Some(orders), None);
        let store = StoreHandle { orders, commit, metrics, thread };
        let order = |token| {
            let account = shared::AccountSid(1);
            let change = Change::DeleteCall { account, call: shared::CallSid(1) };
            Order { token, change: Box::new(change) }
        };
        let waited_for = || order(Some(CommitToken(1)));
        let (begun, stalled) = (1_000, 1_000 + STORE_COMMIT_MS_MAX);
        let at = Instant::from_millis;
        store.commit.begins(at(begun));
        assert!(store.queue_at(at(stalled - 1), waited_for()).is_ok());
        assert!(store.queue_at(at(stalled), waited_for()).is_err());
        assert_eq!(store.metrics.store_changes_total.value("stalled"), 1);
        assert!(store.queue_at(at(stalled), order(None)).is_ok(), "a call's record");
        store.commit.ends();
        assert!(store.queue_at(at(stalled), waited_for()).is_ok());
        assert_eq!(queue.try_iter().count(), 3);
    }
}
