//! Texts that are safe in a message: none can hold a line break. Sans-IO.

use std::borrow::Cow;
use std::fmt;

use crate::compact::CompactBytes;

/// A text that would break out of its place in a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IllegalText {
    /// A line break, NUL or another control character.
    #[error("control byte 0x{byte:02x} may not stand in a SIP header")]
    Control {
        /// The byte that is not allowed.
        byte: u8,
    },
    /// A byte that this place of the grammar does not allow.
    #[error("byte 0x{byte:02x} is not allowed here")]
    Byte {
        /// The byte that is not allowed.
        byte: u8,
    },
    /// Empty, where the grammar wants at least one character.
    #[error("an empty text is not allowed here")]
    Empty,
    /// Longer than its place allows.
    #[error("{len} bytes are more than the {max} allowed here")]
    TooLong {
        /// Length of the refused text, in bytes.
        len: usize,
        /// The longest text allowed, in bytes.
        max: usize,
    },
}

/// Bytes of a header value or a part of one: any bytes but line breaks, so that no value can
/// start a header of its own.
///
/// Values made here ([`Text::new`]) hold no control characters. Values from the wire may hold them
/// behind a backslash (RFC 3261 §25.1 `quoted-pair`). Not necessarily UTF-8: a Latin-1 display name
/// passes unchanged.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text(CompactBytes);

impl Text {
    /// Makes a text that we write.
    ///
    /// # Errors
    /// Any control character but the horizontal tab.
    pub fn new(text: impl AsRef<[u8]>) -> Result<Self, IllegalText> {
        let bytes = text.as_ref();
        match bytes.iter().copied().find(|&byte| is_control(byte)) {
            Some(byte) => Err(IllegalText::Control { byte }),
            None => Ok(Self(CompactBytes::new(bytes))),
        }
    }

    /// The text with every control character replaced by a space.
    pub fn cleaned(text: impl AsRef<[u8]>) -> Self {
        let mut bytes = CompactBytes::new(text.as_ref());
        bytes.as_mut_slice().iter_mut().filter(|byte| is_control(**byte)).for_each(|it| *it = b' ');
        Self(bytes)
    }

    /// A token: one or more letters, digits and ``-.!%*_+`'~`` (RFC 3261 §25.1).
    ///
    /// # Errors
    /// An empty text or another byte.
    pub fn token(text: impl AsRef<[u8]>) -> Result<Self, IllegalText> {
        let bytes = text.as_ref();
        check(bytes, is_token_byte)?;
        Ok(Self(CompactBytes::new(bytes)))
    }

    /// A text from bytes in which the parser found no line break.
    pub(crate) fn from_wire(bytes: &[u8]) -> Self {
        debug_assert!(!bytes.iter().any(|byte| matches!(byte, b'\r' | b'\n')));
        Self(CompactBytes::new(bytes))
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_slice()
    }

    /// The text, when it is UTF-8.
    pub fn as_str(&self) -> Option<&str> {
        std::str::from_utf8(self.0.as_slice()).ok()
    }

    /// The text with invalid UTF-8 replaced: for logs and webhooks, never for the wire.
    pub fn to_lossy(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(self.0.as_slice())
    }

    /// Whether the text is empty.
    pub fn is_empty(&self) -> bool {
        self.as_bytes().is_empty()
    }

    /// Length in bytes.
    pub fn len(&self) -> usize {
        self.as_bytes().len()
    }

    /// Compares without regard to the case of ASCII letters.
    pub fn eq_ignore_case(&self, other: impl AsRef<[u8]>) -> bool {
        self.as_bytes().eq_ignore_ascii_case(other.as_ref())
    }
}

impl AsRef<[u8]> for Text {
    fn as_ref(&self) -> &[u8] {
        self.0.as_slice()
    }
}

impl PartialEq<str> for Text {
    fn eq(&self, other: &str) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl PartialEq<&str> for Text {
    fn eq(&self, other: &&str) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_lossy())
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.as_bytes().escape_ascii())
    }
}

/// A part of a URI in its escaped form: visible ASCII, no delimiter that would end the part.
///
/// Kept as received, so that what was escaped stays escaped (RFC 3261 §19.1.2).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Escaped(CompactBytes);

impl Escaped {
    /// Escapes everything but letters, digits, ``-_.!~*'()`` and `+`.
    pub fn encode(bytes: impl AsRef<[u8]>) -> Self {
        let mut out = Vec::with_capacity(bytes.as_ref().len());
        for &byte in bytes.as_ref() {
            if is_unreserved(byte) || byte == b'+' {
                out.push(byte);
            } else {
                out.extend_from_slice(&[b'%', hex_digit(byte >> 4), hex_digit(byte & 15)]);
            }
        }
        Self(CompactBytes::new(&out))
    }

