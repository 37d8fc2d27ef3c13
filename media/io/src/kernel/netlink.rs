//! Messages of netlink(7): a request built in place, an answer read attribute by attribute, and the socket that
//! carries both.
//!
//! The kernel answers within the call that sends, so a question costs two system calls and never waits. Anything that
//! is cut off or contradicts its own length reads as absent.

use std::io;
use std::net::IpAddr;
use std::os::fd::OwnedFd;

use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{
    AddressFamily, Protocol, RecvFlags, SendFlags, SocketFlags, SocketType, bind, recv, send,
    socket_with,
};

/// A request: header, then what is pushed.
pub(super) struct Request {
    bytes: [u8; 96],
    length: usize,
}

impl Request {
    /// A request of this type, which asks for one answer.
    pub fn new(kind: u16) -> Self {
        let mut request = Self { bytes: [0; 96], length: HEADER_BYTES };
        request.bytes[4..6].copy_from_slice(&kind.to_ne_bytes());
        request.bytes[6..8].copy_from_slice(&NLM_F_REQUEST.to_ne_bytes());
        request
    }

    pub fn push(&mut self, bytes: &[u8]) {
        let end = self.length + bytes.len();
        self.bytes[self.length..end].copy_from_slice(bytes);
        self.length = end;
    }

    pub fn attribute(&mut self, kind: u16, value: &[u8]) {
        self.push(&(value.len() as u16 + 4).to_ne_bytes());
        self.push(&kind.to_ne_bytes());
        self.push(value);
        self.length = self.length.next_multiple_of(4);
    }

    pub fn address(&mut self, kind: u16, address: IpAddr) {
        match address {
            IpAddr::V4(address) => self.attribute(kind, &address.octets()),
            IpAddr::V6(address) => self.attribute(kind, &address.octets()),
        }
    }

    fn numbered(&mut self, sequence: u32) -> &[u8] {
        self.bytes[..4].copy_from_slice(&(self.length as u32).to_ne_bytes());
        self.bytes[8..12].copy_from_slice(&sequence.to_ne_bytes());
        &self.bytes[..self.length]
    }
}

/// One message, from its header on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Message<'m>(&'m [u8]);

impl<'m> Message<'m> {
    /// The messages of one datagram.
    pub fn each(mut datagram: &'m [u8]) -> impl Iterator<Item = Self> {
        std::iter::from_fn(move || {
            let length = word(datagram, 0)? as usize;
            let message = datagram.get(..length).filter(|_| length >= HEADER_BYTES)?;
            datagram = datagram.get(length.next_multiple_of(4)..).unwrap_or_default();
            Some(Self(message))
        })
    }

    pub fn kind(self) -> Option<u16> {
        half(self.0, 4)
    }

    /// What stands behind the header; 0 past the end.
    pub fn byte(self, at: usize) -> u8 {
        self.0.get(HEADER_BYTES + at).copied().unwrap_or_default()
    }

    pub fn word(self, at: usize) -> Option<u32> {
        word(self.0, HEADER_BYTES + at)
    }

    pub fn half(self, at: usize) -> Option<u16> {
        half(self.0, HEADER_BYTES + at)
    }

    /// The attributes behind a fixed part of that many bytes.
    pub fn attributes(self, fixed: usize) -> Attributes<'m> {
        Attributes(self.0.get(HEADER_BYTES + fixed..).unwrap_or_default())
    }
}

/// Attributes, each with its type.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attributes<'m>(&'m [u8]);

impl<'m> Attributes<'m> {
    /// The attributes inside an attribute.
    pub const fn nested(value: &'m [u8]) -> Self {
        Self(value)
    }
}

impl<'m> Iterator for Attributes<'m> {
    type Item = (u16, &'m [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let length = usize::from(half(self.0, 0)?);
        let kind = half(self.0, 2)? & !(NLA_F_NESTED | NLA_F_NET_BYTEORDER);
        let value = self.0.get(4..length)?;
        self.0 = self.0.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, value))
    }
}

/// An IP address as an attribute holds it.
pub(super) fn address(octets: &[u8]) -> Option<IpAddr> {
    let four = || <[u8; 4]>::try_from(octets).ok().map(IpAddr::from);
    let sixteen = || <[u8; 16]>::try_from(octets).ok().map(IpAddr::from);
    four().or_else(sixteen)
}

pub(super) fn half(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at + 2)?.try_into().ok().map(u16::from_ne_bytes)
}

pub(super) fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4)?.try_into().ok().map(u32::from_ne_bytes)
}

/// A socket that asks.
#[derive(Debug)]
pub(super) struct Asker {
    socket: OwnedFd,
    sequence: u32,
}

