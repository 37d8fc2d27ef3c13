//! Limits on clients: failed logins by source and user, concurrent requests by account.
//!
//! A pair of source and user is locked for a minute after too many failures within one. The user alone is
//! not a key, or an attacker could lock a user out; the source alone is not one either, as many users may
//! share an address.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use shared::limits::{REST_CONCURRENCY_MAX, REST_FAILURES_A_MINUTE_MAX};
use shared::{AccountSid, Instant, source_of};

/// Time that failures count, and that a lock lasts.
const WINDOW: Duration = Duration::from_secs(60);
/// Most pairs of source and user that are remembered. Past it the oldest is forgotten: against an
/// attacker with that many addresses, this table does not help.
const PAIRS_MAX: usize = 10_000;
/// Characters of a user name that distinguish pairs; a SID has 34.
const USER_CHARACTERS_MAX: usize = 64;

/// The limits, shared by all HTTP workers. An operation holds the lock for a few steps and never blocks
/// in it.
#[derive(Clone, Debug, Default)]
pub struct Guard(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    failures: BTreeMap<(IpAddr, String), Failures>,
    under_way: BTreeMap<AccountSid, usize>,
}

#[derive(Clone, Copy, Debug)]
struct Failures {
    since: Instant,
    count: u32,
}

/// A place among the concurrent requests of an account. Keep it until the answer is sent; dropping it
/// frees it.
#[derive(Debug)]
pub struct Permit {
    guard: Guard,
    account: AccountSid,
    /// Concurrent requests of the account, this one included.
    pub under_way: usize,
}

impl Guard {
    /// True where this pair failed too often within a minute.
    pub(crate) fn is_locked(&self, source: IpAddr, user: &str, now: Instant) -> bool {
        let mut state = self.lock();
        let key = pair(source, user);
        match state.failures.get(&key) {
            None => false,
            Some(failures) if now.since(failures.since) >= WINDOW => {
                state.failures.remove(&key);
                false
            }
            Some(failures) => failures.count >= REST_FAILURES_A_MINUTE_MAX,
        }
    }

    /// Counts a failed login. The failure that reaches the limit starts the minute of the lock.
    pub(crate) fn count_failure(&self, source: IpAddr, user: &str, now: Instant) {
        let mut state = self.lock();
        let key = pair(source, user);
        if state.failures.len() >= PAIRS_MAX && !state.failures.contains_key(&key) {
            // First those whose time is over: only a full table pays for the walk.
            state.failures.retain(|_, failures| now.since(failures.since) < WINDOW);
            if state.failures.len() >= PAIRS_MAX {
                let oldest = state.failures.iter().min_by_key(|(_, failures)| failures.since);
                // Copied, as the entry cannot be removed while its key is borrowed from the table.
                let oldest = oldest.map(|(key, _)| key.clone());
                oldest.and_then(|key| state.failures.remove(&key));
            }
        }
        let failures = state.failures.entry(key).or_insert(Failures { since: now, count: 0 });
        failures.count = failures.count.saturating_add(1);
        if failures.count == REST_FAILURES_A_MINUTE_MAX {
            // From here the time is that of the lock: the last failure starts a whole minute.
            failures.since = now;
        }
        debug_assert!(state.failures.len() <= PAIRS_MAX, "the table of failures is bounded");
    }

    /// Forgets the failures of a pair, after a login that succeeded.
    pub(crate) fn forgive(&self, source: IpAddr, user: &str) {
        self.lock().failures.remove(&pair(source, user));
    }

    /// Takes one of the account's places; `None` where all are taken.
    pub(crate) fn enter(&self, account: AccountSid) -> Option<Permit> {
        let mut state = self.lock();
        let count = state.under_way.entry(account).or_insert(0);
        if *count >= REST_CONCURRENCY_MAX {
            return None;
        }
        *count += 1;
        let under_way = *count;
        debug_assert!(under_way <= REST_CONCURRENCY_MAX, "an account has at most its places");
        Some(Permit { guard: self.clone(), account, under_way })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No step under the lock can panic half-way, so a poisoned lock still holds whole values.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut state = self.guard.lock();
        debug_assert!(state.under_way.contains_key(&self.account), "a permit holds a place");
        if let Some(count) = state.under_way.get_mut(&self.account) {
            *count = count.saturating_sub(1);
            // Removed at zero: the table holds only accounts with requests under way.
            if *count == 0 {
                state.under_way.remove(&self.account);
            }
        }
    }
}

fn pair(source: IpAddr, user: &str) -> (IpAddr, String) {
    // An IPv6 subscriber has a /64 to choose addresses from: all of them are one source.
    (source_of(source), user.chars().take(USER_CHARACTERS_MAX).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    #[test]
    fn ten_failures_lock_the_pair_for_a_minute_and_no_other_pair() {
        let guard = Guard::default();
        let at = Instant::from_millis;
        for _ in 0..REST_FAILURES_A_MINUTE_MAX {
            assert!(!guard.is_locked(SOURCE, "AC1", at(0)));
            guard.count_failure(SOURCE, "AC1", at(0));
        }
        assert!(guard.is_locked(SOURCE, "AC1", at(59_999)));
        assert!(!guard.is_locked(SOURCE, "AC2", at(0)));
        assert!(!guard.is_locked([192, 0, 2, 1].into(), "AC1", at(0)));
        assert!(!guard.is_locked(SOURCE, "AC1", at(60_000)));
    }

    #[test]
    fn another_address_of_the_same_ipv6_subscriber_is_the_same_source() {
        let guard = Guard::default();
        let address = |last: u32| IpAddr::V6(format!("2001:db8::{last:x}").parse().unwrap());
        for last in 0..REST_FAILURES_A_MINUTE_MAX {
            guard.count_failure(address(last), "AC1", Instant::ZERO);
        }
        assert!(guard.is_locked(address(999), "AC1", Instant::ZERO));
    }

    #[test]
    fn a_success_forgives() {
        let guard = Guard::default();
        for _ in 0..REST_FAILURES_A_MINUTE_MAX - 1 {
            guard.count_failure(SOURCE, "AC1", Instant::ZERO);
        }
        guard.forgive(SOURCE, "AC1");
        guard.count_failure(SOURCE, "AC1", Instant::ZERO);
        assert!(!guard.is_locked(SOURCE, "AC1", Instant::ZERO));
    }

    #[test]
    fn an_account_has_a_hundred_places_and_gets_them_back() {
        let guard = Guard::default();
        let account = AccountSid(1);
        let permits: Vec<_> =
            (0..REST_CONCURRENCY_MAX).map_while(|_| guard.enter(account)).collect();
        assert_eq!(permits.len(), REST_CONCURRENCY_MAX);
        assert!(guard.enter(account).is_none());
        assert!(guard.enter(AccountSid(2)).is_some());
        drop(permits);
        assert_eq!(guard.enter(account).map(|permit| permit.under_way), Some(1));
    }

    #[test]
    fn the_table_of_failures_is_bounded() {
        let guard = Guard::default();
        for number in 0..PAIRS_MAX as u64 + 50 {
            guard.count_failure(SOURCE, &number.to_string(), Instant::from_millis(number));
        }
        assert_eq!(guard.lock().failures.len(), PAIRS_MAX);
        assert!(guard.lock().failures.contains_key(&(SOURCE, (PAIRS_MAX + 49).to_string())));
    }
}
