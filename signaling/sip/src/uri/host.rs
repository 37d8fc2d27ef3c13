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
    pub fn parse(text: &str) -> Result<Self, IllegalText> {
        if let Some(inner) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            return parse_ipv6(inner).map(Self::V6).ok_or(IllegalText::Byte { byte: b'[' });
        }
        // An address begins with a digit; most names do not.
        let address = text.starts_with(|first: char| first.is_ascii_digit()).then(|| text.parse());
        match address {
            Some(Ok(address)) => Ok(Self::V4(address)),
            Some(Err(_)) | None => HostName::parse(text).map(Self::Name),
        }
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
    pub fn parse(text: &str) -> Result<Self, IllegalText> {
        text::check(text.as_bytes(), is_host_byte)?;
        if text.len() > HOST_NAME_BYTES_MAX {
            return Err(IllegalText::TooLong { len: text.len(), max: HOST_NAME_BYTES_MAX });
        }
        let absolute = text.as_bytes();
        let name = absolute.strip_suffix(b".").unwrap_or(absolute);
        let last = name.rsplit(|&byte| byte == b'.').next().unwrap_or_default();
        if last.iter().all(u8::is_ascii_digit) {
            return Err(IllegalText::Byte { byte: last.first().copied().unwrap_or(b'.') });
        }
        let mut name = CompactBytes::new(text.as_bytes());
        name.as_mut_slice().make_ascii_lowercase();
        Ok(Self(name))
    }

    /// The name, in lower case.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(self.0.as_slice()).unwrap_or_default()
    }
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
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_')
}

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
    fn broken_addresses_are_not_names() {
        for text in ["", "192.0.2.256", "1.2.3", "2001", "[2001:db8", "[::1]x", "a b", "[:::1]"] {
            assert!(Host::parse(text).is_err(), "{text}");
        }
    }
}
