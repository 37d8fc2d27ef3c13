//! `From`, `To`, `Contact`, `Route`: a URI with an optional name and parameters (RFC 3261 §20.10).
//! Sans-IO.

use std::fmt;

use crate::parameters::{self, Parameters};
use crate::scan::{self, Scanner};
use crate::text::{self, IllegalText, Text};
use crate::uri::{Uri, UriError};

/// A display name, a URI, and the parameters of the header value.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct NameAddr {
    /// The display name.
    pub display_name: Option<DisplayName>,
    /// The address.
    pub uri: Uri,
    /// Parameters behind the address: `tag`, `expires`, `q`, … (not those of the URI).
    pub parameters: Parameters,
}

impl NameAddr {
    /// `<uri>` without display name and parameters.
    pub fn new(uri: impl Into<Uri>) -> Self {
        Self { display_name: None, uri: uri.into(), parameters: Parameters::new() }
    }

    /// This address with a tag.
    #[must_use]
    pub fn with_tag(mut self, tag: Text) -> Self {
        self.set_tag(tag);
        self
    }

    /// Reads a header value that holds exactly one address.
    ///
    /// # Errors
    /// Anything else; see [`NameAddrError`].
    pub fn parse(value: impl AsRef<[u8]>) -> Result<Self, NameAddrError> {
        let scanner = Scanner::of_one_line(value.as_ref());
        Self::read_one(scanner.ok_or(NameAddrError::Parameters)?)
    }

    /// Reads the value of a parsed line, which has no line break.
    pub(crate) fn parse_line(value: &[u8]) -> Result<Self, NameAddrError> {
        Self::read_one(Scanner::new(value))
    }

    fn read_one(mut scanner: Scanner<'_>) -> Result<Self, NameAddrError> {
        let address = Self::read(&mut scanner)?;
        scanner.skip_space();
        if scanner.is_empty() { Ok(address) } else { Err(NameAddrError::Parameters) }
    }

    /// Reads a comma-separated list and appends it.
    pub(crate) fn read_list(value: &[u8], into: &mut Vec<Self>) -> Result<(), NameAddrError> {
        let mut scanner = Scanner::new(value);
        // Most lists have one address, and a dialog keeps its lists: no room for four.
        into.reserve_exact(1);
        loop {
            into.push(Self::read(&mut scanner)?);
            if !scanner.eat_padded(b',') {
                break;
            }
        }
        scanner.skip_space();
        if scanner.is_empty() { Ok(()) } else { Err(NameAddrError::Parameters) }
    }

    /// The `tag` parameter.
    pub fn tag(&self) -> Option<&Text> {
        self.parameters.get("tag")
    }

    /// Sets the `tag` parameter. Bytes that would end the parameter are dropped, so that any tag
    /// stays one parameter.
    pub fn set_tag(&mut self, tag: Text) {
        let sound = tag.as_bytes().iter().all(|&byte| text::is_token_byte(byte));
        let tag = if sound {
            tag
        } else {
            let kept = tag.as_bytes().iter().copied().filter(|&byte| text::is_token_byte(byte));
            Text::from_wire(&kept.collect::<Vec<_>>())
        };
        self.parameters.put(Text::from_wire(b"tag"), Some(tag));
    }

    /// The `expires` parameter in seconds; a number past `u32` is `u32::MAX`, and anything else
    /// counts as absent (RFC 3261 §20.10).
    pub fn expires(&self) -> Option<u32> {
        self.parameters.get("expires").and_then(|value| saturating_seconds(value.as_bytes()))
    }

    /// The `q` parameter in thousandths, 0..=1000; `None` when absent or broken.
    pub fn q(&self) -> Option<u16> {
        self.parameters.get("q").and_then(|value| thousandths(value.as_str()?))
    }

    /// Appends the value as it goes on the wire, the URI always in brackets.
    pub(crate) fn write_to(&self, out: &mut Vec<u8>) {
        if let Some(name) = &self.display_name {
            out.push(b'"');
            out.extend_from_slice(name.0.as_bytes());
            out.extend_from_slice(b"\" ");
        }
        out.push(b'<');
        self.uri.write_to(out);
        out.push(b'>');
        self.parameters.write_to(out);
    }

