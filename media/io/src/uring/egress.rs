//! Which way each RTP port sends: its second socket is connected to the one party that it talks to,
//! which spares the kernel a route look-up a packet (up to 7 % of all CPU on a quiet machine). Pure bookkeeping.
//!
//! A connected socket is given only its peer's packets, so the first socket of the port stays as it is
//! and hears everybody else: a stranger is counted, not answered by the kernel. Both sockets are
//! received from alike; which one a packet came by says nothing.

use std::net::SocketAddr;

/// How the next datagram of a port goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// By the first socket, with its address.
    Addressed,
    /// By the first socket, with its address; and the second one is to be connected there, as this
    /// attempt.
    AddressedAndConnect(u16),
    /// By the second socket, which needs no address.
    Connected,
}

/// The second sockets of one core.
#[derive(Debug)]
pub(crate) struct Egress {
    seconds: Box<[Second]>,
}

#[derive(Clone, Copy, Debug)]
struct Second {
    to: SocketAddr,
    state: State,
    /// Tells the outcome of this attempt from those of earlier ones.
    attempt: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// So many datagrams in a row went to `to`.
    Counting(u8),
    /// The kernel has not answered yet.
    Connecting,
    Connected,
    /// Not to be tried again before the destination changes.
    Refused,
}

/// Datagrams in a row to one address before the second socket is connected to it: more than an
/// undecided latch takes, and none for a party that only ever gets a few.
const STEADY_DATAGRAMS: u8 = 8;
const _: () = assert!(STEADY_DATAGRAMS > shared::limits::LATCH_PACKETS);

impl Egress {
    /// For `count` ports, none connected.
    pub fn new(count: usize) -> Self {
        let to = SocketAddr::from(([0, 0, 0, 0], 0));
        let second = Second { to, state: State::Counting(0), attempt: 0 };
        Self { seconds: vec![second; count].into_boxed_slice() }
    }

    /// Ports with a second socket.
    pub fn len(&self) -> usize {
        self.seconds.len()
    }

    /// The way of a datagram from the port number `port` to `to`. A port without a second socket
    /// always sends addressed.
    #[inline]
    pub fn way(&mut self, port: usize, to: SocketAddr) -> Way {
        let Some(second) = self.seconds.get_mut(port) else { return Way::Addressed };
        if second.to != to {
            (second.to, second.state) = (to, State::Counting(0));
        }
        match second.state {
            State::Connected => Way::Connected,
            State::Connecting | State::Refused => Way::Addressed,
            State::Counting(count) if count + 1 < STEADY_DATAGRAMS => {
                second.state = State::Counting(count + 1);
                Way::Addressed
            }
            State::Counting(_) => {
                second.state = State::Connecting;
                second.attempt = second.attempt.wrapping_add(1);
                Way::AddressedAndConnect(second.attempt)
            }
        }
    }

    /// The kernel's answer to an attempt.
    pub fn connected(&mut self, port: usize, attempt: u16, is_connected: bool) {
        let Some(second) = self.seconds.get_mut(port) else { return };
        if second.state == State::Connecting && second.attempt == attempt {
            second.state = if is_connected { State::Connected } else { State::Refused };
        }
    }

    /// A datagram was refused on the connected socket: the peer's machine says that nobody listens
    /// there, which an unconnected socket never hears of. `true` when the socket is to be disconnected;
    /// the port sends addressed until its destination changes.
    #[must_use]
    pub fn refuse(&mut self, port: usize) -> bool {
        let Some(second) = self.seconds.get_mut(port) else { return false };
        let was_connected = second.state == State::Connected;
        if was_connected {
            second.state = State::Refused;
        }
        was_connected
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(port: u16) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, 1], port))
    }

    /// Sends until the second socket is to be connected.
    fn attempt(egress: &mut Egress, to: SocketAddr) -> u16 {
        for _ in 1..STEADY_DATAGRAMS {
            assert_eq!(egress.way(0, to), Way::Addressed);
        }
        match egress.way(0, to) {
            Way::AddressedAndConnect(attempt) => attempt,
            way => panic!("{way:?}"),
        }
    }

    #[test]
    fn a_steady_destination_is_connected_and_used_once_the_kernel_has_agreed() {
        let mut egress = Egress::new(1);
        let number = attempt(&mut egress, address(1));
        assert_eq!(egress.way(0, address(1)), Way::Addressed);
        egress.connected(0, number, true);
        assert_eq!(egress.way(0, address(1)), Way::Connected);
    }

    #[test]
    fn another_destination_is_sent_to_at_once_and_connected_anew() {
        let mut egress = Egress::new(1);
        let number = attempt(&mut egress, address(1));
        egress.connected(0, number, true);
        let second = attempt(&mut egress, address(2));
        egress.connected(0, number, true);
        assert_eq!(egress.way(0, address(2)), Way::Addressed, "that answer was the old attempt's");
        egress.connected(0, second, true);
        assert_eq!(egress.way(0, address(2)), Way::Connected);
    }

    #[test]
    fn after_a_refusal_the_port_sends_addressed_until_its_destination_changes() {
        let mut egress = Egress::new(1);
        let number = attempt(&mut egress, address(1));
        egress.connected(0, number, true);
        assert!(egress.refuse(0));
        assert!(!egress.refuse(0), "the socket is disconnected once");
        for _ in 0..20 {
            assert_eq!(egress.way(0, address(1)), Way::Addressed);
        }
        attempt(&mut egress, address(2));
    }

    #[test]
    fn alternating_destinations_are_never_connected_and_strange_ports_are_addressed() {
        let mut egress = Egress::new(1);
        for round in 0..100 {
            assert_eq!(egress.way(0, address(round % 2)), Way::Addressed);
            assert_eq!(egress.way(1, address(1)), Way::Addressed);
        }
    }
}
