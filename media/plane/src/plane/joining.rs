//! Legs joined and parted ([`crate::join`]). Sans-IO.

use shared::{CommandRefusal, Joined, LegId};

use crate::join::Route;
use crate::relay::Feed;

use super::Plane;

impl Plane {
    /// Joins the leg in a slot to its new other end.
    ///
    /// # Errors
    /// [`CommandRefusal::NoMixer`] for a room: the leg keeps the other end that it has.
    pub(super) fn join(&mut self, slot: usize, joined: Joined) -> Result<(), CommandRefusal> {
        if matches!(joined, Joined::Room(_)) {
            return Err(CommandRefusal::NoMixer);
        }
        let leg = self.legs[slot].as_mut().ok_or(CommandRefusal::NoLeg)?;
        let id = leg.id;
        let before = std::mem::replace(&mut leg.joined, joined);
        self.tones.free(leg.tones.take());
        self.outbound[slot].playing = leg.plays();
        let numbers = &mut self.outbound[slot].numbers;
        if numbers.feed.is_relay() {
            // Another party's epoch may have the same number.
            numbers.feed = Feed::NONE;
        }
        self.reroute(before);
        self.reroute(joined);
        self.reroute(Joined::Party(id));
        self.assert_consistent(slot);
        Ok(())
    }

    /// Sets the route of the leg at the other end: something that decides it has changed.
    pub(super) fn reroute(&mut self, joined: Joined) {
        let Some(slot) = joined.party().and_then(|leg| self.slot_of(leg)) else { return };
        self.inbound[slot].route = self.route(slot);
        self.assert_consistent(slot);
    }

    /// The route that follows from what the leg in a slot, and the leg at its other end, are joined to.
    pub(super) fn route(&self, slot: usize) -> Route {
        let Some(leg) = &self.legs[slot] else { return Route::Nowhere };
        let is_joined_back = |other| self.slot_joined_to(other, leg.id).is_some();
        Route::of(leg.id, leg.joined, is_joined_back)
    }

    /// The slot of a leg, if it is up and joined to the party of `other`.
    pub(super) fn slot_joined_to(&self, leg: LegId, other: LegId) -> Option<usize> {
        let slot = self.slot_of(leg)?;
        let joined = self.legs[slot].as_ref()?.joined;
        (joined == Joined::Party(other)).then_some(slot)
    }
}
