//! Tokens that peers send back. Sans-IO.

use std::fmt;

use shared::Origin;

/// A token that peers send back, such as a tag or a branch: node, process generation and 64 bits.
/// By the first two another node or the next process can route a stray message without shared state
/// (ARCHITECTURE.md).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token {
    /// Node and process generation that made it.
    pub origin: Origin,
    /// Random, or a keyed hash of the message that it answers.
    pub value: u64,
}

impl Token {
    /// A token of this origin.
    pub fn new(origin: Origin, value: u64) -> Self {
        Self { origin, value }
    }

    /// What all tokens of an origin begin with: 4 and 2 hexadecimal digits in lower case.
    pub fn prefix(origin: Origin) -> String {
        format!("{:04x}{:02x}", origin.node, origin.generation)
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
            origin: Origin {
                node: u16::from_str_radix(node, 16).ok()?,
                generation: u8::from_str_radix(generation, 16).ok()?,
            },
            value: u64::from_str_radix(value, 16).ok()?,
        })
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{:016x}", Self::prefix(self.origin), self.value)
    }
}

/// Characters of a printed [`Token`].
pub const TOKEN_CHARACTERS: usize = 22;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_reads_back_what_it_prints() {
        let token = Token::new(Origin { node: 0xBEEF, generation: 9 }, 42);
        assert_eq!(Token::parse(token.to_string().as_bytes()), Some(token));
        assert_eq!(Token::parse(b"beef09000000000000002A"), None);
        assert_eq!(Token::parse("é".repeat(11).as_bytes()), None);
    }
}
