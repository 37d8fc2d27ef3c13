//! The store thread: commits history and waiting changes in groups, then answers. Shell; may block.
//!
//! Two kinds of change come here. An *order* has a precondition and usually a waiter: a REST client that
//! gets its 2xx after the commit (I5). *History* has neither; it waits in `History`, where readers see it
//! at once.
//!
//! One turn takes the first order and all that wait behind it, and commits history first, because its
//! rows were made before these orders were given. A sync costs milliseconds whatever it holds, so a group
//! costs about as much as one change.
//!
//! While the disk fails, `next_try` is set: orders are refused at once, history stays in its queue and is
//! also appended to the journal, and a commit is tried four times a second. While a commit stalls, the
//! signaling thread sees it in `Commit` and refuses orders itself; this thread cannot, since it is inside
//! of the commit.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

use control::{CommitToken, Input};
use database::Journal;
use shared::Instant;
use shared::limits::{STORE_COMMIT_MS_MAX, STORE_QUEUE_MAX};
use shell::{Clock, Sender};
use storage::Outbox;
use store::{Change, Outcome, Place, Retention, StoreError, Writer};

use crate::history::History;
use crate::inbox::Message;
use crate::late_history::LateHistory;
use crate::metrics::Metrics;

/// One change on its way to disk.
#[derive(Debug)]
pub struct Order {
    /// Names the waiter of the outcome; `None`: there is none.
    pub token: Option<CommitToken>,
    /// What to write.
    pub change: Box<Change>,
}

/// The begin of the current commit in milliseconds of the monotonic clock; 0 outside of a commit. The
/// store thread writes it, the signaling thread reads it.
#[derive(Debug, Default)]
struct Commit(AtomicU64);

impl Commit {
    fn begins(&self, now: Instant) {
        self.0.store(now.as_millis().max(1), Ordering::Relaxed);
    }

    fn ends(&self) {
        self.0.store(0, Ordering::Relaxed);
    }

    /// Whether the current commit has taken [`STORE_COMMIT_MS_MAX`].
    fn is_stalled(&self, now: Instant) -> bool {
        let begun = self.0.load(Ordering::Relaxed);
        begun > 0 && now.as_millis().saturating_sub(begun) >= STORE_COMMIT_MS_MAX
    }
}

/// An entry of the queue.
#[derive(Debug)]
enum Work {
    /// Commit this change.
    Write(Order),
    /// Look at the history: there are new rows.
    History,
}

/// The queue into the store thread. Dropping it lets the thread write what is queued and end.
#[derive(Debug)]
pub struct StoreHandle {
    work: Option<Arc<SyncSender<Work>>>,
    commit: Arc<Commit>,
    metrics: Arc<Metrics>,
    thread: Option<JoinHandle<()>>,
}

/// Tells the store thread that there is history. It keeps the thread's queue no longer than the handle
/// does, so an observer that outlives the handle does not keep the thread from ending.
#[derive(Clone, Debug)]
pub struct Nudge {
    work: Weak<SyncSender<Work>>,
    /// Whether a [`Work::History`] is queued that the thread has not answered by looking. One is enough.
    is_told: Arc<AtomicBool>,
}

impl Nudge {
    /// Wakes the thread, unless it was woken and has not looked yet.
    pub fn ring(&self) {
        if let Some(work) = self.work.upgrade()
            && !self.is_told.swap(true, Ordering::AcqRel)
        {
            // A full queue wakes the thread as well, and it looks at history in every turn.
            let _ = work.try_send(Work::History);
        }
    }

    /// For history that no thread writes.
    #[cfg(test)]
    pub fn nobody() -> Self {
        Self { work: Weak::new(), is_told: Arc::default() }
    }
}

impl StoreHandle {
    /// Queues a change. Rows of history go by [`crate::observers`].
    ///
    /// # Errors
    /// Gives the order back when [`STORE_QUEUE_MAX`] changes wait or the thread is gone. Also, if it has
    /// a waiter, when the current commit has taken [`STORE_COMMIT_MS_MAX`]: the customer gets 503, calls
    /// go on.
    pub fn queue(&self, order: Order) -> Result<(), Order> {
        self.queue_at(Clock.mono(), order)
    }

    fn queue_at(&self, now: Instant, order: Order) -> Result<(), Order> {
        let Some(work) = &self.work else { return Err(order) };
        if order.token.is_some() && self.commit.is_stalled(now) {
            self.metrics.store_changes_total.count("stalled");
            return Err(order);
        }
        match work.try_send(Work::Write(order)) {
            Ok(()) => {
                self.metrics.store_queue_changes.add(1);
                Ok(())
            }
            Err(TrySendError::Full(work) | TrySendError::Disconnected(work)) => {
                self.metrics.store_changes_total.count("queue_full");
                let Work::Write(order) = work else { unreachable!("sent right above") };
                Err(order)
            }
        }
    }
}

