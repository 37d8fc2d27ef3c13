//! Our media addresses: which ones serve a peer, and which one its SDP shows. Pure.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use shared::config::PublicAddress;

/// The addresses that media ports are bound to; `MediaPort::address` is an index into them.
#[derive(Clone, Debug)]
pub struct MediaAddresses {
    bound: Vec<IpAddr>,
    public: Option<IpAddr>,
}

impl MediaAddresses {
    /// `bound` is `media.addresses`, at most 255 of them.
    pub fn new(bound: &[IpAddr], public: &PublicAddress) -> Self {
        let public = match public {
            PublicAddress::Auto => None,
            PublicAddress::Fixed(address) => Some(*address),
        };
        Self { bound: bound.to_vec(), public }
    }

    /// Indices of the addresses that serve a peer which reaches us at `local`, best first: that very address,
    /// then unspecified ones (`0.0.0.0`, `::`), then the others of its IP version. Empty if there is none of
    /// that version.
    pub fn serving(&self, local: IpAddr) -> Vec<u8> {
        let rank = |bound: &IpAddr| match bound {
            _ if bound.is_ipv4() != local.is_ipv4() => None,
            bound if *bound == local => Some(0),
            // A socket on all addresses can be reached at `local`; another single address perhaps
            // not.
            bound if bound.is_unspecified() => Some(1),
            _ => Some(2),
        };
        let ranked =
            self.bound.iter().zip(0..).filter_map(|(bound, index)| Some((rank(bound)?, index)));
        let mut ranked: Vec<(u8, u8)> = ranked.collect();
        ranked.sort_unstable();
        ranked.into_iter().map(|(_, index)| index).collect()
    }

    /// The address in the SDP for a port on this address, for a peer that reaches us at `local`. The setting
    /// `public_address` always wins for its IP version.
    pub fn shown(&self, index: u8, local: IpAddr) -> IpAddr {
        let address = self.reached_at(index, local);
        self.public.filter(|public| public.is_ipv4() == address.is_ipv4()).unwrap_or(address)
    }

    /// The address of the port without NAT: the bound one or, if that is unspecified, the one that the peer
    /// knows.
    pub fn reached_at(&self, index: u8, local: IpAddr) -> IpAddr {
        // An unknown index is a fault of the gateway. The address that the peer knows is then the
        // best guess.
        let bound = self.bound.get(usize::from(index)).copied().unwrap_or(local);
        if bound.is_unspecified() { local } else { bound }
    }

    /// An address at which our own sockets reach each other: the loopback address where they are on all addresses.
    /// `None` without any media address.
    pub fn own(&self) -> Option<IpAddr> {
        let own = |bound: &IpAddr| match bound {
            IpAddr::V4(any) if any.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(any) if any.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
            one => *one,
        };
        self.bound.first().map(own)
    }

    /// One of our addresses of the other IP version, for a peer whose media is of another version than its
    /// SIP. An unspecified one will not do: nothing says which address that peer could reach.
    pub fn other_version(&self, local: IpAddr) -> Option<IpAddr> {
        let is_other =
            |bound: &&IpAddr| bound.is_ipv4() != local.is_ipv4() && !bound.is_unspecified();
        self.bound.iter().find(is_other).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(bound: &[&str], public: Option<&str>) -> MediaAddresses {
        let parsed: Vec<IpAddr> = bound.iter().map(|text| ip(text)).collect();
        let public = public.map_or(PublicAddress::Auto, |text| PublicAddress::Fixed(ip(text)));
        MediaAddresses::new(&parsed, &public)
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("a literal")
    }

    #[test]
    fn the_address_that_the_peer_knows_comes_first_and_the_other_version_never() {
        let ours = addresses(&["10.0.0.1", "2001:db8::1", "0.0.0.0", "192.0.2.1"], None);
        assert_eq!(ours.serving(ip("192.0.2.1")), [3, 2, 0]);
        assert_eq!(ours.serving(ip("2001:db8::9")), [1]);
        assert!(addresses(&["0.0.0.0"], None).serving(ip("::1")).is_empty());
    }

    #[test]
    fn sdp_shows_the_bound_address_or_the_one_that_the_peer_knows() {
        let ours = addresses(&["10.0.0.1", "0.0.0.0", "::"], None);
        let shown = [0, 1].map(|index| ours.shown(index, ip("192.0.2.1")));
        assert_eq!(shown, [ip("10.0.0.1"), ip("192.0.2.1")]);
        assert_eq!(ours.shown(2, ip("2001:db8::1")), ip("2001:db8::1"));
    }

    #[test]
    fn a_public_address_wins_for_its_own_version() {
        let ours = addresses(&["0.0.0.0", "::"], Some("203.0.113.5"));
        assert_eq!(ours.shown(0, ip("10.0.0.1")), ip("203.0.113.5"));
        assert_eq!(ours.shown(1, ip("2001:db8::1")), ip("2001:db8::1"));
    }

    #[test]
    fn our_own_sockets_reach_each_other_by_loopback_or_by_the_address_that_they_have() {
        let own = |bound: &str| addresses(&[bound, "192.0.2.1"], Some("203.0.113.5")).own();
        assert_eq!(own("0.0.0.0"), Some(ip("127.0.0.1")));
        assert_eq!(own("::"), Some(ip("::1")));
        assert_eq!(own("10.0.0.1"), Some(ip("10.0.0.1")), "not the public one");
        assert_eq!(addresses(&[], None).own(), None);
    }

    #[test]
    fn another_version_needs_a_single_address() {
        assert_eq!(addresses(&["0.0.0.0", "::"], None).other_version(ip("10.0.0.1")), None);
        let ours = addresses(&["0.0.0.0", "2001:db8::1"], None);
        assert_eq!(ours.other_version(ip("10.0.0.1")), Some(ip("2001:db8::1")));
    }
}
