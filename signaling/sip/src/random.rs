//! Random bytes from one seed: SHA-256 over a key and a counter. Sans-IO and replayable.

use sha2::{Digest, Sha256};

use shared::Origin;

/// A deterministic generator. With an unguessable seed its output cannot be told from chance.
#[derive(Clone)]
pub struct Random {
    key: [u8; 32],
    counter: u64,
}

impl Random {
    /// A generator for the caller's 32 random bytes.
    pub fn new(seed: [u8; 32]) -> Self {
        Self { key: seed, counter: 0 }
    }

    /// A key for one purpose. It reveals nothing about the seed or the other keys.
    pub fn key_for(&self, purpose: &str) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(b"key ");
        hash.update(self.key);
        hash.update(purpose.as_bytes());
        hash.finalize().into()
    }

    /// The next 32 bytes.
    pub fn bytes(&mut self) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(self.key);
        hash.update(self.counter.to_be_bytes());
        self.counter = self.counter.wrapping_add(1);
        hash.finalize().into()
    }

    /// The next 64 bits.
    pub fn u64(&mut self) -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = self.bytes();
        u64::from_be_bytes([a, b, c, d, e, f, g, h])
    }

    /// A number in `0..bound`; 0 when `bound` is 0. The bias of the remainder is below 2⁻³².
    pub fn below(&mut self, bound: u32) -> u32 {
        let wide = self.u64().checked_rem(u64::from(bound)).unwrap_or(0);
        u32::try_from(wide).unwrap_or(0)
    }
}

impl std::fmt::Debug for Random {
    /// Hides the key.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Random").field("counter", &self.counter).finish_non_exhaustive()
    }
}

/// A token that peers send back, such as a tag or a branch: node, process generation and 64 bits.
/// By the first two another node or the next process can route a stray message without shared state
/// (ARCHITECTURE.md).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token {
    /// Node and process generation that made it.
    pub origin: Origin64,
    /// Random, or a keyed hash of the message that it answers.
    pub value: u64,
}

/// [`Origin`] with an order, so that tokens can be sorted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin64 {
    node: u16,
    generation: u8,
}

impl From<Origin> for Origin64 {
    fn from(origin: Origin) -> Self {
        Self { node: origin.node, generation: origin.generation }
    }
}

impl From<Origin64> for Origin {
    fn from(origin: Origin64) -> Self {
        Self { node: origin.node, generation: origin.generation }
    }
}

impl std::fmt::Display for Origin64 {
    /// The common prefix of all tokens of this origin: 4 and 2 hexadecimal digits in lower case.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:04x}{:02x}", self.node, self.generation)
    }
}

impl Token {
    /// A token of this origin.
    pub fn new(origin: Origin, value: u64) -> Self {
        Self { origin: origin.into(), value }
    }

    /// Reads what [`Token`]'s `Display` wrote: 4, 2 and 16 hexadecimal digits in lower case.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(text).ok().filter(|text| text.len() == TOKEN_CHARACTERS)?;
        if !text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
            return None;
        }
        let (node, rest) = text.split_at_checked(4)?;
        let (generation, value) = rest.split_at_checked(2)?;
        Some(Self {
            origin: Origin64 {
                node: u16::from_str_radix(node, 16).ok()?,
                generation: u8::from_str_radix(generation, 16).ok()?,
            },
            value: u64::from_str_radix(value, 16).ok()?,
        })
    }
}

impl std::fmt::Display for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{:016x}", self.origin, self.value)
    }
}

/// Characters of a printed [`Token`].
pub const TOKEN_CHARACTERS: usize = 22;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_seed_gives_one_sequence() {
        let (mut a, mut b) = (Random::new([7; 32]), Random::new([7; 32]));
        assert_eq!(a.u64(), b.u64());
        assert_ne!(a.u64(), a.u64());
        assert_ne!(a.key_for("tags"), a.key_for("nonces"));
    }

    #[test]
    fn a_token_reads_back_what_it_prints() {
        let token = Token::new(Origin { node: 0xBEEF, generation: 9 }, 42);
        assert_eq!(Token::parse(token.to_string().as_bytes()), Some(token));
        assert_eq!(Token::parse(b"beef09000000000000002A"), None);
        assert_eq!(Token::parse("é".repeat(11).as_bytes()), None);
    }
}