    fn read(scanner: &mut Scanner<'_>) -> Result<Self, NameAddrError> {
        scanner.skip_space();
        let display_name = read_display_name(scanner)?;
        let uri = if scanner.eat(b'<') {
            scanner.take_until(b'>').ok_or(NameAddrError::Brackets)?
        } else {
            let uri = scanner.take_while(|byte| !matches!(byte, b';' | b',' | b' ' | b'\t'));
            // RFC 3261 §20.10: a URI with `?` must stand in brackets.
            if uri.contains(&b'?') {
                return Err(NameAddrError::Bare);
            }
            uri
        };
        let uri = Uri::parse(uri)?;
        let parameters = scanner.parameters().ok_or(NameAddrError::Parameters)?;
        Ok(Self { display_name, uri, parameters })
    }
}

/// Takes a display name that stands before a `<`, and leaves the scanner at the `<`.
fn read_display_name(scanner: &mut Scanner<'_>) -> Result<Option<DisplayName>, NameAddrError> {
    if scanner.peek() == Some(b'"') {
        let name = scanner.quoted().ok_or(NameAddrError::DisplayName)?;
        scanner.skip_space();
        return match scanner.peek() {
            Some(b'<') => Ok(DisplayName::from_quoted(name)),
            _ => Err(NameAddrError::Brackets),
        };
    }
    if scanner.peek() == Some(b'<') {
        return Ok(None);
    }
    let mut ahead = *scanner;
    let name = ahead.take_while(|byte| !matches!(byte, b'<' | b';' | b','));
    if ahead.peek() != Some(b'<') {
        return Ok(None);
    }
    let name = scan::trim_spaces(name);
    if !name.iter().copied().all(is_bare_name_byte) {
        return Err(NameAddrError::DisplayName);
    }
    *scanner = ahead;
    Ok(DisplayName::from_quoted(name))
}

/// Reasons why a value is not a valid address. Always the sender's error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameAddrError {
    /// An open quote, or bytes that need quotes.
    #[error("the display name is not a quoted string or a list of tokens")]
    DisplayName,
    /// `<` without `>`, or a quoted name without either.
    #[error("the angle brackets around the URI do not match")]
    Brackets,
    /// A URI with headers and no brackets (RFC 3261 §20.10).
    #[error("a URI with a question mark must stand in angle brackets")]
    Bare,
    /// A broken URI.
    #[error(transparent)]
    Uri(#[from] UriError),
    /// The URI is followed by something other than parameters.
    #[error("what follows the URI is not a list of parameters")]
    Parameters,
}

/// A display name: the bytes between its quotes, still escaped, so that they pass unchanged.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DisplayName(Text);

impl DisplayName {
    /// Makes a display name from text.
    ///
    /// # Errors
    /// Control characters.
    pub fn new(name: &str) -> Result<Self, IllegalText> {
        let name = Text::new(name)?;
        let quoted = parameters::quote(name.as_bytes());
        let inner = quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default();
        Ok(Self(Text::from_wire(inner)))
    }

    /// The name, unescaped, with invalid UTF-8 replaced.
    pub fn to_lossy(&self) -> String {
        String::from_utf8_lossy(&parameters::unescape(self.0.as_bytes())).into_owned()
    }

    fn from_quoted(inner: &[u8]) -> Option<Self> {
        (!inner.is_empty()).then(|| Self(Text::from_wire(inner)))
    }
}

impl fmt::Display for NameAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = Vec::new();
        self.write_to(&mut out);
        f.write_str(&String::from_utf8_lossy(&out))
    }
}

/// The values of `Contact`: addresses, or the `*` of a REGISTER that removes all (RFC 3261 §10.2.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Contacts {
    /// `*`.
    Any,
    /// Addresses in order; empty when the header is absent.
    List(Vec<NameAddr>),
}

impl Contacts {
    /// No contact.
    pub const fn none() -> Self {
        Self::List(Vec::new())
    }

    /// One contact.
    pub fn one(contact: NameAddr) -> Self {
        Self::List(vec![contact])
    }

    /// The addresses; none for `*`.
    pub fn list(&self) -> &[NameAddr] {
        match self {
            Self::Any => &[],
            Self::List(list) => list,
        }
    }

    /// The first address: the remote target in a dialog.
    pub fn first(&self) -> Option<&NameAddr> {
        self.list().first()
    }
}

impl Default for Contacts {
    fn default() -> Self {
        Self::none()
    }
}

/// Seconds as digits; a number past `u32` is `u32::MAX`.
pub(crate) fn saturating_seconds(digits: &[u8]) -> Option<u32> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let seconds = text::decimal(digits).and_then(|seconds| u32::try_from(seconds).ok());
    Some(seconds.unwrap_or(u32::MAX))
}

