//! A resource of any kind: from its kind to its description, and between rows and plain values. Sans-IO.

use std::sync::Arc;

use crate::kind::{ResourceKind, resources};
use crate::resource::{Damaged, Described, Description};
use crate::value::Value;

macro_rules! described {
    ($($(#[$doc:meta])* $table:ident: $kind:ident = $row:ty, $sid:ty;)*) => {
        /// A configuration resource: what the snapshot holds.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum Resource {
            $($(#[$doc])* $kind(Arc<$row>),)*
        }

        impl ResourceKind {
            /// What rows of this kind are like.
            pub const fn description(self) -> &'static Description {
                match self {
                    $(Self::$kind => &<$row>::DESCRIPTION,)*
                }
            }
        }

        impl Resource {
            /// Its kind.
            pub const fn kind(&self) -> ResourceKind {
                match self {
                    $(Self::$kind(_) => ResourceKind::$kind,)*
                }
            }

            /// Its revision, 1 at creation.
            pub fn revision(&self) -> u64 {
                match self {
                    $(Self::$kind(row) => row.revision,)*
                }
            }

            /// The bits of its SID.
            pub fn sid_bits(&self) -> u128 {
                match self {
                    $(Self::$kind(row) => row.sid_bits(),)*
                }
            }

            /// Its values, one a column of its kind's [`Description`].
            pub fn values(&self) -> Vec<Value> {
                match self {
                    $(Self::$kind(row) => row.values(),)*
                }
            }

            /// The resource of a kind that has these values.
            ///
            /// # Errors
            /// See [`Described::from_values`].
            pub fn from_values(kind: ResourceKind, values: Vec<Value>) -> Result<Self, Damaged> {
                Ok(match kind {
                    $(ResourceKind::$kind => Self::$kind(Arc::new(<$row>::from_values(values)?)),)*
                })
            }
        }

        $(impl From<Arc<$row>> for Resource {
            fn from(row: Arc<$row>) -> Self {
                Self::$kind(row)
            }
        })*
    };
}

resources!(described);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::Key;

    #[test]
    fn every_description_keeps_the_order_and_the_names_that_the_database_relies_on() {
        for kind in ResourceKind::ALL {
            let description = kind.description();
            let names: Vec<_> = description.columns.iter().map(|column| column.name).collect();
            assert_eq!(description.kind, *kind);
            assert_eq!(names.first(), Some(&"sid"), "{kind:?}");
            assert_eq!(names.last(), Some(&"revision"), "{kind:?}");
            assert!(names.contains(&description.owner), "{kind:?}");
            assert!(!description.prefix().is_empty(), "{kind:?} shows its SID first");
            for column in description.unique.iter().flat_map(|set| set.iter()) {
                assert!(names.contains(column), "{kind:?} has no column {column}");
            }
            let changing: Vec<_> = description.columns.iter().filter(|c| c.changes).collect();
            assert!(changing.iter().any(|column| column.name == "updated_ms"), "{kind:?}");
            assert!(changing.iter().any(|column| column.name == "revision"), "{kind:?}");
            let mut unique = names.clone();
            unique.sort_unstable();
            unique.dedup();
            assert_eq!(unique.len(), names.len(), "{kind:?} names a column twice");
        }
    }

    #[test]
    fn a_value_of_another_type_names_the_field_that_cannot_be_read() {
        let key = Key {
            sid: shared::KeySid(1),
            account: shared::AccountSid(2),
            friendly_name: "a".to_owned(),
            secret_hash: crate::secret::SecretHash([3; 32]),
            created_ms: 4,
            updated_ms: 5,
            revision: 6,
        };
        assert_eq!(Key::from_values(key.values()), Ok(key.clone()));
        let mut values = key.values();
        values[3] = Value::Bytes(vec![3; 31]);
        let damaged = Damaged { table: "api_keys", field: "secret_hash" };
        assert_eq!(Key::from_values(values), Err(damaged));
        let too_few = Damaged { table: "api_keys", field: "revision" };
        assert_eq!(Key::from_values(key.values()[..6].to_vec()), Err(too_few));
    }
}
