//! The host of a URI or of a Via. Sans-IO.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::compact::CompactBytes;
use crate::text::{self, IllegalText};

/// A host: a name, or an address by value, so that two spellings of one address are equal
/// (RFC 5954 §4.2).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Host {
    /// A host name.
    Name(HostName),
    /// An IPv4 address.
    V4(Ipv4Addr),
    /// An IPv6 address, written in brackets.
    V6(Ipv6Addr),
}

impl Host {
    /// Reads a name, an IPv4 address or an IPv6 address in brackets.
    ///
    /// An IPv6 address with three colons before its IPv4 part is read as with two: the grammar of
    /// RFC 3261 led implementations to write it (RFC 5118 §4.10).
    ///
    /// # Errors
    /// Anything else.
    pub fn parse(text: impl AsRef<[u8]>) -> Result<Self, IllegalText> {
        let text = text.as_ref();
        if let Some(inner) = text.strip_prefix(b"[").and_then(|rest| rest.strip_suffix(b"]")) {
            let address = std::str::from_utf8(inner).ok().and_then(parse_ipv6);
            return address.map(Self::V6).ok_or(IllegalText::Byte { byte: b'[' });
        }
        match read_ipv4(text) {
            Some((address, [])) => Ok(Self::V4(address)),
            _ => HostName::parse(text).map(Self::Name),
        }
    }

    /// The IPv4 address or the name at the start, and the bytes behind it. `None` where
    /// [`Host::parse`] has to look closer, such as at brackets and at names that end like a number.
    pub(crate) fn ahead(bytes: &[u8]) -> Option<(Self, &[u8])> {
        if bytes.first().is_some_and(u8::is_ascii_digit) {
            let (address, rest) = read_ipv4(bytes)?;
            let is_longer = rest.first().is_some_and(|&byte| is_host_byte(byte));
            return (!is_longer).then_some((Self::V4(address), rest));
        }
        let end = bytes.iter().take_while(|&&byte| is_host_byte(byte)).count();
        let (name, rest) = bytes.split_at_checked(end)?;
        let is_plain = name.last()?.is_ascii_alphabetic() && name.len() <= HOST_NAME_BYTES_MAX;
        is_plain.then(|| (Self::Name(HostName::lower_case(name)), rest))
    }

    /// The address, unless it is a name.
    pub fn ip(&self) -> Option<IpAddr> {
        match self {
            Self::Name(_) => None,
            Self::V4(address) => Some(IpAddr::V4(*address)),
            Self::V6(address) => Some(IpAddr::V6(*address)),
        }
    }

    /// The name in lower case, unless it is an address.
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Name(name) => Some(name.as_str()),
            Self::V4(_) | Self::V6(_) => None,
        }
    }
}

impl From<IpAddr> for Host {
    fn from(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Self::V4(address),
            IpAddr::V6(address) => Self::V6(address),
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name.as_str()),
            Self::V4(address) => write!(f, "{address}"),
            Self::V6(address) => write!(f, "[{address}]"),
        }
    }
}

/// A host name in lower case: letters, digits, `-`, `_`, `.`; the last label is not a number.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostName(CompactBytes);

impl HostName {
    /// Reads a name; `_` is allowed because container names have it.
    ///
    /// # Errors
    /// Empty, longer than 255 bytes, another byte, or a number as last label (a broken address).
    pub fn parse(text: impl AsRef<[u8]>) -> Result<Self, IllegalText> {
        let text = text.as_ref();
        text::check(text, is_host_byte)?;
        if text.len() > HOST_NAME_BYTES_MAX {
            return Err(IllegalText::TooLong { len: text.len(), max: HOST_NAME_BYTES_MAX });
        }
        let name = text.strip_suffix(b".").unwrap_or(text);
        // A last label that ends with a letter is no number; most do.
        if !name.last().is_some_and(u8::is_ascii_alphabetic) {
            let last = name.rsplit(|&byte| byte == b'.').next().unwrap_or_default();
            if last.iter().all(u8::is_ascii_digit) {
                return Err(IllegalText::Byte { byte: last.first().copied().unwrap_or(b'.') });
            }
        }
        Ok(Self::lower_case(text))
    }

