//! The ports of a core, and the legs that have them. Sans-IO.
//!
//! A packet brings the index of its port, a command brings the port: the first is one look into an array, the
//! second a search. A port belongs to at most one leg at a time.

use shared::MediaPort;

use crate::output::SocketId;

/// The table; its size is fixed when the core is made.
#[derive(Debug)]
pub(crate) struct Ports {
    /// Ports in order, each with its index in [`crate::PlaneConfig::ports`].
    ordered: Vec<(MediaPort, u16)>,
    /// Slot of the leg that has the port at this index.
    slots: Vec<Option<u16>>,
}

impl Ports {
    /// # Panics
    /// With more ports than 16 bits can number.
    pub fn new(ports: &[MediaPort]) -> Self {
        assert!(ports.len() < usize::from(u16::MAX), "more ports than a core can number");
        let mut ordered: Vec<_> = ports.iter().copied().zip(0..).collect();
        ordered.sort_unstable_by_key(|(port, _)| order(*port));
        Self { slots: vec![None; ordered.len()], ordered }
    }

    /// Slot of the leg that has this socket's port.
    #[inline]
    pub fn slot_at(&self, socket: SocketId) -> Option<u16> {
        self.slots.get(socket.port_index()).copied().flatten()
    }

    /// Index of a port that no leg has; `None` when one has it, or it is not of this core.
    pub fn free_index(&self, port: MediaPort) -> Option<u16> {
        let found = self.ordered.binary_search_by_key(&order(port), |(known, _)| order(*known));
        let (_, index) = self.ordered[found.ok()?];
        self.slots[usize::from(index)].is_none().then_some(index)
    }

    pub fn take(&mut self, index: u16, slot: u16) {
        let before = self.slots[usize::from(index)].replace(slot);
        debug_assert_eq!(before, None, "two legs have one port");
    }

    pub fn release(&mut self, index: u16) {
        let before = self.slots[usize::from(index)].take();
        debug_assert!(before.is_some(), "a port was released twice");
    }
}

const fn order(port: MediaPort) -> (u8, u16) {
    (port.address, port.rtp)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_found_by_its_number_whatever_the_order_and_is_taken_once() {
        let port = |address, rtp| MediaPort { address, rtp };
        let mut ports = Ports::new(&[port(1, 10_000), port(0, 10_002), port(0, 10_000)]);
        assert_eq!(ports.free_index(port(0, 10_002)), Some(1));
        assert_eq!(ports.free_index(port(1, 10_002)), None);
        ports.take(1, 7);
        assert_eq!(ports.free_index(port(0, 10_002)), None);
        for socket in [SocketId::rtp(1), SocketId::rtcp(1)] {
            assert_eq!(ports.slot_at(socket), Some(7));
        }
        assert_eq!(
            (ports.slot_at(SocketId::rtp(2)), ports.slot_at(SocketId::rtp(9))),
            (None, None)
        );
        ports.release(1);
        assert_eq!(ports.free_index(port(0, 10_002)), Some(1));
    }
}
