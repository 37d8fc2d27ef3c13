//! One table a kind of resource, and what works on all of them alike. Sans-IO.

use crate::descriptions::Resource;
use crate::kind::{ResourceKey, ResourceKind, resources};
use crate::resource::Described;
use crate::table::{self, Table};

/// A kind of row that the snapshot holds.
pub(crate) trait Held: Described {
    /// The table of its kind.
    fn table(tables: &Tables) -> &Table<Self>;
}

macro_rules! tables {
    ($($(#[$doc:meta])* $table:ident: $kind:ident = $row:ty, $sid:ty;)*) => {
        /// The rows of every kind.
        #[derive(Clone, Debug, Default)]
        pub(crate) struct Tables {
            $($(#[$doc])* pub(crate) $table: Table<$row>,)*
        }

        $(impl Held for $row {
            fn table(tables: &Tables) -> &Table<Self> {
                &tables.$table
            }
        })*

        impl Tables {
            /// Inserts a row, or replaces the one with its SID.
            pub(crate) fn put(&mut self, resource: &Resource) {
                match resource {
                    $(Resource::$kind(row) => self.$table.put(row.clone()),)*
                }
            }

            /// The row with this key.
            pub(crate) fn get(&self, key: ResourceKey) -> Option<Resource> {
                match key.kind {
                    $(ResourceKind::$kind => self.$table.get(key.sid).cloned().map(Resource::$kind),)*
                }
            }

            /// Removes a row, and the rows that belong to it.
            pub(crate) fn remove(&mut self, key: ResourceKey) {
                match key.kind {
                    $(ResourceKind::$kind => drop(self.$table.remove(key.sid)),)*
                }
                // As `ON DELETE CASCADE` does on disk for the rows of a list. Accounts own most kinds and
                // are never deleted.
                $(if <$row>::DESCRIPTION.owned_by == key.kind {
                    self.$table.remove_owned_by(key.sid);
                })*
            }
        }
    };
}

resources!(tables);

impl Tables {
    /// Bits of the SID that a row belongs to; `None` where there is no such row.
    pub(crate) fn owner(&self, key: ResourceKey) -> Option<u128> {
        Some(table::owner(key.kind.description(), &self.get(key)?.values()))
    }
}
