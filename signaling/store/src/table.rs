//! Rows of one kind by SID, by owner and by unique name. Sans-IO.
//!
//! Owner and names of a row follow from its description. They are made of its values when it is put or removed,
//! which only a committed write does; a call looks rows up by SID, by owner or by name and makes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::resource::{Described, Description};
use crate::value::Value;

/// A name that no other row may have: the number of its set in [`Description::unique`], the owner it is unique within
/// (0 = the node), and the text.
type Name = (usize, u128, String);

/// Rows of one kind.
#[derive(Clone, Debug)]
pub(crate) struct Table<R> {
    rows: BTreeMap<u128, Arc<R>>,
    // Owner and row, so that a range gives one owner's rows by their age.
    owned: BTreeSet<(u128, u128)>,
    names: BTreeMap<Name, u128>,
}

impl<R> Default for Table<R> {
    fn default() -> Self {
        Self { rows: BTreeMap::new(), owned: BTreeSet::new(), names: BTreeMap::new() }
    }
}

impl<R: Described> Table<R> {
    pub(crate) fn get(&self, sid: u128) -> Option<&Arc<R>> {
        self.rows.get(&sid)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<R>> {
        self.rows.values()
    }

    /// The row that has this name in the set with this number.
    pub(crate) fn named(&self, set: usize, owner: u128, name: &str) -> Option<&Arc<R>> {
        // A borrowed key would need its own type; names are short and lookups few a call.
        self.names.get(&(set, owner, name.to_owned())).and_then(|sid| self.rows.get(sid))
    }

    /// True where a row other than `row` has one of its names.
    pub(crate) fn name_is_taken(&self, row: &R) -> bool {
        // An update keeps its own names.
        let held = |name: &Name| self.names.get(name).is_some_and(|sid| *sid != row.sid_bits());
        names(&R::DESCRIPTION, &row.values()).iter().any(held)
    }

    /// Rows that belong to `owner`, oldest first.
    pub(crate) fn owned_by(&self, owner: u128) -> impl Iterator<Item = &Arc<R>> {
        self.owned.range((owner, 0)..=(owner, u128::MAX)).filter_map(|(_, sid)| self.rows.get(sid))
    }

    pub(crate) fn count_of(&self, owner: u128) -> usize {
        self.owned_by(owner).count()
    }

    /// Inserts a row, or replaces the one with its SID.
    pub(crate) fn put(&mut self, row: Arc<R>) {
        debug_assert!(!self.name_is_taken(&row), "two rows have one unique name");
        let (sid, values) = (row.sid_bits(), row.values());
        // First: owner and names of the old row may be others than those of the new one.
        self.remove(sid);
        self.owned.insert((owner(&R::DESCRIPTION, &values), sid));
        for name in names(&R::DESCRIPTION, &values) {
            self.names.insert(name, sid);
        }
        self.rows.insert(sid, row);
        debug_assert_eq!(self.rows.len(), self.owned.len(), "each row has one owner");
    }

    pub(crate) fn remove(&mut self, sid: u128) -> Option<Arc<R>> {
        let row = self.rows.remove(&sid)?;
        let values = row.values();
        self.owned.remove(&(owner(&R::DESCRIPTION, &values), sid));
        for name in names(&R::DESCRIPTION, &values) {
            self.names.remove(&name);
        }
        debug_assert_eq!(self.rows.len(), self.owned.len(), "each row has one owner");
        Some(row)
    }

    /// Removes the rows that belong to `owner`.
    pub(crate) fn remove_owned_by(&mut self, owner: u128) {
        // Collected, as each removal changes the index that is walked.
        let rows: Vec<u128> = self.owned_by(owner).map(|row| row.sid_bits()).collect();
        for sid in rows {
            self.remove(sid);
        }
    }
}

/// Bits of the SID that a row with these values belongs to; 0 where it belongs to nothing.
pub(crate) fn owner(description: &Description, values: &[Value]) -> u128 {
    let mut columns = description.columns.iter().zip(values);
    let owner = columns.find(|(column, _)| column.name == description.owner);
    owner.and_then(|(_, value)| value.sid_bits()).unwrap_or_default()
}

/// The unique names of a row with these values. Of several columns the texts are joined by a control character,
/// which no text of a row holds.
fn names(description: &Description, values: &[Value]) -> Vec<Name> {
    let text = |name: &&str| {
        let mut columns = description.columns.iter().zip(values);
        match columns.find(|(column, _)| column.name == *name) {
            Some((_, Value::Text(text))) => text.clone(),
            Some((_, Value::Integer(number))) => number.to_string(),
            other => {
                debug_assert!(false, "{name} is neither text nor a number: {other:?}");
                String::new()
            }
        }
    };
    let sets = description.unique.iter().enumerate().map(|(number, set)| {
        let (scope, columns) = match set {
            // The owner's bits are part of the key and not of the text: a lookup by name makes one string.
            [first, rest @ ..] if *first == description.owner => (owner(description, values), rest),
            all => (0, *all),
        };
        (number, scope, columns.iter().map(text).collect::<Vec<_>>().join("\n"))
    });
    sets.collect()
}
