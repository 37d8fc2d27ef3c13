//! What counts as one source where limits are by source. Pure.

use std::net::{IpAddr, Ipv6Addr};

/// The source that limits count for an address: itself, and of IPv6 its /64. One subscriber has at
/// least so many addresses to choose from, so that a limit on each of them would bind nobody.
/// `::ffff:a.b.c.d` is `a.b.c.d` (limits-and-rules section 2, rule 4).
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
