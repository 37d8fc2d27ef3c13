//! Randomness from one seed, so that the simulator replays a run. Sans-IO.

use sha2::{Digest, Sha256};

/// Numbers and seeds expanded from one 32-byte seed: SHA-256 of seed and counter.
///
/// The gateway seeds it from the operating system. While the seed is secret, no output can be guessed from
/// earlier ones.
#[derive(Clone)]
pub struct Random {
    seed: [u8; 32],
    counter: u64,
}

impl Random {
    /// A generator that always gives the same sequence for the same seed.
    pub const fn new(seed: [u8; 32]) -> Self {
        Self { seed, counter: 0 }
    }

    /// 32 fresh bytes, for example as the seed of another machine.
    pub fn bytes(&mut self) -> [u8; 32] {
        self.counter = self.counter.wrapping_add(1);
        let mut hash = Sha256::new();
        hash.update(self.seed);
        hash.update(self.counter.to_le_bytes());
        hash.finalize().into()
    }

    /// A fresh number.
    pub fn number(&mut self) -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = self.bytes();
        u64::from_le_bytes([a, b, c, d, e, f, g, h])
    }

    /// A fresh number in `low..=high`. The tiny bias of a 64-bit remainder does not matter here.
    pub fn between(&mut self, low: u32, high: u32) -> u32 {
        let span = u64::from(high.saturating_sub(low)) + 1;
        low + u32::try_from(self.number() % span).unwrap_or(0)
    }
}

impl std::fmt::Debug for Random {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Random").field("counter", &self.counter).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_sequence_and_another_seed_another() {
        let draw = |seed: u8| {
            let mut random = Random::new([seed; 32]);
            (random.number(), random.number())
        };
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
        assert_ne!(draw(1).0, draw(1).1);
    }

    #[test]
    fn between_stays_between() {
        let mut random = Random::new([3; 32]);
        for _ in 0..100 {
            assert!((5..=30).contains(&random.between(5, 30)));
        }
    }
}
