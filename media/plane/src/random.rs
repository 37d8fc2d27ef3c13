//! Deterministic numbers from a seed (SplitMix64), for report intervals and CNAMEs. Sans-IO.
//!
//! Not for secrets: SSRC and first numbers of a leg are part of its plan.

#[derive(Clone, Copy, Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number in `from..to`.
    pub const fn between(&mut self, from: u32, to: u32) -> u32 {
        from + (self.next() % (to - from) as u64) as u32
    }
}
