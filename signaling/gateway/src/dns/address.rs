//! What an address is, and whether we may connect to it. Pure.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use shared::config::Cidr;

/// What kind of place an address is (IANA special-purpose registries).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressClass {
    /// Reachable from everywhere.
    Global,
    /// Reachable only from here: loopback, private, shared, documentation, benchmarking, reserved.
    Private,
    /// Never a place to connect to; the word says why.
    Never(&'static str),
}

/// The class of an address. An IPv6 address that embeds an IPv4 one (mapped, compatible, 6to4,
/// NAT64) has the class of the embedded one, so that no spelling opens a door.
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
        (10 | 127, ..)
        | (172, 16..=31, _)
        | (192, 168, _)
        | (100, 64..=127, _)
        | (192, 0, 0 | 2)
        | (198, 18 | 19, _)
        | (198, 51, 100)
        | (203, 0, 113)
        | (240..=255, ..) => AddressClass::Private,
        _ => AddressClass::Global,
    }
}

fn classify_v6(address: Ipv6Addr) -> AddressClass {
    let [first, second, ..] = address.segments();
    match first {
        _ if address.is_unspecified() => AddressClass::Never("unspecified"),
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

/// Decides which resolved addresses may be connected to (limits-and-rules, "Webhook and media
/// addresses"). Asked for every connection and at every redirect, with the very address that is
/// then connected to, so that a name that changes its mind gains nothing.
#[derive(Clone, Debug, Default)]
pub struct AddressGuard {
    allow_private: Vec<Cidr>,
    own_listeners: Vec<SocketAddr>,
}

/// Why an address must not be connected to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// A class that no setting opens.
    #[error("{address} is a {class} address, which is never connected to")]
    Never {
        /// The address.
        address: IpAddr,
        /// Which class.
        class: &'static str,
    },
    /// A private address that no setting lists.
    #[error("{address} is a private address; list its range in webhook.allow_private to allow it")]
    Private {
        /// The address.
        address: IpAddr,
    },
    /// One of this gateway's own listeners.
    #[error("{address} is a listener of this gateway itself")]
    OwnListener {
        /// The address.
        address: SocketAddr,
    },
}

impl AddressGuard {
    /// A guard that lets private addresses through only where `allow_private` lists them, and never
    /// `own_listeners`. A listener on the unspecified address stands for its port on every
    /// address of this machine.
    pub fn new(allow_private: Vec<Cidr>, own_listeners: Vec<SocketAddr>) -> Self {
        Self { allow_private, own_listeners }
    }

    /// Whether this address may be connected to.
    ///
    /// # Errors
    /// Says what the address is and, where a setting can open it, which.
    pub fn check(&self, address: SocketAddr) -> Result<(), Refused> {
        self.check_with(address, is_of_this_machine)
    }

    fn check_with(
        &self,
        address: SocketAddr,
        is_local: impl Fn(IpAddr) -> bool,
    ) -> Result<(), Refused> {
        let ip = address.ip().to_canonical();
        match classify(ip) {
            AddressClass::Never(class) => return Err(Refused::Never { address: ip, class }),
            AddressClass::Private if !self.allow_private.iter().any(|block| block.contains(ip)) => {
                return Err(Refused::Private { address: ip });
            }
            AddressClass::Private | AddressClass::Global => {}
        }
        let is_own = self.own_listeners.iter().any(|own| {
            own.port() == address.port()
                && match own.ip().to_canonical() {
                    own if own.is_unspecified() => is_local(ip),
                    own => own == ip,
                }
        });
        if is_own { Err(Refused::OwnListener { address }) } else { Ok(()) }
    }
}

/// Whether the address belongs to this machine: only then can a socket be bound to it.
fn is_of_this_machine(address: IpAddr) -> bool {
    address.is_loopback() || UdpSocket::bind((address, 0)).is_ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

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
        let private =
            ["127.0.0.1", "10.1.2.3", "172.31.0.1", "192.168.1.1", "100.64.0.1", "::1", "fd00::1"];
        for text in private.into_iter().chain(["::ffff:10.0.0.1", "2002:7f00:1::", "240.0.0.1"]) {
            assert_eq!(class(text), AddressClass::Private, "{text}");
        }
        for text in ["8.8.8.8", "172.32.0.1", "2606:4700::1", "::ffff:8.8.8.8"] {
            assert_eq!(class(text), AddressClass::Global, "{text}");
        }
    }

    #[test]
    fn a_private_address_needs_to_be_listed_and_a_mapped_one_counts_as_ipv4() {
        let guard = AddressGuard::new(vec!["10.0.0.0/8".parse().unwrap()], vec![]);
        assert_eq!(guard.check(socket("10.0.0.1:80")), Ok(()));
        assert_eq!(guard.check(socket("[::ffff:10.0.0.1]:80")), Ok(()));
        assert!(matches!(guard.check(socket("192.168.0.1:80")), Err(Refused::Private { .. })));
        assert!(matches!(
            guard.check(socket("[::ffff:192.168.0.1]:80")),
            Err(Refused::Private { .. })
        ));
    }

    #[test]
    fn link_local_stays_closed_even_when_it_is_listed() {
        let guard = AddressGuard::new(vec!["0.0.0.0/0".parse().unwrap()], vec![]);
        assert!(matches!(guard.check(socket("169.254.169.254:80")), Err(Refused::Never { .. })));
    }

    #[test]
    fn own_listeners_are_refused_also_by_the_unspecified_address() {
        let own = vec![socket("0.0.0.0:8080"), socket("192.0.2.7:5060")];
        let all = vec!["0.0.0.0/0".parse().unwrap()];
        let guard = AddressGuard::new(all, own);
        let local = |ip: IpAddr| ip == "10.0.0.5".parse::<IpAddr>().unwrap();
        let own = |text| {
            matches!(guard.check_with(socket(text), local), Err(Refused::OwnListener { .. }))
        };
        assert!(own("10.0.0.5:8080"));
        assert!(own("[::ffff:10.0.0.5]:8080"));
        assert!(own("192.0.2.7:5060"));
        assert!(!own("10.0.0.6:8080"));
        assert!(!own("10.0.0.5:8081"));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn a_mapped_address_has_the_class_of_the_ipv4_address(bits: u32) {
            let plain = Ipv4Addr::from_bits(bits);
            let mapped = IpAddr::V6(plain.to_ipv6_mapped());
            prop_assert_eq!(classify(mapped), classify(IpAddr::V4(plain)));
        }
    }

    fn class(text: &str) -> AddressClass {
        classify(text.parse().unwrap())
    }

    fn socket(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }
}
