//! An observer that rather loses old events than waits. Shell.
//!
//! Events wait on the signaling thread's side, where the oldest can be taken out without a lock, and go into
//! a short channel as it has room. A reader that is stuck therefore finds the first
//! [`HANDED_OVER_MAX`] events, then a gap, then the newest.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

use super::{Event, Observer, Taken};

/// Events in the channel of a feed. They are out of reach: those behind them are lost first.
pub const HANDED_OVER_MAX: usize = 64;

/// The signaling thread's end of a feed.
#[derive(Debug)]
pub struct Feed {
    name: &'static str,
    room: usize,
    waiting: VecDeque<Event>,
    /// `None` once the reader is gone.
    out: Option<SyncSender<Event>>,
}

/// A feed in which at most `room` events wait, besides [`HANDED_OVER_MAX`] on their way. It ends when the
/// reader is dropped.
pub fn feed(name: &'static str, room: usize) -> (Feed, Receiver<Event>) {
    let (out, events) = sync_channel(HANDED_OVER_MAX);
    let waiting = VecDeque::with_capacity(room);
    (Feed { name, room: room.max(1), waiting, out: Some(out) }, events)
}

impl Observer for Feed {
    fn name(&self) -> &'static str {
        self.name
    }

    fn take(&mut self, event: &Event) -> Taken {
        // A reader may have made room, or may be gone.
        self.flush();
        if self.out.is_none() {
            return Taken::Unwanted;
        }
        let is_full = self.waiting.len() >= self.room;
        if is_full {
            self.waiting.pop_front();
        }
        self.waiting.push_back(event.clone());
        self.flush();
        match (is_full, &self.out) {
            (_, None) => Taken::Unwanted,
            (true, Some(_)) => Taken::Lost,
            (false, Some(_)) => Taken::Queued,
        }
    }

    fn flush(&mut self) {
        while let (Some(out), Some(event)) = (&self.out, self.waiting.pop_front()) {
            match out.try_send(event) {
                Ok(()) => {}
                Err(TrySendError::Full(event)) => return self.waiting.push_front(event),
                Err(TrySendError::Disconnected(_)) => {
                    self.out = None;
                    self.waiting = VecDeque::new();
                }
            }
        }
    }
}
