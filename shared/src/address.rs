//! The class of an IP address: whether and from where it can be reached. Pure.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Reachability of an address (IANA special-purpose registries).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressClass {
    /// Reachable from everywhere.
    Global,
    /// Reaches this machine only.
    Loopback,
    /// Reachable only from here: private, shared, documentation, benchmarking.
    Private,
    /// Reserved and not routed in the Internet (240.0.0.0/4); some networks use it internally.
    Reserved,
    /// Never a destination; the word gives the reason.
    Never(&'static str),
}

/// The class of an address. An IPv6 address that embeds an IPv4 one (mapped, compatible, 6to4,
/// NAT64) has the class of the embedded one, so that no spelling evades a check.
pub fn classify(address: IpAddr) -> AddressClass {
    match address {
        IpAddr::V4(address) => classify_v4(address),
        IpAddr::V6(address) => match embedded_v4(address) {
            Some(embedded) => classify_v4(embedded),
            None => classify_v6(address),
        },
    }
}

fn classify_v4(address: Ipv4Addr) -> AddressClass {
    let [a, b, c, _] = address.octets();
    match (a, b, c) {
        (0, ..) => AddressClass::Never("unspecified"),
        (169, 254, _) => AddressClass::Never("link-local"),
        (224..=239, ..) => AddressClass::Never("multicast"),
        _ if address.is_broadcast() => AddressClass::Never("broadcast"),
        (127, ..) => AddressClass::Loopback,
        (240..=255, ..) => AddressClass::Reserved,
        (10, ..)
        | (172, 16..=31, _)
        | (192, 168, _)
        | (100, 64..=127, _)
        | (192, 0, 0 | 2)
        | (198, 18 | 19, _)
        | (198, 51, 100)
        | (203, 0, 113) => AddressClass::Private,
        _ => AddressClass::Global,
    }
}

fn classify_v6(address: Ipv6Addr) -> AddressClass {
    let [first, second, ..] = address.segments();
    match first {
        _ if address.is_unspecified() => AddressClass::Never("unspecified"),
        _ if address.is_loopback() => AddressClass::Loopback,
        0xff00..=0xffff => AddressClass::Never("multicast"),
        0xfe80..=0xfebf => AddressClass::Never("link-local"),
        0x2001 if second == 0x0db8 => AddressClass::Private,
        0x2000..=0x3fff => AddressClass::Global,
        _ => AddressClass::Private,
    }
}

/// The IPv4 address inside `::ffff:0:0/96`, `::/96` (but `::` and `::1`), `64:ff9b::/96`, `2002::/16`.
fn embedded_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let last_four = || Some(Ipv4Addr::from_bits((address.to_bits() & 0xFFFF_FFFF) as u32));
    match address.segments() {
        [0, 0, 0, 0, 0, 0xffff, ..] | [0x64, 0xff9b, 0, 0, 0, 0, ..] => last_four(),
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => None,
        [0, 0, 0, 0, 0, 0, ..] => last_four(),
        [0x2002, high, low, ..] => {
            Some(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn special_addresses_have_their_class_in_every_spelling() {
        let never = ["0.0.0.0", "0.1.2.3", "169.254.169.254", "224.0.0.1", "255.255.255.255"];
        for text in never {
            assert!(matches!(class(text), AddressClass::Never(_)), "{text}");
            assert!(matches!(class(&format!("::ffff:{text}")), AddressClass::Never(_)), "{text}");
            assert!(matches!(class(&format!("64:ff9b::{text}")), AddressClass::Never(_)), "{text}");
        }
        for text in ["::", "fe80::1", "ff02::1", "2002:a9fe:a9fe::1"] {
            assert!(matches!(class(text), AddressClass::Never(_)), "{text}");
        }
        for text in
            ["10.1.2.3", "172.31.0.1", "192.168.1.1", "100.64.0.1", "fd00::1", "::ffff:10.0.0.1"]
        {
            assert_eq!(class(text), AddressClass::Private, "{text}");
        }
        for text in ["127.0.0.1", "127.255.255.254", "::1", "::ffff:127.0.0.1", "2002:7f00:1::"] {
            assert_eq!(class(text), AddressClass::Loopback, "{text}");
        }
        assert_eq!(class("240.0.0.1"), AddressClass::Reserved);
        for text in ["8.8.8.8", "172.32.0.1", "2606:4700::1", "::ffff:8.8.8.8"] {
            assert_eq!(class(text), AddressClass::Global, "{text}");
        }
    }

    #[test]
    fn a_mapped_address_has_the_class_of_the_ipv4_address() {
        for bits in (0..=u32::MAX).step_by(65_521) {
            let plain = Ipv4Addr::from_bits(bits);
            let mapped = IpAddr::V6(plain.to_ipv6_mapped());
            assert_eq!(classify(mapped), classify(IpAddr::V4(plain)), "{plain}");
        }
    }

    fn class(text: &str) -> AddressClass {
        classify(text.parse().expect("a literal"))
    }
}
