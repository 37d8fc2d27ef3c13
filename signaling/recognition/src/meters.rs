//! Counters of the recognition.

use std::sync::atomic::{AtomicU64, Ordering};

use shell::Text;

use crate::lane::LaneCounts;

/// Counters since start. One writer: the thread.
#[derive(Debug, Default)]
pub struct RecognitionMeters {
    pub(crate) open: AtomicU64,
    pub(crate) started: AtomicU64,
    pub(crate) failed: AtomicU64,
    pub(crate) refused: AtomicU64,
    pub(crate) utterances: AtomicU64,
    pub(crate) unknown_frames: AtomicU64,
    batch_waiting: AtomicU64,
    batch_bytes: AtomicU64,
    batch_refused: AtomicU64,
    batch_taken_back: AtomicU64,
    batch_overdue: AtomicU64,
    /// In the order of the settings.
    pub(crate) engines: Box<[EngineMeters]>,
}

/// Counters of one engine.
#[derive(Debug)]
pub(crate) struct EngineMeters {
    pub name: String,
    pub up: AtomicU64,
    pub starts: AtomicU64,
    pub utterances: AtomicU64,
    pub failures: AtomicU64,
    pub overflows: AtomicU64,
    pub waiting: AtomicU64,
}

/// The counters of the whole thread at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RecognitionCounts {
    /// `recognition_open`: recognitions that run.
    pub open: u64,
    /// `recognition_started_total`.
    pub started: u64,
    /// `recognition_failed_total`: those that ended by a failure.
    pub failed: u64,
    /// `recognition_refused_total`: those past the bound.
    pub refused: u64,
    /// `recognition_utterances_total`: utterances that engines got.
    pub utterances: u64,
    /// `recognition_unknown_frames_total`: frames of a tap whose recognition is over.
    pub unknown_frames: u64,
}

impl RecognitionMeters {
    pub(crate) fn of<'a>(engines: impl Iterator<Item = &'a str>) -> Self {
        let engine = |name: &str| EngineMeters {
            name: name.to_owned(),
            up: AtomicU64::new(0),
            starts: AtomicU64::new(0),
            utterances: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            overflows: AtomicU64::new(0),
            waiting: AtomicU64::new(0),
        };
        Self { engines: engines.map(engine).collect(), ..Self::default() }
    }

    /// The counters now.
    pub fn snapshot(&self) -> RecognitionCounts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        RecognitionCounts {
            open: read(&self.open),
            started: read(&self.started),
            failed: read(&self.failed),
            refused: read(&self.refused),
            utterances: read(&self.utterances),
            unknown_frames: read(&self.unknown_frames),
        }
    }

    /// Takes the figures of the batch lane.
    pub(crate) fn lane(&self, counts: LaneCounts) {
        let LaneCounts { waiting, bytes, refused, taken_back, overdue } = counts;
        self.batch_waiting.store(waiting, Ordering::Relaxed);
        self.batch_bytes.store(bytes, Ordering::Relaxed);
        self.batch_refused.store(refused, Ordering::Relaxed);
        self.batch_taken_back.store(taken_back, Ordering::Relaxed);
        self.batch_overdue.store(overdue, Ordering::Relaxed);
    }

    /// Writes every counter to a page of metrics.
    pub fn write(&self, text: &mut Text) {
        let counts = self.snapshot();
        let rows: [(&str, &str, &str, u64); 6] = [
            ("recognition_open", "gauge", "Recognitions of speech that run.", counts.open),
            ("recognition_started_total", "counter", "Recognitions that began.", counts.started),
            (
                "recognition_failed_total",
                "counter",
                "Recognitions that ended by a failure.",
                counts.failed,
            ),
            (
                "recognition_refused_total",
                "counter",
                "Recognitions past the most at once.",
                counts.refused,
            ),
            (
                "recognition_utterances_total",
                "counter",
                "Utterances that engines got.",
                counts.utterances,
            ),
            (
                "recognition_unknown_frames_total",
                "counter",
                "Frames of taps whose recognition is over.",
                counts.unknown_frames,
            ),
        ];
        for (name, kind, help, value) in rows {
            text.metric(name, kind, help);
            text.sample(name, &[], value);
        }
        self.write_lane(text);
        self.write_engines(text);
    }

    fn write_lane(&self, text: &mut Text) {
        let rows = [
            (
                "recognition_batch_waiting",
                "gauge",
                "Utterances of recorded messages that wait for a place at an engine.",
                &self.batch_waiting,
            ),
            (
                "recognition_batch_bytes",
                "gauge",
                "Audio of the utterances of recorded messages that have no result.",
                &self.batch_bytes,
            ),
            (
                "recognition_batch_refused_total",
                "counter",
                "Utterances of recorded messages that failed because the batch lane was full.",
                &self.batch_refused,
            ),
            (
                "recognition_batch_taken_back_total",
                "counter",
                "Times that a live utterance took the place of a recorded message.",
                &self.batch_taken_back,
            ),
            (
                "recognition_batch_overdue_total",
                "counter",
                "Utterances of recorded messages that failed because no result came in time.",
                &self.batch_overdue,
            ),
        ];
        for (name, kind, help, counter) in rows {
            text.metric(name, kind, help);
            text.sample(name, &[], counter.load(Ordering::Relaxed));
        }
    }

    fn write_engines(&self, text: &mut Text) {
        type Row = (&'static str, &'static str, &'static str, fn(&EngineMeters) -> &AtomicU64);
        let rows: [Row; 6] = [
            ("recognition_engine_up", "gauge", "1: the engine takes utterances.", |e| &e.up),
            ("recognition_engine_starts_total", "counter", "Starts of the engine.", |e| &e.starts),
            (
                "recognition_engine_utterances_total",
                "counter",
                "Utterances that the engine got.",
                |e| &e.utterances,
            ),
            (
                "recognition_engine_failures_total",
                "counter",
                "Ends of the engine that were not ours.",
                |e| &e.failures,
            ),
            (
                "recognition_engine_overflows_total",
                "counter",
                "Utterances that failed because the engine takes its audio too slowly.",
                |e| &e.overflows,
            ),
            (
                "recognition_engine_waiting_bytes",
                "gauge",
                "Audio and orders that the engine has not taken yet.",
                |e| &e.waiting,
            ),
        ];
        for (name, kind, help, of) in rows {
            if self.engines.is_empty() {
                continue;
            }
            text.metric(name, kind, help);
            for engine in &self.engines {
                let value = of(engine).load(Ordering::Relaxed);
                text.sample(name, &[("engine", &engine.name)], value);
            }
        }
    }
}

/// Adds to a counter that this thread alone writes.
pub(crate) fn add(counter: &AtomicU64, more: u64) {
    counter.store(counter.load(Ordering::Relaxed).wrapping_add(more), Ordering::Relaxed);
}
