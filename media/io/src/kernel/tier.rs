//! The fast path as a media core sees it: gives the legs that its plane offers, reads and returns their figures.
//!
//! All of it is stores and loads in shared memory, and at a gift a look into the routing table. What the plane
//! offers is a rule without places on this machine; the core's tier adds local addresses, the interface and the
//! DSCP. Where one of them is unknown, the leg stays with the plane. For the XDP hook it adds the neighbour's
//! link-layer address, and follows its changes while the leg is given; while the address is not certain the
//! leg is given all the same, and its packets take the tc hook.

use std::hint;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use plane::{RelayRule, RelayedCounts};
use shared::MediaPort;

use super::entry::{Entry, Figures};
use super::fast_path::FastPath;
use super::layout::ENTRY_BYTES;
use super::neighbour::{Changes, Neighbour, Neighbours};
use super::route::{Egress, Routes};
use super::rule::{Route, Rule};
use crate::clock;

/// What all cores share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub path: FastPath,
    /// Local addresses, by [`MediaPort::address`]; an unspecified one stands for all of its family.
    pub addresses: Vec<IpAddr>,
    pub dscp: u8,
    /// Raised when routes change.
    pub generation: AtomicU64,
    /// Raised when neighbours change.
    pub neighbours: Changes,
}

/// The legs of one core.
#[derive(Debug)]
pub(crate) struct CoreTier {
    shared: Arc<Shared>,
    routes: Routes,
    neighbours: Neighbours,
    legs: Vec<Leg>,
}

/// One port of the core.
#[derive(Clone, Copy, Debug)]
struct Leg {
    port: MediaPort,
    /// Generation of the routes that it was given with; `None` while the plane has it.
    given: Option<u64>,
    /// The neighbour whose link-layer address its rule has, for the XDP hook alone.
    hop: Option<Hop>,
    /// Whether packets of another source are dropped.
    drops_forged: bool,
    /// Figures that the plane has.
    read: Figures,
    /// Packets that were under way when the leg was taken back, and their bytes: not counted yet.
    owed: (u32, u32),
}

/// A neighbour, as a rule has it.
#[derive(Clone, Copy, Debug)]
struct Hop {
    neighbour: Neighbour,
    /// Number of its changes that the rule knows of.
    change: u32,
    /// All zero while it is not certain.
    link: [u8; 6],
}

impl CoreTier {
    /// A tier for the ports of a core, in their order.
    ///
    /// # Errors
    /// The kernel's, when it has no routing socket left.
    pub fn new(shared: Arc<Shared>, ports: &[MediaPort]) -> std::io::Result<Self> {
        let leg = |port: &MediaPort| Leg {
            port: *port,
            given: None,
            hop: None,
            drops_forged: false,
            read: Figures::default(),
            owed: (0, 0),
        };
        let (routes, neighbours) = (Routes::open()?, Neighbours::open()?);
        Ok(Self { shared, routes, neighbours, legs: ports.iter().map(leg).collect() })
    }

    /// Gives a leg; `false` when the program cannot take it now.
    pub fn give(&mut self, port_index: usize, rule: &RelayRule) -> bool {
        let shared = Arc::clone(&self.shared);
        let generation = shared.generation.load(Ordering::Relaxed);
        let Some((rule_here, hop)) = self.place(rule, generation) else { return false };
        let Some(leg) = self.legs.get_mut(port_index) else { return false };
        let Some(entry) = shared.path.entry(leg.port) else { return false };
        // One of an earlier process may still be on; its call is not this one.
        if leg.given.is_none() {
            let _ = entry.take();
        }
        if !leg.settle(entry) {
            return false;
        }
        let is_given = entry.give(&rule_here, &rule.stream).is_ok();
        if is_given {
            (leg.given, leg.hop) = (Some(generation), hop);
            leg.read = Figures::before(&rule.stream);
            leg.drops_forged = !rule.others_go_up;
        }
        is_given
    }

    /// Takes a leg back and returns the figures since the last reading.
    pub fn take_back(&mut self, port_index: usize) -> RelayedCounts {
        let shared = Arc::clone(&self.shared);
        let Some(leg) = self.legs.get_mut(port_index) else { return RelayedCounts::default() };
        let Some(entry) = shared.path.entry(leg.port) else { return RelayedCounts::default() };
        let _ = entry.take();
        (leg.given, leg.hop) = (None, None);
        // A program on another CPU may still be at its last packet: some hundred nanoseconds.
        for _ in 0..SETTLE_SPINS {
            if let Some(figures) = entry.snapshot() {
                return leg.counts(figures);
            }
            hint::spin_loop();
        }
        // Its CPU was taken from the machine. What it still counts is fetched before the next gift.
        leg.owed = (1, 0);
        RelayedCounts::default()
    }

    /// Figures since the last reading. The leg stays given, unless the routes have changed.
    pub fn relayed(&mut self, port_index: usize) -> RelayedCounts {
        let Some((leg, entry)) = self.visit(port_index) else { return RelayedCounts::default() };
        (0..READ_TRIES)
            .find_map(|_| entry.snapshot())
            .map_or_else(RelayedCounts::default, |figures| leg.counts(figures))
    }

