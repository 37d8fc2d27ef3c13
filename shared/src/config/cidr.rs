//! Blocks of IP addresses, as settings and IP access control lists name them. Pure.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;

use super::value::{SettingValue, Value, text};

/// A block of addresses (RFC 4632, RFC 4291 §2.3). `::ffff:a.b.c.d` counts as `a.b.c.d`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cidr {
    /// First address: no bit is set after the prefix.
    address: IpAddr,
    /// Bits that must match.
    prefix: u8,
}

impl Cidr {
    /// Whether the address lies in the block.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.address.is_ipv4() && masked(address, self.prefix) == self.address
    }
}

fn masked(address: IpAddr, prefix: u8) -> IpAddr {
    match address {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(prefix.min(32))).unwrap_or(0);
            IpAddr::V4(Ipv4Addr::from_bits(address.to_bits() & mask))
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(prefix.min(128))).unwrap_or(0);
            IpAddr::V6((address.to_bits() & mask).into())
        }
    }
}

impl FromStr for Cidr {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix.parse::<u8>().map_err(|_| ())?)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| ())?;
        let width = |address: IpAddr| if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.unwrap_or(width(address));
        if prefix > width(address) {
            return Err(());
        }
        // ::ffff:a.b.c.d is a.b.c.d, and a block of such addresses a block of IPv4.
        let canonical = address.to_canonical();
        let prefix = prefix.checked_sub(width(address) - width(canonical)).ok_or(())?;
        Ok(Self { address: masked(canonical, prefix), prefix })
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

impl SettingValue for Cidr {
    const SHAPE: &'static str = "an address block like 10.0.0.0/8";

    fn read(value: &Value) -> Option<Self> {
        text(value)?.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_holds_its_addresses_also_when_they_come_mapped() {
        let block: Cidr = "10.1.2.3/8".parse().expect("a block");
        assert_eq!(block.to_string(), "10.0.0.0/8");
        assert!(block.contains("10.200.0.1".parse().expect("an address")));
        assert!(block.contains("::ffff:10.0.0.9".parse().expect("an address")));
        assert!(!block.contains("11.0.0.0".parse().expect("an address")));
        let all: Cidr = "0.0.0.0/0".parse().expect("a block");
        assert!(all.contains("1.2.3.4".parse().expect("an address")));
        assert!(!all.contains("::1".parse().expect("an address")));
        assert!("10.0.0.0/33".parse::<Cidr>().is_err());
    }

    #[test]
    fn a_block_of_mapped_addresses_is_a_block_of_ipv4() {
        let block: Cidr = "::ffff:10.1.2.3/104".parse().expect("a block");
        assert_eq!(block.to_string(), "10.0.0.0/8");
        let one: Cidr = "::ffff:10.0.0.1".parse().expect("a block");
        assert!(one.contains("10.0.0.1".parse().expect("an address")));
        assert!("::ffff:10.0.0.1/95".parse::<Cidr>().is_err());
    }
}
