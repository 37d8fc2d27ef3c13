//! Log lines on standard error: human or JSON, bounded in length and rate. Shell.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{SystemTime, UNIX_EPOCH};

use shared::config::{Log, LogFormat, LogLevel};
use shared::limits::LOG_LINE_BYTES_MAX;
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

/// Starts logging for the whole process. To be called once.
pub fn start(settings: &Log) -> LogControl {
    let (filter, handle) = reload::Layer::new(filter(settings.level));
    let writer = Lines::default();
    let registry = tracing_subscriber::registry().with(filter);
    let layer = tracing_subscriber::fmt::layer().with_writer(writer).with_ansi(false);
    let started = match settings.format {
        LogFormat::Human => registry.with(layer.with_target(false)).try_init(),
        LogFormat::Json => registry.with(layer.json().flatten_event(true)).try_init(),
    };
    // In tests one process starts several gateways; the first subscriber serves them all.
    let _ = started;
    LogControl { filter: handle }
}

/// Libraries speak from `warn` on, whatever our own level is: their debug lines name numbers and bodies.
fn filter(level: LogLevel) -> EnvFilter {
    EnvFilter::new(format!(
        "{0},hyper=warn,hyper_util=warn,hickory_resolver=warn,hickory_proto=warn,mio=warn,rustls=warn",
        level.word()
    ))
}

/// Writes whole lines to standard error, cut at [`LOG_LINE_BYTES_MAX`], at most
/// [`LINES_A_SECOND_MAX`] a second; what is left out is counted and told in the next second.
#[derive(Clone, Default)]
struct Lines {
    rate: Arc<Rate>,
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
        Line { rate: Arc::clone(&self.rate), bytes: Vec::with_capacity(256) }
    }
}

/// One line in the making; written when dropped.
struct Line {
    rate: Arc<Rate>,
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
        let (admitted, lost) = self.rate.admit(second);
        let mut out = io::stderr().lock();
        if lost > 0 {
            let _ = writeln!(out, "log: {lost} lines were left out in the last second");
        }
        if admitted {
            // Nothing can be done about a closed standard error.
            let _ = out.write_all(&bounded(&self.bytes));
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

    #[test]
    fn lines_past_the_rate_are_counted_and_told_in_the_next_second() {
        let rate = Rate::default();
        let admitted = (0..LINES_A_SECOND_MAX + 5).filter(|_| rate.admit(1).0).count() as u64;
        assert_eq!(admitted, LINES_A_SECOND_MAX);
        assert_eq!(rate.admit(2), (true, 5));
        assert_eq!(rate.admit(2), (true, 0));
    }
}