    /// Arrival in samples of the last packet since the last reading. The leg stays given, unless the routes have
    /// changed.
    pub fn relayed_at(&mut self, port_index: usize) -> Option<u32> {
        let (leg, entry) = self.visit(port_index)?;
        Some(entry.arrival()).filter(|arrival| *arrival != leg.read.arrival)
    }

    /// A leg and its entry, both up to date with the routes and neighbours.
    fn visit(&mut self, port_index: usize) -> Option<(&mut Leg, Entry<'_>)> {
        let Self { shared, neighbours, legs, .. } = self;
        let leg = legs.get_mut(port_index)?;
        let entry = shared.path.entry(leg.port)?;
        if leg.given.is_some_and(|given| given != shared.generation.load(Ordering::Relaxed)) {
            // Packets go up from now on; with the first of them the plane takes the leg back and gives it anew.
            let _ = entry.take();
        }
        if let Some(hop) = &mut leg.hop {
            hop.follow(&shared.neighbours, neighbours, entry);
        }
        Some((leg, entry))
    }

    /// Takes every leg back, figures and all: the plane that had them is gone.
    pub fn take_all(&mut self) {
        for port_index in 0..self.legs.len() {
            if self.legs[port_index].given.is_some() {
                let _ = self.take_back(port_index);
            }
        }
    }

    /// The rule with the places of this machine. `None`: no way to the peer, or addresses of two families.
    fn place(&mut self, rule: &RelayRule, generation: u64) -> Option<(Rule, Option<Hop>)> {
        let local_of = |port: MediaPort| {
            self.shared.addresses.get(usize::from(port.address)).copied().filter(is_specified)
        };
        let (local, out_local) = (local_of(rule.port), local_of(rule.out_port));
        let to = rule.out_destination.ip().to_canonical();
        let route = self.routes.find(to, out_local, generation)?;
        let local = match local {
            Some(local) => local,
            // The party reaches us where we would answer from; if not, its packets go up.
            None => self.routes.find(rule.source.ip().to_canonical(), None, generation)?.source?,
        };
        let out_local = out_local.or(route.source)?;
        let hop = self.hop(&route);
        let place = Route {
            local,
            out_local,
            interface: route.interface,
            next_hop: route.next_hop,
            link_address: hop.map_or([0; 6], |hop| hop.link),
            dscp: self.shared.dscp,
        };
        let rule = Rule::of(rule, &place);
        rule.family().is_ok().then_some((rule, hop))
    }

    /// The neighbour behind an interface with the XDP hook. Elsewhere the kernel finds it.
    fn hop(&mut self, route: &Egress) -> Option<Hop> {
        let address = route.next_hop.filter(|_| self.shared.path.is_driven(route.interface))?;
        let neighbour = Neighbour { interface: route.interface, address };
        let change = self.shared.neighbours.of(neighbour);
        let link = self.neighbours.find(neighbour, change).unwrap_or_default();
        Some(Hop { neighbour, change, link })
    }
}

#[cfg(test)]
impl CoreTier {
    /// The link-layer address in the rule of a given leg.
    pub(super) fn link_of(&self, port_index: usize) -> Option<[u8; 6]> {
        self.legs[port_index].hop.map(|hop| hop.link)
    }
}

impl Hop {
    /// Brings the rule of a given leg up to date when something has changed about the neighbour.
    fn follow(&mut self, changes: &Changes, neighbours: &mut Neighbours, entry: Entry<'_>) {
        let change = changes.of(self.neighbour);
        if change == self.change {
            return;
        }
        let link = neighbours.find(self.neighbour, change).unwrap_or_default();
        if link != self.link {
            entry.set_link_address(link);
        }
        (self.change, self.link) = (change, link);
    }
}

impl Leg {
    /// Fetches what a packet under way still counted; `false` while it is.
    fn settle(&mut self, entry: Entry<'_>) -> bool {
        if self.owed == (0, 0) {
            return entry.is_settled();
        }
        let Some(figures) = entry.snapshot() else { return false };
        let packets = figures.packets.wrapping_sub(self.read.packets);
        self.owed = (packets, figures.octets.wrapping_sub(self.read.octets));
        true
    }

    fn counts(&mut self, figures: Figures) -> RelayedCounts {
        let read = std::mem::replace(&mut self.read, figures);
        let (packets, octets) = std::mem::take(&mut self.owed);
        let counts = figures.since(&read, self.drops_forged, clock::now());
        RelayedCounts {
            packets: counts.packets + packets,
            octets: counts.octets + octets,
            ..counts
        }
    }
}

fn is_specified(address: &IpAddr) -> bool {
    !address.is_unspecified()
}

/// Memory of one port: its entry, which the program shares, and what the core remembers of it.
pub const LEG_BYTES: usize = ENTRY_BYTES + size_of::<Leg>();

/// About 100 us: a program needs less than one.
const SETTLE_SPINS: u32 = 5_000;
/// A reading that finds the program inside this often waits for the next one.
const READ_TRIES: u32 = 8;
