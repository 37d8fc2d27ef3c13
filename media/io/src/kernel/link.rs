//! The interfaces as the kernel's link table has them (rtnetlink(7)): link-layer address and MTU. Names play no part,
//! because they change.

use std::io;

use super::netlink::{Asker, Message, Request, word};

/// What a frame that leaves by an interface has to fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Link {
    /// Its own link-layer address.
    pub address: [u8; 6],
    /// Longest IP packet, in bytes.
    pub mtu: u32,
}

/// Asks the kernel's table.
#[derive(Debug)]
pub(super) struct Links(Asker);

impl Links {
    pub fn open() -> io::Result<Self> {
        Asker::open(None).map(Self)
    }

    /// The link with that index; `None` where it is gone, or has no Ethernet address.
    pub fn find(&mut self, index: u32) -> Option<Link> {
        let mut request = Request::new(RTM_GETLINK);
        // struct ifinfomsg: family, padding, type, index, flags, change.
        request.push(&[0; 4]);
        request.push(&index.to_ne_bytes());
        request.push(&[0; 8]);
        request.attribute(IFLA_EXT_MASK, &RTEXT_FILTER_SKIP_STATS.to_ne_bytes());
        // What a long answer has beyond this is about virtual functions.
        let mut answer = [0; 4_096];
        self.0.ask(&mut request, &mut answer).ok().flatten().and_then(read_link)
    }
}

fn read_link(answer: Message<'_>) -> Option<Link> {
    if answer.kind()? != RTM_NEWLINK {
        return None;
    }
    let (mut address, mut mtu) = (None, None);
    for (kind, value) in answer.attributes(IFINFOMSG_BYTES) {
        match kind {
            IFLA_ADDRESS => address = value.try_into().ok(),
            IFLA_MTU => mtu = word(value, 0),
            _ => {}
        }
    }
    Some(Link { address: address?, mtu: mtu? })
}

const RTM_NEWLINK: u16 = 16;
const RTM_GETLINK: u16 = 18;
const IFLA_ADDRESS: u16 = 1;
const IFLA_MTU: u16 = 4;
const IFLA_EXT_MASK: u16 = 29;
const RTEXT_FILTER_SKIP_STATS: u32 = 1 << 3;
const IFINFOMSG_BYTES: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_has_an_address_of_zeros_and_a_long_mtu() {
        let mut links = Links::open().expect("rtnetlink");
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").expect("a socket");
        let lo = rustix::net::netdevice::name_to_index(&socket, "lo").expect("loopback");
        assert_eq!(links.find(lo), Some(Link { address: [0; 6], mtu: 65_536 }));
        assert_eq!(links.find(u32::MAX / 2), None);
    }
}
