//! The uploader: takes orders from the folder, a few at once, each again after a while where it fails.
//!
//! It keeps in memory which orders run and which failed, and nothing else: the folder is the queue. A try
//! that fails waits 1 s (`recordings.s3_wait_ms`), then twice as long each time, up to five minutes. After ten
//! tries a report goes to the recording and to the log, and the order moves behind the others, to be tried once
//! an hour; an operator who corrects a key or a right gets everything uploaded without a command. A bucket that fails
//! for all is in the log once when it begins and once when it ends.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use recorder::{Elsewhere, Library};
use shared::{AccountSid, Code, RecordingSid};
use shell::{Counter, Gauge, Labelled, Text};
use tokio::runtime::Handle;
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::{Instant, sleep_until};
use webhook::WebhookClient;

use crate::fault::UploadFailure;
use crate::object::Shelf;
use crate::outbox::{Order, Outbox, Task};
use crate::place::Stored;
use crate::s3::S3;

/// Orders that are carried out at once: enough for a bucket far away, too few to take the disk from
/// recordings that run.
const AT_ONCE: usize = 4;
/// Orders that are looked at. Past it, one that fails keeps its place until it is given up.
const WINDOW: usize = 1_000;
/// Tries before the failure is reported.
const TRIES_MAX: u32 = 10;
/// The longest wait between two tries, in first waits.
const WAIT_MAX: u32 = 300;
/// The wait between two tries of an order that was given up, in first waits.
const WAIT_AGAIN: u32 = 3_600;

shell::metrics! {
    /// Counters of the bucket.
    pub struct StorageMetrics {
        /// Uploads and deletions that the bucket did or did not do, tries counted each, by result: look at
        /// the log for the sentence.
        storage_requests_total: Labelled, by "result";
        /// Recordings whose upload was given up for an hour. Each has an error code.
        storage_uploads_given_up_total: Counter;
        /// Bytes of recordings that the bucket has confirmed.
        storage_upload_bytes_total: Counter;
        /// Orders that wait for the bucket or are carried out. Growing: the bucket is slower than the calls.
        storage_orders_waiting: Gauge;
    }
}

/// A change of what an account should know about an upload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UploadReport {
    /// The account of the recording.
    pub account: AccountSid,
    /// The recording.
    pub recording: RecordingSid,
    /// The failure; `None`: an upload that was reported as failed has succeeded.
    pub failure: Option<(Code, String)>,
}

/// Receives reports on threads of the runtime; must not block.
type OnReport = Arc<dyn Fn(UploadReport) + Send + Sync>;

/// The bucket of this gateway, as far as one is set.
pub struct Bucket {
    metrics: Arc<StorageMetrics>,
    shelf: Option<Arc<Shelf>>,
}

impl Bucket {
    /// Starts the uploader where a bucket is set. Call it inside the tokio runtime.
    pub fn start(
        outbox: Arc<Outbox>,
        client: &WebhookClient,
        runtime: &Handle,
        on_report: Arc<dyn Fn(UploadReport) + Send + Sync>,
    ) -> Self {
        let metrics = Arc::new(StorageMetrics::default());
        let Some(bucket) = outbox.bucket() else { return Self { metrics, shelf: None } };
        let s3 = S3::new(client.clone(), bucket.credentials.clone());
        let uploader = Uploader {
            outbox: Arc::clone(&outbox),
            s3: s3.clone(),
            metrics: Arc::clone(&metrics),
            on_report,
            wait_first: bucket.wait_first,
            failures: BTreeMap::new(),
            fails_since: None,
        };
        runtime.spawn(uploader.run());
        let readers = Arc::new(AtomicUsize::new(0));
        let shelf = Shelf { outbox, s3, runtime: runtime.clone(), readers };
        Self { metrics, shelf: Some(Arc::new(shelf)) }
    }

    /// Opens recordings that are in the bucket alone; `None` without a bucket.
    pub fn elsewhere(&self) -> Option<Arc<dyn Elsewhere>> {
        self.shelf.clone().map(|shelf| shelf as Arc<dyn Elsewhere>)
    }

    /// Writes the counters to a page of metrics.
    pub fn write_metrics(&self, text: &mut Text) {
        self.metrics.write(text);
    }
}

/// Tries of an order that failed.
struct Failed {
    tries: u32,
    next: Instant,
}