    /// Takes a part that is already escaped; the delimiters of a user part are allowed.
    ///
    /// # Errors
    /// Bytes outside of the grammar of `user`, or a `%` without two hexadecimal digits.
    pub fn parse(text: impl AsRef<[u8]>) -> Result<Self, IllegalText> {
        Self::from_wire(text.as_ref(), is_user_byte)
    }

    /// A part that holds no escape, from bytes that the parser has checked.
    pub(crate) fn unescaped(bytes: &[u8]) -> Self {
        debug_assert!(!bytes.contains(&b'%'));
        Self(CompactBytes::new(bytes))
    }

    /// Checks received bytes against the grammar of their place.
    pub(crate) fn from_wire(
        bytes: &[u8],
        allowed: impl Fn(u8) -> bool,
    ) -> Result<Self, IllegalText> {
        check_escapes(bytes, allowed)?;
        Ok(Self(CompactBytes::new(bytes)))
    }

    /// The escaped form, as it stands in the URI.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(self.as_ref()).unwrap_or_default()
    }

    /// The unescaped bytes: `%41` is `A`. Unescapes once, never twice.
    pub fn decode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.as_ref().len());
        let mut rest: &[u8] = self.as_ref();
        while let Some((&byte, tail)) = rest.split_first() {
            match (byte, tail) {
                (b'%', [high, low, tail @ ..]) => {
                    out.push(hex_value(*high).unwrap_or(0) << 4 | hex_value(*low).unwrap_or(0));
                    rest = tail;
                }
                _ => {
                    out.push(byte);
                    rest = tail;
                }
            }
        }
        out
    }

    /// The unescaped text, with invalid UTF-8 replaced.
    pub fn decode_lossy(&self) -> String {
        String::from_utf8_lossy(&self.decode()).into_owned()
    }

    /// Whether both mean the same bytes: an escaped character equals the plain one, escapes of
    /// delimiters included, as RFC 3261 §19.1.4 asks of all but reserved characters.
    pub fn same_meaning(&self, other: &Self) -> bool {
        self.0 == other.0 || self.decode() == other.decode()
    }
}

impl AsRef<[u8]> for Escaped {
    fn as_ref(&self) -> &[u8] {
        self.0.as_slice()
    }
}

impl fmt::Display for Escaped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Escaped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.as_str())
    }
}

/// Whether the byte is a control character other than the horizontal tab.
pub(crate) const fn is_control(byte: u8) -> bool {
    (byte < 0x20 && byte != b'\t') || byte == 0x7F
}

/// `token` of RFC 3261 §25.1.
pub(crate) const fn is_token_byte(byte: u8) -> bool {
    TOKEN_BYTES[byte as usize]
}

/// A table, because every byte of every header name and parameter is checked.
const TOKEN_BYTES: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0_u8;
    while byte < 0x7F {
        table[byte as usize] = byte.is_ascii_alphanumeric()
            || matches!(byte, b'-' | b'.' | b'!' | b'%' | b'*' | b'_' | b'+' | b'`' | b'\'' | b'~');
        byte += 1;
    }
    table
};

/// `unreserved` of RFC 3261 §25.1.
pub(crate) const fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'-' | b'_' | b'.' | b'!' | b'~' | b'*' | b'\'' | b'(' | b')')
}

/// `user` without escapes, and `#`, which phones send unescaped in feature codes.
pub(crate) const fn is_user_byte(byte: u8) -> bool {
    USER_BYTES[byte as usize]
}

const USER_BYTES: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0_u8;
    while byte < 0x7F {
        table[byte as usize] = is_unreserved(byte)
            || matches!(byte, b'&' | b'=' | b'+' | b'$' | b',' | b';' | b'?' | b'/' | b'#');
        byte += 1;
    }
    table
};

/// `password` without escapes.
pub(crate) const fn is_password_byte(byte: u8) -> bool {
    is_unreserved(byte) || matches!(byte, b'&' | b'=' | b'+' | b'$' | b',')
}

/// `hname` and `hvalue` without escapes.
pub(crate) const fn is_uri_header_byte(byte: u8) -> bool {
    is_unreserved(byte) || matches!(byte, b'[' | b']' | b'/' | b'?' | b':' | b'+' | b'$')
}

