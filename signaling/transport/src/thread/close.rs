//! How connections end: by a command, by a failure, by a deadline. Shell.
//!
//! Every end comes to [`Transport::close_failed`], which takes the connection out of the table, out of
//! the poll and out of the counts, and reports each send that did not happen and, if the connection was
//! up, its end.

use std::time::Duration;

use shared::{Instant, TlsFailure};
use shell::Clock;
use sip::{CloseReason, Flow, FlowId, SendFailure};

use super::Transport;
use crate::config::TransportConfig;
use crate::connection::{Connection, State};
use crate::message::Up;

impl Transport {
    pub(super) fn close_asked(&mut self, flow: FlowId, reason: CloseReason) {
        let Some(key) = self.connections.key_of_flow(flow) else { return };
        let Some(connection) = self.connections.get_mut(key) else { return };
        // A wedged peer takes nothing: to wait for it would only keep the connection.
        if !connection.is_drained() && connection.is_up() && reason != CloseReason::Wedged {
            // An error response may still be on its way out.
            let deadline = Clock.mono() + CLOSING_FOR_MAX;
            connection.state = State::Closing { deadline };
            return;
        }
        self.close(key, close_label(reason));
    }

    pub(super) fn close(&mut self, key: usize, label: &'static str) {
        self.close_failed(key, label, SendFailure::Unreachable);
    }

    /// Closes a connection. `label` is for the counter; `unreached` is the failure of queued sends, where
    /// the connection was never up.
    pub(super) fn close_failed(&mut self, key: usize, label: &'static str, unreached: SendFailure) {
        if self.connections.get(key).is_some_and(Connection::is_handshaking) {
            self.count_handshake(key, -1);
        }
        let Some(mut connection) = self.connections.remove(key) else { return };
        connection.close_tls();
        let _ = self.poll.registry().deregister(&mut connection.socket);
        self.reads.remove(key, &connection);
        let Flow { id, transport, .. } = connection.flow;
        self.write_queues_bytes = self.write_queues_bytes.saturating_sub(connection.queued_bytes);
        self.metrics.transport_streams_open.add(-1);
        if transport == shared::Transport::Tls {
            self.metrics.transport_tls_streams_open.add(-1);
        }
        self.metrics.transport_streams_closed_total.count(label);
        let failure = if connection.is_up() { SendFailure::Closed } else { unreached };
        for token in connection.unsent().collect::<Vec<_>>() {
            self.send_failed(token, failure);
        }
        if connection.is_up() {
            self.uplink.send(Up::Closed { flow: id });
        }
    }

    /// Closes connections past a deadline, and lets listeners that could not accept try again.
    pub(super) fn sweep(&mut self, now: Instant) {
        let overdue = self.connections.iter().filter_map(|(key, connection)| {
            overdue(&self.config, connection, now).map(|label| (key, label))
        });
        let overdue: Vec<(usize, &'static str)> = overdue.collect();
        for (key, label) in overdue {
            match label {
                HANDSHAKE_TIMEOUT => self.handshake_over(key, label, TlsFailure::TimedOut),
                _ => self.close(key, label),
            }
        }
        for listener in &mut self.listeners {
            listener.ready = true;
        }
        let waiting = i64::try_from(self.write_queues_bytes).unwrap_or(i64::MAX);
        self.metrics.transport_write_queue_bytes.set(waiting);
    }
}

/// Why a connection has to end now, as a label; `None`: it may go on. The deadline of its state comes
/// before the stall, so that the label names what the connection was waiting for.
fn overdue(
    config: &TransportConfig,
    connection: &Connection,
    now: Instant,
) -> Option<&'static str> {
    // A handshake in our queue waits for us, not for the peer: after a restart all phones come together.
    let grace = connection.turn.map_or(Duration::ZERO, |_| QUEUED_HANDSHAKE_GRACE);
    if connection.deadline().is_none_or(|deadline| deadline + grace > now) {
        let stalled = connection
            .stalled_since()
            .is_some_and(|since| now.since(since) >= config.stalled_for_max);
        return stalled.then_some("stalled");
    }
    Some(match connection.state {
        State::Connecting { .. } => "connect_timeout",
        State::Handshaking { .. } => HANDSHAKE_TIMEOUT,
        State::Silent { .. } => "silent",
        State::Open | State::Closing { .. } => "asked",
    })
}

const fn close_label(reason: CloseReason) -> &'static str {
    match reason {
        CloseReason::Framing => "framing",
        CloseReason::Slow => "slow",
        CloseReason::Idle => "idle",
        CloseReason::Wedged => "wedged",
        CloseReason::NoRoom => "unfinished_bytes",
        CloseReason::Flood => "flood",
    }
}

const HANDSHAKE_TIMEOUT: &str = "handshake_timeout";
/// Added to the deadline of a handshake that waits in our queue. Phones give up earlier by themselves
/// (RFC 3261 timer F, 32 s).
const QUEUED_HANDSHAKE_GRACE: Duration = Duration::from_secs(30);
/// How long a connection may take to write its last messages.
const CLOSING_FOR_MAX: Duration = Duration::from_secs(2);