    fn lower_case(name: &[u8]) -> Self {
        let mut name = CompactBytes::new(name);
        name.as_mut_slice().make_ascii_lowercase();
        Self(name)
    }

    /// The name, in lower case.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(self.0.as_slice()).unwrap_or_default()
    }
}

/// Reads the IPv4 address at the start, as strictly as the standard library (four decimal numbers up
/// to 255 without leading zeros), and returns the bytes behind it.
pub(crate) fn read_ipv4(bytes: &[u8]) -> Option<(Ipv4Addr, &[u8])> {
    let mut octets = [0; 4];
    let mut rest = bytes;
    for (index, octet) in octets.iter_mut().enumerate() {
        if index > 0 {
            rest = rest.strip_prefix(b".")?;
        }
        (*octet, rest) = read_octet(rest)?;
    }
    Some((Ipv4Addr::from(octets), rest))
}

/// One to three digits; a fourth is left for the caller, who wants a delimiter there.
fn read_octet(bytes: &[u8]) -> Option<(u8, &[u8])> {
    let digit = |byte: &u8| byte.is_ascii_digit().then(|| u16::from(byte - b'0'));
    let (first, mut rest) = bytes.split_first()?;
    let mut octet = digit(first)?;
    for _ in 0..2 {
        let Some((next, behind)) = rest.split_first() else { break };
        let Some(next) = digit(next) else { break };
        if octet == 0 {
            return None;
        }
        octet = octet * 10 + next;
        rest = behind;
    }
    Some((u8::try_from(octet).ok()?, rest))
}

/// Reads an IPv6 address without brackets, tolerating the three colons of RFC 5118 §4.10.
pub(crate) fn parse_ipv6(text: &str) -> Option<Ipv6Addr> {
    match text.parse() {
        Ok(address) => Some(address),
        Err(_) if text.contains(":::") && text.contains('.') => {
            text.replacen(":::", "::", 1).parse().ok()
        }
        Err(_) => None,
    }
}

/// Longest name of the DNS.
const HOST_NAME_BYTES_MAX: usize = 255;

const fn is_host_byte(byte: u8) -> bool {
    HOST_BYTES[byte as usize]
}

const HOST_BYTES: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0_u8;
    while byte < 0x7F {
        table[byte as usize] = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
        byte += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_address_are_equal() {
        assert_eq!(Host::parse("[2001:DB8::0:1]"), Host::parse("[2001:db8:0:0::1]"));
        assert_eq!(Host::parse("[2001:db8:::192.0.2.1]"), Host::parse("[2001:db8::192.0.2.1]"));
        assert_eq!(Host::parse("Example.COM"), Host::parse("example.com"));
    }

    #[test]
    fn an_ipv4_address_is_what_the_standard_library_takes_for_one() {
        let numbers =
            ["0", "1", "9", "10", "99", "100", "255", "256", "999", "1000", "01", "00", ""];
        for a in numbers {
            for b in numbers {
                for text in [
                    format!("{a}.{b}.2.1"),
                    format!("1.{a}.2.{b}"),
                    format!("1.{a}.{b}"),
                    format!("1.2.{a}.{b}.3"),
                    format!("1.2.3.{a}{b}"),
                    format!("1.2.3.{a}x{b}"),
                ] {
                    let whole = read_ipv4(text.as_bytes()).filter(|(_, rest)| rest.is_empty());
                    assert_eq!(whole.map(|(address, _)| address), text.parse().ok(), "{text}");
                }
            }
        }
    }

    #[test]
    fn broken_addresses_are_not_names() {
        for text in ["", "192.0.2.256", "1.2.3", "2001", "[2001:db8", "[::1]x", "a b", "[:::1]"] {
            assert!(Host::parse(text).is_err(), "{text}");
        }
    }
}
