//! Request parameters described once, as data. Sans-IO.
//!
//! `resource!` declares the parameters of a kind's requests as a struct with one [`Parameter`] a field. The API reads
//! a form by the descriptions, so a value that is not of its [`Form`] never reaches a rule; the rules in `plan/` get
//! the struct; the OpenAPI fragment of the kind lists the descriptions. What depends on the stored state (a free
//! name, a list that exists) stays a rule.

use shared::Code;

use crate::patch::Patch;
use crate::stored::Stored;
use crate::value::Value;

/// A parameter of the requests that create and update a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// Its name in the form.
    pub name: &'static str,
    /// What its value may be.
    pub form: Form,
    /// Code of a value that has another form, and of a required one that is absent.
    pub code: Code,
    /// The requests that take it. Others ignore it, as they ignore every unknown parameter.
    pub taken: On,
    /// The requests that are refused without it. An empty value counts as absent.
    pub required: On,
    /// Value where the request that creates a row leaves it out, and where an update clears it; `None` leaves the
    /// field to the rules.
    pub default: Option<&'static str>,
    /// Code and sentence for any value but `false`, where it would set something that is not built.
    pub refused: Option<(Code, &'static str)>,
}

/// What the value of a parameter may be. An empty value has every form: it clears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Any text.
    Text,
    /// Text that people read: at most this many characters, none of them a control character. A rule checks it, so
    /// that a resource that does not exist is not found whatever its name would be.
    Name(usize),
    /// Text that is never shown again.
    Secret,
    /// An absolute http or https URL.
    Url,
    /// `GET` or `POST`.
    Method,
    /// `true` or `false`.
    Boolean,
    /// A whole number from the first to the second.
    Number(u32, u32),
    /// One IP address, version 4 or 6.
    Address,
    /// A phone number in E.164, with or without punctuation.
    PhoneNumber,
    /// One of these words.
    Word(&'static [&'static str]),
    /// One of these words, in either case, each of which is kept as a number.
    Level(&'static [(&'static str, i64)]),
    /// A SID with this prefix.
    Sid(&'static str),
}

/// Which of the two requests with a body: the one that creates a row, or the one that updates it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Post {
    /// `POST` of a collection.
    Create,
    /// `POST` of a row.
    Update,
}

/// A set of requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum On {
    /// None of them.
    Neither,
    /// Those that create.
    Create,
    /// Those that update.
    Update,
    /// Those that create and those that update.
    Both,
}

impl On {
    /// True where the set has this request.
    pub const fn has(self, post: Post) -> bool {
        match post {
            Post::Create => matches!(self, Self::Create | Self::Both),
            Post::Update => matches!(self, Self::Update | Self::Both),
        }
    }
}

impl Parameter {
    /// A parameter that both requests take and neither requires.
    pub const fn new(name: &'static str, form: Form, code: Code) -> Self {
        let (taken, required) = (On::Both, On::Neither);
        Self { name, form, code, taken, required, default: None, refused: None }
    }

    /// The parameter, taken by these requests only.
    #[must_use]
    pub const fn taken(self, taken: On) -> Self {
        Self { taken, ..self }
    }

    /// The parameter, required by these requests.
    #[must_use]
    pub const fn required(self, required: On) -> Self {
        Self { required, ..self }
    }

    /// The parameter with a default, as a form would have it.
    #[must_use]
    pub const fn default(self, text: &'static str) -> Self {
        Self { default: Some(text), ..self }
    }

    /// The parameter, refused with this code and sentence unless it is empty or false.
    #[must_use]
    pub const fn refused(self, code: Code, sentence: &'static str) -> Self {
        Self { refused: Some((code, sentence)), ..self }
    }
}

/// The parameters of a kind's requests, as its rules take them. `resource!` implements it.
pub trait Parameters: Clone {
    /// A description a field.
    const PARAMETERS: &'static [Parameter];

    /// The first parameter that the request requires and lacks.
    fn missing(&self, post: Post) -> Option<&'static Parameter>;

    /// The parameters with their defaults where the request leaves them open.
    #[must_use]
    fn completed(self, post: Post) -> Self;

    /// The parameters with these values, one a description. `None` where they are too few, or one of them is not a
    /// value of its field's type.
    fn from_values(values: Vec<Patch<Value>>) -> Option<Self>;
}

/// A value as its field's type; `None` where it is not one.
pub(crate) fn patch<T: Stored>(value: Patch<Value>) -> Option<Patch<T>> {
    Some(match value {
        Patch::Keep => Patch::Keep,
        Patch::Clear => Patch::Clear,
        // A parameter is one value: a block of addresses has two parameters, and its rule joins them.
        Patch::Set(value) => Patch::Set(T::take(&mut std::iter::once(value))?),
    })
}

/// A field with its parameter's default, where the request leaves it open.
pub(crate) fn complete<T: Stored>(given: Patch<T>, parameter: &Parameter, post: Post) -> Patch<T> {
    let is_open = match given {
        Patch::Set(_) => false,
        // To clear a field with a default is to set the default: such a field always has a value.
        Patch::Clear => true,
        Patch::Keep => post == Post::Create,
    };
    let Some(text) = parameter.default.filter(|_| is_open) else { return given };
    let value = match parameter.form {
        Form::Boolean => Value::Integer(i64::from(text == "true")),
        Form::Number(..) => text.parse().map_or(Value::Null, Value::Integer),
        // Words, methods and URLs are kept as their text.
        _ => Value::from(text),
    };
    let default = T::take(&mut std::iter::once(value));
    debug_assert!(default.is_some(), "`{text}` is no value of {}", parameter.name);
    default.map_or(given, Patch::Set)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{DomainParameters, HttpMethod};

    #[test]
    fn a_default_stands_where_a_new_row_has_nothing_and_where_an_update_clears() {
        let open = DomainParameters { voice_method: Patch::Clear, ..DomainParameters::default() };
        let created = open.clone().completed(Post::Create);
        assert_eq!(created.voice_method, Patch::Set(HttpMethod::Post));
        assert_eq!(created.secure, Patch::Set(false));
        assert_eq!(created.voice_url, Patch::Keep, "it has no default");
        let updated = open.completed(Post::Update);
        assert_eq!(updated.voice_method, Patch::Set(HttpMethod::Post));
        assert_eq!(updated.secure, Patch::Keep);
        let given = Patch::Set(HttpMethod::Get);
        let given = DomainParameters { voice_method: given, ..DomainParameters::default() };
        assert_eq!(given.clone().completed(Post::Create).voice_method, given.voice_method);
    }
}
