//! The last alert of each account and code, so that a flood of equal refusals writes few rows.

use std::collections::BTreeMap;

use shared::{AccountSid, Code, Instant};

/// Seconds between two alerts of one code to one account.
const ALERT_EVERY_S: u64 = 10;

/// The last alert of each account and code. It has at most one entry for each account of the store and
/// code of the contract, so a peer cannot make it grow.
#[derive(Debug, Default)]
pub(crate) struct Alerts {
    last: BTreeMap<(AccountSid, Code), Instant>,
}

impl Alerts {
    /// Whether the account may get an alert with this code now. `true` counts as sent.
    pub fn take(&mut self, now: Instant, account: AccountSid, code: Code) -> bool {
        let last = self.last.get(&(account, code));
        if last.is_some_and(|at| now.since(*at).as_secs() < ALERT_EVERY_S) {
            return false;
        }
        self.last.insert((account, code), now);
        true
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn an_account_gets_one_alert_of_a_code_in_ten_seconds() {
        let mut alerts = Alerts::default();
        let (one, other) = (AccountSid(1), AccountSid(2));
        let at = |seconds| Instant::ZERO + Duration::from_secs(seconds);
        assert!(alerts.take(at(0), one, Code::SIP_BAD_CREDENTIALS));
        assert!(!alerts.take(at(9), one, Code::SIP_BAD_CREDENTIALS));
        assert!(alerts.take(at(9), one, Code::SIP_SOURCE_NOT_LISTED), "another code");
        assert!(alerts.take(at(9), other, Code::SIP_BAD_CREDENTIALS), "another account");
        assert!(alerts.take(at(10), one, Code::SIP_BAD_CREDENTIALS));
    }
}
