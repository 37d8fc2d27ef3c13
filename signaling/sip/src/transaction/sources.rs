//! Server transactions of each source, counted in fixed space. Sans-IO.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::IpAddr;

use shared::source_of;

/// The counts, by a keyed hash of the source. Sources with the same hash share a count. The key is
/// secret, so a source cannot choose whose place it shares; it matters only when the other is at the
/// limit.
#[derive(Debug)]
pub(crate) struct Sources {
    secret: [u8; 32],
    counts: Box<[u32]>,
}

/// The place of a source in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Source(u16);

impl Sources {
    /// No transactions at all.
    pub fn new(secret: [u8; 32]) -> Self {
        Self { secret, counts: vec![0; PLACES].into_boxed_slice() }
    }

    /// The place of an address.
    pub fn of(&self, address: IpAddr) -> Source {
        let mut hash = DefaultHasher::new();
        self.secret.hash(&mut hash);
        source_of(address).hash(&mut hash);
        Source((hash.finish() % PLACES as u64) as u16)
    }

    /// Transactions of a source, and of those that share its place.
    pub fn count(&self, source: Source) -> usize {
        self.counts.get(usize::from(source.0)).map_or(0, |count| *count as usize)
    }

    /// Counts one more.
    pub fn add(&mut self, source: Source) {
        if let Some(count) = self.counts.get_mut(usize::from(source.0)) {
            *count = count.saturating_add(1);
        }
    }

    /// Counts one less.
    pub fn remove(&mut self, source: Source) {
        if let Some(count) = self.counts.get_mut(usize::from(source.0)) {
            *count = count.saturating_sub(1);
        }
    }
}

/// 64 KiB in all. A million transactions of many sources put 61 in a place, far below the limit of
/// one source.
const PLACES: usize = 1 << 14;
const _: () = assert!(PLACES <= 1 << u16::BITS);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_source_is_counted_and_neighbours_in_one_ipv6_subnet_are_one() {
        let mut sources = Sources::new([1; 32]);
        let of = |sources: &Sources, text: &str| sources.of(text.parse().expect("an address"));
        let (one, other) = (of(&sources, "192.0.2.1"), of(&sources, "192.0.2.2"));
        sources.add(one);
        sources.add(one);
        sources.add(other);
        assert_eq!((sources.count(one), sources.count(other)), (2, 1));
        sources.remove(one);
        sources.remove(other);
        sources.remove(other);
        assert_eq!((sources.count(one), sources.count(other)), (1, 0));
        assert_eq!(of(&sources, "2001:db8::1"), of(&sources, "2001:db8::2"));
        assert_eq!(of(&sources, "::ffff:192.0.2.1"), one);
    }

    #[test]
    fn the_secret_decides_who_shares_a_place() {
        let places = |secret| {
            let sources = Sources::new([secret; 32]);
            (0..64).map(|last| sources.of([192, 0, 2, last].into()).0).collect::<Vec<_>>()
        };
        assert_ne!(places(1), places(2));
    }
}
