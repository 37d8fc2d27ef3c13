//! The handle that signaling holds of each media core.

use std::sync::Arc;
use std::thread::JoinHandle;

use rtrb::{Consumer, Producer};
use shared::{CoreId, Instant, MediaCommand, MediaEvent, MediaPort, RecorderFrame};

use crate::clock;
use crate::config::Backend;
use crate::meters::{CoreMeters, Heartbeat};
use crate::report::StartNote;
use crate::sleeper::{Doorbell, Sleeper};

/// The media side of a process.
#[derive(Debug)]
pub struct Media {
    /// One handle a core, in the order of their ids.
    pub cores: Vec<Core>,
    /// What was started with less than asked; say it once.
    pub notes: Vec<StartNote>,
    /// For the thread that reads events: announces its sleep so that it is rung only when needed.
    pub signaling: Arc<Sleeper>,
    /// The same for the thread that reads recorder frames.
    pub recorder: Arc<Sleeper>,
}

/// Signaling's handle of one media core. Dropping it stops the core and waits for its thread.
#[derive(Debug)]
pub struct Core {
    /// Which core.
    pub id: CoreId,
    /// The CPU it is pinned to.
    pub cpu: Option<usize>,
    /// What it runs on.
    pub backend: Backend,
    /// The ports it has open; the order says nothing to users of this handle.
    pub ports: Vec<MediaPort>,
    /// Its counters.
    pub meters: Arc<CoreMeters>,
    pub(crate) commands: Producer<MediaCommand>,
    pub(crate) events: Consumer<MediaEvent>,
    pub(crate) frames: Option<Consumer<RecorderFrame>>,
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
    /// that turns within 20 ms anyway is left alone.
    pub fn ring(&self) {
        self.doorbell.ring_if_asleep();
    }

    /// The next event, if any. Heap values in it are to be dropped here.
    pub fn poll_event(&mut self) -> Option<MediaEvent> {
        self.events.pop().ok()
    }

    /// Whether [`Core::poll_event`] would give one.
    pub fn has_events(&self) -> bool {
        !self.events.is_empty()
    }

    /// The frames of tapped legs, for the recorder thread. `None` when they were taken before.
    pub fn take_frames(&mut self) -> Option<Consumer<RecorderFrame>> {
        self.frames.take()
    }

    /// How often the core began anew after a panic. When this grows, every leg that was up on the core
    /// is gone without an event; signaling is rung.
    pub fn restarts(&self) -> u64 {
        self.meters.figures().restarts
    }

    /// Whether the thread runs. When it does not, all legs of this core are gone.
    pub fn alive(&self) -> bool {
        self.meters.heartbeat(Instant::ZERO) != Heartbeat::Dead
    }

    /// How the core fares; see [`Heartbeat`].
    pub fn heartbeat(&self) -> Heartbeat {
        self.meters.heartbeat(clock::now())
    }

    /// Asks the core to end; its handle's drop waits for it. Stop all before the first is dropped,
    /// and they end at the same time.
    pub fn stop(&self) {
        self.doorbell.stop();
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
