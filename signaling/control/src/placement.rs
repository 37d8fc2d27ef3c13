//! Hands out legs and media ports of the media cores. Sans-IO.
//!
//! Control decides where a leg lives without asking the core, so SDP never waits. Slots and ports are
//! reused least recently used first, and only after the core has confirmed that the leg is down, so a late
//! packet or event never meets a successor.

use std::collections::VecDeque;

use shared::{CoreId, LegId, MediaPort};

/// Free slots and ports of all media cores.
#[derive(Debug, Default)]
pub struct Placement {
    cores: Vec<Core>,
}

/// A place for one leg, taken until [`Placement::release`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Names the slot on its core.
    pub leg: LegId,
    /// The media port for its SDP.
    pub port: MediaPort,
}

#[derive(Debug)]
struct Core {
    alive: bool,
    free_slots: VecDeque<u16>,
    generations: Vec<u32>,
    /// For each media address, by its index.
    free_ports: Vec<VecDeque<MediaPort>>,
    legs: usize,
}

impl Placement {
    /// Adds a core with the ports it opened. Cores are numbered in the order they are added.
    ///
    /// # Panics
    /// When `legs_max` is above 65,536 or more than 256 cores are added: both are start-up facts.
    pub fn add_core(&mut self, ports: &[MediaPort], legs_max: usize) -> CoreId {
        let id = CoreId(u8::try_from(self.cores.len()).expect("at most 256 media cores"));
        let slots = u16::try_from(legs_max.saturating_sub(1)).expect("at most 65,536 legs a core");
        let mut free_ports = Vec::new();
        for port in ports {
            let address = usize::from(port.address);
            if free_ports.len() <= address {
                free_ports.resize_with(address + 1, VecDeque::new);
            }
            free_ports[address].push_back(*port);
        }
        self.cores.push(Core {
            alive: true,
            free_slots: if legs_max == 0 { VecDeque::new() } else { (0..=slots).collect() },
            generations: vec![0; legs_max],
            free_ports,
            legs: 0,
        });
        id
    }

    /// Takes a place on `preferred` if it has room, else on the core with the fewest legs, with a port on the
    /// first of `addresses` (see `MediaPort::address`) that has one left. Returns `None` when no core has both
    /// a slot and such a port.
    pub fn take(&mut self, preferred: Option<CoreId>, addresses: &[u8]) -> Option<Place> {
        let has_room = |id: &CoreId| self.has_room(*id, addresses);
        let id = preferred.filter(has_room).or_else(|| self.emptiest(addresses))?;
        let core = self.cores.get_mut(usize::from(id.0))?;
        // Both choices above have checked that a slot and a port are free, so no port is taken
        // without a slot.
        let port = core.take_port(addresses)?;
        let slot = core.free_slots.pop_front()?;
        core.legs += 1;
        debug_assert!(core.legs <= core.generations.len(), "a core has no more legs than slots");
        let generation = core.generations.get_mut(usize::from(slot))?;
        // An event of the former leg in this slot names the old generation and finds no call.
        *generation = generation.wrapping_add(1);
        Some(Place { leg: LegId { core: id, slot, generation: *generation }, port })
    }

    /// Gives a place back. The core must have confirmed that the leg is down, or never had it.
    pub fn release(&mut self, place: Place) {
        let Some(core) = self.cores.get_mut(usize::from(place.leg.core.0)) else { return };
        let generation = core.generations.get(usize::from(place.leg.slot));
        debug_assert_eq!(generation, Some(&place.leg.generation), "the latest leg of a slot ends");
        debug_assert!(core.legs > 0, "a place is released once");
        core.legs = core.legs.saturating_sub(1);
        core.free_slots.push_back(place.leg.slot);
        if let Some(ports) = core.free_ports.get_mut(usize::from(place.port.address)) {
            ports.push_back(place.port);
        }
    }

    /// Takes a core out of use until the process restarts, with its slots and ports.
    pub fn retire(&mut self, id: CoreId) {
        if let Some(core) = self.cores.get_mut(usize::from(id.0)) {
            // The numbers of cores are indices, so the entry stays. Its slots and ports go with it.
            core.alive = false;
        }
    }

    /// Number of legs that the living cores still have room for.
    pub fn room(&self) -> usize {
        self.living().map(|(_, core)| core.room()).sum()
    }

