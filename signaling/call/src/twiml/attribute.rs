//! Attribute tables: a verb declares its attributes, and one reader checks them all. Sans-IO.
//!
//! Read first, resolve second: [`Attributes::read`] turns raw text into checked values and findings;
//! a verb then picks its values by name. An invalid value is a finding with the attribute's code,
//! and the default takes its place; an attribute that is declared fatal breaks the verb instead.

use std::collections::BTreeMap;

use roxmltree::Node;
use shared::{Code, limits};
use store::HttpMethod;

use super::Reading;
use crate::finding::{Finding, Position, Severity, brief};

/// The values that an attribute may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A whole number in this range, both ends included.
    Whole(u32, u32),
    /// As `Whole`, or `auto`, which means the default; without a default it is a value of its own.
    WholeOrAuto(u32, u32),
    /// `true` or `false`, any case.
    Flag,
    /// `GET` or `POST`.
    Method,
    /// A URL, absolute or relative; resolved when the verb runs.
    Url,
    /// One of these words.
    Word(&'static [&'static str]),
    /// Some of these words, separated by spaces.
    Words(&'static [&'static str]),
    /// These characters only, and at most this many.
    Keys(&'static str, usize),
    /// Any text.
    Text,
    /// Words to expect, separated by commas: more of them than any other value has.
    Hints,
    /// An attribute of the API that has no effect here: accepted without a warning.
    Ignored,
}

/// One attribute of a verb or noun, declared once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attribute {
    /// Its name, case-sensitive.
    pub name: &'static str,
    /// The values that it may have.
    pub kind: Kind,
    /// Its value when it is absent or invalid.
    pub default: Option<&'static str>,
    /// Error code of an invalid value.
    pub code: Code,
    /// Whether an invalid value breaks the verb.
    pub severity: Severity,
    /// For the reference page.
    #[cfg_attr(not(test), expect(dead_code, reason = "for the reference page"))]
    pub doc: &'static str,
}

/// Declares an attribute. An invalid value is a warning with code 12200 until [`Attribute::code`] and
/// [`Attribute::fatal`] change that.
pub(crate) const fn attribute(name: &'static str, kind: Kind, doc: &'static str) -> Attribute {
    Attribute {
        name,
        kind,
        default: None,
        code: Code::TWIML_SCHEMA,
        severity: Severity::Warning,
        doc,
    }
}

impl Attribute {
    /// Sets the default.
    pub(crate) const fn default(mut self, text: &'static str) -> Self {
        self.default = Some(text);
        self
    }

    /// Sets the error code of an invalid value.
    pub(crate) const fn code(mut self, code: Code) -> Self {
        self.code = code;
        self
    }

    /// Makes an invalid value break the verb.
    pub(crate) const fn fatal(mut self) -> Self {
        self.severity = Severity::Error;
        self
    }

    fn check<'a>(&self, raw: &'a str) -> Option<Value<'a>> {
        match self.kind {
            Kind::Whole(least, most) => whole(raw, least, most),
            Kind::WholeOrAuto(least, most) => match (raw.trim(), self.default) {
                ("auto", Some(default)) => whole(default, least, most),
                ("auto", None) => Some(Value::Auto),
                (text, _) => whole(text, least, most),
            },
            Kind::Flag => match raw.trim().to_ascii_lowercase().as_str() {
                "true" => Some(Value::Flag(true)),
                "false" => Some(Value::Flag(false)),
                _ => None,
            },
            Kind::Method => HttpMethod::from_name(raw.trim()).map(Value::Method),
            Kind::Word(words) => word(words, raw.trim()).map(Value::Word),
            Kind::Words(words) => raw
                .split_ascii_whitespace()
                .map(|text| word(words, text))
                .collect::<Option<Vec<_>>>()
                .map(Value::Words),
            Kind::Keys(alphabet, most) => {
                let text = raw.trim();
                let fits = text.len() <= most && text.chars().all(|key| alphabet.contains(key));
                fits.then_some(Value::Text(text))
            }
            Kind::Url | Kind::Text | Kind::Hints | Kind::Ignored => Some(Value::Text(raw.trim())),
        }
    }
}

fn whole(raw: &str, least: u32, most: u32) -> Option<Value<'static>> {
    let number = raw.trim().parse().ok()?;
    (least..=most).contains(&number).then_some(Value::Whole(number))
}

