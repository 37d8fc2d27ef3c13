//! The local address that a peer sees, by the kernel's routes, cached for 60 s. Shell.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use shared::Instant;

/// The source address of packets to each peer.
///
/// Connecting a UDP socket makes the kernel choose the source address and sends nothing.
/// Answers are kept for [`KEPT_S`] seconds and at most [`PEERS_MAX`] of them, so that a flood of
/// sources costs one system call each and no memory.
#[derive(Debug, Default)]
pub struct LocalAddresses {
    known: HashMap<IpAddr, (IpAddr, Instant)>,
}

impl LocalAddresses {
    /// The local address towards `peer`. Without a route: the loopback address of its IP version. No peer
    /// outside could reach us at any address then.
    pub fn towards(&mut self, now: Instant, peer: IpAddr) -> IpAddr {
        let peer = peer.to_canonical();
        if let Some((local, at)) = self.known.get(&peer)
            && now.since(*at).as_secs() < KEPT_S
        {
            return *local;
        }
        let local = ask_kernel(peer).unwrap_or_else(|| loopback(peer));
        if self.known.len() >= PEERS_MAX {
            self.known.clear();
        }
        self.known.insert(peer, (local, now));
        local
    }

    /// The address of a listener as this peer sees it: as bound, unless it is bound to all addresses.
    pub fn of_listener(&mut self, now: Instant, bound: SocketAddr, peer: IpAddr) -> SocketAddr {
        match bound.ip().to_canonical().is_unspecified() {
            true => SocketAddr::new(self.towards(now, peer), bound.port()),
            false => bound,
        }
    }
}

/// The source addresses of packets to the internet, one for each IP version with a route.
pub fn outside() -> Vec<IpAddr> {
    let found = DOCUMENTATION.into_iter().filter_map(ask_kernel);
    found.filter(|address| !address.is_loopback()).collect()
}

/// Documentation addresses (RFC 5737, RFC 3849), which no host has: only default routes lead there.
const DOCUMENTATION: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)),
    IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1)),
];

fn ask_kernel(peer: IpAddr) -> Option<IpAddr> {
    let any: IpAddr = match peer {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0)).ok()?;
    // The port does not matter: nothing is sent. Port 9 is the discard service (RFC 863).
    socket.connect((peer, 9)).ok()?;
    socket.local_addr().ok().map(|address| address.ip())
}

fn loopback(peer: IpAddr) -> IpAddr {
    match peer {
        IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    }
}

/// Seconds that an answer is kept: a change of routes shows after this time at the latest.
const KEPT_S: u64 = 60;

/// Peers remembered. Past it all are forgotten.
const PEERS_MAX: usize = 4_096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_peers_see_the_loopback_address() {
        let mut addresses = LocalAddresses::default();
        let peer: IpAddr = "127.0.0.1".parse().expect("an address");
        assert_eq!(addresses.towards(Instant::ZERO, peer), peer);
        let mapped: IpAddr = "::ffff:127.0.0.1".parse().expect("an address");
        assert_eq!(addresses.towards(Instant::ZERO, mapped), peer);
    }

    #[test]
    fn a_listener_on_one_address_is_that_address() {
        let mut addresses = LocalAddresses::default();
        let peer: IpAddr = "127.0.0.1".parse().expect("an address");
        let one: SocketAddr = "192.0.2.1:5060".parse().expect("an address");
        assert_eq!(addresses.of_listener(Instant::ZERO, one, peer), one);
        let any: SocketAddr = "0.0.0.0:5060".parse().expect("an address");
        assert_eq!(addresses.of_listener(Instant::ZERO, any, peer).to_string(), "127.0.0.1:5060");
    }

    #[test]
    fn a_flood_of_peers_occupies_bounded_memory() {
        let mut addresses = LocalAddresses::default();
        for n in 0..=PEERS_MAX as u32 {
            addresses
                .known
                .insert(IpAddr::V4(n.into()), (loopback(IpAddr::V4(n.into())), Instant::ZERO));
        }
        addresses.towards(Instant::ZERO, "127.0.0.1".parse().expect("an address"));
        assert_eq!(addresses.known.len(), 1);
    }
}
