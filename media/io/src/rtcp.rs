//! RTCP sockets: open while a leg has RTCP on a port of its own, which legs that multiplex it with RTP (RFC 5761) do
//! not. A report comes and goes every few seconds, so plain calls serve; neither blocks.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;

use plane::SocketId;
use rustix::event::epoll;
use rustix::net::{RecvFlags, SendFlags, recvfrom, sendto};
use shared::MediaPort;

use crate::config::IoConfig;
use crate::driver::DriverCounts;
use crate::ports::{Marking, open_socket};

/// The RTCP sockets of one core, by the index of their port. Allocates only when made.
#[derive(Debug)]
pub(crate) struct RtcpSockets {
    addresses: Box<[SocketAddr]>,
    open: Box<[Option<OwnedFd>]>,
    marking: Marking,
}

impl RtcpSockets {
    /// For these ports of a core, all closed.
    pub fn new(ports: &[MediaPort], config: &IoConfig) -> Self {
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
            marking: Marking::of(config),
        }
    }

    /// Opens the RTCP socket of a port and has `epoll` tell of it by its [`SocketId`], or closes it.
    /// What is so already stays.
    pub fn listen(
        &mut self,
        epoll: &OwnedFd,
        port_index: usize,
        listens: bool,
        counts: &mut DriverCounts,
    ) {
        let Some(place) = self.open.get_mut(port_index) else { return };
        if !listens {
            *place = None;
            return;
        }
        let Some(&address) = self.addresses.get(port_index).filter(|_| place.is_none()) else {
            return;
        };
        let opened = open_socket(address, self.marking).and_then(|socket| {
            let data = epoll::EventData::new_u64(u64::from(SocketId::rtcp(port_index).0));
            epoll::add(epoll, &socket, data, epoll::EventFlags::IN)?;
            Ok(socket)
        });
        match opened {
            Ok(socket) => *place = Some(socket.into()),
            Err(_) => counts.rtcp_unopened += 1,
        }
    }

    /// The socket, while it is open.
    pub fn get(&self, socket: SocketId) -> Option<&OwnedFd> {
        self.open.get(socket.port_index())?.as_ref()
    }
}

/// Takes one datagram if there is one: its length, which may be more than `bytes` can hold, and its source.
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
