//! Where a packet for a peer leaves: the kernel's routing table, asked by rtnetlink (RFC 3549, rtnetlink(7)).
//!
//! The program redirects to an interface, so each gift needs one. A core asks when it gives a leg, with two
//! system calls that do not wait, and keeps the answers in a table of fixed size. When the table changes in the
//! kernel, [`RouteWatch`] raises a generation and older answers are looked up again.

use std::io;
use std::net::IpAddr;
use std::os::fd::OwnedFd;

use super::netlink::{self, Asker, Listener, Message, News, Request, word};

/// A way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Egress {
    /// Index of the interface.
    pub interface: u32,
    /// The local address that the kernel would send from.
    pub source: Option<IpAddr>,
    /// Neighbour on that interface to send to: a router, or the peer itself. `None` where the kernel has to look: on this
    /// host, or behind a router of the other IP version.
    pub next_hop: Option<IpAddr>,
}

/// The answers of one core.
#[derive(Debug)]
pub(super) struct Routes {
    asker: Asker,
    known: Vec<Option<Known>>,
}

#[derive(Clone, Copy, Debug)]
struct Known {
    to: IpAddr,
    from: Option<IpAddr>,
    generation: u64,
    route: Option<Egress>,
}

impl Routes {
    /// Opens the socket and allocates the table.
    pub fn open() -> io::Result<Self> {
        Ok(Self { asker: Asker::open(None)?, known: vec![None; KNOWN_MAX] })
    }

    /// The route to an address, from one of our addresses if that is given. `None`: there is none, or the kernel names none.
    pub fn find(&mut self, to: IpAddr, from: Option<IpAddr>, generation: u64) -> Option<Egress> {
        let place = place_of(to);
        if let Some(known) = self.known[place]
            && (known.to, known.from, known.generation) == (to, from, generation)
        {
            return known.route;
        }
        let route = self.ask(to, from).ok().flatten();
        self.known[place] = Some(Known { to, from, generation, route });
        route
    }

    fn ask(&mut self, to: IpAddr, from: Option<IpAddr>) -> io::Result<Option<Egress>> {
        let from = from.filter(|from| from.is_ipv4() == to.is_ipv4());
        let bits = if to.is_ipv4() { 32 } else { 128 };
        let mut request = Request::new(RTM_GETROUTE);
        // struct rtmsg: family, lengths of destination and source, and nine bytes that a request leaves open.
        request.push(&[netlink::family_of(to), bits, from.map_or(0, |_| bits), 0]);
        request.push(&[0; 8]);
        request.address(RTA_DST, to);
        if let Some(from) = from {
            request.address(RTA_SRC, from);
        }
        let mut answer = [0; ANSWER_BYTES];
        let answer = self.asker.ask(&mut request, &mut answer)?;
        Ok(answer.and_then(|answer| read_route(answer, to)))
    }
}

/// Notices changes of routes, addresses and interfaces.
#[derive(Debug)]
pub(super) struct RouteWatch(Listener);

impl RouteWatch {
    pub fn open() -> io::Result<Self> {
        Listener::open(None, GROUPS).map(Self)
    }

    pub const fn socket(&self) -> &OwnedFd {
        self.0.socket()
    }

    /// Whether something has changed since the last call. Lost news is news.
    pub fn has_changed(&self) -> bool {
        let mut has_changed = false;
        self.0.read(|_| has_changed = true) == News::Lost || has_changed
    }
}

/// The route to an address in an answer; `None` for an error, and for a destination that is neither local nor unicast.
fn read_route(answer: Message<'_>, to: IpAddr) -> Option<Egress> {
    let route_type = answer.byte(7);
    if answer.kind()? != RTM_NEWROUTE || ![RTN_UNICAST, RTN_LOCAL].contains(&route_type) {
        return None;
    }
    let (mut interface, mut source) = (None, None);
    let mut next_hop = (route_type == RTN_UNICAST).then_some(to);
    for (kind, value) in answer.attributes(RTMSG_BYTES) {
        match kind {
            RTA_OIF => interface = word(value, 0),
            RTA_PREFSRC => source = netlink::address(value),
            RTA_GATEWAY => next_hop = netlink::address(value),
            RTA_VIA => next_hop = None,
            _ => {}
        }
    }
    interface.map(|interface| Egress { interface, source, next_hop })
}

/// Neighbours in an address range lie side by side.
fn place_of(to: IpAddr) -> usize {
    let low = match to {
        IpAddr::V4(address) => u32::from(address),
        IpAddr::V6(address) => u128::from(address) as u32,
    };
    low as usize % KNOWN_MAX
}

/// Peers whose way one core remembers, 60 bytes each.
const KNOWN_MAX: usize = 1024;
/// The kernel's answer about one route has 100 to 200 bytes.
const ANSWER_BYTES: usize = 1024;

/// `RTMGRP_LINK`, `RTMGRP_IPV4_IFADDR`, `RTMGRP_IPV4_ROUTE`, `RTMGRP_IPV6_IFADDR`, `RTMGRP_IPV6_ROUTE`.
const GROUPS: u32 = 0x1 | 0x10 | 0x40 | 0x100 | 0x400;
const RTM_NEWROUTE: u16 = 24;
const RTM_GETROUTE: u16 = 26;
const RTA_DST: u16 = 1;
const RTA_SRC: u16 = 2;
const RTA_OIF: u16 = 4;
const RTA_GATEWAY: u16 = 5;
const RTA_PREFSRC: u16 = 7;
const RTA_VIA: u16 = 18;
const RTN_UNICAST: u8 = 1;
const RTN_LOCAL: u8 = 2;
const RTMSG_BYTES: usize = 12;

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use super::super::netlink::HEADER_BYTES;
    use super::*;

    #[test]
    fn this_host_is_reached_by_loopback() {
        let mut routes = Routes::open().expect("rtnetlink");
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").expect("a socket");
        let lo = rustix::net::netdevice::name_to_index(&socket, "lo");
        let to = IpAddr::from(Ipv4Addr::new(127, 0, 0, 9));
        let route = routes.find(to, None, 1).expect("a route to this host");
        assert_eq!((Ok(route.interface), route.next_hop), (lo, None));
        let from = Some(IpAddr::from(Ipv4Addr::LOCALHOST));
        assert_eq!(routes.find(to, from, 1).map(|route| route.interface), lo.ok());
        assert_eq!(routes.known[place_of(to)].map(|known| known.from), Some(from));
    }

    #[test]
    fn an_address_that_nobody_has_is_no_way_out() {
        let mut routes = Routes::open().expect("rtnetlink");
        assert_eq!(routes.find(IpAddr::from(Ipv4Addr::BROADCAST), None, 1), None);
        assert_eq!(routes.find(IpAddr::from(Ipv6Addr::UNSPECIFIED), None, 1).and(None), None::<()>);
    }

    #[test]
    fn an_answer_that_is_cut_off_is_no_route() {
        let mut routes = Routes::open().expect("rtnetlink");
        let to = IpAddr::from(Ipv4Addr::LOCALHOST);
        let _ = routes.find(to, None, 1);
        for length in 0..HEADER_BYTES + RTMSG_BYTES {
            assert_eq!(read_route(Message::of(&vec![24; length]), to), None);
        }
        let mut looped = vec![0; HEADER_BYTES + RTMSG_BYTES + 4];
        looped[4] = 24;
        looped[HEADER_BYTES + 7] = RTN_UNICAST;
        assert_eq!(read_route(Message::of(&looped), to), None, "an attribute of no bytes");
    }
}
