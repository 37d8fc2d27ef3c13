//! Seeded randomness of the simulated world.

use shared::SplitMix;

/// Numbers from a seed.
#[derive(Clone, Debug)]
pub struct Rng(SplitMix);

impl Rng {
    /// From a seed; nearby seeds give unrelated numbers.
    pub const fn new(seed: u64) -> Self {
        Self(SplitMix::new(seed))
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0.number()
    }

    /// A number below `bound`; 0 when `bound` is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0.below(bound)
    }

    /// True in `chances` of a thousand cases.
    pub fn permille(&mut self, chances: u64) -> bool {
        self.below(1_000) < chances
    }

    /// 32 bytes, as a seed of a machine.
    pub fn bytes(&mut self) -> [u8; 32] {
        let mut bytes = [0; 32];
        for chunk in bytes.chunks_mut(8) {
            chunk.copy_from_slice(&self.number().to_le_bytes());
        }
        bytes
    }
}