impl Drop for StoreHandle {
    fn drop(&mut self) {
        drop(self.work.take());
        if let Some(thread) = self.thread.take() {
            // A panic of the thread is in the log; nothing is left to write with.
            let _ = thread.join();
        }
    }
}

/// The parts that the store thread owns.
pub struct StoreParts {
    /// Writes the database.
    pub writer: Box<dyn Writer>,
    /// For history that the database does not take before the process ends.
    pub journal: Option<Journal>,
    /// How much history is kept.
    pub retention: Retention,
    /// Removes the files of a deleted recording, after the commit.
    pub outbox: Arc<Outbox>,
    /// Rows of history that wait.
    pub history: Arc<History>,
    /// The counters of this thread.
    pub metrics: Arc<Metrics>,
}

/// Starts the thread. Outcomes go to `answers`, in the order of the orders.
///
/// # Errors
/// When the system gives no thread.
pub fn start(parts: StoreParts, answers: Sender<Message>) -> io::Result<(StoreHandle, Nudge)> {
    let (work, queue) = sync_channel(STORE_QUEUE_MAX);
    let commit = Arc::new(Commit::default());
    let is_told = Arc::new(AtomicBool::new(false));
    let metrics = Arc::clone(&parts.metrics);
    let store = StoreThread {
        late: LateHistory::new(parts.journal),
        writer: parts.writer,
        retention: parts.retention,
        outbox: parts.outbox,
        history: parts.history,
        metrics: parts.metrics,
        answers,
        nudged: Arc::clone(&is_told),
        under_way: Arc::clone(&commit),
        next_try: None,
        deletes_early: false,
        next_retention_ms: 0,
        next_alive_ms: 0,
    };
    let thread =
        std::thread::Builder::new().name("store".to_owned()).spawn(move || store.run(&queue))?;
    let work = Arc::new(work);
    let nudge = Nudge { work: Arc::downgrade(&work), is_told };
    Ok((StoreHandle { work: Some(work), commit, metrics, thread: Some(thread) }, nudge))
}

struct StoreThread {
    writer: Box<dyn Writer>,
    late: LateHistory,
    retention: Retention,
    outbox: Arc<Outbox>,
    history: Arc<History>,
    metrics: Arc<Metrics>,
    answers: Sender<Message>,
    nudged: Arc<AtomicBool>,
    under_way: Arc<Commit>,
    /// When to try the next commit after one that failed; `None`: the last one succeeded.
    next_try: Option<Instant>,
    /// Whether the last retention deleted history that is younger than `retention.days`, for its size.
    deletes_early: bool,
    next_retention_ms: i64,
    next_alive_ms: i64,
}

impl StoreThread {
    fn run(mut self, queue: &Receiver<Work>) {
        loop {
            match queue.recv_timeout(IDLE) {
                Ok(first) => self.turn(group(first, queue)),
                Err(RecvTimeoutError::Timeout) => self.turn(Vec::new()),
                Err(RecvTimeoutError::Disconnected) => return self.end(),
            }
            self.run_chores();
        }
    }

    /// Writes everything that waits. With more than one group of history the orders go into the last
    /// commit, so that they never overtake the history that was made before them.
    fn turn(&mut self, mut orders: Vec<Order>) {
        // Before the look at history: a row that comes later must wake the thread again.
        self.nudged.store(false, Ordering::Release);
        let now = Clock.mono();
        let mut works = self.next_try.is_none_or(|at| now >= at);
        let mut more = true;
        while works && more {
            let rows = self.history.oldest(None, GROUP_MAX);
            more = rows.len() == GROUP_MAX;
            let orders = if more { Vec::new() } else { std::mem::take(&mut orders) };
            works = self.commit(rows, orders);
        }
        self.answer(orders, &[]);
        if !works {
            self.late.keep(&self.history);
        }
        let (first, bytes) = self.history.waiting();
        self.late.forget_written(first);
        self.metrics.store_history_waiting_bytes.set(i64::try_from(bytes).unwrap_or(i64::MAX));
        self.report_lost();
    }

    /// Commits one transaction and returns whether the disk took it. Otherwise history stays in its
    /// queue.
    fn commit(&mut self, rows: Vec<(Place, Change)>, orders: Vec<Order>) -> bool {
        if rows.is_empty() && orders.is_empty() {
            return true;
        }
        let begun = Clock.mono();
        let (places, mut changes): (Vec<_>, Vec<_>) = rows.into_iter().unzip();
        changes.extend(orders.iter().map(|order| (*order.change).clone()));
        self.under_way.begins(begun);
        let result = self.writer.commit(Clock.unix_ms(), &changes);
        self.under_way.ends();
        self.metrics.store_commit_seconds.observe_duration(Clock.mono().since(begun));
        self.metrics.store_commit_changes_total.add(changes.len() as u64);
        self.note_failure(result.as_ref().err());
        let outcomes = result.unwrap_or_default();
        let works = !outcomes.is_empty();
        let (of_rows, of_orders) = outcomes.split_at(places.len().min(outcomes.len()));
        if works {
            self.history.written(&places);
            of_rows
                .iter()
                .for_each(|outcome| self.metrics.store_changes_total.count(label(outcome)));
        }
        self.answer(orders, of_orders);
        works
    }

