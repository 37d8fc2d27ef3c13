//! Rate limits of unauthenticated sources. Sans-IO. A source is vouched for by an IP list, a
//! correct digest or a registration; each other source has a budget of requests per second. Past it
//! they are only challenged, and past a second allowance they are blocked for a while.
//!
//! Two tables of bounded size: a flood of forged sources evicts forged sources, never one that is
//! vouched for.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::time::Duration;

use shared::limits::{
    SOURCES_REMEMBERED_MAX, UNAUTHENTICATED_BURST, UNAUTHENTICATED_CHALLENGED,
    UNAUTHENTICATED_HELD_S, UNAUTHENTICATED_REQUESTS_A_SECOND, VOUCHED_S,
};
use shared::{Instant, source_of};

/// The sources that are vouched for, and the recent rates of all others.
#[derive(Debug)]
pub struct SourceLimits {
    vouched: Sources<Instant>,
    asking: Sources<Bucket>,
}

/// What a source may get for its request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Budget {
    /// The request is served in full.
    Within,
    /// A challenge only: its credentials are not verified.
    ChallengeOnly,
    /// Nothing: this request is the one that blocks the source. Reported once.
    HeldFromNow,
    /// Nothing: the source is blocked.
    Held,
}

impl Default for SourceLimits {
    fn default() -> Self {
        Self::with_room(SOURCES_REMEMBERED_MAX)
    }
}

impl SourceLimits {
    fn with_room(sources_max: usize) -> Self {
        Self { vouched: Sources::new(sources_max), asking: Sources::new(sources_max) }
    }

    /// Vouches for a source, at least for `VOUCHED`.
    pub fn vouch(&mut self, now: Instant, source: IpAddr, at_least: Duration) {
        let source = source_of(source);
        self.asking.remove(source);
        let before = self.vouched.get(source).unwrap_or(Instant::ZERO);
        self.vouched.put(now, source, before.max(now + at_least));
    }

    /// Whether a source is vouched for.
    pub fn is_vouched(&self, now: Instant, source: IpAddr) -> bool {
        self.vouched.get(source_of(source)).is_some_and(|until| now < until)
    }

    /// Whether a source is blocked now.
    pub fn is_held(&self, now: Instant, source: IpAddr) -> bool {
        self.asking.get(source_of(source)).is_some_and(|bucket| now < bucket.held_until)
    }

    /// Counts a request of a source against its budget.
    pub fn take(&mut self, now: Instant, source: IpAddr) -> Budget {
        if self.is_vouched(now, source) {
            return Budget::Within;
        }
        let source = source_of(source);
        let mut bucket = self.asking.get(source).unwrap_or(Bucket::EMPTY);
        let budget = bucket.take(now);
        self.asking.put(now, source, bucket);
        budget
    }
}

/// The recent rate of one source: the time at which its requests so far would fit the allowed rate
/// (a virtual-scheduling rate limiter, GCRA).
#[derive(Clone, Copy, Debug)]
struct Bucket {
    even_at: Instant,
    held_until: Instant,
}

impl Bucket {
    const EMPTY: Self = Self { even_at: Instant::ZERO, held_until: Instant::ZERO };

    fn take(&mut self, now: Instant) -> Budget {
        if now < self.held_until {
            return Budget::Held;
        }
        let even_at = self.even_at.max(now) + REQUEST;
        let ahead = even_at.since(now);
        if ahead > BURST + CHALLENGED {
            self.held_until = now + HELD;
            return Budget::HeldFromNow;
        }
        self.even_at = even_at;
        if ahead > BURST { Budget::ChallengeOnly } else { Budget::Within }
    }
}

/// A bounded map from sources to values. Past the bound the entry set longest ago is evicted.
#[derive(Debug)]
struct Sources<T> {
    by_source: HashMap<IpAddr, (Instant, T)>,
    by_time: BTreeSet<(Instant, IpAddr)>,
    room: usize,
}

impl<T: Copy> Sources<T> {
    fn new(room: usize) -> Self {
        Self { by_source: HashMap::new(), by_time: BTreeSet::new(), room }
    }

    fn get(&self, source: IpAddr) -> Option<T> {
        self.by_source.get(&source).map(|(_, value)| *value)
    }

    fn put(&mut self, now: Instant, source: IpAddr, value: T) {
        if let Some((before, _)) = self.by_source.insert(source, (now, value)) {
            self.by_time.remove(&(before, source));
        } else if self.by_source.len() > self.room
            && let Some((_, oldest)) = self.by_time.pop_first()
        {
            self.by_source.remove(&oldest);
        }
        self.by_time.insert((now, source));
    }

    fn remove(&mut self, source: IpAddr) {
        if let Some((at, _)) = self.by_source.remove(&source) {
            self.by_time.remove(&(at, source));
        }
    }
}

