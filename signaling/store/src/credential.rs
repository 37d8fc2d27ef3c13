//! Credential lists and IP access control lists. Sans-IO.

use std::net::IpAddr;

use shared::{AccountSid, CredentialListSid, CredentialSid, IpAccessControlListSid, IpAddressSid};

use crate::secret::Ha1;

/// A list of SIP users (contract rest.md §5.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CredentialList {
    /// Its SID.
    pub sid: CredentialListSid,
    /// The account that owns it.
    pub account: AccountSid,
    /// At most 64 characters, unique in the account.
    pub friendly_name: String,
    /// Unix milliseconds.
    pub created_ms: i64,
    /// Unix milliseconds.
    pub updated_ms: i64,
    /// Raised by each update.
    pub revision: u64,
}

/// A SIP user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credential {
    /// Its SID.
    pub sid: CredentialSid,
    /// The account that owns its list.
    pub account: AccountSid,
    /// Its list.
    pub list: CredentialListSid,
    /// At most 32 characters, unique in the list.
    pub username: String,
    /// What digest authentication needs; the password itself is not kept.
    pub ha1: Ha1,
    /// Unix milliseconds.
    pub created_ms: i64,
    /// Unix milliseconds.
    pub updated_ms: i64,
    /// Raised by each update.
    pub revision: u64,
}

/// A list of addresses calls may come from (contract rest.md §5.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IpAccessControlList {
    /// Its SID.
    pub sid: IpAccessControlListSid,
    /// The account that owns it.
    pub account: AccountSid,
    /// At most 255 characters, unique in the account.
    pub friendly_name: String,
    /// Unix milliseconds.
    pub created_ms: i64,
    /// Unix milliseconds.
    pub updated_ms: i64,
    /// Raised by each update.
    pub revision: u64,
}

/// An address, or a block of them, in an IP access control list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IpAddress {
    /// Its SID.
    pub sid: IpAddressSid,
    /// The account that owns its list.
    pub account: AccountSid,
    /// Its list.
    pub list: IpAccessControlListSid,
    /// At most 255 characters, unique in the list.
    pub friendly_name: String,
    /// The address and how many leading bits of it count.
    pub block: Cidr,
    /// Unix milliseconds.
    pub created_ms: i64,
    /// Unix milliseconds.
    pub updated_ms: i64,
    /// Raised by each update.
    pub revision: u64,
}

/// A block of addresses: an address as it was given, and the length of its prefix (RFC 4632).
///
/// Never holds an IPv4-mapped IPv6 address: `::ffff:a.b.c.d` is `a.b.c.d` (limits-and-rules §2, rule 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cidr {
    address: IpAddr,
    prefix: u8,
}

impl Cidr {
    /// A block. `None` when the prefix is longer than the address. Without a prefix: the one address.
    pub fn new(address: IpAddr, prefix: Option<u8>) -> Option<Self> {
        let address = address.to_canonical();
        let most = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.unwrap_or(most);
        (prefix <= most).then_some(Self { address, prefix })
    }

    /// The address as it was given, host bits included.
    pub const fn address(self) -> IpAddr {
        self.address
    }

    /// How many leading bits count.
    pub const fn prefix(self) -> u8 {
        self.prefix
    }

    /// Whether `source` lies in the block.
    pub fn contains(self, source: IpAddr) -> bool {
        match (self.address, source.to_canonical()) {
            (IpAddr::V4(block), IpAddr::V4(source)) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.prefix)).unwrap_or(0);
                (block.to_bits() ^ source.to_bits()) & mask == 0
            }
            (IpAddr::V6(block), IpAddr::V6(source)) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.prefix)).unwrap_or(0);
                (block.to_bits() ^ source.to_bits()) & mask == 0
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cidr(text: &str, prefix: Option<u8>) -> Cidr {
        Cidr::new(text.parse().unwrap(), prefix).unwrap()
    }

    #[test]
    fn a_block_contains_exactly_its_prefix() {
        let cases = [
            ("192.0.2.10", None, "192.0.2.10", true),
            ("192.0.2.10", None, "192.0.2.11", false),
            ("192.0.2.10", Some(24), "192.0.2.200", true),
            ("192.0.2.10", Some(24), "192.0.3.1", false),
            ("0.0.0.0", Some(0), "203.0.113.9", true),
            ("0.0.0.0", Some(0), "2001:db8::1", false),
            ("192.0.2.10", None, "::ffff:192.0.2.10", true),
            ("::ffff:192.0.2.10", None, "192.0.2.10", true),
            ("2001:db8::1", Some(32), "2001:db8:ffff::1", true),
            ("2001:db8::1", None, "2001:db8::2", false),
        ];
        for (block, prefix, source, expected) in cases {
            let found = cidr(block, prefix).contains(source.parse().unwrap());
            assert_eq!(found, expected, "{block}/{prefix:?} {source}");
        }
    }

    #[test]
    fn a_prefix_longer_than_the_address_is_refused() {
        assert!(Cidr::new("192.0.2.1".parse().unwrap(), Some(33)).is_none());
        assert!(Cidr::new("2001:db8::".parse().unwrap(), Some(129)).is_none());
    }
}
