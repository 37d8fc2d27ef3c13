//! Counters of the signaling thread, copied once a turn into cells that /metrics reads. Shell; no locks.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use recorder::RecorderCounts;
use sip::UaMeters;

use shell::Text;

/// A line of the table below: name, type, help, value.
type Row = (&'static str, &'static str, &'static str, fn(&Seen<'_>) -> u64);

/// The source of one copy.
pub(super) struct Seen<'a> {
    pub(super) ua: &'a UaMeters,
    pub(super) calls_live: usize,
    /// Bindings, users, bytes, in this order.
    pub(super) registrations: (usize, usize, usize),
    pub(super) legs_free: usize,
    pub(super) recorder: RecorderCounts,
    pub(super) jobs_running: usize,
    pub(super) trunks: (usize, usize),
}

const ROWS: &[Row] = &[
    (
        "signaling_requests_received_total",
        "counter",
        "SIP requests read, ACK and copies included.",
        |s| s.ua.requests_received,
    ),
    ("signaling_responses_received_total", "counter", "SIP responses read.", |s| {
        s.ua.responses_received
    }),
    ("signaling_messages_sent_total", "counter", "SIP messages sent, copies included.", |s| {
        s.ua.messages_sent
    }),
    (
        "signaling_retransmissions_sent_total",
        "counter",
        "Copies sent because no answer came: loss on the way, or a slow peer.",
        |s| s.ua.retransmissions_sent,
    ),
    (
        "signaling_retransmissions_absorbed_total",
        "counter",
        "Copies of requests that ended in their transaction.",
        |s| s.ua.retransmissions_absorbed,
    ),
    (
        "signaling_answers_forgotten_total",
        "counter",
        "Large answers forgotten before the last copy of their request could come: many at once.",
        |s| s.ua.answers_forgotten,
    ),
    (
        "signaling_keep_alives_received_total",
        "counter",
        "CRLFs and empty datagrams that keep a path open.",
        |s| s.ua.keep_alives,
    ),
    ("signaling_pings_sent_total", "counter", "Pings on connections that we opened.", |s| {
        s.ua.pings_sent
    }),
    (
        "signaling_large_invites_sent_total",
        "counter",
        "INVITEs sent by TCP because they are too large for a datagram.",
        |s| s.ua.sent_by_tcp_for_size,
    ),
    (
        "signaling_failovers_total",
        "counter",
        "Destinations left for the next: silence, a refused connection, or 503.",
        |s| s.ua.failovers,
    ),
    (
        "signaling_broken_requests_answered_total",
        "counter",
        "Requests that broke a rule and were answered.",
        |s| s.ua.broken_answered,
    ),
    (
        "signaling_broken_messages_dropped_total",
        "counter",
        "Messages that broke a rule and were dropped.",
        |s| s.ua.broken_dropped,
    ),
    (
        "signaling_streams_closed_total",
        "counter",
        "Connections closed for their content, or for being slow.",
        |s| s.ua.connections_closed,
    ),
    (
        "signaling_stray_responses_dropped_total",
        "counter",
        "Responses that match no transaction.",
        |s| s.ua.responses_stray,
    ),
    (
        "signaling_stray_acks_dropped_total",
        "counter",
        "ACKs that match no transaction or dialog.",
        |s| s.ua.acks_stray,
    ),
    (
        "signaling_unknown_dialogs_refused_total",
        "counter",
        "Requests in a dialog we do not know: 481.",
        |s| s.ua.dialogs_unknown,
    ),
    ("signaling_challenges_sent_total", "counter", "Digest challenges sent.", |s| {
        s.ua.challenges_sent
    }),
    (
        "signaling_stateless_refusals_total",
        "counter",
        "Requests refused without state, challenges aside.",
        |s| s.ua.refused_stateless,
    ),
    ("signaling_silent_requests_total", "counter", "Requests met with silence on purpose.", |s| {
        s.ua.silent
    }),
    (
        "signaling_transactions_refused_total",
        "counter",
        "Requests refused for want of room in the transaction table: 503.",
        |s| s.ua.transactions_refused,
    ),
    (
        "signaling_strays_dropped_total",
        "counter",
        "Broken requests and those to unknown dialogs, unanswered: their source is past its budget.",
        |s| s.ua.strays_dropped,
    ),
    (
        "signaling_held_messages_dropped_total",
        "counter",
        "Requests left unread: their source exceeded its rate a moment ago.",
        |s| s.ua.held_dropped,
    ),
    (
        "signaling_unknown_cancels_total",
        "counter",
        "CANCELs that match no transaction: 481.",
        |s| s.ua.cancels_unknown,
    ),
    (
        "signaling_out_of_order_requests_refused_total",
        "counter",
        "Requests in a dialog that were older than the one before: 500.",
        |s| s.ua.out_of_order,
    ),
    (
        "signaling_dialog_methods_refused_total",
        "counter",
        "Requests in a dialog with a method that is not served: 405 or 501.",
        |s| s.ua.methods_refused,
    ),
    (
        "signaling_headers_refused_total",
        "counter",
        "Headers of the application that may not stand in a message, left out.",
        |s| s.ua.headers_refused,
    ),
    ("signaling_sends_failed_total", "counter", "Messages that could not be sent.", |s| {
        s.ua.sends_failed
    }),
    (
        "signaling_timeouts_total",
        "counter",
        "Our requests without a final response: peers that are down or unreachable.",
        |s| s.ua.timeouts,
    ),
    (
        "signaling_missing_acks_total",
        "counter",
        "Our 2xx whose ACK never came: a peer behind a one-way path.",
        |s| s.ua.acks_missing,
    ),
    (
        "signaling_late_forks_ended_total",
        "counter",
        "Answers of other branches that came too late: acknowledged and ended.",
        |s| s.ua.forks_ended,
    ),
    (
        "signaling_own_requests_refused_total",
        "counter",
        "Our requests that were not sent: too many at once, or no destination.",
        |s| s.ua.requests_refused,
    ),
    (
        "signaling_commands_ignored_total",
        "counter",
        "Commands to a dialog that ended meanwhile. A few are races; many are a bug.",
        |s| s.ua.commands_ignored,
    ),
    ("signaling_server_transactions", "gauge", "SIP server transactions kept now.", |s| {
        s.ua.server_transactions
    }),
    ("signaling_calls_live", "gauge", "Calls live now.", |s| s.calls_live as u64),
    ("registrar_bindings", "gauge", "Contacts registered now.", |s| s.registrations.0 as u64),
    ("registrar_users", "gauge", "Users with a contact registered now.", |s| {
        s.registrations.1 as u64
    }),
    (
        "registrar_memory_bytes",
        "gauge",
        "Bytes that the bindings are reckoned with; the most is 1 KiB for each of sip.bindings_max.",
        |s| s.registrations.2 as u64,
    ),
    ("signaling_legs_free", "gauge", "Legs that the media cores still have room for.", |s| {
        s.legs_free as u64
    }),
    (
        "signaling_trunks_to_register",
        "gauge",
        "Trunks with a registrar. Fewer registered than this: see the log.",
        |s| s.trunks.0 as u64,
    ),
    ("signaling_trunks_registered", "gauge", "Trunks that are registered now.", |s| {
        s.trunks.1 as u64
    }),
    ("signaling_errands_open", "gauge", "Webhooks, prompts and names under way.", |s| {
        s.jobs_running as u64
    }),
    ("recorder_recordings_open", "gauge", "Recordings that take frames now.", |s| s.recorder.open),
    ("recorder_frames_total", "counter", "Frames that the recorder took.", |s| s.recorder.frames),
    (
        "recorder_unknown_frames_total",
        "counter",
        "Frames of taps that were not opened. Not 0 is a bug.",
        |s| s.recorder.unknown_frames,
    ),
    (
        "recorder_recordings_refused_total",
        "counter",
        "Recordings that did not begin: look at the free disk and at recordings.free_disk_min.",
        |s| s.recorder.refused,
    ),
    (
        "recorder_recordings_failed_total",
        "counter",
        "Recordings that have no file, because the disk failed. Each call has the sentence.",
        |s| s.recorder.failed,
    ),
    (
        "recorder_missing_ms_total",
        "counter",
        "Milliseconds that finished recordings lack: the disk was too slow, or took no more.",
        |s| s.recorder.missing_ms,
    ),
];

