//! What a leg is joined to, and the route that its party's packets take. Sans-IO.
//!
//! ```text
//! Nobody <--(Join)--> Party(own leg)      an echo: the leg's inbound line routes to its own outbound line
//!        <--(Join)--> Party(other leg)    a bridge, once the other leg is joined back
//!        <--(Join)--> Room                a member of a room that is open on this core ([`crate::room`])
//! ```
//!
//! A bridge is two values, one at each leg, because the legs may be on two cores and each core knows its
//! own legs only. On one core the route opens when both values agree, and closes when either changes: a
//! packet pays one look at the hot line of the leg that received it. Across cores the receiving leg sends
//! every packet to the mesh, and the core of the sending leg decides. So a packet that was under way when a
//! join ended is dropped there (`not_bridged`) and never reaches the next party.

use shared::{Joined, LegId};

use crate::inbound::Route;
use crate::leg_table::LegTable;

impl Route {
    /// The route of a leg that is joined so. `is_joined_back` says whether a leg of the same core is up and
    /// joined to this one.
    pub fn of(leg: LegId, joined: Joined, is_joined_back: impl FnOnce(LegId) -> bool) -> Self {
        match joined {
            Joined::Party(other) if other.core != leg.core => Self::Mesh,
            Joined::Party(other) if is_joined_back(other) => Self::Local { slot: other.slot },
            Joined::Room(_) => Self::Room,
            Joined::Nobody | Joined::Party(_) => Self::Nowhere,
        }
    }
}

impl LegTable {
    /// Joins the leg in a slot to its new other end, and sets every route that depends on it.
    pub fn join(&mut self, slot: usize, joined: Joined) {
        let Some(leg) = self.leg_mut(slot) else { return };
        let id = leg.id;
        let before = std::mem::replace(&mut leg.joined, joined);
        for end in [before, joined, Joined::Party(id)] {
            self.reroute(end);
        }
    }

    /// Sets the route of the leg at the other end: something that decides it has changed.
    pub fn reroute(&mut self, joined: Joined) {
        let Some(slot) = joined.party().and_then(|leg| self.slot_of(leg)) else { return };
        self.inbound_mut(slot).route = self.route(slot);
        self.assert_route(slot);
    }

    /// The slot of a leg, if it is up and joined to the party of `other`.
    pub fn slot_joined_to(&self, leg: LegId, other: LegId) -> Option<usize> {
        let slot = self.slot_of(leg)?;
        (self.leg(slot)?.joined == Joined::Party(other)).then_some(slot)
    }

    /// Checks that a leg is relayed to a leg of this core only while each of the two is joined to the other.
    ///
    /// # Panics
    /// In debug builds, when it is not: a fault of this package.
    pub fn assert_route(&self, slot: usize) {
        debug_assert_eq!(self.inbound(slot).route, self.route(slot), "a route outlived its bridge");
        if let Route::Local { slot: other } = self.inbound(slot).route {
            let back = self.leg(usize::from(other)).and_then(|leg| leg.joined.party());
            debug_assert_eq!(back, self.leg(slot).map(|leg| leg.id), "a bridge with one end");
        }
    }

    /// The route that follows from what the leg in a slot, and the leg at its other end, are joined to.
    fn route(&self, slot: usize) -> Route {
        let Some(leg) = self.leg(slot) else { return Route::Nowhere };
        let is_joined_back = |other| self.slot_joined_to(other, leg.id).is_some();
        Route::of(leg.id, leg.joined, is_joined_back)
    }
}