    fn has_room(&self, id: CoreId, addresses: &[u8]) -> bool {
        let core = self.cores.get(usize::from(id.0));
        core.is_some_and(|core| core.alive && core.room_on(addresses))
    }

    fn emptiest(&self, addresses: &[u8]) -> Option<CoreId> {
        let (index, _) = self
            .living()
            .filter(|(_, core)| core.room_on(addresses))
            .min_by_key(|(index, core)| (core.legs, *index))?;
        u8::try_from(index).ok().map(CoreId)
    }

    fn living(&self) -> impl Iterator<Item = (usize, &Core)> {
        self.cores.iter().enumerate().filter(|(_, core)| core.alive)
    }
}

impl Core {
    fn room(&self) -> usize {
        // A leg needs a slot and a port; whichever runs out first is the limit.
        self.free_slots.len().min(self.free_ports.iter().map(VecDeque::len).sum())
    }

    fn room_on(&self, addresses: &[u8]) -> bool {
        let has_port = |address: &u8| {
            self.free_ports.get(usize::from(*address)).is_some_and(|ports| !ports.is_empty())
        };
        !self.free_slots.is_empty() && addresses.iter().any(has_port)
    }

    fn take_port(&mut self, addresses: &[u8]) -> Option<MediaPort> {
        addresses
            .iter()
            .find_map(|address| self.free_ports.get_mut(usize::from(*address))?.pop_front())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ports(first: u16, count: u16) -> Vec<MediaPort> {
        (0..count).map(|index| MediaPort { address: 0, rtp: first + 2 * index }).collect()
    }

    fn two_cores() -> Placement {
        let mut placement = Placement::default();
        placement.add_core(&ports(10_000, 2), 4);
        placement.add_core(&ports(11_000, 2), 4);
        placement
    }

    #[test]
    fn legs_spread_over_cores_unless_one_is_preferred() {
        let mut placement = two_cores();
        let first = placement.take(None, &[0]).expect("room");
        let second = placement.take(None, &[0]).expect("room");
        assert_ne!(first.leg.core, second.leg.core);
        let third = placement.take(Some(first.leg.core), &[0]).expect("room");
        assert_eq!(third.leg.core, first.leg.core);
    }

    #[test]
    fn a_full_core_gives_way_to_another_and_then_there_is_no_room() {
        let mut placement = two_cores();
        let wanted = Some(CoreId(0));
        let cores: Vec<u8> =
            (0..4).map(|_| placement.take(wanted, &[0]).expect("room").leg.core.0).collect();
        assert_eq!(cores, [0, 0, 1, 1]);
        assert_eq!(placement.take(wanted, &[0]), None);
        assert_eq!(placement.room(), 0);
    }

    #[test]
    fn a_used_slot_comes_back_with_a_new_generation_and_ports_rotate() {
        let mut placement = Placement::default();
        placement.add_core(&ports(10_000, 2), 1);
        let first = placement.take(None, &[0]).expect("room");
        placement.release(first);
        let second = placement.take(None, &[0]).expect("room");
        assert_eq!(second.leg.slot, first.leg.slot);
        assert_ne!(second.leg.generation, first.leg.generation);
        assert_ne!(second.port, first.port, "least recently used port first");
    }

    #[test]
    fn a_port_is_on_the_first_address_that_has_one_left_and_comes_back_to_its_own() {
        let mut placement = Placement::default();
        let on = |address, rtp| MediaPort { address, rtp };
        placement.add_core(&[on(0, 10_000), on(1, 10_000), on(1, 10_002)], 8);
        let taken = [(); 3].map(|()| placement.take(None, &[1, 0]).expect("room"));
        assert_eq!(taken.map(|place| place.port.address), [1, 1, 0]);
        assert_eq!(placement.take(None, &[1, 0]), None);
        placement.release(taken[0]);
        assert_eq!(placement.take(None, &[0]), None, "no port of that address is free");
        assert_eq!(placement.take(None, &[1]).map(|place| place.port), Some(taken[0].port));
        assert_eq!(placement.take(None, &[]), None);
    }

    #[test]
    fn a_retired_core_gets_no_more_legs() {
        let mut placement = two_cores();
        placement.retire(CoreId(0));
        let place = placement.take(Some(CoreId(0)), &[0]).expect("the other core has room");
        assert_eq!(place.leg.core, CoreId(1));
    }
}
