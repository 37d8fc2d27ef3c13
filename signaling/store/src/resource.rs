//! Configuration resources described once, as data. Sans-IO.
//!
//! `resource!` declares the type of a row together with its [`Description`]: table, columns, what the API shows of
//! each column and under which name, the parameters of its requests, paths, filters, limits, and the contract's codes.
//! The database inserts, updates, deletes, reads, filters and pages by the description. The API finds the resource by
//! its path, reads forms, renders and lists by it. Both see plain [`Value`]s and know no type, so a new resource costs
//! them a migration and nothing else.
//!
//! What differs from kind to kind by more than a value stays code: the rules in `plan/`.

use shared::Code;

use crate::filter::Filter;
use crate::kind::ResourceKind;
use crate::parameter::{Parameter, Parameters};
use crate::value::Value;

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
    /// Kind of the owner: `Account`, or a list, with which its rows are deleted.
    pub owned_by: ResourceKind,
    /// Sets of columns that no two rows share. A set that begins with the owner is unique within it, any other
    /// in the node.
    pub unique: &'static [&'static [&'static str]],
    /// Most rows of one owner.
    pub limit: usize,
    /// Code past the limit, and what the limit counts, for its sentence.
    pub limit_reached: (Code, &'static str),
    /// Code and sentence where another row has one of its unique names.
    pub name_taken: (Code, &'static str),
    /// Code and sentence where something refers to a row that is to be deleted.
    pub in_use: (Code, &'static str),
    /// Parameters of the requests that create and update a row.
    pub parameters: &'static [Parameter],
    /// Paths of its collection: first the one that a row's `uri` names, then others that lead to it too.
    pub collections: &'static [Collection],
    /// Whether the JSON of a row has its `uri`.
    pub shows_uri: bool,
    /// Collections below a row: their key in `subresource_uris`, and the last segment of their path.
    pub below: &'static [(&'static str, &'static str)],
    /// Fields of the JSON that are the same for every row.
    pub constants: &'static [(&'static str, Constant)],
    /// Fields of the JSON that no column keeps.
    pub derived: &'static [Derived],
    /// Filters of its list.
    pub filters: &'static [Filter],
    /// Whether the list of what an owner has begins with the owner, which is a row of this kind too.
    pub lists_owner: bool,
    /// Whether a row can be deleted by a request.
    pub deletes: bool,
    /// Whether API keys may not use it: only an auth token opens it.
    pub needs_auth_token: bool,
}

/// A field that the API shows of a row and that no column of its table keeps. A driver's reader appends its value to
/// those of the columns, except of a live one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Derived {
    /// `auth_type`: the kinds of lists that are mapped to a domain for calls, by [`crate::DomainAuth::name`].
    AuthType,
    /// `current_size`: the calls that wait in a queue.
    CurrentSize,
    /// `average_wait_time`: how long they have waited, seconds.
    AverageWaitTime,
}

impl Derived {
    /// True of a field whose value only Control knows.
    pub const fn is_live(self) -> bool {
        match self {
            Self::AuthType => false,
            Self::CurrentSize | Self::AverageWaitTime => true,
        }
    }

    /// Key in the JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::AuthType => "auth_type",
            Self::CurrentSize => "current_size",
            Self::AverageWaitTime => "average_wait_time",
        }
    }
}

/// A path of a collection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Collection {
    /// Below the version, `{name}` standing for what the API shows under that name.
    pub path: &'static str,
    /// Key of the array in a page of the list.
    pub list_key: &'static str,
    /// Which rows the path lists; `None` lists all.
    pub view: Option<View>,
    /// What its POST does.
    pub posts: Posts,
}

/// What a POST of a collection does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Posts {
    /// It creates a row.
    Create,
    /// It creates a row, for a request with the auth token of a main account.
    OfOperator,
    /// Something else: its route is beside the descriptions.
    Elsewhere,
}

impl Collection {
    /// A path of all rows.
    pub const fn new(path: &'static str, list_key: &'static str) -> Self {
        Self { path, list_key, view: None, posts: Posts::Create }
    }

