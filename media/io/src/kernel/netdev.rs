//! What the driver of an interface can do at the XDP hook, by the kernel's own word: the generic netlink family
//! `netdev` (Linux 6.3), never the driver's name.
//!
//! The features change while an interface runs. Most drivers can send redirected frames only while they have a
//! program themselves; a veth end can while its other end has one, or GRO.

use std::io;
use std::os::fd::OwnedFd;

use rustix::net::netlink;

use super::netlink::{Asker, Attributes, Listener, Message, Request, half, word};

/// A set of features (`enum netdev_xdp_act`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Features(u64);

impl Features {
    /// XDP_PASS and XDP_DROP, among others.
    pub const BASIC: Self = Self(1);
    /// XDP_REDIRECT of a frame that came in.
    pub const REDIRECT: Self = Self(2);
    /// Sending of frames that this interface or another one redirects.
    pub const NDO_XMIT: Self = Self(4);

    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

/// The family.
#[derive(Debug)]
pub(super) struct Netdev {
    asker: Asker,
    family: u16,
    /// Raised by the kernel when a device changes; `None` where its group has no bit in the mask.
    news: Option<Listener>,
}

impl Netdev {
    /// # Errors
    /// The kernel's, where it has no such family (before Linux 6.3).
    pub fn open() -> io::Result<Self> {
        let mut asker = Asker::open(Some(netlink::GENERIC))?;
        let mut request = Request::new(GENL_ID_CTRL);
        request.push(&[CTRL_CMD_GETFAMILY, 1, 0, 0]);
        request.attribute(CTRL_ATTR_FAMILY_NAME, b"netdev\0");
        let mut answer = [0; ANSWER_BYTES];
        let answer = asker.ask(&mut request, &mut answer)?.and_then(read_family);
        let (family, group) = answer.ok_or(io::ErrorKind::Unsupported)?;
        let mask = group.filter(|group| (1..=32).contains(group)).map(|group| 1 << (group - 1));
        let news = mask.map(|mask| Listener::open(Some(netlink::GENERIC), mask)).transpose()?;
        Ok(Self { asker, family, news })
    }

    /// The features of an interface; none for one without a driver that says so.
    pub fn features(&mut self, interface: u32) -> io::Result<Features> {
        let mut request = Request::new(self.family);
        request.push(&[NETDEV_CMD_DEV_GET, 1, 0, 0]);
        request.attribute(NETDEV_A_DEV_IFINDEX, &interface.to_ne_bytes());
        let mut answer = [0; ANSWER_BYTES];
        let answer = self.asker.ask(&mut request, &mut answer)?;
        Ok(answer.and_then(read_features).unwrap_or(Features(0)))
    }

    /// Readable when a device has changed.
    pub fn socket(&self) -> Option<&OwnedFd> {
        self.news.as_ref().map(Listener::socket)
    }

    /// Forgets the news: whoever looks at the features now sees them all.
    pub fn drain(&self) {
        if let Some(news) = &self.news {
            let _ = news.read(|_| {});
        }
    }
}

/// Number of the family, and of its group `mgmt`.
fn read_family(answer: Message<'_>) -> Option<(u16, Option<u32>)> {
    let (mut family, mut group) = (None, None);
    for (kind, value) in answer.attributes(GENL_BYTES) {
        match kind {
            CTRL_ATTR_FAMILY_ID => family = half(value, 0),
            CTRL_ATTR_MCAST_GROUPS => group = read_group(value),
            _ => {}
        }
    }
    Some((family?, group))
}

fn read_group(list: &[u8]) -> Option<u32> {
    Attributes::nested(list).find_map(|(_, group)| {
        let of = |wanted| Attributes::nested(group).find(|(kind, _)| *kind == wanted);
        let (_, name) = of(CTRL_ATTR_MCAST_GRP_NAME)?;
        let (_, number) = of(CTRL_ATTR_MCAST_GRP_ID).filter(|_| name == b"mgmt\0")?;
        word(number, 0)
    })
}

fn read_features(answer: Message<'_>) -> Option<Features> {
    let mut attributes = answer.attributes(GENL_BYTES);
    let (_, bits) = attributes.find(|(kind, _)| *kind == NETDEV_A_DEV_XDP_FEATURES)?;
    bits.try_into().ok().map(u64::from_ne_bytes).map(Features)
}

const ANSWER_BYTES: usize = 4_096;
/// `struct genlmsghdr`.
const GENL_BYTES: usize = 4;
const GENL_ID_CTRL: u16 = 16;
const CTRL_CMD_GETFAMILY: u8 = 3;
const CTRL_ATTR_FAMILY_ID: u16 = 1;
const CTRL_ATTR_FAMILY_NAME: u16 = 2;
const CTRL_ATTR_MCAST_GROUPS: u16 = 7;
const CTRL_ATTR_MCAST_GRP_NAME: u16 = 1;
const CTRL_ATTR_MCAST_GRP_ID: u16 = 2;
const NETDEV_CMD_DEV_GET: u8 = 1;
const NETDEV_A_DEV_IFINDEX: u16 = 1;
const NETDEV_A_DEV_XDP_FEATURES: u16 = 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_are_bits_and_an_error_is_none() {
        let mut request = Request::new(20);
        request.push(&[NETDEV_CMD_DEV_GET, 1, 0, 0]);
        request.attribute(NETDEV_A_DEV_IFINDEX, &4u32.to_ne_bytes());
        request.attribute(NETDEV_A_DEV_XDP_FEATURES, &0x2Bu64.to_ne_bytes());
        let features = read_features(Message::of(request.bytes_so_far())).expect("there");
        assert!(features.has(Features::BASIC) && features.has(Features::REDIRECT));
        assert!(!features.has(Features::NDO_XMIT));
        let cut = request.bytes_so_far().len() - 1;
        assert_eq!(read_features(Message::of(&request.bytes_so_far()[..cut])), None);
    }
}
