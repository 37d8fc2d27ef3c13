//! Bytes of which short ones need no allocation. Sans-IO.
//!
//! A message is mostly short words: header and parameter names, tags, users, hosts. With a box for
//! each word, the typed form of an INVITE of 1.2 kB took 55 allocations; with words of up to
//! [`INLINE_BYTES`] in the value itself it takes 13, and a clone of an address mostly takes none.
//! A short word needs no more memory than its box and its block did, so that machines that keep many
//! do not grow.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};

/// Bytes that cannot grow. Equality, order and hash are those of the slice.
#[derive(Clone)]
pub(crate) struct CompactBytes(Place);

#[derive(Clone)]
enum Place {
    /// The first `len` bytes count; the others are 0.
    Inline {
        len: u8,
        bytes: [u8; INLINE_BYTES],
    },
    Heap(Box<[u8]>),
}

impl CompactBytes {
    /// A copy of the bytes.
    pub fn new(source: &[u8]) -> Self {
        let mut bytes = [0; INLINE_BYTES];
        Self(match (bytes.get_mut(..source.len()), u8::try_from(source.len())) {
            (Some(place), Ok(len)) => {
                place.copy_from_slice(source);
                Place::Inline { len, bytes }
            }
            _ => Place::Heap(source.into()),
        })
    }

    /// The bytes.
    pub fn as_slice(&self) -> &[u8] {
        match &self.0 {
            Place::Inline { len, bytes } => bytes.get(..usize::from(*len)).unwrap_or_default(),
            Place::Heap(bytes) => bytes,
        }
    }

    /// The bytes, to change them in place.
    pub fn as_mut_slice(&mut self) -> &mut [u8] {
        match &mut self.0 {
            Place::Inline { len, bytes } => bytes.get_mut(..usize::from(*len)).unwrap_or_default(),
            Place::Heap(bytes) => bytes,
        }
    }
}

impl Default for CompactBytes {
    fn default() -> Self {
        Self(Place::Inline { len: 0, bytes: [0; INLINE_BYTES] })
    }
}

impl PartialEq for CompactBytes {
    fn eq(&self, other: &Self) -> bool {
        self.as_slice() == other.as_slice()
    }
}

impl Eq for CompactBytes {}

impl PartialOrd for CompactBytes {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for CompactBytes {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_slice().cmp(other.as_slice())
    }
}

impl Hash for CompactBytes {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_slice().hash(state);
    }
}

impl fmt::Debug for CompactBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.as_slice().escape_ascii())
    }
}

/// A tag of our own has 22 characters (`token::TOKEN_CHARACTERS`), and with the length and the kind
/// the value takes three words.
const INLINE_BYTES: usize = 22;
const _: () = assert!(size_of::<Option<CompactBytes>>() == 24);
const _: () = assert!(INLINE_BYTES >= crate::token::TOKEN_CHARACTERS);

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn bytes_of_every_length_around_the_inline_limit_are_kept() {
        let source: Vec<u8> = (1..=64).collect();
        for len in 0..source.len() {
            let mut bytes = CompactBytes::new(&source[..len]);
            assert_eq!(bytes.as_slice(), &source[..len]);
            assert_eq!(matches!(bytes.0, Place::Inline { .. }), len <= INLINE_BYTES);
            bytes.as_mut_slice().iter_mut().for_each(|byte| *byte = 0xFF);
            assert_eq!(bytes.as_slice(), vec![0xFF; len]);
        }
    }

    #[test]
    fn equality_order_and_hash_are_those_of_the_slice() {
        let words = [&b""[..], b"\0", b"a", b"a\0", b"ab", &[b'a'; 22], &[b'a'; 23], b"b"];
        let set: HashSet<_> = words.iter().map(|word| CompactBytes::new(word)).collect();
        assert_eq!(set.len(), words.len());
        for a in words {
            assert!(set.contains(&CompactBytes::new(a)));
            for b in words {
                assert_eq!(CompactBytes::new(a).cmp(&CompactBytes::new(b)), a.cmp(b));
            }
        }
    }
}
