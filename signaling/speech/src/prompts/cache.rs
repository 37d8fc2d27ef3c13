//! Loaded prompts in the order of their last use. It has no bound of its own: values count against the
//! memory for audio, which evicts them. Pure.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

/// Values by key, each with the number of its last use.
pub(super) struct Cache<K, V> {
    entries: HashMap<K, Entry<V>>,
    /// Keys by the number of their last use, the oldest first.
    turns: BTreeMap<u64, K>,
    turn: u64,
}

struct Entry<V> {
    value: V,
    turn: u64,
}

impl<K: Hash + Eq + Clone, V: Clone> Cache<K, V> {
    pub(super) fn new() -> Self {
        Self { entries: HashMap::new(), turns: BTreeMap::new(), turn: 0 }
    }

    /// The value of a key. It becomes the most recently used one.
    pub(super) fn find(&mut self, key: &K) -> Option<V> {
        let entry = self.entries.get_mut(key)?;
        self.turn += 1;
        self.turns.remove(&entry.turn);
        self.turns.insert(self.turn, key.clone());
        entry.turn = self.turn;
        Some(entry.value.clone())
    }

    /// Inserts a value, in place of an older one of the key.
    pub(super) fn keep(&mut self, key: K, value: V) {
        self.remove(&key);
        self.turn += 1;
        self.turns.insert(self.turn, key.clone());
        self.entries.insert(key, Entry { value, turn: self.turn });
    }

    /// Removes the least recently used value among those that `may_go`.
    pub(super) fn let_go(&mut self, may_go: impl Fn(&V) -> bool) -> Option<V> {
        let goes = |key: &&K| self.entries.get(*key).is_some_and(|entry| may_go(&entry.value));
        let oldest = self.turns.values().find(goes)?.clone();
        self.remove(&oldest)
    }

    fn remove(&mut self, key: &K) -> Option<V> {
        let entry = self.entries.remove(key)?;
        self.turns.remove(&entry.turn);
        Some(entry.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_recently_used_goes_first() {
        let mut cache = Cache::new();
        cache.keep("a", 1);
        cache.keep("b", 2);
        assert_eq!(cache.find(&"a"), Some(1));
        assert_eq!(cache.let_go(|_| true), Some(2));
        assert_eq!(cache.let_go(|_| true), Some(1));
        assert_eq!(cache.let_go(|_| true), None);
    }

    #[test]
    fn a_value_that_may_not_go_stays_and_a_new_value_replaces_the_old() {
        let mut cache = Cache::new();
        cache.keep("a", 1);
        cache.keep("b", 2);
        assert_eq!(cache.let_go(|value| *value != 1), Some(2));
        cache.keep("a", 3);
        assert_eq!((cache.find(&"a"), cache.find(&"b")), (Some(3), None));
        assert_eq!((cache.let_go(|_| true), cache.turns.len()), (Some(3), 0));
    }
}
