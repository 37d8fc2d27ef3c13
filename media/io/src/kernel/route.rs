//! Where a packet for a peer leaves: the kernel's routing table, asked by rtnetlink (RFC 3549, rtnetlink(7)).
//!
//! The program redirects to an interface, so each gift needs one. A core asks when it gives a leg, with two
//! system calls that do not wait, and keeps the answers in a table of fixed size. When the table changes in the
//! kernel, [`RouteWatch`] raises a generation and older answers are looked up again.

use std::io;
use std::net::IpAddr;
use std::os::fd::OwnedFd;

use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, bind, recv, send, socket_with,
};

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
    socket: OwnedFd,
    known: Vec<Option<Known>>,
    sequence: u32,
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
        let socket = netlink_socket()?;
        bind(&socket, &SocketAddrNetlink::new(0, 0))?;
        Ok(Self { socket, known: vec![None; KNOWN_MAX], sequence: 0 })
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
        self.sequence = self.sequence.wrapping_add(1);
        let mut request = Message { bytes: [0; 72], length: 0 };
        request.route(to, from, self.sequence);
        send(&self.socket, request.bytes(), SendFlags::DONTWAIT)?;
        let mut answer = [0; ANSWER_BYTES];
        // The kernel answers within the request. An older answer would be that of a request that failed to send.
        for _ in 0..ANSWERS_MAX {
            let (length, _) = recv(&self.socket, &mut answer[..], RecvFlags::DONTWAIT)?;
            let answer = answer.get(..length).unwrap_or_default();
            if word(answer, 8) == Some(self.sequence) {
                return Ok(read_route(answer, to));
            }
        }
        Ok(None)
    }
}

/// Notices changes of routes, addresses and interfaces.
#[derive(Debug)]
pub(super) struct RouteWatch {
    socket: OwnedFd,
}

impl RouteWatch {
    pub fn open() -> io::Result<Self> {
        let socket = netlink_socket()?;
        bind(&socket, &SocketAddrNetlink::new(0, GROUPS))?;
        Ok(Self { socket })
    }

    pub const fn socket(&self) -> &OwnedFd {
        &self.socket
    }

    /// Whether something has changed since the last call. Lost news is news.
    pub fn has_changed(&self) -> bool {
        let mut news = [0; ANSWER_BYTES];
        let mut has_changed = false;
        for _ in 0..NEWS_MAX {
            match recv(&self.socket, &mut news[..], RecvFlags::DONTWAIT) {
                Ok(_) => has_changed = true,
                Err(rustix::io::Errno::AGAIN) => break,
                Err(_) => return true,
            }
        }
        has_changed
    }
}

fn netlink_socket() -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    // Protocol 0 is NETLINK_ROUTE.
    Ok(socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, None)?)
}

/// A request: header, `rtmsg`, attributes.
struct Message {
    bytes: [u8; 72],
    length: usize,
}

