//! The wait of a core: its length, and the number of packets that ends it. Sans-IO.

use std::time::Duration;

use shared::Instant;

use crate::config::WaitSettings;

/// One wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wait {
    /// Number of packets that end it.
    pub packets: u32,
    /// Time at which it ends without them; `None` = never.
    pub until: Option<Instant>,
}

/// Decides between waiting for one packet and waiting for many, by the measured wake rate.
#[derive(Debug)]
pub(crate) struct WaitPolicy {
    settings: WaitSettings,
    window_start: Instant,
    wakes: u32,
    packets: u32,
    is_batching: bool,
}

/// Long enough for 100 wake-ups at the default rate, short enough to follow a burst of calls.
const WINDOW: Duration = Duration::from_millis(20);

impl WaitPolicy {
    pub fn new(settings: WaitSettings) -> Self {
        let (window_start, wakes, packets) = (Instant::ZERO, 0, 0);
        Self { settings, window_start, wakes, packets, is_batching: false }
    }

    /// The wait from `now`, not past `deadline`.
    pub fn wait(&self, now: Instant, deadline: Option<Instant>) -> Wait {
        if !self.is_batching {
            return Wait { packets: 1, until: deadline };
        }
        let cap = now + self.settings.batch_wait;
        let until = deadline.map_or(cap, |deadline| deadline.min(cap));
        Wait { packets: self.settings.batch_packets.max(1), until: Some(until) }
    }

    /// Call once a turn, with the number of its packets and whether it began with a wake-up.
    pub fn turned(&mut self, now: Instant, packets: usize, woke: bool) {
        self.wakes = self.wakes.saturating_add(u32::from(woke));
        self.packets = self.packets.saturating_add(u32::try_from(packets).unwrap_or(u32::MAX));
        let elapsed = now.since(self.window_start);
        if elapsed < WINDOW {
            return;
        }
        self.decide(elapsed);
        (self.window_start, self.wakes, self.packets) = (now, 0, 0);
    }

    /// Starts when wake-ups are frequent. Stops when packets are rarer than that, with a fifth of
    /// slack: while batching the wake rate says nothing, because the wait itself bounds it.
    fn decide(&mut self, elapsed: Duration) {
        let nanos = u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX).max(1);
        let rate = |count: u32| u64::from(count) * 1_000_000_000 / nanos;
        let threshold = u64::from(self.settings.wake_rate_min);
        self.is_batching = self.settings.batch_packets > 1
            && if self.is_batching {
                rate(self.packets) >= threshold / 5 * 4
            } else {
                rate(self.wakes) >= threshold
            };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Wakes the policy at an even pace for `millis`.
    fn run(policy: &mut WaitPolicy, from_ms: u64, millis: u64, wakes_per_ms: u64, packets: usize) {
        for wake in 0..millis * wakes_per_ms {
            let at = from_ms * 1_000_000 + wake * 1_000_000 / wakes_per_ms;
            policy.turned(Instant::from_nanos(at), packets, true);
        }
    }

    #[test]
    fn a_quiet_core_wakes_for_every_packet() {
        let mut policy = WaitPolicy::new(WaitSettings::default());
        run(&mut policy, 1_000, 100, 2, 1);
        let deadline = Some(Instant::from_millis(1_120));
        let wait = policy.wait(Instant::from_millis(1_100), deadline);
        assert_eq!(wait, Wait { packets: 1, until: deadline });
    }

    #[test]
    fn a_core_woken_often_waits_for_many_but_never_past_its_deadline() {
        let mut policy = WaitPolicy::new(WaitSettings::default());
        run(&mut policy, 1_000, 100, 10, 1);
        let now = Instant::from_millis(1_100);
        let wait = policy.wait(now, None);
        assert_eq!(wait, Wait { packets: 64, until: Some(now + Duration::from_micros(500)) });
        let soon = now + Duration::from_micros(100);
        assert_eq!(policy.wait(now, Some(soon)).until, Some(soon));
    }

    #[test]
    fn batching_holds_while_packets_come_and_ends_when_they_are_few() {
        let mut policy = WaitPolicy::new(WaitSettings::default());
        run(&mut policy, 1_000, 100, 10, 1);
        run(&mut policy, 1_100, 100, 2, 25);
        assert_eq!(policy.wait(Instant::ZERO, None).packets, 64);
        run(&mut policy, 1_200, 100, 2, 1);
        assert_eq!(policy.wait(Instant::ZERO, None).packets, 1);
    }

    #[test]
    fn few_wakes_with_many_packets_need_no_batching() {
        let mut policy = WaitPolicy::new(WaitSettings::default());
        run(&mut policy, 1_000, 200, 2, 100);
        assert_eq!(policy.wait(Instant::ZERO, None).packets, 1);
    }
}