/// `0`, `0.5`, `1.000`: at most three decimals (RFC 3261 §25.1 `qvalue`).
fn thousandths(text: &str) -> Option<u16> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if fraction.len() > 3 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let fraction: u16 = format!("{fraction:0<3}").parse().ok()?;
    match whole {
        "" | "0" => Some(fraction),
        "1" if fraction == 0 => Some(1000),
        _ => None,
    }
}

/// Tokens and white space. Bytes past ASCII are common in names from phones, and harmless since we
/// write every name in quotes.
const fn is_bare_name_byte(byte: u8) -> bool {
    text::is_token_byte(byte) || matches!(byte, b' ' | b'\t') || byte >= 0x80
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewritten(value: &str) -> String {
        NameAddr::parse(value).unwrap().to_string()
    }

    #[test]
    fn all_forms_are_read_and_written_in_brackets() {
        assert_eq!(rewritten("sip:a@b;tag=1"), "<sip:a@b>;tag=1");
        assert_eq!(rewritten("caller<sip:a@b;lr>"), "\"caller\" <sip:a@b;lr>");
        assert_eq!(rewritten("<sip:a@b> ; tag = x"), "<sip:a@b>;tag=x");
        assert_eq!(rewritten(r#""J \\\"" <sip:a@b>;x="a,\";""#), r#""J \\\"" <sip:a@b>;x="a,\";""#);
        assert_eq!(rewritten(r#""" <sip:a@b>"#), "<sip:a@b>");
        assert_eq!(rewritten("<http://www.example.com>;tag=3"), "<http://www.example.com>;tag=3");
    }

    #[test]
    fn broken_values_are_refused() {
        for value in [
            "",
            "<",
            "<sip:a@b",
            "\"a <sip:a@b>",
            "\"a\" sip:a@b",
            "Bell, A <sip:a@b>",
            "sip:a@b?x=y",
            "< sip:a@b >",
            "<sip:a@b>;;",
            "<sip:a@b> x",
            "<sip:a@b>, <sip:c@d>",
            "a@b <sip:a@b>",
        ] {
            assert!(NameAddr::parse(value).is_err(), "{value}");
        }
    }

    #[test]
    fn names_are_escaped_and_read_back() {
        let name = DisplayName::new(r#"a "b" \c"#).unwrap();
        assert_eq!(name.to_lossy(), r#"a "b" \c"#);
        let address =
            NameAddr { display_name: Some(name), ..NameAddr::new(Uri::parse("sip:a@b").unwrap()) };
        assert_eq!(address.to_string(), r#""a \"b\" \\c" <sip:a@b>"#);
        assert!(DisplayName::new("a\nb").is_err());
    }

    #[test]
    fn a_tag_cannot_add_a_parameter() {
        let address = NameAddr::parse("<sip:a@b>").unwrap();
        let address = address.with_tag(Text::new("a;b=c>\"").unwrap());
        assert_eq!(address.to_string(), "<sip:a@b>;tag=abc");
    }

    #[test]
    fn a_list_is_split_outside_of_quotes() {
        let mut list = Vec::new();
        NameAddr::read_list(br#"<sip:a,b@c>;lr , "x, y" <sip:d>"#, &mut list).unwrap();
        assert_eq!(list.len(), 2);
        assert!(NameAddr::read_list(b"<sip:a>,", &mut Vec::new()).is_err());
    }

    #[test]
    fn expires_and_q_are_numbers_or_absent() {
        let contact = |text| NameAddr::parse(text).unwrap();
        assert_eq!(contact("<sip:a>;expires=60;q=0.5").expires(), Some(60));
        assert_eq!(contact("<sip:a>;expires=280297596632815").expires(), Some(u32::MAX));
        assert_eq!(contact("<sip:a>;expires=x").expires(), None);
        assert_eq!(contact("<sip:a>;q=0.33").q(), Some(330));
        assert_eq!(contact("<sip:a>;q=1.0").q(), Some(1000));
        assert_eq!(contact("<sip:a>;q=1.1").q(), None);
    }

    #[test]
    fn a_value_of_two_lines_is_refused() {
        assert!(NameAddr::parse("\"A\nB\" <sip:a@b>").is_err());
        assert!(NameAddr::parse("<sip:a@b>;x=\"a\rb\"").is_err());
    }
}
