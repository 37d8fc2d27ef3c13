//! Steps of the wall clock against the monotonic one, and the rewriting of bindings that follows.
//!
//! A binding ends by monotonic time, but its row says when in Unix milliseconds, for the next process.
//! Once the wall clock is set, all rows are wrong by the same step. They are written again a few at a
//! time, user by user, so that 100,000 of them do not hold up the store. A second step during the
//! rewriting starts it over.

use std::sync::Arc;
use std::time::Duration;

use shared::{Instant, Now};
use sip::registrar::AddressOfRecord;

/// A smaller step is left alone: the time of a restored binding may be wrong by this much. A clock that
/// is slewed is followed in steps of this size.
const STEP_MS: i64 = 10_000;
/// Time between two looks at the clock while nothing else happens.
const LOOK_EVERY: Duration = Duration::from_secs(60);
/// Time between two changes of the store: 100,000 bindings are rewritten in 10 s.
const PAUSE: Duration = Duration::from_millis(10);

/// The difference of the two clocks, and the rewriting that is under way.
#[derive(Debug, Default)]
pub(crate) struct ClockWatch {
    /// Unix milliseconds at the origin of the monotonic clock, as the rows on disk assume it.
    offset_ms: Option<i64>,
    rewriting: Option<Rewriting>,
    look_at: Instant,
}

/// How far the rewriting has come.
#[derive(Debug)]
pub(crate) struct Rewriting {
    /// The last user whose rows are written; `None` before the first.
    pub after: Option<Arc<AddressOfRecord>>,
    next_at: Instant,
}

impl ClockWatch {
    /// Compares the clocks. Returns the step in milliseconds when the wall clock was set; rewriting then
    /// begins at once.
    pub fn look(&mut self, now: Now) -> Option<i64> {
        let mono_ms = i64::try_from(now.mono.as_millis()).unwrap_or(i64::MAX);
        let offset_ms = now.unix_ms.saturating_sub(mono_ms);
        // The first look has nothing to compare with: it only sets the offset.
        let before_ms = *self.offset_ms.get_or_insert(offset_ms);
        let step_ms = offset_ms.saturating_sub(before_ms);
        debug_assert!(now.mono + LOOK_EVERY >= self.look_at, "monotonic time never goes back");
        self.look_at = now.mono + LOOK_EVERY;
        // The offset stays as it was, so that small steps of a slewed clock add up to one that
        // counts.
        if step_ms.saturating_abs() < STEP_MS {
            return None;
        }
        self.offset_ms = Some(offset_ms);
        self.rewriting = Some(Rewriting { after: None, next_at: now.mono });
        Some(step_ms)
    }

    /// The rewriting, if its next rows are due. [`Self::go_on`] puts it back unless it is complete.
    pub fn take_due(&mut self, now: Instant) -> Option<Rewriting> {
        self.rewriting.take_if(|rewriting| rewriting.next_at <= now)
    }

    /// Goes on with the rewriting after a pause.
    pub fn go_on(&mut self, now: Instant, rewriting: Rewriting) {
        debug_assert!(self.rewriting.is_none(), "one rewriting at a time");
        self.rewriting = Some(Rewriting { next_at: now + PAUSE, ..rewriting });
    }

    /// When the next rows are due, else when to look at the clock; without bindings there is no reason to
    /// look.
    pub fn deadline(&self, has_bindings: bool) -> Option<Instant> {
        let rewriting = self.rewriting.as_ref().map(|rewriting| rewriting.next_at);
        rewriting.or(has_bindings.then_some(self.look_at))
    }
}
