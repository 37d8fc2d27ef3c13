//! The gateway's own UDP sockets, at every address by which they can be reached. The gateway sends nothing to
//! them as to a peer and takes nothing from them as from a peer, or a packet could circle for ever. Pure.

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;

/// Media ports and SIP listeners of this process. All ports of a range count as open: no other program of this
/// machine can be a party of a call from inside the range.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnSockets {
    /// Every address of this machine, sorted: a socket on the unspecified address is reached by all of them.
    machine: Vec<IpAddr>,
    open: Vec<Open>,
}

/// Ports on one address.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Open {
    address: IpAddr,
    ports: RangeInclusive<u16>,
}

impl OwnSockets {
    /// Starts without a socket; `machine` lists the addresses of all network interfaces.
    pub fn new(machine: impl IntoIterator<Item = IpAddr>) -> Self {
        let mut machine: Vec<IpAddr> =
            machine.into_iter().map(|address| address.to_canonical()).collect();
        machine.sort_unstable();
        machine.dedup();
        Self { machine, open: Vec::new() }
    }

    /// Adds sockets bound to `address`, or reached by it through a NAT. The unspecified address stands for
    /// every address of its IP version that this machine has.
    pub fn add(&mut self, address: IpAddr, ports: RangeInclusive<u16>) {
        self.open.push(Open { address: address.to_canonical(), ports });
    }

    /// Whether a packet to this address would return to us, and a packet from it is our own.
    pub fn contains(&self, address: SocketAddr) -> bool {
        let ip = address.ip().to_canonical();
        let is_at = |open: &Open| match open.address {
            any if any.is_unspecified() => any.is_ipv4() == ip.is_ipv4() && self.is_of_machine(ip),
            one => one == ip,
        };
        self.open.iter().any(|open| open.ports.contains(&address.port()) && is_at(open))
    }

    fn is_of_machine(&self, ip: IpAddr) -> bool {
        ip.is_loopback() || self.machine.binary_search(&ip).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(machine: &[&str], open: &[(&str, RangeInclusive<u16>)]) -> OwnSockets {
        let ip = |text: &str| text.parse::<IpAddr>().expect("a literal");
        let mut own = OwnSockets::new(machine.iter().map(|text| ip(text)));
        open.iter().for_each(|(address, ports)| own.add(ip(address), ports.clone()));
        own
    }

    fn has(own: &OwnSockets, text: &str) -> bool {
        own.contains(text.parse().expect("a literal"))
    }

    #[test]
    fn a_socket_on_one_address_is_at_that_address_alone() {
        let own = own(&["10.0.0.1", "10.0.0.2"], &[("10.0.0.1", 10_000..=10_003)]);
        for (text, is_own) in [
            ("10.0.0.1:10000", true),
            ("10.0.0.1:10003", true),
            ("[::ffff:10.0.0.1]:10000", true),
            ("10.0.0.1:10004", false),
            ("10.0.0.1:9999", false),
            ("10.0.0.2:10000", false),
            ("127.0.0.1:10000", false),
        ] {
            assert_eq!(has(&own, text), is_own, "{text}");
        }
    }

    #[test]
    fn a_socket_on_the_unspecified_address_is_at_every_address_of_the_machine() {
        let own = own(&["10.0.0.1", "2001:db8::1"], &[("0.0.0.0", 10_000..=10_003)]);
        for (text, is_own) in [
            ("10.0.0.1:10000", true),
            ("127.0.0.1:10001", true),
            ("127.9.9.9:10001", true),
            ("10.0.0.2:10000", false),
            ("[2001:db8::1]:10000", false),
            ("[::1]:10000", false),
        ] {
            assert_eq!(has(&own, text), is_own, "{text}");
        }
    }

    #[test]
    fn listeners_and_public_addresses_are_added_one_by_one() {
        let ports = 10_000..=10_003;
        let own =
            own(&[], &[("::", ports.clone()), ("203.0.113.5", ports), ("10.0.0.1", 5060..=5060)]);
        assert!(has(&own, "[::1]:10002") && has(&own, "203.0.113.5:10002"));
        assert!(has(&own, "10.0.0.1:5060") && !has(&own, "10.0.0.1:10002"));
        assert!(!has(&OwnSockets::default(), "127.0.0.1:5060"));
    }
}
