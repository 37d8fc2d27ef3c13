//! The rate of calls that each account makes by REST (`limits.profile = "twilio"`).

use std::collections::BTreeMap;
use std::time::Duration;

use shared::limits::API_CALLERS_REMEMBERED_MAX;
use shared::{AccountSid, Instant};

/// When each account may make its next call. Holds at most [`API_CALLERS_REMEMBERED_MAX`] accounts:
/// forgetting one lets it make a call early, which is the harmless side.
#[derive(Debug, Default)]
pub(crate) struct ApiRate {
    next: BTreeMap<AccountSid, Instant>,
}

impl ApiRate {
    /// Whether the account may make a call now, at `calls_a_second`; 0 = no limit. `true` counts as made.
    pub fn take(&mut self, now: Instant, account: AccountSid, calls_a_second: u32) -> bool {
        let Some(pause_ms) = 1_000_u64.checked_div(calls_a_second.into()) else { return true };
        if self.next.get(&account).is_some_and(|at| now < *at) {
            return false;
        }
        if self.next.len() >= API_CALLERS_REMEMBERED_MAX {
            self.next.pop_first();
        }
        self.next.insert(account, now + Duration::from_millis(pause_ms));
        true
    }
}
