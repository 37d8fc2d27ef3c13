//! What was loaded a moment ago, bounded by bytes: the least recently used goes first. Pure.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

/// A cache of values that each have a size.
pub(super) struct Cache<K, V> {
    entries: HashMap<K, Entry<V>>,
    /// Keys by the turn of their last use, the oldest first.
    turns: BTreeMap<u64, K>,
    turn: u64,
    bytes: usize,
    bytes_max: usize,
}

struct Entry<V> {
    value: V,
    bytes: usize,
    turn: u64,
}

impl<K: Hash + Eq + Clone, V: Clone> Cache<K, V> {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self { entries: HashMap::new(), turns: BTreeMap::new(), turn: 0, bytes: 0, bytes_max }
    }

    /// The value, which is now the one used last.
    pub(super) fn find(&mut self, key: &K) -> Option<V> {
        let entry = self.entries.get_mut(key)?;
        self.turn += 1;
        self.turns.remove(&entry.turn);
        self.turns.insert(self.turn, key.clone());
        entry.turn = self.turn;
        Some(entry.value.clone())
    }

    /// Keeps a value; one that is larger than the whole cache is not kept.
    pub(super) fn keep(&mut self, key: K, value: V, bytes: usize) {
        self.remove(&key);
        if bytes > self.bytes_max {
            return;
        }
        while self.bytes + bytes > self.bytes_max {
            let Some((_, oldest)) = self.turns.first_key_value() else { break };
            let oldest = oldest.clone();
            self.remove(&oldest);
        }
        self.turn += 1;
        self.turns.insert(self.turn, key.clone());
        self.entries.insert(key, Entry { value, bytes, turn: self.turn });
        self.bytes += bytes;
    }

    fn remove(&mut self, key: &K) {
        if let Some(entry) = self.entries.remove(key) {
            self.turns.remove(&entry.turn);
            self.bytes -= entry.bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_recently_used_goes_first() {
        let mut cache = Cache::new(10);
        cache.keep("a", 1, 4);
        cache.keep("b", 2, 4);
        assert_eq!(cache.find(&"a"), Some(1));
        cache.keep("c", 3, 4);
        assert_eq!(
            (cache.find(&"a"), cache.find(&"b"), cache.find(&"c")),
            (Some(1), None, Some(3))
        );
    }

    #[test]
    fn a_value_that_is_too_large_is_not_kept_and_a_new_one_replaces_the_old() {
        let mut cache = Cache::new(10);
        cache.keep("a", 1, 9);
        cache.keep("b", 2, 11);
        assert_eq!((cache.find(&"a"), cache.find(&"b")), (Some(1), None));
        cache.keep("a", 3, 2);
        assert_eq!((cache.find(&"a"), cache.bytes), (Some(3), 2));
    }
}
