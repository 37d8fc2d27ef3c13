//! [`Data`] as templates see it.
//!
//! Liquid asks for a missing variable as an error; flows rely on nil, also below nil: `{{widgets.menu.Digits}}` before
//! the widget ran is empty. So [`Data::Nil`] and every object claim to have each key, and answer nil for those they lack.

use std::collections::BTreeMap;
use std::fmt;

use liquid_core::model::{
    ArrayView, DisplayCow, KString, KStringCow, Object, ObjectView, ScalarCow, State, Value,
    ValueView,
};

use crate::data::{Data, NIL};

impl ValueView for Data {
    fn as_debug(&self) -> &dyn fmt::Debug {
        self
    }

    fn render(&self) -> DisplayCow<'_> {
        match self {
            Self::Nil => DisplayCow::Borrowed(&""),
            Self::Bool(flag) => DisplayCow::Borrowed(flag),
            Self::Integer(number) => DisplayCow::Borrowed(number),
            Self::Real(number) => DisplayCow::Borrowed(number),
            Self::Text(text) => DisplayCow::Borrowed(text),
            // As the service prints them: an object in a text is a mistake that JSON shows best.
            Self::List(_) | Self::Map(_) => DisplayCow::Owned(Box::new(self.to_json())),
        }
    }

    fn source(&self) -> DisplayCow<'_> {
        self.render()
    }

    fn type_name(&self) -> &'static str {
        match self {
            Self::Nil => "nil",
            Self::Bool(_) => "boolean",
            Self::Integer(_) => "whole number",
            Self::Real(_) => "fractional number",
            Self::Text(_) => "string",
            Self::List(_) => "array",
            Self::Map(_) => "object",
        }
    }

    fn query_state(&self, state: State) -> bool {
        match (self, state) {
            (Self::Nil | Self::Bool(false), State::Truthy) => false,
            (_, State::Truthy) => true,
            (Self::Nil, _) => true,
            (Self::Bool(flag), State::DefaultValue | State::Blank) => !flag,
            (Self::Text(text), State::Blank) => text.trim().is_empty(),
            (Self::Text(text), _) => text.is_empty(),
            (Self::List(list), _) => list.is_empty(),
            (Self::Map(map), _) => map.is_empty(),
            (Self::Bool(_) | Self::Integer(_) | Self::Real(_), _) => false,
        }
    }

    fn to_kstr(&self) -> KStringCow<'_> {
        match self {
            Self::Text(text) => KStringCow::from_ref(text),
            other => KStringCow::from_string(other.render().to_string()),
        }
    }

    fn to_value(&self) -> Value {
        match self {
            Self::Nil => Value::Nil,
            Self::Bool(flag) => Value::scalar(*flag),
            Self::Integer(number) => Value::scalar(*number),
            Self::Real(number) => Value::scalar(*number),
            Self::Text(text) => Value::scalar(text.clone()),
            Self::List(list) => Value::Array(list.iter().map(ValueView::to_value).collect()),
            Self::Map(map) => Value::Object(owned(map)),
        }
    }

    fn as_scalar(&self) -> Option<ScalarCow<'_>> {
        match self {
            Self::Bool(flag) => Some(ScalarCow::new(*flag)),
            Self::Integer(number) => Some(ScalarCow::new(*number)),
            Self::Real(number) => Some(ScalarCow::new(*number)),
            Self::Text(text) => Some(ScalarCow::new(text.as_str())),
            Self::Nil | Self::List(_) | Self::Map(_) => None,
        }
    }

    fn as_array(&self) -> Option<&dyn ArrayView> {
        if matches!(self, Self::List(_)) { Some(self) } else { None }
    }

    fn as_object(&self) -> Option<&dyn ObjectView> {
        // Nil too, so that a path goes on below it.
        if matches!(self, Self::Nil | Self::Map(_)) { Some(self) } else { None }
    }

    fn is_nil(&self) -> bool {
        matches!(self, Self::Nil)
    }
}

fn owned(map: &BTreeMap<String, Data>) -> Object {
    map.iter().map(|(key, value)| (KString::from_ref(key), value.to_value())).collect()
}

impl Data {
    /// A copy of what a template holds, with nil for what is missing.
    pub(super) fn from_view(view: &dyn ValueView) -> Self {
        if let Some(list) = view.as_array() {
            return Self::List(list.values().map(Self::from_view).collect());
        }
        if let (Some(object), false) = (view.as_object(), view.is_nil()) {
            let entries = object.iter();
            return Self::Map(
                entries.map(|(key, value)| (key.to_string(), Self::from_view(value))).collect(),
            );
        }
        let Some(scalar) = view.as_scalar() else { return Self::Nil };
        match (view.type_name(), scalar.to_integer(), scalar.to_float()) {
            ("whole number", Some(number), _) => Self::Integer(number),
            ("fractional number", _, Some(number)) => Self::Real(number),
            ("boolean", ..) => Self::Bool(view.query_state(State::Truthy)),
            _ => Self::Text(scalar.to_kstr().as_str().to_owned()),
        }
    }

    fn list(&self) -> &[Self] {
        if let Self::List(list) = self { list } else { &[] }
    }

    fn entries(&self) -> impl Iterator<Item = (&String, &Self)> {
        if let Self::Map(map) = self { Some(map) } else { None }.into_iter().flatten()
    }
}

impl ArrayView for Data {
    fn as_value(&self) -> &dyn ValueView {
        self
    }

    fn size(&self) -> i64 {
        self.list().len().try_into().unwrap_or(i64::MAX)
    }

    fn values<'k>(&'k self) -> Box<dyn Iterator<Item = &'k dyn ValueView> + 'k> {
        Box::new(self.list().iter().map(|item| item as &dyn ValueView))
    }

    fn contains_key(&self, index: i64) -> bool {
        ArrayView::get(self, index).is_some_and(|item| !item.is_nil())
    }

    /// A negative index counts from the end.
    fn get(&self, index: i64) -> Option<&dyn ValueView> {
        let list = self.list();
        let index = if index < 0 { index.checked_add(ArrayView::size(self))? } else { index };
        let item = usize::try_from(index).ok().and_then(|index| list.get(index));
        Some(item.unwrap_or(&NIL))
    }
}

impl ObjectView for Data {
    fn as_value(&self) -> &dyn ValueView {
        self
    }

    fn size(&self) -> i64 {
        self.entries().count().try_into().unwrap_or(i64::MAX)
    }

    fn keys<'k>(&'k self) -> Box<dyn Iterator<Item = KStringCow<'k>> + 'k> {
        Box::new(self.entries().map(|(key, _)| KStringCow::from_ref(key)))
    }

    fn values<'k>(&'k self) -> Box<dyn Iterator<Item = &'k dyn ValueView> + 'k> {
        Box::new(self.entries().map(|(_, value)| value as &dyn ValueView))
    }

    fn iter<'k>(&'k self) -> Box<dyn Iterator<Item = (KStringCow<'k>, &'k dyn ValueView)> + 'k> {
        let entries = self.entries();
        Box::new(entries.map(|(key, value)| (KStringCow::from_ref(key), value as &dyn ValueView)))
    }

    fn contains_key(&self, _: &str) -> bool {
        true
    }

    fn get<'s>(&'s self, key: &str) -> Option<&'s dyn ValueView> {
        Some(Data::get(self, key))
    }
}
