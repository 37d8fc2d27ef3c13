//! One account of memory for all audio: loading files, playing prompts, cached prompts.
//!
//! A [`Charge`] is a share of the account; dropping it returns the share. The bytes of a prompt own their
//! charge ([`Charge::own`]). So a prompt counts once, however many calls play it, and until the last call
//! drops it. A request that finds no room first evicts cached prompts that no call plays, then waits for
//! a share to return.
//!
//! A share of more than [`LARGE_BYTES`] never takes the last [`SMALL_SHARE`]th of the memory: a few hours
//! of music must not silence every `<Say>`. Every waiter looks again at each return, so a small request
//! does not queue behind a large one that does not fit.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use shared::config::ByteSize;
use shell::Text;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

/// Bytes from which a share is large.
pub const LARGE_BYTES: usize = 1024 * 1024;
/// Large shares leave one part in eight of the memory to small ones.
const SMALL_SHARE: usize = 8;

/// The account. Cheap to clone.
#[derive(Clone)]
pub struct AudioMemory(Arc<Inner>);

struct Inner {
    bytes_max: usize,
    used: AtomicUsize,
    returned: Notify,
    refused: AtomicU64,
    waiting: AtomicUsize,
    /// Drops the least recently used prompt that no call plays. Returns `false` if there is none.
    reclaim: OnceLock<Box<dyn Fn() -> bool + Send + Sync>>,
}

/// No share was returned in time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "no room for {} of audio: of the {} for all audio (limits.audio) {} are playing or loading",
    ByteSize(*.wanted as u64), ByteSize(*.bytes_max as u64), ByteSize(*.used as u64)
)]
pub struct NoRoom {
    wanted: usize,
    used: usize,
    bytes_max: usize,
}

/// The account at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AudioMemoryFigures {
    /// Bytes that all shares together may have.
    pub bytes_max: usize,
    /// Bytes of all shares now.
    pub used: usize,
    /// Requests for a share that wait.
    pub waiting: usize,
    /// Requests that found no room in time.
    pub refused: u64,
}

impl AudioMemoryFigures {
    /// Writes every counter to a page of metrics.
    pub fn write(&self, text: &mut Text) {
        let rows: [(&str, &str, &str, u64); 4] = [
            (
                "prompts_memory_bytes",
                "gauge",
                "Memory of prompts that load, play or are kept.",
                self.used as u64,
            ),
            (
                "prompts_memory_bytes_max",
                "gauge",
                "Most that prompts may take (limits.audio, less the buffers of files that load).",
                self.bytes_max as u64,
            ),
            (
                "prompts_waiting_requests",
                "gauge",
                "Prompts that wait for memory. Not 0 for long: raise limits.audio.",
                self.waiting as u64,
            ),
            (
                "prompts_without_room_total",
                "counter",
                "Prompts that failed because other audio had the memory. Raise limits.audio.",
                self.refused,
            ),
        ];
        for (name, kind, help, value) in rows {
            text.metric(name, kind, help);
            text.sample(name, &[], value);
        }
    }
}

impl AudioMemory {
    /// An account of `bytes_max` free bytes.
    pub fn new(bytes_max: usize) -> Self {
        Self(Arc::new(Inner {
            bytes_max,
            used: AtomicUsize::new(0),
            returned: Notify::new(),
            refused: AtomicU64::new(0),
            waiting: AtomicUsize::new(0),
            reclaim: OnceLock::new(),
        }))
    }

    /// Sets the function that evicts cached prompts. Only the first call has an effect.
    pub fn reclaim_by(&self, reclaim: impl Fn() -> bool + Send + Sync + 'static) {
        let _ = self.0.reclaim.set(Box::new(reclaim));
    }

    /// Takes a share if there is room now.
    pub fn try_reserve(&self, bytes: usize) -> Option<Charge> {
        let mut charge = self.nothing();
        charge.try_grow(bytes).then_some(charge)
    }

    /// Takes a share. Waits for room until `deadline`.
    ///
    /// # Errors
    /// No room until the deadline.
    pub async fn reserve(&self, bytes: usize, deadline: Instant) -> Result<Charge, NoRoom> {
        let mut charge = self.nothing();
        charge.grow(bytes, deadline).await?;
        Ok(charge)
    }

    /// An empty share, to grow later.
    pub fn nothing(&self) -> Charge {
        Charge { memory: self.clone(), bytes: 0 }
    }

    /// The counters now.
    pub fn figures(&self) -> AudioMemoryFigures {
        AudioMemoryFigures {
            bytes_max: self.0.bytes_max,
            used: self.0.used.load(Ordering::Relaxed),
            waiting: self.0.waiting.load(Ordering::Relaxed),
            refused: self.0.refused.load(Ordering::Relaxed),
        }
    }

    fn take(&self, more: usize, limit: usize) -> bool {
        let taken = |used: usize| used.checked_add(more).filter(|used| *used <= limit);
        loop {
            if self.0.used.fetch_update(Ordering::AcqRel, Ordering::Acquire, taken).is_ok() {
                return true;
            }
            if !self.0.reclaim.get().is_some_and(|reclaim| reclaim()) {
                return false;
            }
        }
    }
}

/// A share of the memory for audio.
pub struct Charge {
    memory: AudioMemory,
    bytes: usize,
}

