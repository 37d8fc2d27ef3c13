//! One SIP header field as a value between the machines.

use std::borrow::Cow;

/// A header that a layer above the user agent adds to a message, or reads from one.
///
/// Call, Control and the user agent itself add headers: `X-*` of a `<Sip>` URI, the call's SID, the
/// identity towards a carrier. Nothing is checked here. The user agent drops and counts
/// (`UaMeters::headers_refused`) one whose name is not a token or is written by itself, such as `Via`,
/// and one whose value has control characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// The name, as received or as it goes out: ASCII, case kept, compared without case.
    pub name: Cow<'static, str>,
    /// The value without line breaks, mostly UTF-8. What a peer sent may be any bytes.
    pub value: Vec<u8>,
}

impl Header {
    /// A header of this name and value.
    pub fn new(name: impl Into<Cow<'static, str>>, value: impl Into<Vec<u8>>) -> Self {
        Self { name: name.into(), value: value.into() }
    }

    /// The value as text; bytes that are not UTF-8 are replaced by U+FFFD.
    pub fn text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.value)
    }
}
