//! Properties of widgets: a table of each widget says which it has, of which type.
//!
//! The types are those of JSON, taken strictly: `"play_beep": true` is refused where the text `"true"` is meant, as the
//! service refuses it. A text may be a template instead of a value.

use serde_json::Value;

/// A property that a widget may have.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Property {
    pub name: &'static str,
    pub shape: Shape,
    pub is_required: bool,
}

/// Type of a property.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// A text.
    Text,
    /// The text of a whole number.
    TextNumber,
    /// `"true"` or `"false"`.
    TextFlag,
    /// One of these texts.
    OneOf(&'static [&'static str]),
    /// A whole number that is not negative.
    Number,
    /// A whole number, or the text of one: exports have both.
    EitherNumber,
    /// `true` or `false`.
    Flag,
    /// A list of `{key, value}`.
    Pairs,
    /// The texts of a list, or one text of them.
    Texts,
}

impl Property {
    pub(crate) const fn new(name: &'static str, shape: Shape) -> Self {
        Self { name, shape, is_required: false }
    }

    #[must_use]
    pub(crate) const fn required(self) -> Self {
        Self { is_required: true, ..self }
    }
}

pub(crate) fn is_template(text: &str) -> bool {
    text.contains("{{") || text.contains("{%")
}

impl Shape {
    /// The sentence for a value that has another type; `None` where it fits.
    pub(crate) fn mismatch(self, value: &Value) -> Option<String> {
        let text = value.as_str();
        let is_free = text.is_some_and(|text| text.is_empty() || is_template(text));
        let (fits, expected) = match self {
            Self::Text => (text.is_some(), "a string"),
            Self::TextNumber => {
                let fits = is_free
                    || text.is_some_and(|text| text == "auto" || text.parse::<u32>().is_ok());
                (fits, "a string with a whole number")
            }
            Self::TextFlag => (
                is_free || matches!(text, Some("true" | "false")),
                "the string \"true\" or \"false\"",
            ),
            Self::OneOf(values) => {
                let fits = is_free || text.is_some_and(|text| values.contains(&text));
                return (!fits).then(|| format!("must be one of: {}", values.join(", ")));
            }
            Self::Number => (value.is_u64(), "a whole number"),
            Self::EitherNumber => {
                let is_text = is_free || text.is_some_and(|text| text.parse::<u32>().is_ok());
                (value.is_u64() || is_text, "a whole number")
            }
            Self::Flag => (value.is_boolean(), "a boolean"),
            Self::Pairs => (
                value.as_array().is_some_and(|list| list.iter().all(is_pair)),
                "a list of {key, value}",
            ),
            Self::Texts => {
                let is_list =
                    value.as_array().is_some_and(|list| list.iter().all(Value::is_string));
                (text.is_some() || is_list, "a list of strings")
            }
        };
        (!fits).then(|| format!("must be {expected}"))
    }
}

fn is_pair(item: &Value) -> bool {
    let has = |key: &str| item.get(key).is_some_and(Value::is_string);
    has("key") && has("value")
}
