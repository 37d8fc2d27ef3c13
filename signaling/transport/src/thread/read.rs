//! Reads, one for each connection in a turn. Shell.

use super::Transport;
use crate::connection::State;
use crate::message::Up;
use crate::step::ReadOutcome;

impl Transport {
    /// Reads each open connection once, so that a peer that sends without pause holds up no other; then
    /// goes on with a few handshakes. Open connections come first: calls run over them, and a handshake
    /// costs a signature.
    pub(super) fn read_ready(&mut self) {
        for key in self.reads.open() {
            if self.uplink.is_behind() {
                return;
            }
            self.read_one(key);
        }
        for _ in 0..HANDSHAKES_A_TURN {
            if self.uplink.is_behind() {
                return;
            }
            let Some(key) = self.reads.next_handshake() else { return };
            self.go_on_with_handshake(key);
        }
    }

    fn read_one(&mut self, key: usize) {
        let readable = |connection: &&mut _| is_readable(connection);
        let Some(connection) = self.connections.get_mut(key).filter(readable) else {
            self.reads.exhausted(key);
            return;
        };
        match connection.read(&mut self.buffer) {
            ReadOutcome::Bytes(count) => {
                if matches!(connection.state, State::Silent { .. }) {
                    connection.state = State::Open;
                }
                let bytes = self.buffer.get(..count).unwrap_or_default().into();
                self.metrics.transport_bytes_received_total.add(count as u64);
                // Signaling has asked for the end of this connection: it wants no more bytes.
                if !matches!(connection.state, State::Closing { .. }) {
                    self.uplink.send(Up::Received { flow: connection.flow, bytes });
                }
            }
            ReadOutcome::WouldBlock => self.reads.exhausted(key),
            ReadOutcome::Gone => self.close(key, "peer"),
            ReadOutcome::Failed(fault) => {
                let (rule, source) = (fault.failure.rule(), connection.flow.remote.ip());
                tracing::debug!(rule, %source, "TLS: {}", fault.detail);
                self.close(key, "tls");
            }
        }
    }
}

/// Whether to read the connection now. One that is not up yet is not read: its error shows when it is
/// written.
fn is_readable(connection: &crate::connection::Connection) -> bool {
    connection.readable && connection.is_up()
}

/// Steps of handshakes in one turn: each may cost a signature (1 ms with RSA).
const HANDSHAKES_A_TURN: usize = 4;
