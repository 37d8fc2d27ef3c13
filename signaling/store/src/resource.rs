//! Configuration resources described once, as data. Sans-IO.
//!
//! [`resource!`] declares the type of a row together with its [`Description`]: table, columns, what the API
//! shows of each column and under which name, limits, and the contract's codes. The database inserts,
//! updates, deletes, reads and pages by the description, the API renders and lists by it; both see plain
//! [`Value`]s and know no type. So a new resource costs them a migration and a line in the routes.
//!
//! What differs from kind to kind by more than a value stays code: the rules in `plan/`, and the parameters
//! of a request in the resource's file of package `api`.

use crate::kind::ResourceKind;
use crate::secret::Secret;

/// What the rules, the database and the API know about a kind of resource.
#[derive(Debug)]
pub struct Description {
    /// The kind it describes.
    pub kind: ResourceKind,
    /// Table of the database.
    pub table: &'static str,
    /// The first column is `sid`, the last `revision`; `revision` goes up by one with each update.
    pub columns: &'static [Column],
    /// Column with the SID of the account or list that a row belongs to. Lists and limits count by it;
    /// a row without an owner counts toward no limit.
    pub owner: &'static str,
    /// Most rows of one owner.
    pub limit: usize,
    /// Code past the limit, and what the limit counts, for its sentence.
    pub limit_reached: (u32, &'static str),
    /// Code and sentence where another row has one of its unique names.
    pub name_taken: (u32, &'static str),
    /// Code and sentence where something refers to a row that is to be deleted.
    pub in_use: (u32, &'static str),
    /// Code of a bad `FriendlyName`, and the most characters it may have.
    pub friendly_name: (u32, usize),
    /// Path of its collection below the account, `{name}` standing for what the API shows under that name.
    /// `None`: its JSON has no `uri`.
    pub path: Option<&'static str>,
    /// Key of the array in a page of its list.
    pub list_key: &'static str,
    /// Collections below a row: their key in `subresource_uris`, and the last segment of their path.
    pub below: &'static [(&'static str, &'static str)],
}

/// A column of a resource's table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name in the database.
    pub name: &'static str,
    /// Whether an update writes it.
    pub changes: bool,
    /// Whether it is sealed on disk: its value is a [`Value::Secret`].
    pub sealed: bool,
    /// How the API shows it; `None` hides it.
    pub shown: Option<Shown>,
}

/// How the API shows a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shown {
    /// Key in the JSON.
    pub name: &'static str,
    /// Form of the value.
    pub shape: Shape,
}

/// Form of a value in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Text, number or null, as it is kept.
    Plain,
    /// A SID with this prefix; null where absent.
    Sid(&'static str),
    /// A moment, kept in Unix milliseconds.
    Date,
}

impl Column {
    /// A column that keeps the value of its insertion. Hidden.
    pub const fn fixed(name: &'static str) -> Self {
        Self { name, changes: false, sealed: false, shown: None }
    }

    /// A column that updates write. Hidden.
    pub const fn changing(name: &'static str) -> Self {
        Self { changes: true, ..Self::fixed(name) }
    }

    /// The column, sealed on disk.
    #[must_use]
    pub const fn sealed(self) -> Self {
        Self { sealed: true, ..self }
    }

    /// The column, shown as it is kept.
    #[must_use]
    pub const fn shown(self, name: &'static str) -> Self {
        Self { shown: Some(Shown { name, shape: Shape::Plain }), ..self }
    }

    /// The column, shown as a SID.
    #[must_use]
    pub const fn shown_as_sid(self, name: &'static str, prefix: &'static str) -> Self {
        Self { shown: Some(Shown { name, shape: Shape::Sid(prefix) }), ..self }
    }

    /// The column, shown as a date.
    #[must_use]
    pub const fn shown_as_date(self, name: &'static str) -> Self {
        Self { shown: Some(Shown { name, shape: Shape::Date }), ..self }
    }
}

/// A value of one column, in the storage classes that every SQL database has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// No value.
    Null,
    /// A number, a moment in Unix milliseconds, or 0 and 1 for false and true.
    Integer(i64),
    /// Text.
    Text(String),
    /// Bytes. Of a SID its 16 bytes, most significant first, so that they sort by age.
    Bytes(Vec<u8>),
    /// Text that the database seals before it writes it.
    Secret(Secret),
}

impl Value {
    /// The bits of a SID; `None` where this is not one.
    pub fn sid_bits(&self) -> Option<u128> {
        match self {
            Self::Bytes(bytes) => Some(u128::from_be_bytes(bytes.as_slice().try_into().ok()?)),
            _ => None,
        }
    }
}

/// A row that does not read back: the file is damaged, or another program wrote to it.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("table {table} holds a row with an unreadable {field}")]
pub struct Damaged {
    /// The table.
    pub table: &'static str,
    /// Field of the type that could not be made from its columns.
    pub field: &'static str,
}

/// A row of a described kind. [`resource!`] implements it.
pub trait Described: Sized {
    /// What its kind is like.
    const DESCRIPTION: Description;

    /// The row's values, one a column, in the order of [`Description::columns`].
    fn values(&self) -> Vec<Value>;

    /// Dates a change of the row and raises its revision by one.
    fn revise(&mut self, unix_ms: i64);

    /// The row that has these values.
    ///
    /// # Errors
    /// [`Damaged`] where they are too few, or one of them is not a value of its field's type.
    fn from_values(values: Vec<Value>) -> Result<Self, Damaged>;
}

/// Declares the type of a row and describes it: after each field the columns that keep it.
macro_rules! resource {
    (
        $(#[$meta:meta])*
        pub struct $name:ident {
            $($(#[$doc:meta])* $field:ident: $type:ty => [$($column:expr),+ $(,)?],)*
        }
        described as { $($key:ident: $value:expr,)* }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $name {
            $($(#[$doc])* pub $field: $type,)*
        }

        impl $crate::resource::Described for $name {
            const DESCRIPTION: $crate::resource::Description = $crate::resource::Description {
                kind: $crate::kind::ResourceKind::$name,
                columns: &[$($($column),+),*],
                $($key: $value,)*
            };

            fn values(&self) -> Vec<$crate::resource::Value> {
                let mut values = Vec::with_capacity(Self::DESCRIPTION.columns.len());
                $($crate::stored::Stored::put(&self.$field, &mut values);)*
                debug_assert_eq!(values.len(), Self::DESCRIPTION.columns.len());
                values
            }

            fn revise(&mut self, unix_ms: i64) {
                self.updated_ms = unix_ms;
                self.revision += 1;
            }

            fn from_values(
                values: Vec<$crate::resource::Value>,
            ) -> Result<Self, $crate::resource::Damaged> {
                let mut values = values.into_iter();
                Ok(Self {
                    $($field: $crate::stored::Stored::take(&mut values).ok_or(
                        $crate::resource::Damaged {
                            table: Self::DESCRIPTION.table,
                            field: stringify!($field),
                        },
                    )?,)*
                })
            }
        }
    };
}
pub(crate) use resource;