/// `paramchar` of a URI without escapes.
pub(crate) const fn is_uri_parameter_byte(byte: u8) -> bool {
    URI_PARAMETER_BYTES[byte as usize]
}

const URI_PARAMETER_BYTES: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0_u8;
    while byte < 0x7F {
        table[byte as usize] =
            is_unreserved(byte) || matches!(byte, b'[' | b']' | b'/' | b':' | b'&' | b'+' | b'$');
        byte += 1;
    }
    table
};

/// Whether there is at least one byte, and all are allowed.
pub(crate) fn check(bytes: &[u8], allowed: impl Fn(u8) -> bool) -> Result<(), IllegalText> {
    if bytes.is_empty() {
        return Err(IllegalText::Empty);
    }
    match bytes.iter().copied().find(|&byte| !allowed(byte)) {
        Some(byte) if is_control(byte) => Err(IllegalText::Control { byte }),
        Some(byte) => Err(IllegalText::Byte { byte }),
        None => Ok(()),
    }
}

/// Whether each byte is allowed or part of a complete `%HH`; may be empty.
pub(crate) fn check_escapes(bytes: &[u8], allowed: impl Fn(u8) -> bool) -> Result<(), IllegalText> {
    // Most texts have no escape.
    let plain = bytes.iter().take_while(|&&byte| byte != b'%' && allowed(byte)).count();
    let mut rest = bytes.get(plain..).unwrap_or_default();
    while let Some((&byte, tail)) = rest.split_first() {
        rest = match (byte, tail) {
            (b'%', [high, low, tail @ ..])
                if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() =>
            {
                tail
            }
            _ if byte != b'%' && allowed(byte) => tail,
            _ if is_control(byte) => return Err(IllegalText::Control { byte }),
            _ => return Err(IllegalText::Byte { byte }),
        };
    }
    Ok(())
}

/// A decimal number of digits only; `None` for anything else or past `u64`.
pub(crate) fn decimal(bytes: &[u8]) -> Option<u64> {
    if bytes.is_empty() {
        return None;
    }
    bytes.iter().try_fold(0_u64, |number, &byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        number.checked_mul(10)?.checked_add(digit)
    })
}

/// Appends a number in decimal digits. Not through `format!`, which allocates a text for each number
/// of a message.
pub(crate) fn push_decimal(out: &mut Vec<u8>, number: impl Into<u64>) {
    let mut rest = number.into();
    let mut digits = [b'0'; DECIMAL_DIGITS_MAX];
    let mut from = digits.len();
    for (index, digit) in digits.iter_mut().enumerate().rev() {
        *digit += (rest % 10) as u8;
        rest /= 10;
        from = index;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(digits.get(from..).unwrap_or_default());
}

/// Digits of `u64::MAX`.
const DECIMAL_DIGITS_MAX: usize = 20;

const fn hex_digit(nibble: u8) -> u8 {
    match nibble {
        0..=9 => b'0' + nibble,
        _ => b'A' + (nibble & 15) - 10,
    }
}

const fn hex_value(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_texts_hold_no_line_break() {
        assert_eq!(Text::new("a\r\nVia: x"), Err(IllegalText::Control { byte: b'\r' }));
        assert_eq!(Text::new("a\0"), Err(IllegalText::Control { byte: 0 }));
        assert_eq!(Text::cleaned("a\r\nb"), "a  b");
        assert_eq!(Text::new([0xFC, b'b']).unwrap().as_bytes(), [0xFC, b'b']);
    }

    #[test]
    fn escapes_are_read_once() {
        let escaped = Escaped::encode("%41@x y");
        assert_eq!(escaped.as_str(), "%2541%40x%20y");
        assert_eq!(escaped.decode(), b"%41@x y");
        assert!(Escaped::parse("50%").is_err());
        assert!(Escaped::parse("a%4").is_err());
        assert!(Escaped::parse("a>b").is_err());
    }

    #[test]
    fn numbers_are_written_as_the_formatter_writes_them() {
        for number in [0, 1, 9, 10, 99, 100, 5060, u64::from(u32::MAX), u64::MAX - 1, u64::MAX] {
            let mut out = b"x".to_vec();
            push_decimal(&mut out, number);
            assert_eq!(out, format!("x{number}").into_bytes());
        }
    }

    #[test]
    fn a_decimal_is_digits_only_and_fits() {
        assert_eq!(decimal(b"0068"), Some(68));
        assert_eq!(decimal(b""), None);
        assert_eq!(decimal(b"-1"), None);
        assert_eq!(decimal(b"36893488147419103232"), None);
    }
}
