//! Values of an execution: what JSON can say, and what a template reads.
//!
//! A type of its own and not `serde_json::Value`, because a template reads it in place ([`crate::template`]): a missing
//! key is [`Data::Nil`] at every depth, which a foreign type cannot be taught.

use std::collections::BTreeMap;

use serde_json::Value;

/// A value that a template can read.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Data {
    /// Absent, or JSON's null.
    #[default]
    Nil,
    /// A truth value.
    Bool(bool),
    /// A whole number.
    Integer(i64),
    /// Any other number.
    Real(f64),
    /// A text.
    Text(String),
    /// A list.
    List(Vec<Data>),
    /// An object.
    Map(BTreeMap<String, Data>),
}

/// What every missing key leads to.
pub(crate) static NIL: Data = Data::Nil;

/// A value beside its text: its place in a list or a tree.
const VALUE_BYTES: usize = 32;

impl Data {
    /// An empty object.
    pub const fn map() -> Self {
        Self::Map(BTreeMap::new())
    }

    /// A text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// An object with these texts; the last of several with one name counts.
    pub fn texts<'t>(pairs: impl IntoIterator<Item = (&'t str, &'t str)>) -> Self {
        let pairs = pairs.into_iter();
        Self::Map(pairs.map(|(name, value)| (name.to_owned(), Self::text(value))).collect())
    }

    /// The value under a key; [`Data::Nil`] where there is none.
    pub fn get(&self, key: &str) -> &Self {
        match self {
            Self::Map(map) => map.get(key).unwrap_or(&NIL),
            _ => &NIL,
        }
    }

    /// The value at the end of a path of keys.
    pub fn at(&self, path: &[&str]) -> &Self {
        path.iter().fold(self, |data, key| data.get(key))
    }

    /// The text, if it is one.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Puts a value under a key. A value that is not an object becomes one.
    pub fn put(&mut self, key: &str, value: Self) {
        *self.entry(key) = value;
    }

    /// The value under a key, made where there is none.
    pub fn entry(&mut self, key: &str) -> &mut Self {
        if !matches!(self, Self::Map(_)) {
            *self = Self::map();
        }
        match self {
            Self::Map(map) => map.entry(key.to_owned()).or_default(),
            // Made an object right above.
            other => other,
        }
    }

    /// The bytes that it holds in memory, roughly.
    pub fn bytes(&self) -> usize {
        VALUE_BYTES
            + match self {
                Self::Nil | Self::Bool(_) | Self::Integer(_) | Self::Real(_) => 0,
                Self::Text(text) => text.len(),
                Self::List(list) => list.iter().map(Self::bytes).sum(),
                Self::Map(map) => map.iter().map(|(key, value)| key.len() + value.bytes()).sum(),
            }
    }

    /// The JSON of it.
    pub fn to_json(&self) -> Value {
        match self {
            Self::Nil => Value::Null,
            Self::Bool(flag) => Value::Bool(*flag),
            Self::Integer(number) => Value::from(*number),
            Self::Real(number) => Value::from(*number),
            Self::Text(text) => Value::String(text.clone()),
            Self::List(list) => Value::Array(list.iter().map(Self::to_json).collect()),
            Self::Map(map) => Value::Object(
                map.iter().map(|(key, value)| (key.clone(), value.to_json())).collect(),
            ),
        }
    }
}

impl From<Value> for Data {
    fn from(json: Value) -> Self {
        match json {
            Value::Null => Self::Nil,
            Value::Bool(flag) => Self::Bool(flag),
            Value::Number(number) => match number.as_i64() {
                Some(number) => Self::Integer(number),
                None => Self::Real(number.as_f64().unwrap_or_default()),
            },
            Value::String(text) => Self::Text(text),
            Value::Array(list) => Self::List(list.into_iter().map(Self::from).collect()),
            Value::Object(map) => {
                Self::Map(map.into_iter().map(|(key, value)| (key, Self::from(value))).collect())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_missing_key_is_nil_at_every_depth() {
        let data = Data::from(json!({"a": {"b": [1, 2.5, true, null, "x"]}}));
        assert_eq!(data.at(&["a", "c", "d"]), &Data::Nil);
        assert_eq!(data.to_json(), json!({"a": {"b": [1, 2.5, true, null, "x"]}}));
    }

    #[test]
    fn a_value_under_a_key_replaces_the_older_one() {
        let mut data = Data::Nil;
        data.put("a", Data::Integer(1));
        data.entry("b").put("c", Data::Bool(true));
        data.put("a", Data::Integer(2));
        assert_eq!(data.to_json(), json!({"a": 2, "b": {"c": true}}));
        assert!(data.bytes() > 3 * VALUE_BYTES);
    }
}
