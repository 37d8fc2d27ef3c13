//! The queue to the signaling thread, and what it has no room for yet. Shell.
//!
//! Messages keep their order and none is dropped: signaling relies on one [`Up::Closed`] for each
//! [`Up::Opened`]. The memory stays bounded because the loop neither accepts nor reads while messages
//! wait here; TCP then slows the peers down.

use std::collections::VecDeque;
use std::sync::Arc;

use shell::{Labelled, Sender};

use crate::message::Up;

/// Messages to the signaling thread, in order.
pub(crate) struct Uplink {
    queue: Sender<Up>,
    waiting: VecDeque<Up>,
    /// Shared with the signaling thread, whose metric it is: inputs that a full queue delayed or dropped.
    delayed: Arc<Labelled>,
}

impl Uplink {
    pub fn new(queue: Sender<Up>, delayed: Arc<Labelled>) -> Self {
        Self { queue, waiting: VecDeque::new(), delayed }
    }

    /// Whether the signaling thread is behind: nothing may be read or accepted.
    pub fn is_behind(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Sends, or keeps the message until there is room.
    pub fn send(&mut self, message: Up) {
        if self.is_behind() {
            return self.waiting.push_back(message);
        }
        if let Err(message) = self.queue.send(message) {
            self.delayed.count("transport_delayed");
            self.waiting.push_back(message);
        }
    }

    /// Sends what waits, as far as there is room.
    pub fn flush(&mut self) {
        while let Some(message) = self.waiting.pop_front() {
            if let Err(message) = self.queue.send(message) {
                return self.waiting.push_front(message);
            }
        }
    }
}
