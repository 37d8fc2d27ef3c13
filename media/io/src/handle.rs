//! The handle that signaling holds of each media core.

use std::sync::Arc;
use std::thread::JoinHandle;

use rtrb::{Consumer, Producer};
use shared::{
    BySink, CoreId, FeedItem, Instant, MediaCommand, MediaEvent, MediaPort, Sink, TapFrame,
};

use crate::clock;
use crate::config::Backend;
use crate::kernel::Service;
use crate::meters::{CoreMeters, Heartbeat};
use crate::report::StartNote;
use crate::sleeper::{Doorbell, Sleeper};

/// The media side of a process.
#[derive(Debug)]
pub struct Media {
    /// One handle a core, in the order of their ids.
    pub cores: Vec<Core>,
    /// The fast path, where it runs. After `cores`, which end first.
    pub fast_path: Option<Service>,
    /// Parts that were started with less than asked, to be logged once.
    pub notes: Vec<StartNote>,
    /// For the thread that reads events: announces its sleep, so that cores wake it only when needed.
    pub signaling: Arc<Sleeper>,
    /// The same for the threads that read the frames of taps.
    pub sinks: BySink<Arc<Sleeper>>,
}

/// Signaling's handle of one media core. Dropping it stops the core and waits for its thread.
#[derive(Debug)]
pub struct Core {
    /// Which core.
    pub id: CoreId,
    /// The CPU it is pinned to.
    pub cpu: Option<usize>,
    /// Backend in use.
    pub backend: Backend,
    /// The ports it has open, in no particular order.
    pub ports: Vec<MediaPort>,
    /// Its counters.
    pub meters: Arc<CoreMeters>,
    pub(crate) commands: Producer<MediaCommand>,
    pub(crate) events: Consumer<MediaEvent>,
    pub(crate) frames: BySink<Option<Consumer<TapFrame>>>,
    pub(crate) feed: Option<FeedWriter>,
    pub(crate) doorbell: Arc<Doorbell>,
    pub(crate) thread: Option<JoinHandle<()>>,
}

impl Core {
    /// Puts a command on the ring. It is carried out at the core's next turn: call [`Core::ring`]
    /// once after a batch.
    ///
    /// # Errors
    /// Gives the command back when the ring is full (four commands a leg are outstanding) or the core
    /// is dead.
    pub fn send(&mut self, command: MediaCommand) -> Result<(), MediaCommand> {
        if self.commands.is_abandoned() {
            return Err(command);
        }
        self.commands.push(command).map_err(|rtrb::PushError::Full(command)| command)
    }

    /// Wakes the core if it sleeps for long. Call after [`Core::send`], at most once a turn: a core
    /// whose next turn is within 20 ms is left alone.
    pub fn ring(&self) {
        self.doorbell.ring_if_asleep();
    }

    /// The next event, if any. The caller drops the heap values in it.
    pub fn poll_event(&mut self) -> Option<MediaEvent> {
        self.events.pop().ok()
    }

    /// Whether [`Core::poll_event`] would return one.
    pub fn has_events(&self) -> bool {
        !self.events.is_empty()
    }

    /// Takes the ring of the frames for a sink, to be read by its thread. `None` when it was taken before, or
    /// where the core may have no tap for that sink.
    pub fn take_frames(&mut self, sink: Sink) -> Option<Consumer<TapFrame>> {
        self.frames[sink].take()
    }

    /// Takes the writing end of the core's ring of feeds, for the thread that has the audio. `None` when it was
    /// taken before, or where the core may have no feed.
    pub fn take_feed(&mut self) -> Option<FeedWriter> {
        self.feed.take()
    }

    /// Restarts of the core after a panic. When this grows, every leg that was up on the core is gone
    /// without an event; signaling is woken.
    pub fn restarts(&self) -> u64 {
        self.meters.figures().restarts
    }

    /// Whether the thread runs. If not, all legs of this core are gone.
    pub fn alive(&self) -> bool {
        self.meters.heartbeat(Instant::ZERO) != Heartbeat::Dead
    }

    /// Health of the core; see [`Heartbeat`].
    pub fn heartbeat(&self) -> Heartbeat {
        self.meters.heartbeat(clock::now())
    }

    /// Asks the core to end; dropping its handle waits for it. Stop all cores before dropping the first, and
    /// they end at the same time.
    pub fn stop(&self) {
        self.doorbell.stop();
    }
}

/// The ring of feeds down to one core, held by the one thread that writes to it.
#[derive(Debug)]
pub struct FeedWriter {
    pub(crate) items: Producer<FeedItem>,
    pub(crate) doorbell: Arc<Doorbell>,
}

impl FeedWriter {
    /// Whether the ring takes another item.
    pub fn has_room(&self) -> bool {
        !self.items.is_abandoned() && self.items.slots() > 0
    }

    /// Puts an item on the ring. The core takes it at its next turn, at most 20 ms later while the leg is up.
    /// `false` when the ring is full (four items of every feed are on it) or the core is dead.
    #[must_use]
    pub fn send(&mut self, item: &FeedItem) -> bool {
        !self.items.is_abandoned() && self.items.push(item.clone()).is_ok()
    }

    /// Wakes the core if it sleeps for long, as [`Core::ring`] does.
    pub fn ring(&self) {
        self.doorbell.ring_if_asleep();
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        self.stop();
        if let Some(thread) = self.thread.take() {
            // A panic of the core was caught and counted on its own thread.
            let _ = thread.join();
        }
    }
}

impl Drop for Media {
    fn drop(&mut self) {
        self.cores.iter().for_each(Core::stop);
    }
}
