//! A scanner of one unfolded header value. Sans-IO, no allocation.

use crate::parameters::Parameters;
use crate::text::{self, Text};

/// The rest of a header value. Every method takes a whole element or nothing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scanner<'a> {
    rest: &'a [u8],
}

impl<'a> Scanner<'a> {
    pub(crate) const fn new(value: &'a [u8]) -> Self {
        Self { rest: value }
    }

    /// A scanner of a value that did not come from a parsed line: `None` where it has a line break.
    pub(crate) fn of_one_line(value: &'a [u8]) -> Option<Self> {
        memchr::memchr2(b'\r', b'\n', value).is_none().then_some(Self::new(value))
    }

    pub(crate) const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(crate) fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    /// Takes the byte when it is the next one.
    pub(crate) fn eat(&mut self, byte: u8) -> bool {
        match self.rest.split_first() {
            Some((&first, rest)) if first == byte => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    /// Takes the byte and white space around it when it is the next one (`SEMI`, `EQUAL`, `COMMA`…).
    pub(crate) fn eat_padded(&mut self, byte: u8) -> bool {
        // Most delimiters stand without white space.
        if self.peek().is_none_or(|next| next != byte && !matches!(next, b' ' | b'\t')) {
            return false;
        }
        let before = *self;
        self.skip_space();
        if self.eat(byte) {
            self.skip_space();
            return true;
        }
        *self = before;
        false
    }

    pub(crate) fn skip_space(&mut self) {
        self.take_while(|byte| matches!(byte, b' ' | b'\t'));
    }

    /// Takes bytes while `wanted` holds; may take none.
    pub(crate) fn take_while(&mut self, wanted: impl Fn(u8) -> bool) -> &'a [u8] {
        let end = self.rest.iter().position(|&byte| !wanted(byte)).unwrap_or(self.rest.len());
        self.take(end)
    }

    /// Takes everything before the byte, and the byte; nothing when the byte does not occur.
    pub(crate) fn take_until(&mut self, byte: u8) -> Option<&'a [u8]> {
        let end = memchr::memchr(byte, self.rest)?;
        let taken = self.take(end);
        self.eat(byte);
        Some(taken)
    }

    /// Takes one or more token bytes.
    pub(crate) fn token(&mut self) -> Option<&'a [u8]> {
        let token = self.take_while(text::is_token_byte);
        (!token.is_empty()).then_some(token)
    }

    /// Takes a quoted string and returns the bytes between its quotes, still escaped.
    pub(crate) fn quoted(&mut self) -> Option<&'a [u8]> {
        let end = quoted_end(self.rest)?;
        let whole = self.take(end);
        whole.get(1..end.checked_sub(1)?)
    }

    /// Takes `*(SEMI name [EQUAL value])`; `None` when a `;` is followed by anything else.
    pub(crate) fn parameters(&mut self) -> Option<Parameters> {
        let mut parameters = Parameters::new();
        while let Some((name, value)) = self.parameter()? {
            parameters.push(Text::from_wire(name), value.map(Text::from_wire));
        }
        Some(parameters)
    }

    /// Takes one `SEMI name [EQUAL value]`, borrowed: a reader that sorts parameters into fields of
    /// its own copies only what it keeps. `Some(None)` when no `;` comes, `None` when a `;` is
    /// followed by anything else.
    pub(crate) fn parameter(&mut self) -> Option<Option<BorrowedParameter<'a>>> {
        if !self.eat_padded(b';') {
            return Some(None);
        }
        let name = self.token()?;
        let value = if self.eat_padded(b'=') { self.parameter_value()? } else { None };
        Some(Some((name, value)))
    }

    /// A quoted string with its quotes, or the bytes up to a delimiter. Wider than `gen-value`:
    /// tags with `=` or `@` in them are common, and an empty value is read as a flag.
    fn parameter_value(&mut self) -> Option<Option<&'a [u8]>> {
        if self.peek() == Some(b'"') {
            let end = quoted_end(self.rest)?;
            return Some(Some(self.take(end)));
        }
        let value = self.take_while(is_value_byte);
        Some((!value.is_empty()).then_some(value))
    }

    fn take(&mut self, len: usize) -> &'a [u8] {
        match self.rest.split_at_checked(len) {
            Some((taken, rest)) => {
                self.rest = rest;
                taken
            }
            None => &[],
        }
    }
}

/// Name and value as they stand in the header; a flag has no value.
pub(crate) type BorrowedParameter<'a> = (&'a [u8], Option<&'a [u8]>);

/// The value without white space at both ends.
pub(crate) fn trim_spaces(bytes: &[u8]) -> &[u8] {
    let is_space = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n');
    let start = bytes.iter().position(|byte| !is_space(byte)).unwrap_or(bytes.len());
    let end = bytes.iter().rposition(|byte| !is_space(byte)).map_or(start, |last| last + 1);
    bytes.get(start..end).unwrap_or_default()
}

/// Splits a list at its commas, not at those inside quotes or angle brackets. Empty elements are
/// left out, as receivers of lists do (RFC 3261 §7.3.1 wants none).
pub(crate) fn split_list(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(value);
    std::iter::from_fn(move || {
        let value = rest?;
        let end = list_element_end(value);
        rest = value.get(end + 1..);
        Some(trim_spaces(value.get(..end).unwrap_or(value)))
    })
    .filter(|element| !element.is_empty())
}

/// Index of the first comma outside of quotes and angle brackets, or the length.
fn list_element_end(value: &[u8]) -> usize {
    let mut index = 0;
    let mut in_brackets = false;
    while let Some(&byte) = value.get(index) {
        match byte {
            b'"' => {
                let tail = value.get(index..).unwrap_or_default();
                index += quoted_end(tail).map_or(0, |end| end.saturating_sub(1));
            }
            b'<' => in_brackets = true,
            b'>' => in_brackets = false,
            b',' if !in_brackets => return index,
            _ => {}
        }
        index += 1;
    }
    value.len()
}

/// Length of the quoted string at the start, with both quotes.
fn quoted_end(bytes: &[u8]) -> Option<usize> {
    let mut index = 1;
    if bytes.first() != Some(&b'"') {
        return None;
    }
    loop {
        match bytes.get(index)? {
            b'"' => return Some(index + 1),
            b'\\' => index += 2,
            _ => index += 1,
        }
    }
}

/// Visible bytes that end neither the value nor the element.
const fn is_value_byte(byte: u8) -> bool {
    VALUE_BYTES[byte as usize]
}

const VALUE_BYTES: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < table.len() {
        table[byte] =
            byte > 0x20 && byte != 0x7F && !matches!(byte as u8, b',' | b';' | b'"' | b'<' | b'>');
        byte += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commas_in_quotes_and_brackets_do_not_split() {
        let value = br#""a, b\", c" <sip:a,b@c>;x=",", sip:d ,, e"#;
        let elements: Vec<_> = split_list(value).collect();
        assert_eq!(elements, [&br#""a, b\", c" <sip:a,b@c>;x=",""#[..], &b"sip:d"[..], &b"e"[..]]);
    }

    #[test]
    fn a_quoted_string_needs_its_end() {
        assert_eq!(Scanner::new(br#""a\"b" rest"#).quoted(), Some(&br#"a\"b"#[..]));
        assert_eq!(Scanner::new(br#""a\""#).quoted(), None);
        assert_eq!(Scanner::new(br#"""#).quoted(), None);
    }
}
