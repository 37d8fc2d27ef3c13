//! From a kind of resource to its description, and between resources and plain values. Sans-IO.

use std::sync::Arc;

use crate::account::{Account, Key};
use crate::change::{Resource, ResourceKey};
use crate::credential::{Credential, CredentialList, IpAccessControlList, IpAddress};
use crate::domain::Domain;
use crate::kind::ResourceKind;
use crate::resource::{Damaged, Described, Description, Value};

macro_rules! kinds {
    ($($kind:ident),*) => {
        impl ResourceKind {
            /// Every kind, each after the kinds that its rows refer to.
            pub const ALL: &[Self] = &[$(Self::$kind),*];

            /// What rows of this kind are like.
            pub const fn description(self) -> &'static Description {
                match self {
                    $(Self::$kind => &$kind::DESCRIPTION,)*
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
                    $(ResourceKind::$kind => Self::$kind(Arc::new($kind::from_values(values)?)),)*
                })
            }
        }
    };
}

kinds!(Account, Key, Domain, CredentialList, Credential, IpAccessControlList, IpAddress);

impl ResourceKey {
    /// Its kind, and the bits of its SID.
    pub const fn parts(self) -> (ResourceKind, u128) {
        match self {
            Self::Key(sid) => (ResourceKind::Key, sid.0),
            Self::Domain(sid) => (ResourceKind::Domain, sid.0),
            Self::CredentialList(sid) => (ResourceKind::CredentialList, sid.0),
            Self::Credential(sid) => (ResourceKind::Credential, sid.0),
            Self::IpAccessControlList(sid) => (ResourceKind::IpAccessControlList, sid.0),
            Self::IpAddress(sid) => (ResourceKind::IpAddress, sid.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_description_keeps_the_order_and_the_names_that_the_database_relies_on() {
        for kind in ResourceKind::ALL {
            let description = kind.description();
            let names: Vec<_> = description.columns.iter().map(|column| column.name).collect();
            assert_eq!(description.kind, *kind);
            assert_eq!(names.first(), Some(&"sid"), "{kind:?}");
            assert_eq!(names.last(), Some(&"revision"), "{kind:?}");
            assert!(names.contains(&description.owner), "{kind:?}");
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