    /// Sends outcomes to the waiters. An order without an outcome was not written.
    fn answer(&self, orders: Vec<Order>, outcomes: &[Outcome]) {
        self.metrics.store_queue_changes.add(-i64::try_from(orders.len()).unwrap_or(0));
        for (index, Order { token, change }) in orders.into_iter().enumerate() {
            let outcome = outcomes.get(index).copied().unwrap_or(Outcome::Unavailable);
            self.metrics.store_changes_total.count(label(&outcome));
            if outcome == Outcome::Committed {
                self.remove_file(&change);
            }
            if let Some(token) = token {
                // Blocks while the signaling thread is behind. Then this queue fills up, and new orders
                // get 503.
                self.answers.send_patiently(Message::Input(Input::Committed { token, outcome }));
            }
        }
    }

    /// Removes the file of a deleted recording. Before the answer, so that a client with a 204 finds it
    /// gone.
    fn remove_file(&self, change: &Change) {
        let Change::DeleteRecording { account, recording, .. } = change else { return };
        if let Err(error) = self.outbox.remove(*account, *recording) {
            tracing::error!(%recording, %error, "a deleted recording's file is still there");
        }
    }

    /// Logs the begin and the end of a failure, once each.
    fn note_failure(&mut self, failure: Option<&StoreError>) {
        let failed_before = self.next_try.is_some();
        self.next_try = failure.map(|_| Clock.mono() + RETRY_EVERY);
        match (failed_before, failure) {
            (false, Some(failure)) => tracing::error!(
                "{failure}: REST writes get 503, live calls go on, their history waits; \
                 look at free space and permissions of the data folder"
            ),
            (true, None) => tracing::warn!("the store writes again"),
            (false, None) | (true, Some(_)) => {}
        }
    }

    fn report_lost(&self) {
        let rows = self.history.take_lost();
        if rows.is_empty() {
            return;
        }
        let count: u64 = rows.values().sum();
        self.metrics.store_history_rows_lost_total.add(count);
        tracing::error!(
            rows = count,
            "history of ended calls is lost: the store cannot write and the memory for waiting rows is full"
        );
        self.answers.send_patiently(Message::Input(Input::HistoryLost { rows }));
    }

    /// Writes everything that waits, or leaves it to the next start. Merges the log into the main file,
    /// so that a copy of that file is a backup.
    fn end(mut self) {
        self.next_try = None;
        self.turn(Vec::new());
        if self.next_try.is_some() {
            return self.late.report_rest(&self.history);
        }
        self.note_alive(Clock.unix_ms());
        if let Err(error) = self.writer.checkpoint() {
            tracing::warn!(%error, "the database's main file lacks what its log has: copy both");
        }
    }

    /// Notes every 5 s that the gateway is alive, and deletes old history in small steps, between groups.
    fn run_chores(&mut self) {
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

    /// Warns once, when it begins, that `retention.bytes` deletes what `retention.days` would keep.
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

/// The first order and those behind it, up to [`GROUP_MAX`].
fn group(first: Work, queue: &Receiver<Work>) -> Vec<Order> {
    let work = std::iter::once(first).chain(queue.try_iter().take(GROUP_MAX - 1));
    work.filter_map(|work| match work {
        Work::Write(order) => Some(order),
        Work::History => None,
    })
    .collect()
}

const fn label(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Committed => "committed",
        Outcome::Conflict(_) => "conflict",
        Outcome::Unavailable => "unavailable",
    }
}

/// Changes in one commit: enough that one sync serves every waiter, few enough that the rows take less
/// than 100 ms.
const GROUP_MAX: usize = 1_000;
const IDLE: Duration = Duration::from_millis(500);
/// Time between tries while the store cannot write.
const RETRY_EVERY: Duration = Duration::from_millis(250);
const ALIVE_EVERY_MS: i64 = 5_000;
const RETENTION_EVERY_MS: i64 = 60_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn while_the_disk_stalls_orders_with_a_waiter_are_refused_and_others_are_queued() {
        let (work, queue) = sync_channel(4);
        let (commit, metrics) = (Arc::new(Commit::default()), Arc::new(Metrics::default()));
        let store = StoreHandle { work: Some(Arc::new(work)), commit, metrics, thread: None };
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
        assert!(store.queue_at(at(stalled), order(None)).is_ok(), "without a waiter");
        store.commit.ends();
        assert!(store.queue_at(at(stalled), waited_for()).is_ok());
        assert_eq!(queue.try_iter().count(), 3);
    }
}