    /// The path, with a POST that does this.
    #[must_use]
    pub const fn posts(self, posts: Posts) -> Self {
        Self { posts, ..self }
    }

    /// A path of the rows that have this value. It has no paths of single rows.
    #[must_use]
    pub const fn of(
        self,
        column: &'static str,
        parameter: &'static str,
        value: &'static str,
    ) -> Self {
        Self { view: Some(View { column, parameter, value }), ..self }
    }
}

/// The rows of a kind that have one value in common. A row that is created by the path of the view gets the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct View {
    /// The column that tells.
    pub column: &'static str,
    /// The parameter that sets the column. No form has it.
    pub parameter: &'static str,
    /// The value.
    pub value: &'static str,
}

/// A field of the JSON that is the same for every row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Constant {
    /// A text.
    Text(&'static str),
    /// An object of truth values.
    Flags(&'static [(&'static str, bool)]),
}

impl Description {
    /// What most kinds have in common: a row that cannot be named twice, is not referred to and belongs to an account.
    pub const USUAL: Self = Self {
        kind: ResourceKind::Account,
        table: "",
        columns: &[],
        owner: "account",
        owned_by: ResourceKind::Account,
        unique: &[],
        // A kind that forgets its limit takes no row at all, which its first test shows.
        limit: 0,
        limit_reached: (Code::INVALID_PARAMETER, ""),
        // Without unique names only the primary key can be taken.
        name_taken: (Code::CONFLICT, "This SID is already taken"),
        in_use: (Code::CONFLICT, "The resource is in use"),
        parameters: &[],
        collections: &[],
        shows_uri: true,
        below: &[],
        constants: &[],
        derived: &[],
        filters: &[],
        lists_owner: false,
        deletes: true,
        needs_auth_token: false,
    };

