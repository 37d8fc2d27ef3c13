//! A socket address in 18 bytes, so that two of them fit the hot lines of a leg. Sans-IO.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Address and port; an IPv4 address is kept in its mapped form, so `::ffff:a.b.c.d` equals `a.b.c.d`.
/// Scope and flow label of IPv6 are not kept: SDP cannot say them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PackedAddress {
    ip: [u8; 16],
    port: u16,
}

impl PackedAddress {
    /// No address; distinct from any real one, because port 0 is never used on the wire.
    pub const NONE: Self = Self { ip: [0; 16], port: 0 };

    #[inline]
    pub fn new(address: SocketAddr) -> Self {
        Self { ip: bits(address.ip()).to_be_bytes(), port: address.port() }
    }

    /// Equality with an unpacked address; as `==`, but without packing it first.
    #[inline]
    pub fn is(self, address: SocketAddr) -> bool {
        self.port == address.port() && u128::from_be_bytes(self.ip) == bits(address.ip())
    }

    pub fn from_option(address: Option<SocketAddr>) -> Self {
        address.map_or(Self::NONE, Self::new)
    }

    #[inline]
    pub const fn is_some(self) -> bool {
        self.port != 0
    }

    #[inline]
    pub fn socket_addr(self) -> SocketAddr {
        let bits = u128::from_be_bytes(self.ip);
        // In registers: conversions by bytes would stall every packet on its own stores.
        let ip = if bits >> 32 == MAPPED_PREFIX {
            IpAddr::V4(Ipv4Addr::from_bits(bits as u32))
        } else {
            IpAddr::V6(Ipv6Addr::from_bits(bits))
        };
        SocketAddr::new(ip, self.port)
    }

    pub fn same_ip(self, other: Self) -> bool {
        self.is_some() && other.is_some() && self.ip == other.ip
    }
}

#[inline]
fn bits(ip: IpAddr) -> u128 {
    match ip {
        IpAddr::V4(ip) => MAPPED_PREFIX << 32 | u128::from(ip.to_bits()),
        IpAddr::V6(ip) => ip.to_bits(),
    }
}

/// The upper 96 bits of `::ffff:0:0` (RFC 4291 §2.5.5.2).
const MAPPED_PREFIX: u128 = 0xFFFF;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_comes_back_and_the_mapped_form_is_the_same() {
        for text in ["192.0.2.1:5", "[2001:db8::1]:65535"] {
            let address: SocketAddr = text.parse().unwrap();
            assert_eq!(PackedAddress::new(address).socket_addr(), address);
            assert!(PackedAddress::new(address).is(address));
        }
        let mapped = PackedAddress::new("[::ffff:192.0.2.1]:5".parse().unwrap());
        assert_eq!(mapped, PackedAddress::new("192.0.2.1:5".parse().unwrap()));
        assert!(!PackedAddress::NONE.same_ip(PackedAddress::NONE));
    }
}
