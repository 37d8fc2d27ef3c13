//! Random numbers from a seed, so that the simulator replays a run.
//!
//! Two generators, by who may see their output. [`Random`] makes what a peer must not guess: tags,
//! nonces, SIDs, tokens, the seeds of other machines. A machine owns one, seeded by its caller; a machine
//! that it starts gets 32 bytes of it as a seed. [`SplitMix`] is for what nobody gains from guessing, such
//! as the time of the next report: a few instructions a number, without a hash, so that a media core can
//! afford it.

use std::fmt;

use sha2::{Digest, Sha256};

/// Numbers and seeds from 32 bytes: SHA-256 over the seed and a counter. While the seed is secret, no
/// output can be computed from others.
#[derive(Clone)]
pub struct Random {
    seed: [u8; 32],
    counter: u64,
}

impl Random {
    /// A generator from the caller's 32 random bytes.
    pub const fn new(seed: [u8; 32]) -> Self {
        Self { seed, counter: 0 }
    }

    /// A key for one purpose. It reveals nothing about the seed or the other keys.
    pub fn key_for(&self, purpose: &str) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(b"key ");
        hash.update(self.seed);
        hash.update(purpose.as_bytes());
        hash.finalize().into()
    }

    /// The next 32 bytes.
    pub fn bytes(&mut self) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(self.seed);
        hash.update(self.counter.to_be_bytes());
        self.counter = self.counter.wrapping_add(1);
        hash.finalize().into()
    }

    /// The next 64 bits.
    pub fn number(&mut self) -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = self.bytes();
        u64::from_be_bytes([a, b, c, d, e, f, g, h])
    }

    /// A number in `0..bound`; 0 when `bound` is 0. The bias of the remainder is below 2⁻³².
    pub fn below(&mut self, bound: u32) -> u32 {
        let wide = self.number().checked_rem(u64::from(bound)).unwrap_or(0);
        u32::try_from(wide).unwrap_or(0)
    }

    /// A number in `low..=high`; `low` when `high` is below it.
    pub fn between(&mut self, low: u32, high: u32) -> u32 {
        low + self.below(high.saturating_sub(low).saturating_add(1))
    }

    /// A random UUID (RFC 9562 §5.4), 36 characters.
    pub fn uuid(&mut self) -> String {
        let mut half = [0_u8; 16];
        half.copy_from_slice(&self.bytes()[..16]);
        let bits = u128::from_be_bytes(half) & !(0xF << 76 | 0x3 << 62) | 0x4 << 76 | 0x2 << 62;
        let hex = format!("{bits:032x}");
        let part = |from: usize, to: usize| hex.get(from..to).unwrap_or("");
        [part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-")
    }
}

impl fmt::Debug for Random {
    /// Hides the seed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Random").field("counter", &self.counter).finish_non_exhaustive()
    }
}

/// SplitMix64: small, fast and not for secrets. Nearby seeds give unrelated numbers.
#[derive(Clone, Copy, Debug)]
pub struct SplitMix(u64);

impl SplitMix {
    /// A generator that gives the same sequence for the same seed.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub const fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number in `0..bound`; 0 when `bound` is 0.
    pub const fn below(&mut self, bound: u64) -> u64 {
        self.number() % if bound == 0 { 1 } else { bound }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_seed_gives_one_sequence_and_another_seed_another() {
        let draw = |seed: u8| {
            let mut random = Random::new([seed; 32]);
            (random.number(), random.bytes(), random.key_for("nonces"))
        };
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
    }

    #[test]
    fn draws_and_keys_differ() {
        let mut random = Random::new([7; 32]);
        assert_ne!(random.bytes(), random.bytes());
        assert_ne!(random.key_for("tags"), random.key_for("nonces"));
    }

    #[test]
    fn a_number_below_a_bound_stays_below_it() {
        let mut random = Random::new([3; 32]);
        assert!((0..100).all(|_| random.below(26) < 26));
        assert_eq!(random.below(0), 0);
        assert!((0..100).all(|_| (5..=30).contains(&random.between(5, 30))));
        assert_eq!(random.between(7, 7), 7);
    }

    #[test]
    fn a_uuid_says_version_4_and_its_variant() {
        let text = Random::new([1; 32]).uuid();
        assert_eq!(text.len(), 36);
        assert_eq!(text.chars().nth(14), Some('4'));
        assert!(matches!(text.chars().nth(19), Some('8' | '9' | 'a' | 'b')));
    }

    #[test]
    fn splitmix_gives_the_published_sequence() {
        // The first outputs for seed 1234567 in Vigna's splitmix64.c.
        let mut random = SplitMix::new(1_234_567);
        assert_eq!(random.number(), 6_457_827_717_110_365_317);
        assert_eq!(random.number(), 3_203_168_211_198_807_973);
        assert!((0..100).all(|_| random.below(30) < 30));
        assert_eq!(random.below(0), 0);
    }
}
