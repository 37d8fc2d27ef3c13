//! The bounds of time of one invocation: on the wall, and of the processor. Shell.

use std::cell::Cell;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use shared::limits::FUNCTION_CPU_MS;

/// Tells the engine when to stop. The engine asks every few thousand steps.
#[derive(Debug, Default)]
pub(crate) struct Limit {
    bounds: Cell<Option<(Instant, Duration)>>,
    passed: Cell<Option<Passed>>,
}

/// The bound that an invocation passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Passed {
    /// It took too long.
    Wall,
    /// It computed too long.
    Processor,
}

impl Limit {
    /// Begins an invocation that may last until `wall`.
    pub(crate) fn begin(&self, wall: Instant) {
        self.passed.set(None);
        self.bounds.set(Some((wall, thread_time() + Duration::from_millis(FUNCTION_CPU_MS))));
    }

    /// Ends the invocation: nothing is bounded until the next.
    pub(crate) fn end(&self) {
        self.bounds.set(None);
    }

    /// True once a bound is passed, which stops the engine.
    pub(crate) fn is_over(&self) -> bool {
        let Some((wall, processor)) = self.bounds.get() else { return false };
        let passed = if Instant::now() >= wall {
            Some(Passed::Wall)
        } else if thread_time() >= processor {
            Some(Passed::Processor)
        } else {
            None
        };
        if passed.is_some() {
            self.passed.set(passed);
        }
        passed.is_some()
    }

    /// The bound that was passed.
    pub(crate) fn passed(&self) -> Option<Passed> {
        self.passed.get()
    }
}

/// Processor time of this thread, which runs one invocation at a time.
fn thread_time() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    Duration::new(seconds, u32::try_from(now.tv_nsec).unwrap_or(0))
}
