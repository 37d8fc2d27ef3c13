//! Bindings after the wall clock was set: the registrar and the rows on disk follow the step. Sans-IO.

use std::sync::Arc;

use shared::limits::BINDINGS_A_CHANGE_MAX;
use shared::{Instant, Now};
use store::{BindingChanges, BindingRecord, Change};

use super::record_of;
use crate::control::Control;

impl Control {
    /// Follows the wall clock if it was set. Every input calls it.
    pub(crate) fn watch_clock(&mut self, now: Now) {
        if let Some(step_ms) = self.clock_watch.look(now) {
            self.registrar.clock_set(step_ms);
        }
    }

    /// Rewrites the next bindings, if it is time.
    pub(crate) fn rewrite_bindings(&mut self, now: Now) {
        let Some(mut rewriting) = self.clock_watch.take_due(now.mono) else { return };
        let mut put: Vec<BindingRecord> = Vec::new();
        // User by user: a change may exceed the bound by the contacts of one user, of which there
        // are ten at most (sip.md 6).
        while put.len() < BINDINGS_A_CHANGE_MAX {
            let Some((of, bindings)) = self.registrar.user_after(rewriting.after.as_deref()) else {
                return self.commit_rewritten(put);
            };
            // A deleted domain took its rows with it.
            if let Some(domain) = self.snapshot.domain(of.domain) {
                let account = domain.account;
                put.extend(bindings.iter().map(|binding| record_of(account, of, binding)));
            }
            rewriting.after = Some(Arc::clone(of));
        }
        self.clock_watch.go_on(now.mono, rewriting);
        self.commit_rewritten(put);
    }

    fn commit_rewritten(&mut self, put: Vec<BindingRecord>) {
        if !put.is_empty() {
            let change = BindingChanges { put, removed: Vec::new() };
            self.commit(None, Change::ChangeBindings(Arc::new(change)));
        }
    }

    /// When to look at the clock, or to rewrite the next bindings.
    pub(crate) fn clock_deadline(&self) -> Option<Instant> {
        self.clock_watch.deadline(!self.registrar.is_empty())
    }
}
