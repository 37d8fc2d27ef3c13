//! Lockout of password guessing, by user and source together. Sans-IO. Never by user alone: any source
//! could lock a user out then.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::time::Duration;

use shared::limits::DIGEST_FAILURES_A_MINUTE_MAX;
use shared::{Instant, source_of};

/// Counts failed digests of each pair of user and source, and decides which pairs are locked out.
///
/// Past 20 in a minute a pair is locked out for 60 s, then for twice as long each time, at most an
/// hour. Bounded: past [`PAIRS_MAX`] pairs the one without a failure for longest is forgotten.
#[derive(Debug, Default)]
pub struct Lockout {
    pairs: HashMap<(String, IpAddr), Pair>,
    by_time: BTreeSet<(Instant, String, IpAddr)>,
}

#[derive(Clone, Copy, Debug)]
struct Pair {
    window_from: Instant,
    failures: u32,
    held_until: Instant,
    next_hold: Duration,
    last_seen: Instant,
}

/// Pairs with recent failures.
pub const PAIRS_MAX: usize = 100_000;

impl Lockout {
    /// Whether requests of this pair are dropped now.
    pub fn is_held(&self, now: Instant, user: &str, source: IpAddr) -> bool {
        let key = (short(user), source_of(source));
        self.pairs.get(&key).is_some_and(|pair| now < pair.held_until)
    }

    /// Notes a failure; `true`: it locks the pair out.
    pub fn failed(&mut self, now: Instant, user: &str, source: IpAddr) -> bool {
        let key = (short(user), source_of(source));
        self.forget_quiet(now);
        let mut pair = self.pairs.get(&key).copied().unwrap_or_else(|| Pair::new(now));
        self.by_time.remove(&(pair.last_seen, key.0.clone(), key.1));
        let is_held_now = pair.failed(now);
        self.by_time.insert((now, key.0.clone(), key.1));
        self.pairs.insert(key, pair);
        is_held_now
    }

    /// Forgets the failures of a pair: its password was correct.
    pub fn succeeded(&mut self, user: &str, source: IpAddr) {
        let key = (short(user), source_of(source));
        if let Some(pair) = self.pairs.remove(&key) {
            self.by_time.remove(&(pair.last_seen, key.0, key.1));
        }
    }

    /// Pairs with recent failures.
    pub fn len(&self) -> usize {
        self.pairs.len()
    }

    /// Whether no pair failed lately.
    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    fn forget_quiet(&mut self, now: Instant) {
        while let Some((seen, user, source)) = self.by_time.first().cloned() {
            if self.pairs.len() < PAIRS_MAX && now.since(seen) < QUIET {
                break;
            }
            self.by_time.remove(&(seen, user.clone(), source));
            self.pairs.remove(&(user, source));
        }
    }
}

impl Pair {
    fn new(now: Instant) -> Self {
        Self {
            window_from: now,
            failures: 0,
            held_until: Instant::ZERO,
            next_hold: FIRST_HOLD,
            last_seen: now,
        }
    }

    fn failed(&mut self, now: Instant) -> bool {
        self.last_seen = now;
        if now.since(self.window_from) >= WINDOW {
            self.window_from = now;
            self.failures = 0;
        }
        self.failures = self.failures.saturating_add(1);
        if self.failures < DIGEST_FAILURES_A_MINUTE_MAX {
            return false;
        }
        self.held_until = now + self.next_hold;
        self.next_hold = self.next_hold.saturating_mul(2).min(LONGEST_HOLD);
        self.failures = 0;
        true
    }
}

const WINDOW: Duration = Duration::from_secs(60);
const FIRST_HOLD: Duration = Duration::from_secs(60);
const LONGEST_HOLD: Duration = Duration::from_secs(3_600);
/// A pair without a failure for this long starts again at zero.
const QUIET: Duration = Duration::from_secs(2 * 3_600);
/// User names are cut to this for the table: stored ones have at most 32 characters.
const USER_BYTES_MAX: usize = 64;

fn short(user: &str) -> String {
    let mut end = user.len().min(USER_BYTES_MAX);
    while !user.is_char_boundary(end) {
        end -= 1;
    }
    user.get(..end).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const OTHER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));

    #[test]
    fn twenty_failures_in_a_minute_hold_back_that_pair_only_and_longer_each_time() {
        let mut lockout = Lockout::default();
        let start = Instant::from_millis(1_000);
        fail(&mut lockout, start, DIGEST_FAILURES_A_MINUTE_MAX);
        assert!(lockout.is_held(start, "alice", SOURCE));
        assert!(!lockout.is_held(start, "alice", OTHER), "the user is not locked out elsewhere");
        let free = start + Duration::from_secs(60);
        assert!(!lockout.is_held(free, "alice", SOURCE));
        fail(&mut lockout, free, DIGEST_FAILURES_A_MINUTE_MAX);
        assert!(lockout.is_held(free + Duration::from_secs(119), "alice", SOURCE));
    }

    #[test]
    fn another_address_of_the_same_ipv6_subscriber_is_the_same_source() {
        let mut lockout = Lockout::default();
        let now = Instant::from_millis(1_000);
        let address = |last: u32| IpAddr::V6(format!("2001:db8::{last:x}").parse().unwrap());
        for last in 0..DIGEST_FAILURES_A_MINUTE_MAX {
            lockout.failed(now, "alice", address(last));
        }
        assert!(lockout.is_held(now, "alice", address(999)));
    }

    #[test]
    fn slow_failures_lock_no_pair_and_success_forgets() {
        let mut lockout = Lockout::default();
        for minute in 0..40 {
            let now = Instant::from_millis(minute * 30_000);
            assert!(!lockout.failed(now, "alice", SOURCE));
        }
        lockout.succeeded("alice", SOURCE);
        assert!(lockout.is_empty());
        assert!(lockout.by_time.is_empty());
    }

    fn fail(lockout: &mut Lockout, now: Instant, times: u32) {
        for _ in 0..times {
            lockout.failed(now, "alice", SOURCE);
        }
    }
}