impl Charge {
    /// Grows the share to `bytes`. Waits for room until `deadline`, and keeps what it has meanwhile.
    ///
    /// # Errors
    /// No room until the deadline.
    pub async fn grow(&mut self, bytes: usize, deadline: Instant) -> Result<(), NoRoom> {
        if self.try_grow(bytes) {
            return Ok(());
        }
        let memory = self.memory.clone();
        let _waiting = Waiting::new(&memory);
        let room = async {
            loop {
                let returned = memory.0.returned.notified();
                tokio::pin!(returned);
                // Registers before it looks, so that no return between the two is missed.
                returned.as_mut().enable();
                if self.try_grow(bytes) {
                    return;
                }
                returned.await;
            }
        };
        if timeout_at(deadline, room).await.is_ok() {
            return Ok(());
        }
        memory.0.refused.fetch_add(1, Ordering::Relaxed);
        let figures = memory.figures();
        Err(NoRoom { wanted: bytes, used: figures.used, bytes_max: figures.bytes_max })
    }

    /// Grows the share to `bytes` if there is room now.
    pub fn try_grow(&mut self, bytes: usize) -> bool {
        let bytes_max = self.memory.0.bytes_max;
        let limit = match bytes > LARGE_BYTES {
            true => bytes_max - bytes_max / SMALL_SHARE,
            false => bytes_max,
        };
        let more = bytes.saturating_sub(self.bytes);
        let grown = self.memory.take(more, limit);
        if grown {
            self.bytes += more;
        }
        grown
    }

    /// Returns everything above `bytes`.
    pub fn shrink(&mut self, bytes: usize) {
        let over = self.bytes.saturating_sub(bytes);
        self.bytes -= over;
        self.give_back(over);
    }

    /// Moves the charge of these bytes into a buffer, which returns it when its last reference is
    /// dropped.
    pub fn own(mut self, bytes: Vec<u8>) -> Bytes {
        self.shrink(bytes.len());
        Bytes::from_owner(Owned { bytes, _charge: self })
    }

    /// Splits off up to `bytes`.
    pub fn split(&mut self, bytes: usize) -> Self {
        let parted = self.bytes.min(bytes);
        self.bytes -= parted;
        Self { memory: self.memory.clone(), bytes: parted }
    }

    fn give_back(&self, bytes: usize) {
        if bytes > 0 {
            self.memory.0.used.fetch_sub(bytes, Ordering::AcqRel);
            self.memory.0.returned.notify_waiters();
        }
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.give_back(self.bytes);
    }
}

/// A buffer with its charge.
struct Owned {
    bytes: Vec<u8>,
    _charge: Charge,
}

impl AsRef<[u8]> for Owned {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// Counts a waiter for as long as it lives.
struct Waiting<'a>(&'a AudioMemory);

impl<'a> Waiting<'a> {
    fn new(memory: &'a AudioMemory) -> Self {
        memory.0.waiting.fetch_add(1, Ordering::Relaxed);
        Self(memory)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const MIB: usize = 1024 * 1024;

    #[tokio::test]
    async fn a_waiter_gets_its_share_when_another_is_returned() {
        let memory = AudioMemory::new(16 * MIB);
        let held = memory.try_reserve(14 * MIB).unwrap();
        let waiting = tokio::spawn({
            let memory = memory.clone();
            async move { memory.reserve(3 * MIB, in_a_minute()).await.map(|charge| charge.bytes) }
        });
        tokio::task::yield_now().await;
        assert_eq!(memory.figures().waiting, 1);
        drop(held);
        assert_eq!(waiting.await.unwrap(), Ok(3 * MIB));
        assert_eq!((memory.figures().used, memory.figures().waiting), (0, 0));
    }

    #[tokio::test]
    async fn a_wait_ends_at_its_deadline_with_the_sum_and_the_setting() {
        let memory = AudioMemory::new(16 * MIB);
        let _held = memory.try_reserve(14 * MIB).unwrap();
        let soon = Instant::now() + Duration::from_millis(20);
        let Err(refused) = memory.reserve(12 * MIB, soon).await else { panic!("no room") };
        let text = refused.to_string();
        assert!(text.contains("12 MiB") && text.contains("limits.audio"), "{text}");
        assert_eq!((memory.figures().used, memory.figures().refused), (14 * MIB, 1));
    }

    #[tokio::test]
    async fn large_shares_leave_room_for_small_ones() {
        let memory = AudioMemory::new(16 * MIB);
        let _music = memory.try_reserve(13 * MIB).unwrap();
        assert!(memory.try_reserve(2 * MIB).is_none());
        let _speech = memory.try_reserve(MIB).unwrap();
        assert!(memory.try_reserve(MIB).is_some());
    }

    #[test]
    fn a_prompts_bytes_count_until_the_last_reference_is_gone() {
        let memory = AudioMemory::new(16 * MIB);
        let mut charge = memory.try_reserve(1_000).unwrap();
        let bytes = charge.split(500).own(vec![7; 300]);
        drop(charge);
        let second = bytes.clone();
        drop(bytes);
        assert_eq!(memory.figures().used, 300);
        drop(second);
        assert_eq!(memory.figures().used, 0);
    }

    #[test]
    fn cached_audio_is_evicted_before_a_request_waits() {
        let memory = AudioMemory::new(MIB);
        let kept = parking_lot::Mutex::new(vec![memory.try_reserve(MIB / 2).unwrap()]);
        memory.reclaim_by(move || kept.lock().pop().is_some());
        assert!(memory.try_reserve(MIB).is_some());
    }

    fn in_a_minute() -> Instant {
        Instant::now() + Duration::from_secs(60)
    }
}
