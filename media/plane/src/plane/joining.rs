//! Legs joined and parted ([`crate::join`]): what else of a leg depends on its other end. Sans-IO.

use shared::{CommandRefusal, Joined};

use crate::leg_table::LegParts;
use crate::relay::Feed;

use super::Plane;

impl Plane {
    /// Joins the leg in a slot to its new other end.
    ///
    /// # Errors
    /// [`CommandRefusal::NoRoom`] for a room: the leg keeps the other end that it has.
    pub(super) fn join(&mut self, slot: usize, joined: Joined) -> Result<(), CommandRefusal> {
        if matches!(joined, Joined::Room(_)) {
            return Err(CommandRefusal::NoRoom);
        }
        let parts = self.legs.parts(slot).ok_or(CommandRefusal::NoLeg)?;
        let LegParts { leg, outbound, .. } = parts;
        self.tones.free(leg.tones.take());
        outbound.playing = leg.plays();
        if outbound.numbers.feed.is_relay() {
            // Another party's epoch may have the same number.
            outbound.numbers.feed = Feed::NONE;
        }
        self.legs.join(slot, joined);
        self.assert_consistent(slot);
        Ok(())
    }
}