struct Uploader {
    outbox: Arc<Outbox>,
    s3: S3,
    metrics: Arc<StorageMetrics>,
    on_report: OnReport,
    /// The wait after the first failure; it doubles each time, and the others follow from it.
    wait_first: Duration,
    /// Orders of the window that failed.
    failures: BTreeMap<Order, Failed>,
    /// When the bucket began to fail for every order.
    fails_since: Option<Instant>,
}

/// What an order led to.
enum Done {
    /// The bucket has the recording: its length.
    Put(u64),
    /// The object is gone.
    Deleted,
    /// There was nothing to do: the recording was deleted meanwhile.
    Nothing,
}

impl Uploader {
    async fn run(mut self) {
        let mut running = JoinSet::new();
        let mut under_way = BTreeSet::new();
        loop {
            if running.len() < AT_ONCE {
                for order in self.due(&under_way).await.into_iter().take(AT_ONCE - running.len()) {
                    under_way.insert(order);
                    let (outbox, s3) = (Arc::clone(&self.outbox), self.s3.clone());
                    running.spawn(async move { (order, carry_out(order, outbox, s3).await) });
                }
            }
            let waits = self.failures.iter().filter(|(order, _)| !under_way.contains(order));
            let next = waits.map(|(_, failed)| failed.next).min();
            let next = next.unwrap_or_else(|| Instant::now() + self.wait_first * WAIT_AGAIN);
            let outbox = Arc::clone(&self.outbox);
            tokio::select! {
                Some(ended) = running.join_next() => match ended {
                    Ok((order, result)) => {
                        under_way.remove(&order);
                        self.note(order, result).await;
                    }
                    Err(panic) => {
                        // Its order stays under way, as nobody knows which it was: the next start tries it.
                        tracing::error!(%panic, "an upload panicked");
                    }
                },
                () = outbox.wake.notified() => {}
                () = sleep_until(next) => {}
            }
        }
    }

    /// Orders to begin with now.
    async fn due(&mut self, under_way: &BTreeSet<Order>) -> Vec<Order> {
        let outbox = Arc::clone(&self.outbox);
        let orders = spawn_blocking(move || outbox.orders(WINDOW)).await;
        let (orders, all) = match orders.unwrap_or_else(|panic| Err(io::Error::other(panic))) {
            Ok(found) => found,
            Err(error) => {
                tracing::error!(%error, "orders for the bucket cannot be read");
                return Vec::new();
            }
        };
        self.metrics.storage_orders_waiting.set(i64::try_from(all).unwrap_or(i64::MAX));
        self.failures.retain(|order, _| orders.contains(order));
        let now = Instant::now();
        let is_due =
            |order: &Order| self.failures.get(order).is_none_or(|failed| failed.next <= now);
        // One recording is in one task at a time: its deletion waits for the end of its upload.
        let is_free = |order: &Order| !under_way.iter().any(|one| one.recording == order.recording);
        orders.into_iter().filter(|order| is_due(order) && is_free(order)).collect()
    }

    async fn note(&mut self, order: Order, result: Result<Done, UploadFailure>) {
        match result {
            Ok(done) => self.note_success(order, &done),
            Err(failure) => self.note_failure(order, failure).await,
        }
    }

    fn note_success(&mut self, order: Order, done: &Done) {
        self.failures.remove(&order);
        match done {
            Done::Nothing => return,
            Done::Deleted => self.metrics.storage_requests_total.count("deleted"),
            Done::Put(bytes) => {
                self.metrics.storage_requests_total.count("stored");
                self.metrics.storage_upload_bytes_total.add(*bytes);
                tracing::debug!(recording = %order.recording, bytes, "a recording is in the bucket");
            }
        }
        if let Some(since) = self.fails_since.take() {
            tracing::warn!(
                seconds = since.elapsed().as_secs(),
                "the bucket takes recordings again"
            );
        }
        if order.task == Task::PutAgain {
            self.report(order, None);
        }
    }

    async fn note_failure(&mut self, order: Order, failure: UploadFailure) {
        self.metrics.storage_requests_total.count(failure.label());
        if self.fails_since.is_none() {
            self.fails_since = Some(Instant::now());
            let recording = order.recording;
            tracing::error!(%recording, %failure, "the bucket fails: recordings stay here until it works");
        }
        let tries = self.failures.remove(&order).map_or(0, |failed| failed.tries) + 1;
        let wait = wait_after(order.task, tries, failure.is_final());
        let next = Instant::now() + self.wait_first * wait.unwrap_or(WAIT_AGAIN);
        let task = match (wait, order.task) {
            (None, Task::Put) => {
                self.give_up(order, failure).await;
                Task::PutAgain
            }
            (_, task) => task,
        };
        let order = Order { task, is_again: task == Task::PutAgain, ..order };
        self.failures.insert(order, Failed { tries, next });
    }