impl Message {
    fn route(&mut self, to: IpAddr, from: Option<IpAddr>, sequence: u32) {
        let (family, bits) = if to.is_ipv4() { (AF_INET, 32) } else { (AF_INET6, 128) };
        let from = from.filter(|from| from.is_ipv4() == to.is_ipv4());
        self.push(&[0; 4]);
        self.push(&RTM_GETROUTE.to_ne_bytes());
        self.push(&NLM_F_REQUEST.to_ne_bytes());
        self.push(&sequence.to_ne_bytes());
        self.push(&[0; 4]);
        self.push(&[family, bits, from.map_or(0, |_| bits), 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        self.attribute(RTA_DST, to);
        if let Some(from) = from {
            self.attribute(RTA_SRC, from);
        }
        let length = self.length as u32;
        self.bytes[..4].copy_from_slice(&length.to_ne_bytes());
    }

    fn attribute(&mut self, kind: u16, address: IpAddr) {
        let octets = |octets: &[u8], message: &mut Self| {
            message.push(&(octets.len() as u16 + 4).to_ne_bytes());
            message.push(&kind.to_ne_bytes());
            message.push(octets);
        };
        match address {
            IpAddr::V4(address) => octets(&address.octets(), self),
            IpAddr::V6(address) => octets(&address.octets(), self),
        }
    }

    fn push(&mut self, bytes: &[u8]) {
        let end = self.length + bytes.len();
        self.bytes[self.length..end].copy_from_slice(bytes);
        self.length = end;
    }

    fn bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

/// The route to an address in an answer; `None` for an error, and for a destination that is neither local nor unicast.
fn read_route(answer: &[u8], to: IpAddr) -> Option<Egress> {
    let kind = half(answer, 4)?;
    let route_type = *answer.get(HEADER_BYTES + 7)?;
    if kind != RTM_NEWROUTE || ![RTN_UNICAST, RTN_LOCAL].contains(&route_type) {
        return None;
    }
    let (mut interface, mut source) = (None, None);
    let mut next_hop = (route_type == RTN_UNICAST).then_some(to);
    let mut rest = answer.get(HEADER_BYTES + RTMSG_BYTES..)?;
    while let (Some(length), Some(kind)) = (half(rest, 0), half(rest, 2)) {
        let value = rest.get(4..usize::from(length))?;
        match kind {
            RTA_OIF => interface = word(value, 0),
            RTA_PREFSRC => source = address(value),
            RTA_GATEWAY => next_hop = address(value),
            RTA_VIA => next_hop = None,
            _ => {}
        }
        rest = rest.get(usize::from(length).next_multiple_of(4)..).unwrap_or_default();
    }
    interface.map(|interface| Egress { interface, source, next_hop })
}

fn address(octets: &[u8]) -> Option<IpAddr> {
    let four = || <[u8; 4]>::try_from(octets).ok().map(IpAddr::from);
    let sixteen = || <[u8; 16]>::try_from(octets).ok().map(IpAddr::from);
    four().or_else(sixteen)
}

fn half(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at + 2)?.try_into().ok().map(u16::from_ne_bytes)
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4)?.try_into().ok().map(u32::from_ne_bytes)
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
const ANSWERS_MAX: usize = 4;
/// News read at once; more are read a second later.
const NEWS_MAX: usize = 256;

/// `RTMGRP_LINK`, `RTMGRP_IPV4_IFADDR`, `RTMGRP_IPV4_ROUTE`, `RTMGRP_IPV6_IFADDR`, `RTMGRP_IPV6_ROUTE`.
const GROUPS: u32 = 0x1 | 0x10 | 0x40 | 0x100 | 0x400;
const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;
const RTM_NEWROUTE: u16 = 24;
const RTM_GETROUTE: u16 = 26;
const NLM_F_REQUEST: u16 = 1;
const RTA_DST: u16 = 1;
const RTA_SRC: u16 = 2;
const RTA_OIF: u16 = 4;
const RTA_GATEWAY: u16 = 5;
const RTA_PREFSRC: u16 = 7;
const RTA_VIA: u16 = 18;
const RTN_UNICAST: u8 = 1;
const RTN_LOCAL: u8 = 2;
const HEADER_BYTES: usize = 16;
const RTMSG_BYTES: usize = 12;

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use super::*;

    #[test]
    fn this_host_is_reached_by_loopback() {
        let mut routes = Routes::open().expect("rtnetlink");
        let lo = rustix::net::netdevice::name_to_index(&routes.socket, "lo");
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
            assert_eq!(read_route(&vec![24; length], to), None);
        }
        let mut looped = vec![0; HEADER_BYTES + RTMSG_BYTES + 4];
        looped[4] = 24;
        looped[HEADER_BYTES + 7] = RTN_UNICAST;
        assert_eq!(read_route(&looped, to), None, "an attribute of no bytes");
    }
}
