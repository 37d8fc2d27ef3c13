//! Log lines on standard error: human or JSON, bounded in length and rate. Shell.
//!
//! A thread of its own writes them, so that a stopped terminal, a full pipe or a slow disk behind
//! standard error delays no call. Lines past a bound are counted, and the count is a log line itself.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use shared::config::{Log, LogFormat, LogLevel};
use shared::limits::{LOG_LINE_BYTES_MAX, LOG_LINES_WAITING_MAX};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Registry, reload};

/// Changes the level while the gateway runs (SIGHUP).
#[derive(Clone)]
pub struct LogControl {
    filter: reload::Handle<EnvFilter, Registry>,
}

impl LogControl {
    /// Uses another level from now on.
    pub fn set_level(&self, level: LogLevel) {
        // Fails only when the subscriber is gone; then there are no log lines.
        let _ = self.filter.reload(filter(level));
    }
}

/// The log of the process. Dropping it waits for lines in the queue, for at most [`LAST_LINES`].
pub struct Logging {
    control: LogControl,
    lines: Lines,
}

impl Logging {
    /// The handle that changes the level.
    pub fn control(&self) -> LogControl {
        self.control.clone()
    }
}

impl Drop for Logging {
    fn drop(&mut self) {
        self.lines.flush(LAST_LINES);
    }
}

/// Starts logging for the whole process. Call it once.
pub fn start(settings: &Log) -> Logging {
    let (filter, handle) = reload::Layer::new(filter(settings.level));
    let lines = Lines::to(io::stderr());
    let registry = tracing_subscriber::registry().with(filter);
    let layer = tracing_subscriber::fmt::layer().with_writer(lines.clone()).with_ansi(false);
    let started = match settings.format {
        LogFormat::Human => registry.with(layer.with_target(false)).try_init(),
        LogFormat::Json => registry.with(layer.json().flatten_event(true)).try_init(),
    };
    // In tests one process starts several gateways; the first subscriber serves all of them.
    let _ = started;
    Logging { control: LogControl { filter: handle }, lines }
}

/// The filter of a level. Libraries log from `warn` on at every level: their debug lines contain phone
/// numbers and bodies.
fn filter(level: LogLevel) -> EnvFilter {
    EnvFilter::new(format!(
        "{0},hyper=warn,hyper_util=warn,hickory_resolver=warn,hickory_proto=warn,mio=warn,rustls=warn",
        level.word()
    ))
}

/// Hands whole lines to the writing thread, cut at [`LOG_LINE_BYTES_MAX`], at most [`LINES_A_SECOND_MAX`]
/// per second. Lines that are left out are counted, and the next line that fits says how many.
#[derive(Clone)]
struct Lines {
    rate: Arc<Rate>,
    /// Lines that found the queue full, since the last line that said so.
    unwritten: Arc<AtomicU64>,
    queue: SyncSender<Order>,
}

/// An entry of the queue to the writing thread.
enum Order {
    Line(Vec<u8>),
    /// Answer when all lines before are written.
    Flush(SyncSender<()>),
}

impl Lines {
    /// Starts the thread that writes to `out`. If the system refuses a thread, nothing is logged.
    fn to(out: impl Write + Send + 'static) -> Self {
        let (queue, orders) = sync_channel(LOG_LINES_WAITING_MAX);
        let unwritten = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&unwritten);
        let write = move || write_lines(out, &orders, &counter);
        if let Err(error) = thread::Builder::new().name("log".to_owned()).spawn(write) {
            eprintln!("sidetone: no thread for the log, so there is none: {error}");
        }
        Self { rate: Arc::default(), unwritten, queue }
    }

    /// Queues a line. Never waits: a full queue drops the line and counts it.
    fn put(&self, line: Vec<u8>) {
        if self.queue.try_send(Order::Line(line)).is_err() {
            self.unwritten.fetch_add(1, Relaxed);
        }
    }

    /// Waits until the lines queued before are written, for at most `wait`.
    fn flush(&self, wait: Duration) {
        let (done, is_done) = sync_channel(1);
        if self.queue.try_send(Order::Flush(done)).is_ok() {
            let _ = is_done.recv_timeout(wait);
        }
    }
}

/// The writing thread. Ignores errors: a closed standard error leaves no place to report them.
///
/// It pauses before it waits for the next line. A thread that waits is woken by whoever logs, and a wake-up
/// costs the signaling thread more than the line; lines of the pause need none.
fn write_lines(mut out: impl Write, orders: &Receiver<Order>, unwritten: &AtomicU64) {
    loop {
        let order = match orders.try_recv() {
            Ok(order) => order,
            Err(TryRecvError::Disconnected) => return,
            Err(TryRecvError::Empty) => {
                thread::sleep(PAUSE);
                let Ok(order) = orders.recv() else { return };
                order
            }
        };
        match order {
            Order::Line(line) => drop(out.write_all(&line)),
            Order::Flush(done) => drop(done.try_send(())),
        }
        let lost = unwritten.swap(0, Relaxed);
        if lost > 0 {
            let _ = writeln!(out, "log: {lost} lines were left out: standard error was too slow");
        }
    }
}

#[derive(Default)]
struct Rate {
    second: AtomicU64,
    lines: AtomicU64,
}

