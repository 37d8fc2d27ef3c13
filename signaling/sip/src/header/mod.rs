//! Header fields without a field of their own in a message: kept in order, byte by byte. Sans-IO.

mod date;
mod kind;
mod typed;

pub use date::{DateError, SipDate};
pub use kind::HeaderKind;
pub use typed::{MediaType, Reason};

pub(crate) use kind::full_name;

use shared::Header;

use crate::scan;
use crate::text::{IllegalText, Text};

/// A header field: its name as received or as we write it, and its unfolded value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderField {
    /// The name, case and compact form as received.
    name: Text,
    /// The value without line breaks; may not be UTF-8.
    value: Text,
}

impl HeaderField {
    /// The name, case and compact form as received.
    pub fn name(&self) -> &Text {
        &self.name
    }

    /// The value without line breaks; may not be UTF-8.
    pub fn value(&self) -> &Text {
        &self.value
    }

    /// The header for a layer above; bytes of the name that are not UTF-8 are replaced.
    pub fn to_header(&self) -> Header {
        Header::new(self.name.to_lossy().into_owned(), self.value.as_bytes())
    }

    /// Whether this is the header of the given name, in its long or compact form.
    pub fn is(&self, name: &str) -> bool {
        is_same_name(self.name.as_bytes(), name.as_bytes())
    }
}

/// Header fields in order, without those that [`crate::message::Request`] and
/// [`crate::message::Response`] hold in fields of their own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headers(Vec<HeaderField>);

impl Headers {
    /// No headers.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// No headers, with room for this number.
    pub(crate) fn with_capacity(count: usize) -> Self {
        Self(Vec::with_capacity(count))
    }

    /// Value of the first header of this name, long or compact.
    pub fn get(&self, name: &str) -> Option<&Text> {
        self.0.iter().find(|header| header.is(name)).map(HeaderField::value)
    }

    /// Value of the first header of this name as text; `None` when absent or not UTF-8.
    pub fn get_str(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(Text::as_str)
    }

    /// Values of every header of this name, in order, commas not split.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Text> {
        self.0.iter().filter(move |header| header.is(name)).map(HeaderField::value)
    }

    /// Elements of every header of this name, split at commas outside of quotes and brackets.
    pub fn elements<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.all(name).flat_map(|value| scan::split_list(value.as_bytes()))
    }

    /// Whether there is a header of this name.
    pub fn contains(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Appends a header.
    ///
    /// # Errors
    /// A name that is not a token, one that has a field of its own in the message (such as `Via`,
    /// which would then stand twice), or a value with control characters.
    pub fn push(&mut self, name: &str, value: impl AsRef<[u8]>) -> Result<(), HeaderError> {
        let name = checked_name(name)?;
        let value = Text::new(value)?;
        let value = Text::from_wire(scan::trim_spaces(value.as_bytes()));
        self.0.push(HeaderField { name, value });
        Ok(())
    }

    /// Replaces every header of this name by one.
    ///
    /// # Errors
    /// As [`Headers::push`]; then nothing changes.
    pub fn set(&mut self, name: &str, value: impl AsRef<[u8]>) -> Result<(), HeaderError> {
        let mut with = Self::new();
        with.push(name, value)?;
        self.remove(name);
        self.0.append(&mut with.0);
        Ok(())
    }

    /// Removes every header of this name.
    pub fn remove(&mut self, name: &str) {
        self.0.retain(|header| !header.is(name));
    }

    /// All headers in order.
    pub fn iter(&self) -> impl Iterator<Item = &HeaderField> {
        self.0.iter()
    }

    /// All headers in order, for a layer above.
    pub fn to_vec(&self) -> Vec<Header> {
        self.0.iter().map(HeaderField::to_header).collect()
    }

    /// Number of headers.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no headers.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Appends a header that the parser has checked.
    pub(crate) fn push_wire(&mut self, name: &[u8], value: &[u8]) {
        self.0.push(HeaderField { name: Text::from_wire(name), value: Text::from_wire(value) });
    }

    /// Appends `Name: value` lines.
    pub(crate) fn write_to(&self, out: &mut Vec<u8>) {
        for header in &self.0 {
            out.extend_from_slice(header.name.as_bytes());
            out.extend_from_slice(b": ");
            out.extend_from_slice(header.value.as_bytes());
            out.extend_from_slice(b"\r\n");
        }
    }
}

/// Reasons why a header cannot be added. Our error or the customer's, never the peer's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// The name is not a token.
    #[error("not a header name: {0}")]
    Name(IllegalText),
    /// The header has a field of its own in the message.
    #[error("this header has a field of its own and cannot be added by name")]
    Reserved,
    /// The value holds a line break or another control character.
    #[error("not a header value: {0}")]
    Value(#[from] IllegalText),
}

/// Whether two names mean one header: case aside, and a compact form equal to its long one
/// (RFC 3261 §7.3.3).
pub fn is_same_name(a: &[u8], b: &[u8]) -> bool {
    full_name(a).eq_ignore_ascii_case(full_name(b))
}

fn checked_name(name: &str) -> Result<Text, HeaderError> {
    let text = Text::token(name).map_err(HeaderError::Name)?;
    match HeaderKind::of(text.as_bytes()) {
        HeaderKind::Other => Ok(text),
        _ => Err(HeaderError::Reserved),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_match_in_any_case_and_form() {
        let mut headers = Headers::new();
        headers.push("k", "timer, 100rel").unwrap();
        headers.push("SUPPORTED", "path").unwrap();
        assert_eq!(headers.get_str("Supported"), Some("timer, 100rel"));
        assert_eq!(headers.elements("supported").count(), 3);
        headers.set("Supported", "x").unwrap();
        assert_eq!(headers.len(), 1);
    }

    #[test]
    fn a_header_cannot_be_injected() {
        let mut headers = Headers::new();
        assert!(headers.push("X-A", "1\r\nVia: evil").is_err());
        assert!(headers.push("X-A\r\nVia", "1").is_err());
        assert!(headers.push("X A", "1").is_err());
        assert_eq!(headers.push("v", "SIP/2.0/UDP a"), Err(HeaderError::Reserved));
        assert_eq!(headers.push("Content-length", "9"), Err(HeaderError::Reserved));
        assert!(headers.is_empty());
    }
}
