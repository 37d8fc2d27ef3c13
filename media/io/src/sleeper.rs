//! Sleep and wake-up of ring readers. Waking a sleeping thread costs the waker 15 us, so writers do it only
//! when the reader sleeps.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering, fence};

use rustix::event::{EventfdFlags, eventfd};

/// Wakes the reader of a ring. A core calls it on its own thread: it must neither block nor allocate (an
/// eventfd write is fine).
pub type Wake = Arc<dyn Fn() + Send + Sync>;

const ALWAYS_RING: u8 = 0;
const AWAKE: u8 = 1;
const ASLEEP: u8 = 2;

/// Shows the writers of a ring whether its reader sleeps.
///
/// A reader calls [`Sleeper::announce`], looks at its rings once more, sleeps if they are empty, and
/// calls [`Sleeper::awake`]. A writer writes, then asks. One of the two always sees the other: both
/// put a full fence between their write and their read.
#[derive(Debug)]
pub struct Sleeper {
    state: AtomicU8,
}

impl Default for Sleeper {
    /// Until the first [`Sleeper::announce`] writers always ring, so that a reader that never announces is
    /// woken too, at a higher cost.
    fn default() -> Self {
        Self { state: AtomicU8::new(ALWAYS_RING) }
    }
}

impl Sleeper {
    /// The reader is about to sleep. It must look at its rings after this, before it sleeps.
    pub fn announce(&self) {
        self.state.store(ASLEEP, Ordering::Relaxed);
        fence(Ordering::SeqCst);
    }

    /// The reader is awake and will look at its rings: no need to ring.
    pub fn awake(&self) {
        self.state.store(AWAKE, Ordering::Relaxed);
    }

    /// Whether a writer that has just written must ring. One writer rings for all.
    pub(crate) fn must_ring(&self) -> bool {
        fence(Ordering::SeqCst);
        match self.state.load(Ordering::Relaxed) {
            ALWAYS_RING => true,
            ASLEEP => self
                .state
                .compare_exchange(ASLEEP, AWAKE, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok(),
            _ => false,
        }
    }
}

/// Wakes one media core: an eventfd that is written only while the core sleeps long.
#[derive(Debug)]
pub(crate) struct Doorbell {
    sleeper: Sleeper,
    stop: AtomicBool,
    eventfd: OwnedFd,
}

impl Doorbell {
    pub fn new() -> std::io::Result<Self> {
        let sleeper = Sleeper::default();
        sleeper.awake();
        let eventfd = eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?;
        Ok(Self { sleeper, stop: AtomicBool::new(false), eventfd })
    }

    /// The core's side: see [`Sleeper::announce`].
    pub fn sleeper(&self) -> &Sleeper {
        &self.sleeper
    }

    /// Rings if the core sleeps without looking at its rings every 20 ms.
    pub fn ring_if_asleep(&self) {
        if self.sleeper.must_ring() {
            self.ring();
        }
    }

    /// Asks the core to leave, and wakes it wherever it waits.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Release);
        self.ring();
    }

    pub fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }

    fn ring(&self) {
        // Fails only when the counter is full, and then the core has a ring to find already.
        let _ = rustix::io::write(&self.eventfd, &1_u64.to_ne_bytes());
    }
}

impl AsFd for Doorbell {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.eventfd.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_that_never_announces_is_always_rung() {
        let sleeper = Sleeper::default();
        assert!(sleeper.must_ring());
        assert!(sleeper.must_ring());
    }

    #[test]
    fn only_the_first_writer_rings_a_sleeper() {
        let sleeper = Sleeper::default();
        sleeper.announce();
        assert!(sleeper.must_ring());
        assert!(!sleeper.must_ring());
        sleeper.awake();
        assert!(!sleeper.must_ring());
    }

    /// Were a wake-up lost, the reader would park for ever and the test would hang.
    #[test]
    fn no_write_is_missed_however_sleep_and_write_interleave() {
        const ITEMS: u32 = 100_000;
        let sleeper = Arc::new(Sleeper::default());
        let (mut writer, mut ring) = rtrb::RingBuffer::new(4);
        let reader = std::thread::spawn({
            let sleeper = Arc::clone(&sleeper);
            move || {
                for expected in 0..ITEMS {
                    while ring.is_empty() {
                        sleeper.announce();
                        if ring.is_empty() {
                            std::thread::park();
                        }
                        sleeper.awake();
                    }
                    assert_eq!(ring.pop(), Ok(expected));
                }
            }
        });
        for item in 0..ITEMS {
            while writer.push(item).is_err() {
                std::hint::spin_loop();
            }
            if sleeper.must_ring() {
                reader.thread().unpark();
            }
        }
        reader.join().expect("the reader got everything");
    }
}
