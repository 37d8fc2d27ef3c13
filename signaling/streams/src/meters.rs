//! Counters of the streams.

use std::sync::atomic::{AtomicU64, Ordering};

use shell::Text;

/// Counters since start. One writer: the thread.
#[derive(Debug, Default)]
pub struct StreamMeters {
    pub(crate) open: AtomicU64,
    pub(crate) opened: AtomicU64,
    pub(crate) ended: AtomicU64,
    pub(crate) failed: AtomicU64,
    pub(crate) sent: AtomicU64,
    pub(crate) dropped: AtomicU64,
    pub(crate) received: AtomicU64,
    pub(crate) buffered: AtomicU64,
    pub(crate) unknown_frames: AtomicU64,
    pub(crate) copied: AtomicU64,
    pub(crate) copies_lost: AtomicU64,
}

/// The counters at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StreamCounts {
    /// `stream_open`: streams that are open or being opened.
    pub open: u64,
    /// `stream_opened_total`: handshakes that succeeded.
    pub opened: u64,
    /// `stream_ended_total`: streams that ended, failed ones included.
    pub ended: u64,
    /// `stream_failed_total`.
    pub failed: u64,
    /// `stream_messages_sent_total`.
    pub sent: u64,
    /// `stream_messages_dropped_total`: the application reads too slowly.
    pub dropped: u64,
    /// `stream_messages_received_total`.
    pub received: u64,
    /// `stream_playout_bytes`: memory of audio and marks that wait for their party.
    pub buffered: u64,
    /// `stream_unknown_frames_total`: frames of a tap whose stream is gone.
    pub unknown_frames: u64,
    /// `siprec_frames_total`: frames for recording servers.
    pub copied: u64,
    /// `siprec_frames_lost_total`: frames for which the ring to a core had no room.
    pub copies_lost: u64,
}

impl StreamMeters {
    /// All counters now.
    pub fn snapshot(&self) -> StreamCounts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        StreamCounts {
            open: read(&self.open),
            opened: read(&self.opened),
            ended: read(&self.ended),
            failed: read(&self.failed),
            sent: read(&self.sent),
            dropped: read(&self.dropped),
            received: read(&self.received),
            buffered: read(&self.buffered),
            unknown_frames: read(&self.unknown_frames),
            copied: read(&self.copied),
            copies_lost: read(&self.copies_lost),
        }
    }
}

/// Adds to a counter that this thread alone writes.
pub(crate) fn add(counter: &AtomicU64, more: u64) {
    counter.store(counter.load(Ordering::Relaxed).wrapping_add(more), Ordering::Relaxed);
}

impl StreamCounts {
    /// Writes every counter to a page of metrics.
    pub fn write(&self, text: &mut Text) {
        let rows: [(&str, &str, &str, u64); 11] = [
            ("stream_open", "gauge", "Media streams that are open or being opened.", self.open),
            ("stream_opened_total", "counter", "Handshakes that succeeded.", self.opened),
            ("stream_ended_total", "counter", "Streams that ended.", self.ended),
            ("stream_failed_total", "counter", "Streams that ended by a fault.", self.failed),
            ("stream_messages_sent_total", "counter", "Messages to applications.", self.sent),
            (
                "stream_messages_dropped_total",
                "counter",
                "Messages for which a slow application left no room.",
                self.dropped,
            ),
            (
                "stream_messages_received_total",
                "counter",
                "Messages of applications.",
                self.received,
            ),
            (
                "stream_playout_bytes",
                "gauge",
                "Memory of audio and marks that wait for their party (streams.buffer).",
                self.buffered,
            ),
            (
                "stream_unknown_frames_total",
                "counter",
                "Frames of taps whose stream is gone.",
                self.unknown_frames,
            ),
            (
                "siprec_frames_total",
                "counter",
                "Frames, 20 ms of one track each, for recording servers.",
                self.copied,
            ),
            (
                "siprec_frames_lost_total",
                "counter",
                "Frames for which the ring to a core had no room.",
                self.copies_lost,
            ),
        ];
        for (name, kind, help, value) in rows {
            text.metric(name, kind, help);
            text.sample(name, &[], value);
        }
    }
}