/// The cells: one writer, any number of readers.
#[derive(Debug)]
pub struct SignalingFigures {
    cells: [AtomicU64; ROWS.len()],
}

impl Default for SignalingFigures {
    fn default() -> Self {
        Self { cells: std::array::from_fn(|_| AtomicU64::default()) }
    }
}

impl SignalingFigures {
    pub(super) fn publish(&self, seen: &Seen<'_>) {
        for (cell, (_, _, _, value)) in self.cells.iter().zip(ROWS) {
            cell.store(value(seen), Relaxed);
        }
    }

    /// Appends all counters to a text.
    pub fn write(&self, text: &mut Text) {
        for (cell, (name, kind, help, _)) in self.cells.iter().zip(ROWS) {
            text.metric(name, kind, help);
            text.sample(name, &[], cell.load(Relaxed));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_values_are_written() {
        let figures = SignalingFigures::default();
        let ua = UaMeters { challenges_sent: 7, ..UaMeters::default() };
        figures.publish(&Seen {
            trunks: (2, 1),
            ua: &ua,
            calls_live: 3,
            registrations: (2, 1, 900),
            legs_free: 0,
            recorder: RecorderCounts::default(),
            jobs_running: 0,
        });
        let mut text = Text::default();
        figures.write(&mut text);
        let text = text.finish();
        assert!(text.contains("signaling_challenges_sent_total 7\n"), "{text}");
        assert!(text.contains("signaling_calls_live 3\n"), "{text}");
    }
}