/// How long a correct digest or an IP list vouches for a source.
pub const VOUCHED: Duration = Duration::from_secs(VOUCHED_S);
const HELD: Duration = Duration::from_secs(UNAUTHENTICATED_HELD_S);
/// Time that one request takes at the allowed rate.
const REQUEST: Duration = Duration::from_nanos(1_000_000_000 / UNAUTHENTICATED_REQUESTS_A_SECOND);
const CHALLENGED: Duration = Duration::from_nanos(
    1_000_000_000 / UNAUTHENTICATED_REQUESTS_A_SECOND * UNAUTHENTICATED_CHALLENGED,
);
const BURST: Duration =
    Duration::from_nanos(1_000_000_000 / UNAUTHENTICATED_REQUESTS_A_SECOND * UNAUTHENTICATED_BURST);

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const OTHER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));

    #[test]
    fn a_burst_passes_then_the_source_is_challenged_then_held_for_ten_seconds_and_others_are_not() {
        let mut limits = SourceLimits::default();
        let now = Instant::from_millis(5_000);
        let passed = (0..300).filter(|_| limits.take(now, SOURCE) == Budget::Within).count();
        assert_eq!(passed as u64, UNAUTHENTICATED_BURST);
        assert_eq!(limits.take(now, SOURCE), Budget::HeldFromNow);
        assert_eq!(limits.take(now, SOURCE), Budget::Held);
        assert_eq!(limits.take(now, OTHER), Budget::Within);
        let free = now + HELD;
        assert_eq!(limits.take(free, SOURCE), Budget::Within, "heard again afterwards");
    }

    #[test]
    fn the_beginning_of_a_hold_is_told_once() {
        let mut limits = SourceLimits::default();
        let now = Instant::from_millis(5_000);
        let told = (0..900).filter(|_| limits.take(now, SOURCE) == Budget::HeldFromNow).count();
        assert_eq!(told, 1);
    }

    #[test]
    fn fifty_a_second_pass_for_ever() {
        let mut limits = SourceLimits::default();
        for request in 0..5_000 {
            let now = Instant::from_millis(request * 20);
            assert_eq!(limits.take(now, SOURCE), Budget::Within, "request {request}");
        }
    }

    #[test]
    fn a_source_that_is_vouched_for_has_no_budget_until_ten_minutes_later() {
        let mut limits = SourceLimits::default();
        let now = Instant::from_millis(5_000);
        limits.vouch(now, SOURCE, VOUCHED);
        assert!((0..10_000).all(|_| limits.take(now, SOURCE) == Budget::Within));
        assert!(!limits.is_vouched(now + VOUCHED, SOURCE));
    }

    #[test]
    fn a_call_does_not_shorten_what_a_registration_gave() {
        let mut limits = SourceLimits::default();
        let now = Instant::from_millis(5_000);
        limits.vouch(now, SOURCE, 2 * VOUCHED);
        limits.vouch(now, SOURCE, VOUCHED);
        assert!(limits.is_vouched(now + VOUCHED, SOURCE));
    }

    #[test]
    fn who_becomes_vouched_for_is_not_held_any_more() {
        let mut limits = SourceLimits::default();
        let now = Instant::from_millis(5_000);
        while limits.take(now, SOURCE) != Budget::HeldFromNow {}
        assert!(limits.is_held(now, SOURCE) && !limits.is_held(now, OTHER));
        limits.vouch(now, SOURCE, VOUCHED);
        assert!(!limits.is_held(now, SOURCE));
    }

    #[test]
    fn forged_sources_push_each_other_out_and_nobody_who_is_vouched_for() {
        let mut limits = SourceLimits::with_room(16);
        let now = Instant::from_millis(5_000);
        limits.vouch(now, SOURCE, VOUCHED);
        for forged in 0..1_000_u32 {
            let source = IpAddr::V4(forged.into());
            limits.take(now + Duration::from_millis(u64::from(forged)), source);
        }
        assert!(limits.is_vouched(now, SOURCE));
        assert_eq!(limits.asking.by_source.len(), 16);
        assert_eq!(limits.asking.by_time.len(), 16);
    }

    #[test]
    fn one_subscriber_of_ipv6_is_one_source() {
        let mut limits = SourceLimits::default();
        let now = Instant::from_millis(5_000);
        limits.vouch(now, "2001:db8::1".parse().unwrap(), VOUCHED);
        assert!(limits.is_vouched(now, "2001:db8::ffff:2".parse().unwrap()));
        assert!(!limits.is_vouched(now, "2001:db8:0:1::1".parse().unwrap()));
        assert!(!limits.is_vouched(now, SOURCE));
    }
}
