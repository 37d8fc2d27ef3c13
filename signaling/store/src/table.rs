//! Rows by key, by owner and by unique name. Sans-IO.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A row: its key, its owner, and the names no other row may have.
pub(crate) trait Row {
    /// SID.
    type Key: Ord + Copy;
    /// The least key.
    const FIRST: Self::Key;
    fn key(&self) -> Self::Key;
    /// Bits of the SID it belongs to: an account or a list.
    fn owner(&self) -> u128;
    /// Names nobody else may have, each within a scope (SID bits; 0 = the node).
    fn unique_names(&self) -> Vec<(u128, String)>;
}

/// Rows of one kind.
#[derive(Clone, Debug)]
pub(crate) struct Table<R: Row> {
    rows: BTreeMap<R::Key, Arc<R>>,
    owned: BTreeSet<(u128, R::Key)>,
    names: BTreeMap<(u128, String), R::Key>,
}

impl<R: Row> Default for Table<R> {
    fn default() -> Self {
        Self { rows: BTreeMap::new(), owned: BTreeSet::new(), names: BTreeMap::new() }
    }
}

impl<R: Row> Table<R> {
    pub(crate) fn get(&self, key: R::Key) -> Option<&Arc<R>> {
        self.rows.get(&key)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<R>> {
        self.rows.values()
    }

    /// The row that has this name.
    pub(crate) fn named(&self, scope: u128, name: &str) -> Option<&Arc<R>> {
        // A borrowed key pair would need its own type; names are short and lookups few a call.
        self.names.get(&(scope, name.to_owned())).and_then(|key| self.rows.get(key))
    }

    /// True where a row other than `row` has one of its names.
    pub(crate) fn name_is_taken(&self, row: &R) -> bool {
        row.unique_names()
            .into_iter()
            .any(|name| self.names.get(&name).is_some_and(|holder| *holder != row.key()))
    }

    /// Rows that belong to `owner`, oldest first.
    pub(crate) fn owned_by(&self, owner: u128) -> impl Iterator<Item = &Arc<R>> {
        self.owned
            .range((owner, R::FIRST)..)
            .take_while(move |(row_owner, _)| *row_owner == owner)
            .filter_map(|(_, key)| self.rows.get(key))
    }

    pub(crate) fn count_of(&self, owner: u128) -> usize {
        self.owned_by(owner).count()
    }

    /// Inserts a row, or replaces the one with its key.
    pub(crate) fn put(&mut self, row: Arc<R>) {
        debug_assert!(!self.name_is_taken(&row), "two rows have one unique name");
        self.remove(row.key());
        self.owned.insert((row.owner(), row.key()));
        for name in row.unique_names() {
            self.names.insert(name, row.key());
        }
        self.rows.insert(row.key(), row);
        debug_assert_eq!(self.rows.len(), self.owned.len(), "each row has one owner");
    }

    pub(crate) fn remove(&mut self, key: R::Key) -> Option<Arc<R>> {
        let row = self.rows.remove(&key)?;
        self.owned.remove(&(row.owner(), key));
        for name in row.unique_names() {
            self.names.remove(&name);
        }
        debug_assert_eq!(self.rows.len(), self.owned.len(), "each row has one owner");
        Some(row)
    }
}
