//! Log lines on standard error: human or JSON, bounded in length and rate. Shell.
//!
//! A thread of its own writes them: a terminal that was stopped, a full pipe or a slow disk behind
//! standard error holds up no call. Lines it cannot take are counted, and their number is told.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
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
        // It fails only after the subscriber is gone, and then nobody logs.
        let _ = self.filter.reload(filter(level));
    }
}

/// The log of the process. When dropped, lines that wait are still written, for [`LAST_LINES`] at most.
pub struct Logging {
    control: LogControl,
    lines: Lines,
}

impl Logging {
    /// What changes its level.
    pub fn control(&self) -> LogControl {
        self.control.clone()
    }
}

impl Drop for Logging {
    fn drop(&mut self) {
        self.lines.flush(LAST_LINES);
    }
}

/// Starts logging for the whole process. To be called once.
pub fn start(settings: &Log) -> Logging {
    let (filter, handle) = reload::Layer::new(filter(settings.level));
    let lines = Lines::to(io::stderr());
    let registry = tracing_subscriber::registry().with(filter);
    let layer = tracing_subscriber::fmt::layer().with_writer(lines.clone()).with_ansi(false);
    let started = match settings.format {
        LogFormat::Human => registry.with(layer.with_target(false)).try_init(),
        LogFormat::Json => registry.with(layer.json().flatten_event(true)).try_init(),
    };
    // In tests one process starts several gateways; the first subscriber serves them all.
    let _ = started;
    Logging { control: LogControl { filter: handle }, lines }
}

/// Libraries speak from `warn` on, whatever our own level is: their debug lines name numbers and bodies.
fn filter(level: LogLevel) -> EnvFilter {
    EnvFilter::new(format!(
        "{0},hyper=warn,hyper_util=warn,hickory_resolver=warn,hickory_proto=warn,mio=warn,rustls=warn",
        level.word()
    ))
}

/// Hands whole lines to the thread that writes, cut at [`LOG_LINE_BYTES_MAX`], at most
/// [`LINES_A_SECOND_MAX`] a second; what is left out is counted and told as soon as it can be.
#[derive(Clone)]
struct Lines {
    rate: Arc<Rate>,
    /// Lines for which the queue had no room, since this was last told.
    unwritten: Arc<AtomicU64>,
    queue: SyncSender<Order>,
}

/// For the thread that writes.
enum Order {
    Line(Vec<u8>),
    /// Answer when everything before is written.
    Flush(SyncSender<()>),
}

impl Lines {
    /// Starts the thread that writes to `out`. Where the system has no thread for it, nothing is logged.
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

    /// Never waits.
    fn put(&self, line: Vec<u8>) {
        if self.queue.try_send(Order::Line(line)).is_err() {
            self.unwritten.fetch_add(1, Relaxed);
        }
    }

    /// Waits until what was put before is written, so long at most.
    fn flush(&self, wait: Duration) {
        let (done, is_done) = sync_channel(1);
        if self.queue.try_send(Order::Flush(done)).is_ok() {
            let _ = is_done.recv_timeout(wait);
        }
    }
}

/// Nothing can be done about a standard error that is closed: its errors are passed over.
fn write_lines(mut out: impl Write, orders: &Receiver<Order>, unwritten: &AtomicU64) {
    for order in orders {
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
    /// Whether one more line may be written in this second, and how many the last ones lost.
    /// Counts may be off by a few where threads meet at a second's edge; that does not matter here.
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

/// One line in the making; put into the queue when dropped.
struct Line {
    lines: Lines,
    bytes: Vec<u8>,
}

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // A little more than the limit is kept, so that the cut shows.
        let room = (LOG_LINE_BYTES_MAX + 1).saturating_sub(self.bytes.len());
        self.bytes.extend(bytes.iter().take(room));
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

/// Cut to the limit, control bytes escaped, exactly one line feed at the end.
fn bounded(bytes: &[u8]) -> Vec<u8> {
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    let cut = bytes.len() >= LOG_LINE_BYTES_MAX;
    let kept = if cut { bytes.get(..LOG_LINE_BYTES_MAX - CUT.len() - 1) } else { None };
    let mut line = Vec::with_capacity(bytes.len() + 1);
    for byte in kept.unwrap_or(bytes) {
        match byte {
            0..0x20 | 0x7F => line.extend(byte.escape_ascii()),
            byte => line.push(*byte),
        }
    }
    line.extend_from_slice(if cut { CUT.as_bytes() } else { b"" });
    line.push(b'\n');
    line
}

/// Past it lines are counted, not written.
const LINES_A_SECOND_MAX: u64 = 1_000;

/// How long the end of the process waits for lines that are not written yet.
const LAST_LINES: Duration = Duration::from_secs(1);

/// At the end of a line that was too long.
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

    /// Takes the first byte of a line only once it is told to, and keeps what it took.
    struct Stopped {
        go: Receiver<()>,
        taken: std::sync::mpsc::Sender<Vec<u8>>,
    }

    impl Write for Stopped {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.go.recv(); // an error: told to go on for ever
            let _ = self.taken.send(bytes.to_vec());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_standard_error_that_takes_nothing_holds_nobody_up_and_what_was_lost_is_told() {
        let (release, go) = sync_channel::<()>(1);
        let (taken, lines) = std::sync::mpsc::channel();
        let log = Lines::to(Stopped { go, taken });
        // The thread holds one line at most; the rest finds the queue full. None of it waits.
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
        // What waited and is not lost comes out as well.
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
    fn lines_past_the_rate_are_counted_and_told_in_the_next_second() {
        let rate = Rate::default();
        let admitted = (0..LINES_A_SECOND_MAX + 5).filter(|_| rate.admit(1).0).count() as u64;
        assert_eq!(admitted, LINES_A_SECOND_MAX);
        assert_eq!(rate.admit(2), (true, 5));
        assert_eq!(rate.admit(2), (true, 0));
    }
}
