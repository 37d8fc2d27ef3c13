//! RTCP sockets: open while a leg has RTCP on its own port. Legs that multiplex it with RTP (RFC 5761) need none.
//! A report is received and sent every few seconds, so plain non-blocking system calls are fast enough.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;

use plane::SocketId;
use rustix::event::epoll;
use rustix::net::{RecvFlags, SendFlags, recvfrom, sendto};
use shared::MediaPort;
use shared::limits::RTCP_FILES_SHARE;

use crate::backend::driver::DriverCounts;
use crate::config::IoConfig;
use crate::ports::{Marking, open_socket};

/// The RTCP sockets of one core, by the index of their port. Allocates only when made.
#[derive(Debug)]
pub(crate) struct RtcpSockets {
    addresses: Box<[SocketAddr]>,
    open: Box<[Option<OwnedFd>]>,
    open_count: usize,
    open_max: usize,
    marking: Marking,
}

/// Number of RTCP sockets that one core on io_uring may open, when `files_max` files may be open in all: unlike
/// RTP sockets, which only the ring's own table holds, they count as open files.
pub(crate) fn sockets_max(files_max: u64, cores: usize) -> usize {
    usize::try_from(files_max / RTCP_FILES_SHARE).unwrap_or(usize::MAX) / cores.max(1)
}

impl RtcpSockets {
    /// Starts with the sockets of all ports closed. At most `open_max` are open at once.
    pub fn new(ports: &[MediaPort], config: &IoConfig, open_max: usize) -> Self {
        let address = |port: &MediaPort| {
            let address = config.addresses.get(usize::from(port.address));
            // Only ports on an address of the settings were opened, and none is the last of all.
            SocketAddr::new(
                address.copied().unwrap_or(std::net::Ipv4Addr::UNSPECIFIED.into()),
                port.rtp.saturating_add(1),
            )
        };
        Self {
            addresses: ports.iter().map(address).collect(),
            open: ports.iter().map(|_| None).collect(),
            open_count: 0,
            open_max,
            marking: Marking::of(config),
        }
    }

    /// Opens the RTCP socket of a port and adds it to `epoll` under its [`SocketId`], or closes it. Does
    /// nothing when it is open, or closed, already.
    pub fn listen(
        &mut self,
        epoll: &OwnedFd,
        port_index: usize,
        listens: bool,
        counts: &mut DriverCounts,
    ) {
        let Some(place) = self.open.get_mut(port_index) else { return };
        if !listens {
            self.open_count -= usize::from(place.take().is_some());
            return;
        }
        let Some(&address) = self.addresses.get(port_index).filter(|_| place.is_none()) else {
            return;
        };
        if self.open_count >= self.open_max {
            counts.rtcp_unopened += 1;
            return;
        }
        let opened = open_socket(address, self.marking).and_then(|socket| {
            let data = epoll::EventData::new_u64(u64::from(SocketId::rtcp(port_index).0));
            epoll::add(epoll, &socket, data, epoll::EventFlags::IN)?;
            Ok(socket)
        });
        match opened {
            Ok(socket) => {
                *place = Some(socket.into());
                self.open_count += 1;
            }
            Err(_) => counts.rtcp_unopened += 1,
        }
    }

    /// The socket, while it is open.
    pub fn get(&self, socket: SocketId) -> Option<&OwnedFd> {
        self.open.get(socket.port_index())?.as_ref()
    }
}

/// Receives one datagram, if any: its length, which may exceed that of `bytes`, and its source.
pub(crate) fn receive(socket: &OwnedFd, bytes: &mut [u8]) -> Option<(usize, Option<SocketAddr>)> {
    let flags = RecvFlags::DONTWAIT | RecvFlags::TRUNC;
    let (_, len, source) = recvfrom(socket, bytes, flags).ok()?;
    Some((len, source.and_then(|source| SocketAddr::try_from(source).ok())))
}

/// Sends one datagram now. `false` where there is no socket, or the kernel refuses.
pub(crate) fn send(socket: Option<&OwnedFd>, to: SocketAddr, packet: &[u8]) -> bool {
    let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
    socket.is_some_and(|socket| sendto(socket, packet, flags, &to) == Ok(packet.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_cores_together_take_a_quarter_of_the_files() {
        assert_eq!(sockets_max(20_000, 1), 5_000);
        assert_eq!(sockets_max(20_000, 3) * 3, 4_998);
        assert_eq!(sockets_max(0, 0), 0);
    }

    #[test]
    fn a_socket_past_the_bound_is_counted_and_opens_once_another_is_closed() {
        // Port 65,535 of each address below: in no other range, and not an RTP port.
        let addresses = (1..=3).map(|host| std::net::Ipv4Addr::new(127, 9, 9, host).into());
        let config = IoConfig { addresses: addresses.collect(), ..IoConfig::default() };
        let ports = [0, 1, 2].map(|address| MediaPort { address, rtp: 65_534 });
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).expect("the system has one");
        let mut counts = DriverCounts::default();
        let mut sockets = RtcpSockets::new(&ports, &config, 2);
        for port in [0, 1, 2, 1] {
            sockets.listen(&epoll, port, true, &mut counts);
        }
        let is_open = |sockets: &RtcpSockets| {
            [0, 1, 2].map(|port| sockets.get(SocketId::rtcp(port)).is_some())
        };
        assert_eq!((is_open(&sockets), counts.rtcp_unopened), ([true, true, false], 1));
        for (port, listens) in [(0, false), (0, false), (2, true), (3, true)] {
            sockets.listen(&epoll, port, listens, &mut counts);
        }
        assert_eq!((is_open(&sockets), counts.rtcp_unopened), ([false, true, true], 1));
    }
}
