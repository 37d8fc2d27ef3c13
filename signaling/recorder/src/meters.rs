//! Counters of the recorder. Lock-free; its two threads write them.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use crate::event::{RecordingDone, RecordingOutcome};

/// Counters since start.
#[derive(Debug, Default)]
pub struct RecorderMeters {
    frames: AtomicU64,
    unknown_frames: AtomicU64,
    open: AtomicI64,
    refused: AtomicU64,
    failed: AtomicU64,
    missing_ms: AtomicU64,
}

/// A snapshot of the counters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RecorderCounts {
    /// `recorder_frames_total`.
    pub frames: u64,
    /// `recorder_unknown_frames_total`: frames of a tap that was not opened. Above zero it is a bug:
    /// check the order of `open` and `StartTap`.
    pub unknown_frames: u64,
    /// Recordings in progress.
    pub open: u64,
    /// `recorder_recordings_refused_total`: recordings that did not begin, for example for want of disk.
    pub refused: u64,
    /// `recorder_recordings_failed_total`: recordings that have no file, as the disk failed.
    pub failed: u64,
    /// `recorder_missing_ms_total`: milliseconds that finished recordings lack, silence in their place or
    /// their end cut off.
    pub missing_ms: u64,
}

impl RecorderMeters {
    /// All counters now.
    pub(crate) fn counts(&self) -> RecorderCounts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        RecorderCounts {
            frames: read(&self.frames),
            unknown_frames: read(&self.unknown_frames),
            open: u64::try_from(self.open.load(Ordering::Relaxed)).unwrap_or(0),
            refused: read(&self.refused),
            failed: read(&self.failed),
            missing_ms: read(&self.missing_ms),
        }
    }

    pub(crate) fn count_frame(&self) {
        self.frames.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn count_unknown_frame(&self) {
        self.unknown_frames.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn count_opened(&self) {
        self.open.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn count_closed(&self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
    }

    pub(crate) fn count_refused(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn count_done(&self, done: &RecordingDone) {
        if let RecordingOutcome::Failed { .. } = done.outcome {
            self.failed.fetch_add(1, Ordering::Relaxed);
        }
        self.missing_ms.fetch_add(done.gap_ms + done.cut_ms, Ordering::Relaxed);
    }
}
