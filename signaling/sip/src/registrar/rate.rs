//! Rate limit of REGISTER requests by user: `REGISTERS_A_SECOND_MAX`. Sans-IO.

use std::collections::HashMap;
use std::time::Duration;

use shared::Instant;
use shared::limits::REGISTERS_A_SECOND_MAX;

use super::AddressOfRecord;

/// The recent rate of each user: the time at which its requests so far would fit the allowed rate.
///
/// Bounded by time: two generations of a second each, so a user without a request for that long is
/// forgotten.
#[derive(Debug, Default)]
pub(super) struct Rate {
    young: HashMap<AddressOfRecord, Instant>,
    old: HashMap<AddressOfRecord, Instant>,
    turned_at: Instant,
}

impl Rate {
    /// Counts a request; `false`: it exceeds the rate and does not count.
    pub fn take(&mut self, now: Instant, of: &AddressOfRecord) -> bool {
        if now.since(self.turned_at) >= SECOND {
            self.old = std::mem::take(&mut self.young);
            self.turned_at = now;
        }
        let known = self.young.get(of).or_else(|| self.old.get(of)).copied();
        let even_at = known.unwrap_or(Instant::ZERO).max(now) + REQUEST;
        if even_at.since(now) > SECOND {
            return false;
        }
        self.young.insert(of.clone(), even_at);
        true
    }
}

const SECOND: Duration = Duration::from_secs(1);
/// Time that one request takes at the allowed rate.
const REQUEST: Duration = Duration::from_millis(1_000 / REGISTERS_A_SECOND_MAX as u64);
