//! The unit that limits per source count by. Pure.

use std::net::{IpAddr, Ipv6Addr};

/// The source that an address counts as: an IPv4 address itself, an IPv6 address its /64, because one
/// subscriber chooses freely among the addresses of at least a /64 and a limit on each would bind nobody.
/// `::ffff:a.b.c.d` is `a.b.c.d`.
#[must_use]
pub fn source_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> IpAddr {
        source_of(text.parse().expect("an address"))
    }

    #[test]
    fn one_subscriber_of_ipv6_is_one_source_and_one_address_of_ipv4() {
        assert_eq!(source("2001:db8::1"), source("2001:db8::ffff:2"));
        assert_ne!(source("2001:db8::1"), source("2001:db8:0:1::1"));
        assert_ne!(source("192.0.2.1"), source("192.0.2.2"));
        assert_eq!(source("::ffff:192.0.2.1"), source("192.0.2.1"));
    }
}
