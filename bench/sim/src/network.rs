//! A network that loses, delays, doubles and reorders datagrams.

use std::time::Duration;

use crate::rng::Rng;

/// How bad it is. Chances are in a thousand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Network {
    /// Datagrams that never arrive.
    pub loss: u64,
    /// Datagrams that arrive twice.
    pub duplicates: u64,
    /// Least delay.
    pub delay_ms: u64,
    /// Random delay on top: above one packet interval it reorders.
    pub jitter_ms: u64,
}

impl Network {
    /// Every datagram arrives once, in order.
    pub const PERFECT: Self = Self { loss: 0, duplicates: 0, delay_ms: 5, jitter_ms: 0 };

    /// One of four networks, from perfect to very bad.
    pub fn random(rng: &mut Rng) -> Self {
        match rng.below(4) {
            0 => Self::PERFECT,
            1 => Self { loss: 20, duplicates: 10, delay_ms: 10, jitter_ms: 15 },
            2 => Self { loss: 100, duplicates: 50, delay_ms: 40, jitter_ms: 60 },
            _ => Self { loss: 200, duplicates: 100, delay_ms: 100, jitter_ms: 200 },
        }
    }

    /// The delay of each copy of a datagram: none where it is lost, two where it is doubled.
    pub fn deliveries(self, rng: &mut Rng) -> Vec<Duration> {
        if rng.permille(self.loss) {
            return Vec::new();
        }
        let copies = if rng.permille(self.duplicates) { 2 } else { 1 };
        let one =
            |rng: &mut Rng| Duration::from_millis(self.delay_ms + rng.below(self.jitter_ms + 1));
        (0..copies).map(|_| one(rng)).collect()
    }
}
