//! Parameters after a `;`, of a URI or of a header value. Sans-IO.

use smallvec::SmallVec;

use crate::text::{self, IllegalText, Text};

/// One parameter: a name, and a value unless it is a flag.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Parameter {
    /// The name as received; names compare without regard to case.
    name: Text,
    /// The value as received: with its quotes and escapes. `None` for a flag.
    value: Option<Text>,
}

impl Parameter {
    /// The name, case as received.
    pub fn name(&self) -> &Text {
        &self.name
    }

    /// The value as on the wire, with its quotes; `None` for a flag.
    pub fn value(&self) -> Option<&Text> {
        self.value.as_ref()
    }
}

/// Parameters in their order. One stands in the value itself: most addresses have a `tag` or an `lr`
/// alone, and a message moves several lists.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Parameters(SmallVec<[Parameter; 1]>);

impl Parameters {
    /// No parameters.
    pub fn new() -> Self {
        Self::default()
    }

    /// The value of the first parameter of this name; `None` when absent or a flag.
    pub fn get(&self, name: &str) -> Option<&Text> {
        self.find(name).and_then(Parameter::value)
    }

    /// The value as text, unquoted; `None` when absent, a flag or not UTF-8.
    pub fn unquoted(&self, name: &str) -> Option<String> {
        let value = self.get(name)?;
        String::from_utf8(unquote(value.as_bytes())).ok()
    }

    /// Whether there is a parameter of this name, with or without a value.
    pub fn contains(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    /// Sets a parameter to a value that needs no quotes, or to a flag.
    ///
    /// # Errors
    /// A name that is not a token, or a value that is neither a token nor a host.
    pub fn set(&mut self, name: &str, value: Option<&str>) -> Result<(), IllegalText> {
        text::check(name.as_bytes(), text::is_token_byte)?;
        let value = match value {
            Some(value) => {
                text::check(value.as_bytes(), is_plain_value_byte)?;
                Some(Text::from_wire(value.as_bytes()))
            }
            None => None,
        };
        self.put(Text::from_wire(name.as_bytes()), value);
        Ok(())
    }

    /// Sets a header parameter to a quoted value.
    ///
    /// # Errors
    /// A name that is not a token, or a value with control characters.
    pub fn set_quoted(&mut self, name: &str, value: &str) -> Result<(), IllegalText> {
        text::check(name.as_bytes(), text::is_token_byte)?;
        let value = Text::new(value)?;
        let quoted = quote(value.as_bytes());
        self.put(Text::from_wire(name.as_bytes()), Some(Text::from_wire(&quoted)));
        Ok(())
    }

    /// Sets a parameter to a value that is known to be valid, such as a parsed tag.
    pub(crate) fn put(&mut self, name: Text, value: Option<Text>) {
        match self.0.iter_mut().find(|parameter| parameter.name.eq_ignore_case(&name)) {
            Some(parameter) => parameter.value = value,
            None => self.0.push(Parameter { name, value }),
        }
    }

    /// Appends as received; the caller has checked the bytes.
    pub(crate) fn push(&mut self, name: Text, value: Option<Text>) {
        self.0.push(Parameter { name, value });
    }

    /// Removes every parameter of this name.
    pub fn remove(&mut self, name: &str) {
        self.0.retain(|parameter| !parameter.name.eq_ignore_case(name));
    }

    /// All parameters in order.
    pub fn iter(&self) -> impl Iterator<Item = &Parameter> {
        self.0.iter()
    }

    /// Number of parameters.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no parameters.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Appends `;name=value` for each.
    pub(crate) fn write_to(&self, out: &mut Vec<u8>) {
        for parameter in &self.0 {
            out.push(b';');
            out.extend_from_slice(parameter.name.as_bytes());
            if let Some(value) = &parameter.value {
                out.push(b'=');
                out.extend_from_slice(value.as_bytes());
            }
        }
    }

    fn find(&self, name: &str) -> Option<&Parameter> {
        self.0.iter().find(|parameter| parameter.name.eq_ignore_case(name))
    }
}

/// Puts quotes around, and a backslash before quotes and backslashes.
pub(crate) fn quote(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() + 2);
    out.push(b'"');
    for &byte in bytes {
        if matches!(byte, b'"' | b'\\') {
            out.push(b'\\');
        }
        out.push(byte);
    }
    out.push(b'"');
    out
}

/// Removes quotes and escapes; an unquoted value stays as it is.
pub(crate) fn unquote(bytes: &[u8]) -> Vec<u8> {
    let Some(inner) = bytes.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")) else {
        return bytes.to_vec();
    };
    unescape(inner)
}

/// Removes the backslashes of quoted pairs.
pub(crate) fn unescape(inner: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(inner.len());
    let mut bytes = inner.iter();
    while let Some(&byte) = bytes.next() {
        match byte {
            b'\\' => out.extend(bytes.next()),
            _ => out.push(byte),
        }
    }
    out
}

/// Bytes of a token, a host or a URI parameter that end nothing around them.
const fn is_plain_value_byte(byte: u8) -> bool {
    text::is_token_byte(byte)
        || matches!(byte, b'[' | b']' | b':' | b'/' | b'&' | b'$' | b'(' | b')')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_cannot_start_another_parameter() {
        let mut parameters = Parameters::new();
        assert!(parameters.set("tag", Some("a;b=c")).is_err());
        assert!(parameters.set("tag", Some("a>b")).is_err());
        assert!(parameters.set("ta g", None).is_err());
        assert!(parameters.set("tag", Some("")).is_err());
        parameters.set("tag", Some("abc")).unwrap();
        parameters.set("TAG", Some("abd")).unwrap();
        parameters.set("lr", None).unwrap();
        let mut out = Vec::new();
        parameters.write_to(&mut out);
        assert_eq!(out, b";tag=abd;lr");
    }

    #[test]
    fn quoting_is_undone_by_unquoting() {
        let mut parameters = Parameters::new();
        parameters.set_quoted("text", r#"a "b\c""#).unwrap();
        assert_eq!(parameters.get("text").unwrap(), &r#""a \"b\\c\"""#);
        assert_eq!(parameters.unquoted("text").as_deref(), Some(r#"a "b\c""#));
        assert!(parameters.set_quoted("text", "a\nb").is_err());
    }
}
