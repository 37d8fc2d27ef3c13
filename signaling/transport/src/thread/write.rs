//! Writes, and the two bounds of write queues. Shell.

use shell::Clock;
use sip::{SendFailure, SendToken};

use super::Transport;
use crate::connection::State;

impl Transport {
    /// Queues a message on a connection and writes what the kernel takes. Past a bound the connection is
    /// closed: to drop one message would leave the peer waiting for it on a connection that looks sound.
    pub(super) fn send(&mut self, key: usize, bytes: Box<[u8]>, token: SendToken) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        let length = bytes.len();
        let full = connection.queued_bytes + length > self.config.write_queue_bytes_max
            || self.write_queues_bytes + length > self.config.write_queues_bytes_max;
        if full {
            self.send_failed(token, SendFailure::QueueFull);
            return self.close(key, "write_queue_full");
        }
        connection.enqueue(bytes, token);
        self.write_queues_bytes += length;
        self.write(key);
    }

    /// Writes what waits on a connection, as far as the kernel takes it.
    pub(super) fn write(&mut self, key: usize) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        if connection.is_handshaking() {
            if connection.flush_handshake().is_err() {
                self.close(key, "write_failed");
            }
            return;
        }
        if !connection.is_up() {
            return;
        }
        match connection.write(Clock.mono()) {
            Ok(count) => {
                let done =
                    connection.is_drained() && matches!(connection.state, State::Closing { .. });
                self.write_queues_bytes = self.write_queues_bytes.saturating_sub(count);
                self.metrics.transport_bytes_sent_total.add(count as u64);
                if done {
                    self.close(key, "asked");
                }
            }
            Err(_) => self.close(key, "write_failed"),
        }
    }
}
