//! Datagrams that ICMP returned: the error queue of a UDP socket (`IP_RECVERR`, ip(7)). Shell.
//!
//! An unconnected socket learns of ICMP errors only from this queue. An entry holds the destination of
//! the datagram and its first bytes. So a closed port is known at once, where silence would take seconds.

use std::io::{self, IoSliceMut};
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd};

use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::sockopt::{Ipv4RecvErr, Ipv6RecvErr};
use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, setsockopt};

/// Makes the kernel queue the ICMP errors of a socket.
pub(super) fn queue_errors(socket: &impl AsFd, is_ipv6: bool) -> io::Result<()> {
    match is_ipv6 {
        true => setsockopt(socket, Ipv6RecvErr, &true)?,
        false => setsockopt(socket, Ipv4RecvErr, &true)?,
    }
    Ok(())
}

/// One entry of the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Queued {
    /// Not delivered: its destination, and the number of its bytes that are quoted.
    Undelivered { remote: SocketAddr, length: usize },
    /// A retransmission may succeed: a smaller path MTU, a hop limit.
    Passing,
    /// The queue is empty.
    Empty,
}

/// Takes the oldest entry and writes its quoted bytes into `buffer`.
pub(super) fn take(socket: &impl AsRawFd, buffer: &mut [u8]) -> Queued {
    let mut control = nix::cmsg_space!(libc::sock_extended_err, libc::sockaddr_in6);
    let mut parts = [IoSliceMut::new(buffer)];
    let flags = MsgFlags::MSG_ERRQUEUE | MsgFlags::MSG_DONTWAIT;
    let fd = socket.as_raw_fd();
    let message = match recvmsg::<SockaddrStorage>(fd, &mut parts, Some(&mut control), flags) {
        Ok(message) => message,
        Err(Errno::EINTR) => return Queued::Passing,
        Err(_) => return Queued::Empty,
    };
    let is_final = message.cmsgs().is_ok_and(|mut all| all.any(|one| is_undelivered(&one)));
    match message.address.as_ref().and_then(socket_address).filter(|_| is_final) {
        Some(remote) => Queued::Undelivered { remote, length: message.bytes },
        None => Queued::Passing,
    }
}

/// Whether the error means that no process received the datagram (RFC 3261 §18.4).
fn is_undelivered(message: &ControlMessageOwned) -> bool {
    let (ControlMessageOwned::Ipv4RecvErr(error, _) | ControlMessageOwned::Ipv6RecvErr(error, _)) =
        message
    else {
        return false;
    };
    match (error.ee_origin, error.ee_type) {
        (libc::SO_EE_ORIGIN_ICMP, ICMP_UNREACHABLE) => error.ee_code != FRAGMENTATION_NEEDED,
        (libc::SO_EE_ORIGIN_ICMP, ICMP_PARAMETER) => true,
        (libc::SO_EE_ORIGIN_ICMP6, ICMP6_UNREACHABLE | ICMP6_PARAMETER) => true,
        _ => false,
    }
}

fn socket_address(address: &SockaddrStorage) -> Option<SocketAddr> {
    let v4 = address.as_sockaddr_in().map(|v4| SocketAddr::V4((*v4).into()));
    v4.or_else(|| address.as_sockaddr_in6().map(|v6| SocketAddr::V6((*v6).into())))
}

/// ICMP types and codes (RFC 792).
const ICMP_UNREACHABLE: u8 = 3;
const FRAGMENTATION_NEEDED: u8 = 4;
const ICMP_PARAMETER: u8 = 12;
/// ICMPv6 types (RFC 4443).
const ICMP6_UNREACHABLE: u8 = 1;
const ICMP6_PARAMETER: u8 = 4;

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use super::*;

    #[test]
    fn a_datagram_to_a_closed_port_comes_back_with_its_address_and_its_beginning() {
        for host in ["127.0.0.1", "[::1]"] {
            let open = || UdpSocket::bind(format!("{host}:0")).expect("a free port");
            let closed = open().local_addr().expect("bound");
            let socket = open();
            queue_errors(&socket, closed.is_ipv6()).expect("the kernel has it");
            socket.send_to(b"INVITE sip:bob@b.test SIP/2.0", closed).expect("sent");
            let mut buffer = [0; 64];
            // On loopback the ICMP error is there before the send returns.
            let Queued::Undelivered { remote, length } = take(&socket, &mut buffer) else {
                panic!("{host}: nothing came back")
            };
            assert_eq!(
                (remote, &buffer[..length]),
                (closed, &b"INVITE sip:bob@b.test SIP/2.0"[..])
            );
            assert_eq!(take(&socket, &mut buffer), Queued::Empty);
        }
    }
}