impl Rate {
    /// Whether one more line may be written in this second, and the number left out in the second before.
    /// Threads that race at the edge of a second may miscount a few lines, which is harmless.
    fn admit(&self, second: u64) -> (bool, u64) {
        let mut lost = 0;
        if self.second.swap(second, Relaxed) != second {
            lost = self.lines.swap(0, Relaxed).saturating_sub(LINES_A_SECOND_MAX);
        }
        (self.lines.fetch_add(1, Relaxed) < LINES_A_SECOND_MAX, lost)
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Line;

    fn make_writer(&'a self) -> Line {
        Line { lines: self.clone(), bytes: Vec::with_capacity(256) }
    }
}

/// A line that is being formatted; dropping it queues it.
struct Line {
    lines: Lines,
    bytes: Vec<u8>,
}

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // One byte more than the limit: `bounded` sees that the line is too long.
        let room = (LOG_LINE_BYTES_MAX + 1).saturating_sub(self.bytes.len());
        self.bytes.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        let second =
            SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let (admitted, lost) = self.lines.rate.admit(second);
        if lost > 0 {
            let told = format!("log: {lost} lines were left out in the last second\n");
            self.lines.put(told.into_bytes());
        }
        if admitted {
            self.lines.put(bounded(&self.bytes));
        }
    }
}

/// Cuts a line to the limit, escapes control bytes, and ends it with exactly one line feed. Without the
/// escapes a peer could forge log lines.
fn bounded(bytes: &[u8]) -> Vec<u8> {
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    let cut = bytes.len() >= LOG_LINE_BYTES_MAX;
    let kept = if cut { bytes.get(..LOG_LINE_BYTES_MAX - CUT.len() - 1) } else { None };
    let mut line = Vec::with_capacity(bytes.len() + CUT.len() + 1);
    for run in kept.unwrap_or(bytes).chunk_by(|a, b| !is_control(a) && !is_control(b)) {
        match run {
            [byte] if is_control(byte) => line.extend(byte.escape_ascii()),
            run => line.extend_from_slice(run),
        }
    }
    line.extend_from_slice(if cut { CUT.as_bytes() } else { b"" });
    line.push(b'\n');
    line
}

const fn is_control(byte: &u8) -> bool {
    matches!(byte, 0..0x20 | 0x7F)
}

/// The most by which the pause delays a line. The queue holds the lines of several.
const PAUSE: Duration = Duration::from_millis(5);
const _: () = assert!(
    LINES_A_SECOND_MAX * PAUSE.as_millis() as u64 * 10 < 1_000 * LOG_LINES_WAITING_MAX as u64
);

/// Lines per second. Past it: counted, not written.
const LINES_A_SECOND_MAX: u64 = 1_000;

/// How long the end of the process waits for queued lines.
const LAST_LINES: Duration = Duration::from_secs(1);

/// The end of a line that was cut.
const CUT: &str = "… (cut)";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_line_is_cut_and_says_so() {
        let line = bounded(&vec![b'x'; LOG_LINE_BYTES_MAX * 2]);
        assert!(line.len() <= LOG_LINE_BYTES_MAX);
        assert!(line.ends_with("… (cut)\n".as_bytes()));
    }

    #[test]
    fn control_bytes_cannot_forge_a_second_line() {
        assert_eq!(bounded(b"a\r\nb\x1b[31m\n"), b"a\\r\\nb\\x1b[31m\n");
    }

    /// A standard error that blocks until it is released, and keeps what was written.
    struct Stopped {
        go: Receiver<()>,
        taken: std::sync::mpsc::Sender<Vec<u8>>,
    }

    impl Write for Stopped {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.go.recv(); // an error: released for good
            let _ = self.taken.send(bytes.to_vec());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_blocked_standard_error_delays_no_thread_and_lost_lines_are_counted_in_the_log() {
        let (release, go) = sync_channel::<()>(1);
        let (taken, lines) = std::sync::mpsc::channel();
        let log = Lines::to(Stopped { go, taken });
        // The thread holds at most one line; the rest fills the queue and more. No put waits.
        let put = LOG_LINES_WAITING_MAX + 10;
        for _ in 0..put {
            log.put(b"x\n".to_vec());
        }
        let lost = log.unwritten.load(Relaxed);
        assert!((9..=10).contains(&lost), "{lost}");
        drop(release);
        let told = format!("log: {lost} lines were left out: standard error was too slow\n");
        let mut text = Vec::new();
        while !String::from_utf8_lossy(&text).ends_with(&told) {
            text.extend(lines.recv().expect("the thread goes on"));
        }
        // Lines that waited are written as well.
        drop(log);
        text.extend(lines.iter().flatten());
        let written = text.split(|byte| *byte == b'\n').filter(|line| *line == b"x").count();
        assert_eq!(written as u64 + lost, put as u64);
    }

    #[test]
    fn the_end_of_the_log_waits_for_its_last_line() {
        let (release, go) = sync_channel::<()>(0);
        let (taken, lines) = std::sync::mpsc::channel();
        let log = Lines::to(Stopped { go, taken });
        log.put(b"last\n".to_vec());
        drop(release);
        log.flush(Duration::from_secs(60));
        assert_eq!(lines.try_recv(), Ok(b"last\n".to_vec()));
    }

    #[test]
    fn lines_past_the_rate_are_counted_and_reported_in_the_next_second() {
        let rate = Rate::default();
        let admitted = (0..LINES_A_SECOND_MAX + 5).filter(|_| rate.admit(1).0).count() as u64;
        assert_eq!(admitted, LINES_A_SECOND_MAX);
        assert_eq!(rate.admit(2), (true, 5));
        assert_eq!(rate.admit(2), (true, 0));
    }
}