impl Asker {
    pub fn open(protocol: Option<Protocol>) -> io::Result<Self> {
        Ok(Self { socket: open(protocol, 0)?, sequence: 0 })
    }

    /// Asks, and reads the answer into `answer`. `None`: the kernel gave none that fits the question.
    pub fn ask<'m>(
        &mut self,
        request: &mut Request,
        answer: &'m mut [u8],
    ) -> io::Result<Option<Message<'m>>> {
        self.sequence = self.sequence.wrapping_add(1);
        send(&self.socket, request.numbered(self.sequence), SendFlags::DONTWAIT)?;
        // An older answer would be that of a request that failed to send.
        for _ in 0..ANSWERS_MAX {
            let (length, _) = recv(&self.socket, &mut answer[..], RecvFlags::DONTWAIT)?;
            if word(&answer[..length], 8) == Some(self.sequence) {
                return Ok(Some(Message(&answer[..length])));
            }
        }
        Ok(None)
    }
}

/// A socket that hears what changes.
#[derive(Debug)]
pub(super) struct Listener(OwnedFd);

/// What a [`Listener`] has heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum News {
    /// These messages, perhaps none, reached the callback.
    Heard,
    /// Others were lost: anything may have changed.
    Lost,
}

impl Listener {
    /// `groups` is a bit mask.
    pub fn open(protocol: Option<Protocol>, groups: u32) -> io::Result<Self> {
        open(protocol, groups).map(Self)
    }

    pub const fn socket(&self) -> &OwnedFd {
        &self.0
    }

    /// Reads what has come, a bounded number of datagrams at once.
    pub fn read(&self, mut on: impl FnMut(Message<'_>)) -> News {
        let mut news = [0; NEWS_BYTES];
        for _ in 0..NEWS_MAX {
            match recv(&self.0, &mut news[..], RecvFlags::DONTWAIT) {
                Ok((length, _)) => {
                    Message::each(news.get(..length).unwrap_or_default()).for_each(&mut on);
                }
                Err(rustix::io::Errno::AGAIN) => break,
                Err(_) => return News::Lost,
            }
        }
        News::Heard
    }
}

/// Protocol `None` is NETLINK_ROUTE.
fn open(protocol: Option<Protocol>, groups: u32) -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, protocol)?;
    bind(&socket, &SocketAddrNetlink::new(0, groups))?;
    Ok(socket)
}

/// `struct nlmsghdr`.
pub(super) const HEADER_BYTES: usize = 16;
pub(super) const AF_INET: u8 = 2;
pub(super) const AF_INET6: u8 = 10;
const NLM_F_REQUEST: u16 = 1;
const NLA_F_NESTED: u16 = 1 << 15;
const NLA_F_NET_BYTEORDER: u16 = 1 << 14;
const ANSWERS_MAX: usize = 4;
/// A message about a neighbour or an interface has less than 2,000 bytes.
const NEWS_BYTES: usize = 4_096;
/// News read at once; more are read at the next turn.
const NEWS_MAX: usize = 256;

/// Family number of an address.
pub(super) const fn family_of(address: IpAddr) -> u8 {
    if address.is_ipv4() { AF_INET } else { AF_INET6 }
}

#[cfg(test)]
impl Request {
    pub fn bytes_so_far(&mut self) -> &[u8] {
        self.numbered(0)
    }
}

#[cfg(test)]
impl<'m> Message<'m> {
    pub const fn of(bytes: &'m [u8]) -> Self {
        Self(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_end_where_a_length_lies() {
        let whole = [6, 0, 1, 0, 0xAA, 0xBB, 0, 0, 5, 0, 2, 0x80, 0xCC];
        let read: Vec<_> = Attributes::nested(&whole).collect();
        assert_eq!(read, [(1, &[0xAA, 0xBB][..]), (2, &[0xCC][..])]);
        for lie in [[0, 0, 1, 0], [3, 0, 1, 0], [9, 0, 1, 0]] {
            assert_eq!(Attributes::nested(&lie).next(), None, "{lie:?}");
        }
        assert_eq!(Attributes::nested(&whole[..3]).next(), None);
    }

    #[test]
    fn messages_end_where_a_length_lies() {
        let mut two = Request::new(7).numbered(1).to_vec();
        two.extend(Request::new(8).numbered(2));
        let kinds: Vec<_> = Message::each(&two).map(Message::kind).collect();
        assert_eq!(kinds, [Some(7), Some(8)]);
        two[16] = 15;
        assert_eq!(Message::each(&two).count(), 1, "shorter than its header");
        two[16] = 17;
        assert_eq!(Message::each(&two).count(), 1, "longer than the datagram");
    }
}
