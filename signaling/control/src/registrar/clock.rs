//! Bindings when the wall clock is set: they end by monotonic time, but the disk says when in Unix
//! milliseconds, for the process after this one. Sans-IO.

use std::sync::Arc;
use std::time::Duration;

use shared::limits::BINDINGS_A_CHANGE_MAX;
use shared::{Instant, Now};
use sip::registrar::AddressOfRecord;
use store::{BindingChanges, BindingRecord, Change};

use super::record_of;
use crate::control::Control;

/// How the wall clock stands to the monotonic one, and what is being written anew since it was set.
#[derive(Debug, Default)]
pub(crate) struct ClockWatch {
    /// Unix milliseconds at the origin of the monotonic clock, as the disk goes by it.
    offset_ms: Option<i64>,
    rewriting: Option<Rewriting>,
    /// When to look again.
    look_at: Instant,
}

/// Where the writing is.
#[derive(Debug)]
struct Rewriting {
    after: Option<Arc<AddressOfRecord>>,
    next_at: Instant,
}

/// A clock that is slewed is followed in steps of this; it is what the time of a restored binding may be
/// wrong by.
const STEP_MS: i64 = 10_000;
/// How often the clock is looked at where nothing else happens.
const LOOK_EVERY: Duration = Duration::from_secs(60);
/// From one change of the store to the next: 100,000 bindings are written anew in 10 s.
const PAUSE: Duration = Duration::from_millis(10);

impl Control {
    /// Looks whether the wall clock was set. To be called with every input.
    pub(crate) fn watch_clock(&mut self, now: Now) {
        let mono_ms = i64::try_from(now.mono.as_millis()).unwrap_or(i64::MAX);
        let offset_ms = now.unix_ms.saturating_sub(mono_ms);
        let before_ms = *self.clock_watch.offset_ms.get_or_insert(offset_ms);
        let step_ms = offset_ms.saturating_sub(before_ms);
        self.clock_watch.look_at = now.mono + LOOK_EVERY;
        if step_ms.saturating_abs() < STEP_MS {
            return;
        }
        self.clock_watch.offset_ms = Some(offset_ms);
        self.registrar.clock_set(step_ms);
        self.clock_watch.rewriting = Some(Rewriting { after: None, next_at: now.mono });
    }

    /// Writes the next bindings anew, if it is time.
    pub(crate) fn rewrite_bindings(&mut self, now: Now) {
        let is_due = |rewriting: &mut Rewriting| rewriting.next_at <= now.mono;
        let Some(mut rewriting) = self.clock_watch.rewriting.take_if(is_due) else { return };
        let mut put: Vec<BindingRecord> = Vec::new();
        while put.len() < BINDINGS_A_CHANGE_MAX {
            let Some((of, bindings)) = self.registrar.user_after(rewriting.after.as_deref()) else {
                return self.commit_rewritten(put);
            };
            // A domain that is gone takes its rows with it.
            if let Some(domain) = self.snapshot.domain(of.domain) {
                let account = domain.account;
                put.extend(bindings.iter().map(|binding| record_of(account, of, binding)));
            }
            rewriting.after = Some(Arc::clone(of));
        }
        rewriting.next_at = now.mono + PAUSE;
        self.clock_watch.rewriting = Some(rewriting);
        self.commit_rewritten(put);
    }

    fn commit_rewritten(&mut self, put: Vec<BindingRecord>) {
        if !put.is_empty() {
            let change = BindingChanges { put, removed: Vec::new() };
            self.commit(None, Change::ChangeBindings(Arc::new(change)));
        }
    }

    /// When the clock is to be looked at, or the next bindings are to be written.
    pub(crate) fn clock_deadline(&self) -> Option<Instant> {
        let rewriting = self.clock_watch.rewriting.as_ref().map(|rewriting| rewriting.next_at);
        rewriting.or((!self.registrar.is_empty()).then_some(self.clock_watch.look_at))
    }
}