fn word(words: &'static [&'static str], text: &str) -> Option<&'static str> {
    words.iter().find(|word| **word == text).copied()
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Value<'a> {
    Whole(u32),
    Auto,
    Flag(bool),
    Method(HttpMethod),
    Word(&'static str),
    Words(Vec<&'static str>),
    /// Borrowed from the document: most values are read once, and many are dropped.
    Text(&'a str),
}

/// The checked attributes of one element.
pub(crate) struct Attributes<'a> {
    values: BTreeMap<&'static str, Value<'a>>,
    written: Vec<&'static str>,
}

impl<'a> Attributes<'a> {
    /// Reads the attributes of `node` by `table`.
    ///
    /// # Errors
    /// The finding of an invalid value that breaks the verb.
    pub(crate) fn read(
        node: Node<'a, '_>,
        table: &'static [Attribute],
        reading: &mut Reading<'_>,
    ) -> Result<Self, Finding> {
        let mut values = BTreeMap::new();
        let mut written = Vec::new();
        // Defaults first: a valid value replaces its default, an invalid one leaves it.
        for declared in table {
            if let Some(value) = declared.default.and_then(|text| declared.check(text)) {
                values.insert(declared.name, value);
            }
        }
        for raw in node.attributes() {
            let position = reading.position(raw.range().start);
            let Some(declared) = table.iter().find(|declared| declared.name == raw.name()) else {
                reading.warn(Code::TWIML_SCHEMA, unknown_attribute(node, raw.name()), position);
                continue;
            };
            let bytes_max = match declared.kind {
                Kind::Hints => limits::TWIML_BYTES_MAX,
                _ => limits::TWIML_VALUE_BYTES_MAX,
            };
            let too_long = raw.value().len() > bytes_max;
            match declared.check(raw.value()).filter(|_| !too_long) {
                Some(value) => {
                    // Kept apart, because a verb may warn of an attribute that has its default's
                    // value.
                    written.push(declared.name);
                    values.insert(declared.name, value);
                }
                None => {
                    let finding = invalid(node, declared, raw.value(), position);
                    match declared.severity {
                        Severity::Error => return Err(finding),
                        Severity::Warning => reading.findings.push(finding),
                    }
                }
            }
        }
        Ok(Self { values, written })
    }

    /// Whether the document has a valid value for it.
    pub(crate) fn is_written(&self, name: &str) -> bool {
        self.written.contains(&name)
    }

    /// A whole number; 0 without a default.
    pub(crate) fn whole(&self, name: &str) -> u32 {
        self.whole_or_none(name).unwrap_or_default()
    }

    /// A whole number; `None` when it is absent and has no default.
    pub(crate) fn whole_or_none(&self, name: &str) -> Option<u32> {
        match self.values.get(name) {
            Some(Value::Whole(number)) => Some(*number),
            _ => None,
        }
    }

    /// Whether it is `auto`.
    pub(crate) fn is_auto(&self, name: &str) -> bool {
        matches!(self.values.get(name), Some(Value::Auto))
    }

    /// A flag; false without a default.
    pub(crate) fn flag(&self, name: &str) -> bool {
        matches!(self.values.get(name), Some(Value::Flag(true)))
    }

    /// A method; POST without a default.
    pub(crate) fn method(&self, name: &str) -> HttpMethod {
        match self.values.get(name) {
            Some(Value::Method(method)) => *method,
            _ => HttpMethod::Post,
        }
    }

    /// A word; empty without a default.
    pub(crate) fn word(&self, name: &str) -> &'static str {
        match self.values.get(name) {
            Some(Value::Word(word)) => word,
            _ => "",
        }
    }

    /// Words; empty without a default.
    pub(crate) fn words(&self, name: &str) -> &[&'static str] {
        match self.values.get(name) {
            Some(Value::Words(words)) => words,
            _ => &[],
        }
    }

    /// A text of kind `Text`, `Keys` or `Url`; `None` when it is absent and has no default.
    pub(crate) fn text(&self, name: &str) -> Option<&'a str> {
        match self.values.get(name) {
            Some(Value::Text(text)) => Some(text),
            _ => None,
        }
    }
}

fn unknown_attribute(node: Node<'_, '_>, name: &str) -> String {
    format!("`{}` is not an attribute of <{}>: ignored", brief(name), node.tag_name().name())
}

fn invalid(node: Node<'_, '_>, declared: &Attribute, raw: &str, at: Position) -> Finding {
    let [before, default, after] = match (declared.severity, declared.default) {
        (Severity::Error, _) => ["", "", ""],
        (Severity::Warning, None) => [": ignored", "", ""],
        (Severity::Warning, Some(default)) => [": `", default, "` is used"],
    };
    Finding {
        code: declared.code,
        severity: declared.severity,
        message: format!(
            "`{}` is not valid for `{}` of <{}>{before}{default}{after}",
            brief(raw),
            declared.name,
            node.tag_name().name(),
        ),
        position: Some(at),
    }
}

#[cfg(test)]
mod tests {
    use crate::twiml::verb::{
        dial, echo, gather, noun, pause, play, record, redirect, reject, say,
    };

    #[test]
    fn every_declared_default_is_valid_and_every_attribute_is_described() {
        let tables = [
            dial::ATTRIBUTES,
            echo::ATTRIBUTES,
            gather::ATTRIBUTES,
            noun::NUMBER,
            noun::SIP,
            pause::ATTRIBUTES,
            play::ATTRIBUTES,
            record::ATTRIBUTES,
            redirect::ATTRIBUTES,
            reject::ATTRIBUTES,
            say::ATTRIBUTES,
        ];
        for declared in tables.into_iter().flatten() {
            assert!(
                declared.default.is_none_or(|text| declared.check(text).is_some()),
                "{declared:?}"
            );
            assert!(declared.doc.ends_with('.') || declared.doc.ends_with('*'), "{declared:?}");
        }
    }
}