    /// The prefix of a row's SID.
    pub const fn prefix(&self) -> &'static str {
        match self.columns {
            // From the column, so that a kind states its prefix once. A test asks that no kind is without.
            [Column { shown: Some(Shown { shape: Shape::Sid(prefix), .. }), .. }, ..] => prefix,
            _ => "",
        }
    }

    /// True where only Control knows some of its derived fields: they follow all others.
    pub fn is_live(&self) -> bool {
        self.derived.last().is_some_and(|derived| derived.is_live())
    }

    /// The parameter with this name.
    pub fn parameter(&self, name: &str) -> Option<&'static Parameter> {
        self.parameters.iter().find(|parameter| parameter.name == name)
    }
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
    /// Text; empty where absent.
    TextOrEmpty,
    /// A SID with this prefix; null where absent.
    Sid(&'static str),
    /// A moment, kept in Unix milliseconds.
    Date,
    /// `true` or `false`, kept as 1 or 0.
    Boolean,
    /// A SID with this prefix; the row's own where absent.
    SidOrOwn(&'static str),
    /// A secret in clear text. Shown without this shape, a secret is null.
    Revealed,
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

    /// The column, shown as text; as an empty one where it has none.
    #[must_use]
    pub const fn shown_or_empty(self, name: &'static str) -> Self {
        Self { shown: Some(Shown { name, shape: Shape::TextOrEmpty }), ..self }
    }

    /// The column, shown as a SID.
    #[must_use]
    pub const fn shown_as_sid(self, name: &'static str, prefix: &'static str) -> Self {
        Self { shown: Some(Shown { name, shape: Shape::Sid(prefix) }), ..self }
    }

    /// The column, shown as a SID; as the row's own where it has none.
    #[must_use]
    pub const fn shown_as_sid_or_own(self, name: &'static str, prefix: &'static str) -> Self {
        Self { shown: Some(Shown { name, shape: Shape::SidOrOwn(prefix) }), ..self }
    }

    /// The column, its secret shown in clear text.
    #[must_use]
    pub const fn revealed(self, name: &'static str) -> Self {
        Self { shown: Some(Shown { name, shape: Shape::Revealed }), ..self }
    }

    /// The column, shown as true or false.
    #[must_use]
    pub const fn shown_as_boolean(self, name: &'static str) -> Self {
        Self { shown: Some(Shown { name, shape: Shape::Boolean }), ..self }
    }

    /// The column, shown as a date.
    #[must_use]
    pub const fn shown_as_date(self, name: &'static str) -> Self {
        Self { shown: Some(Shown { name, shape: Shape::Date }), ..self }
    }
}

/// A row that does not read back: the file is damaged, or another program wrote to it.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("table {table} holds a row with an unreadable {field}")]
pub struct Damaged {
    /// The table of the database that holds the rows.
    pub table: &'static str,
    /// Field of the type that could not be made from its columns.
    pub field: &'static str,
}

/// A row of a described kind. [`resource!`] implements it.
pub trait Described: Sized {
    /// What its kind is like.
    const DESCRIPTION: Description;

    /// The parameters of its requests.
    type Parameters: Parameters;

    /// The bits of its SID.
    fn sid_bits(&self) -> u128;

    /// Its revision, 1 at creation.
    fn revision(&self) -> u64;

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

/// Declares the type of a row and describes it: after each field the columns that keep it, then the description,
/// and a struct of the parameters that its requests take.
macro_rules! resource {
    (
        $(#[$meta:meta])*
        pub struct $name:ident {
            $($(#[$doc:meta])* $field:ident: $type:ty => [$($column:expr),+ $(,)?],)*
        }
        described as { $($key:ident: $value:expr,)* }
        $(#[$given_meta:meta])*
        taking $given:ident {
            $($(#[$given_doc:meta])* $given_field:ident: $given_type:ty => $parameter:expr,)*
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $name {
            $($(#[$doc])* pub $field: $type,)*
        }

        $(#[$given_meta])*
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        pub struct $given {
            $($(#[$given_doc])* pub $given_field: $crate::patch::Patch<$given_type>,)*
        }

        impl $crate::parameter::Parameters for $given {
            const PARAMETERS: &'static [$crate::parameter::Parameter] = &[$($parameter),*];

            fn missing(
                &self,
                post: $crate::parameter::Post,
            ) -> Option<&'static $crate::parameter::Parameter> {
                let given = [$(matches!(self.$given_field, $crate::patch::Patch::Set(_))),*];
                let mut parameters = Self::PARAMETERS.iter().zip(given);
                let found = parameters.find(|(it, is_given)| !is_given && it.required.has(post));
                found.map(|(parameter, _)| parameter)
            }

            fn completed(self, post: $crate::parameter::Post) -> Self {
                Self {
                    $($given_field: $crate::parameter::complete(
                        self.$given_field,
                        &$parameter,
                        post,
                    ),)*
                }
            }

            fn from_values(
                values: Vec<$crate::patch::Patch<$crate::value::Value>>,
            ) -> Option<Self> {
                let mut values = values.into_iter();
                Some(Self { $($given_field: $crate::parameter::patch(values.next()?)?,)* })
            }
        }

        impl $crate::resource::Described for $name {
            const DESCRIPTION: $crate::resource::Description = $crate::resource::Description {
                kind: $crate::kind::ResourceKind::$name,
                columns: &[$($($column),+),*],
                parameters: <$given as $crate::parameter::Parameters>::PARAMETERS,
                $($key: $value,)*
                ..$crate::resource::Description::USUAL
            };

            type Parameters = $given;

            fn sid_bits(&self) -> u128 {
                self.sid.0
            }

            fn revision(&self) -> u64 {
                self.revision
            }

            fn values(&self) -> Vec<$crate::value::Value> {
                let mut values = Vec::with_capacity(Self::DESCRIPTION.columns.len());
                $($crate::stored::Stored::put(&self.$field, &mut values);)*
                debug_assert_eq!(values.len(), Self::DESCRIPTION.columns.len());
                values
            }

            fn revise(&mut self, unix_ms: i64) {
                self.updated_ms = unix_ms;
                // The database writes the row only over the revision before this one.
                self.revision += 1;
            }

            fn from_values(
                values: Vec<$crate::value::Value>,
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
