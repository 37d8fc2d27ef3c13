//! Bounded queues into a mio thread, with a doorbell that rings at most once a turn. Shell.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

/// Wakes a mio thread; rings only when it has not been rung since the thread last looked.
#[derive(Clone, Debug)]
pub struct Doorbell {
    inner: Arc<DoorbellInner>,
}

#[derive(Debug)]
struct DoorbellInner {
    waker: mio::Waker,
    rung: AtomicBool,
}

impl Doorbell {
    /// A doorbell that wakes this poll.
    ///
    /// # Errors
    /// When the system gives no eventfd.
    pub fn new(poll: &mio::Poll, token: mio::Token) -> io::Result<Self> {
        let waker = mio::Waker::new(poll.registry(), token)?;
        Ok(Self { inner: Arc::new(DoorbellInner { waker, rung: AtomicBool::new(false) }) })
    }

    /// Wakes the thread. Call it after the value is in the queue.
    pub fn ring(&self) {
        if !self.inner.rung.swap(true, Ordering::AcqRel) {
            // A write to an eventfd fails only if its counter is full; then the thread is awake.
            let _ = self.inner.waker.wake();
        }
    }

    /// Call it before reading the queues: a value that comes later rings again.
    pub fn answer(&self) {
        self.inner.rung.store(false, Ordering::Release);
    }
}

/// The sending end of a bounded queue into a mio thread.
#[derive(Debug)]
pub struct Sender<T> {
    queue: SyncSender<T>,
    doorbell: Doorbell,
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        Self { queue: self.queue.clone(), doorbell: self.doorbell.clone() }
    }
}

impl<T> Sender<T> {
    /// Queues a value and wakes the thread.
    ///
    /// # Errors
    /// Gives the value back when the queue is full or the thread is gone.
    pub fn send(&self, value: T) -> Result<(), T> {
        match self.queue.try_send(value) {
            Ok(()) => {
                self.doorbell.ring();
                Ok(())
            }
            Err(TrySendError::Full(value) | TrySendError::Disconnected(value)) => Err(value),
        }
    }

    /// Queues a value and waits for room. Only for threads that may block.
    pub fn send_patiently(&self, value: T) {
        let Err(value) = self.send(value) else { return };
        self.doorbell.ring();
        // An error means that the thread is gone, and with it the reader.
        let _ = self.queue.send(value);
        self.doorbell.ring();
    }
}

/// A queue of up to `bound` values into the thread of this doorbell.
pub fn bounded<T>(bound: usize, doorbell: &Doorbell) -> (Sender<T>, Receiver<T>) {
    let (queue, receiver) = sync_channel(bound);
    (Sender { queue, doorbell: doorbell.clone() }, receiver)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_value_wakes_the_thread_and_a_full_queue_gives_it_back() {
        let mut poll = mio::Poll::new().expect("a poll");
        let doorbell = Doorbell::new(&poll, mio::Token(7)).expect("a doorbell");
        let (sender, receiver) = bounded(1, &doorbell);
        assert_eq!(sender.send(1), Ok(()));
        assert_eq!(sender.send(2), Err(2));
        let mut events = mio::Events::with_capacity(4);
        poll.poll(&mut events, Some(Duration::from_secs(5))).expect("polled");
        assert_eq!(events.iter().next().map(|event| event.token()), Some(mio::Token(7)));
        doorbell.answer();
        assert_eq!(receiver.try_recv(), Ok(1));
    }
}
