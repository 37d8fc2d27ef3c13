//! Randomness of one call, expanded from its seed, so that the simulator can replay a call. Sans-IO.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// HMAC-SHA256 in counter mode: an application that sees one idempotency token cannot compute the next.
#[derive(Clone, Debug)]
pub(crate) struct Random {
    seed: [u8; 32],
    counter: u64,
}

impl Random {
    pub(crate) const fn new(seed: [u8; 32]) -> Self {
        Self { seed, counter: 0 }
    }

    /// 32 new bytes.
    pub(crate) fn block(&mut self) -> [u8; 32] {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(&self.seed).expect("HMAC takes keys of any length");
        mac.update(&self.counter.to_be_bytes());
        self.counter += 1;
        mac.finalize().into_bytes().into()
    }

    /// 64 new bits.
    pub(crate) fn bits(&mut self) -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = self.block();
        u64::from_be_bytes([a, b, c, d, e, f, g, h])
    }

    /// A random UUID (RFC 9562 §5.4) in text.
    pub(crate) fn uuid(&mut self) -> String {
        let block = self.block();
        let mut half = [0_u8; 16];
        half.copy_from_slice(&block[..16]);
        let bits = u128::from_be_bytes(half) & !(0xF << 76 | 0x3 << 62) | 0x4 << 76 | 0x2 << 62;
        let hex = format!("{bits:032x}");
        let part = |from: usize, to: usize| hex.get(from..to).unwrap_or("");
        [part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_replays_and_blocks_differ() {
        let (mut a, mut b) = (Random::new([7; 32]), Random::new([7; 32]));
        assert_eq!(a.block(), b.block());
        assert_ne!(a.block(), a.block());
    }

    #[test]
    fn a_uuid_says_version_4_and_its_variant() {
        let text = Random::new([1; 32]).uuid();
        assert_eq!(text.len(), 36);
        assert_eq!(text.chars().nth(14), Some('4'));
        assert!(matches!(text.chars().nth(19), Some('8' | '9' | 'a' | 'b')));
    }
}