    async fn give_up(&self, order: Order, failure: UploadFailure) {
        self.metrics.storage_uploads_given_up_total.count();
        let recording = order.recording;
        tracing::error!(%recording, %failure, "a recording stays here: its upload is tried once an hour now");
        let outbox = Arc::clone(&self.outbox);
        let moved = spawn_blocking(move || outbox.give_up(order)).await;
        if let Err(error) = moved.unwrap_or_else(|panic| Err(io::Error::other(panic))) {
            tracing::error!(%recording, %error, "an order for the bucket cannot be moved");
        }
        let sentence = format!("The recording {recording} is not in the bucket: {failure}");
        self.report(order, Some((failure.code(), sentence)));
    }

    fn report(&self, order: Order, failure: Option<(Code, String)>) {
        let Order { account, recording, .. } = order;
        (self.on_report)(UploadReport { account, recording, failure });
    }
}

/// The wait after a try that failed, in first waits; `None`: an hour, and an upload is given up with a report.
fn wait_after(task: Task, tries: u32, is_final: bool) -> Option<u32> {
    if task == Task::PutAgain || tries >= TRIES_MAX || is_final {
        return None;
    }
    // Ten tries double the wait nine times: no overflow.
    Some((1 << (tries - 1)).min(WAIT_MAX))
}

async fn carry_out(order: Order, outbox: Arc<Outbox>, s3: S3) -> Result<Done, UploadFailure> {
    match order.task {
        Task::Delete => {
            let place = blocking(&outbox, move |outbox| outbox.place_to_delete(order)).await?;
            s3.delete(&place).await?;
            blocking(&outbox, move |outbox| outbox.drop_order(order)).await?;
            Ok(Done::Deleted)
        }
        Task::Put | Task::PutAgain => put(order, &outbox, &s3).await,
    }
}

async fn put(order: Order, outbox: &Arc<Outbox>, s3: &S3) -> Result<Done, UploadFailure> {
    let Order { account, recording, .. } = order;
    let opened = blocking(outbox, move |outbox| {
        let here = Library::new(outbox.recordings().to_owned(), None);
        // In two channels where it has them: the bucket has all that was recorded.
        here.rendition(account, recording, true)
    });
    let rendition = match opened.await {
        Ok(rendition) => rendition,
        Err(UploadFailure::Unreadable(error)) if error.kind() == io::ErrorKind::NotFound => {
            blocking(outbox, move |outbox| outbox.drop_order(order)).await?;
            return Ok(Done::Nothing);
        }
        Err(failure) => return Err(failure),
    };
    let Some(place) = outbox.bucket().map(|bucket| bucket.place(account, recording)) else {
        return Ok(Done::Nothing);
    };
    let sealed = rendition.is_sealed();
    let stored = Stored { sealed, ..s3.put(place, rendition).await? };
    let bytes = stored.bytes;
    let settled = blocking(outbox, move |outbox| outbox.settle_put(order, &stored)).await?;
    Ok(if settled { Done::Put(bytes) } else { Done::Nothing })
}

/// Works on files, on a thread that may block.
async fn blocking<T: Send + 'static>(
    outbox: &Arc<Outbox>,
    work: impl FnOnce(&Outbox) -> io::Result<T> + Send + 'static,
) -> Result<T, UploadFailure> {
    let outbox = Arc::clone(outbox);
    let done = spawn_blocking(move || work(&outbox)).await;
    done.unwrap_or_else(|panic| Err(io::Error::other(panic))).map_err(UploadFailure::Unreadable)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_tries_take_nine_minutes_and_then_one_an_hour_follows() {
        for task in [Task::Put, Task::Delete] {
            let waits: Vec<u32> = (1..TRIES_MAX)
                .map(|tries| wait_after(task, tries, false).expect("another try"))
                .collect();
            assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256]);
            assert_eq!(wait_after(task, TRIES_MAX, false), None);
            assert_eq!(wait_after(task, 1, true), None, "no try can help");
        }
        assert_eq!(wait_after(Task::PutAgain, 1, false), None, "reported already");
    }
}
