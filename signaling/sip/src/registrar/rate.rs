//! How often one user may register (contract sip-interface.md section 6). Sans-IO.

use std::collections::HashMap;
use std::time::Duration;

use shared::Instant;
use shared::limits::REGISTERS_A_SECOND_MAX;

use super::AddressOfRecord;

/// What each user has asked lately: the time at which all of it would be asked at the allowed rate.
///
/// Bounded by time: a user that was quiet for a second is forgotten, two generations at once.
#[derive(Debug, Default)]
pub(super) struct Rate {
    young: HashMap<AddressOfRecord, Instant>,
    old: HashMap<AddressOfRecord, Instant>,
    turned_at: Instant,
}

impl Rate {
    /// Counts a request; `false`: it is one too many and does not count.
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
/// What one request costs in time.
const REQUEST: Duration = Duration::from_millis(1_000 / REGISTERS_A_SECOND_MAX as u64);
