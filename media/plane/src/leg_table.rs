//! The legs of a core: one slot in several arrays, split by how often they are touched. Sans-IO.
//!
//! A relayed packet reads the [`Inbound`] line of the leg that received it and writes the [`Outbound`] line of the
//! leg that sends it; all else is cold. The table alone knows that a leg is spread: it makes and empties all
//! parts of a slot at once, and lends them one by one (hot paths) or together ([`LegTable::parts`]). The routes
//! between its legs are in [`crate::join`].

use shared::{CoreId, LegId};

use crate::inbound::Inbound;
use crate::leg::Leg;
use crate::outbound::Outbound;
use crate::reception::ReceptionPast;

/// All slots, of which each holds a leg or is vacant. A vacant slot has vacant hot lines.
#[derive(Debug)]
pub(crate) struct LegTable {
    core: CoreId,
    inbound: Vec<Inbound>,
    outbound: Vec<Outbound>,
    pasts: Vec<ReceptionPast>,
    legs: Vec<Option<Leg>>,
    /// Next time that something other than audio is due for a slot, in wrapping milliseconds.
    checks: Vec<u32>,
}

/// One leg, whole.
pub(crate) struct LegParts<'t> {
    pub leg: &'t mut Leg,
    pub inbound: &'t mut Inbound,
    pub outbound: &'t mut Outbound,
    pub past: &'t mut ReceptionPast,
}

impl LegTable {
    /// Memory for slots `0..legs_max`, all vacant.
    pub fn new(core: CoreId, legs_max: usize) -> Self {
        Self {
            core,
            inbound: vec![Inbound::vacant(); legs_max],
            outbound: vec![Outbound::vacant(); legs_max],
            pasts: vec![ReceptionPast::default(); legs_max],
            legs: (0..legs_max).map(|_| None).collect(),
            checks: vec![0; legs_max],
        }
    }

    /// The core whose legs these are.
    pub const fn core(&self) -> CoreId {
        self.core
    }

    /// Whether a leg of this name may start: its slot is one of this core, and vacant.
    pub fn has_room_for(&self, leg: LegId) -> bool {
        let slot = self.legs.get(usize::from(leg.slot));
        leg.core == self.core && slot.is_some_and(Option::is_none)
    }

    /// Fills a vacant slot.
    pub fn start(&mut self, leg: Leg, inbound: Inbound, outbound: Outbound) {
        let slot = usize::from(leg.id.slot);
        debug_assert!(self.has_room_for(leg.id), "two legs have one slot");
        self.inbound[slot] = inbound;
        self.outbound[slot] = outbound;
        self.pasts[slot] = ReceptionPast::default();
        self.legs[slot] = Some(leg);
    }

    /// Empties a slot, and closes the route of the leg at its other end.
    pub fn stop(&mut self, slot: usize) {
        let joined = self.legs[slot].take().map(|leg| leg.joined);
        self.inbound[slot] = Inbound::vacant();
        self.outbound[slot] = Outbound::vacant();
        self.reroute(joined.unwrap_or_default());
    }

    /// The slot of a leg that is up here.
    pub fn slot_of(&self, leg: LegId) -> Option<usize> {
        let slot = usize::from(leg.slot);
        let up = self.legs.get(slot)?.as_ref()?;
        (up.id == leg).then_some(slot)
    }

    /// The cold part of a leg; `None` for a vacant slot, and for one beyond the last.
    pub fn leg(&self, slot: usize) -> Option<&Leg> {
        self.legs.get(slot)?.as_ref()
    }

    /// As [`LegTable::leg`], to be changed.
    pub fn leg_mut(&mut self, slot: usize) -> Option<&mut Leg> {
        self.legs.get_mut(slot)?.as_mut()
    }

    /// All parts of a leg.
    pub fn parts(&mut self, slot: usize) -> Option<LegParts<'_>> {
        let leg = self.legs.get_mut(slot)?.as_mut()?;
        let (inbound, outbound) = (&mut self.inbound[slot], &mut self.outbound[slot]);
        Some(LegParts { leg, inbound, outbound, past: &mut self.pasts[slot] })
    }

    #[inline]
    pub fn inbound(&self, slot: usize) -> &Inbound {
        &self.inbound[slot]
    }

    #[inline]
    pub fn inbound_mut(&mut self, slot: usize) -> &mut Inbound {
        &mut self.inbound[slot]
    }

    #[inline]
    pub fn outbound(&self, slot: usize) -> &Outbound {
        &self.outbound[slot]
    }

    #[inline]
    pub fn outbound_mut(&mut self, slot: usize) -> &mut Outbound {
        &mut self.outbound[slot]
    }

    /// The outbound lines of all slots, vacant ones included.
    pub fn outbounds_mut(&mut self) -> impl Iterator<Item = &mut Outbound> {
        self.outbound.iter_mut()
    }

    /// The inbound line, and the rest of its statistics.
    #[inline]
    pub fn reception_mut(&mut self, slot: usize) -> (&mut Inbound, &mut ReceptionPast) {
        (&mut self.inbound[slot], &mut self.pasts[slot])
    }

    pub fn past(&self, slot: usize) -> &ReceptionPast {
        &self.pasts[slot]
    }

    /// Next time that something other than audio is due, in wrapping milliseconds.
    #[inline]
    pub fn check_ms(&self, slot: usize) -> u32 {
        self.checks[slot]
    }

    pub fn set_check(&mut self, slot: usize, at_ms: u32) {
        self.checks[slot] = at_ms;
    }
}

/// Memory of one slot.
pub(crate) const SLOT_BYTES: usize = size_of::<Inbound>()
    + size_of::<Outbound>()
    + size_of::<ReceptionPast>()
    + size_of::<Option<Leg>>()
    + size_of::<u32>();
