//! Legs joined and parted ([`crate::join`]): what else of a leg depends on its other end. Sans-IO.

use shared::{CommandRefusal, Instant, Joined};

use crate::leg_table::LegParts;
use crate::relay::Feed;

use super::Plane;

impl Plane {
    /// Joins the leg in a slot to its new other end.
    ///
    /// # Errors
    /// The room is not open here, or there are too many members: the leg keeps the other end that it has.
    pub(super) fn join(
        &mut self,
        now: Instant,
        slot: usize,
        joined: Joined,
    ) -> Result<(), CommandRefusal> {
        let room = match joined {
            Joined::Room(room) => Some((room, self.check_room(slot, room)?)),
            Joined::Nobody | Joined::Party(_) => None,
        };
        self.leave_room(now, slot);
        let parts = self.legs.parts(slot).ok_or(CommandRefusal::NoLeg)?;
        let LegParts { leg, outbound, .. } = parts;
        self.tones.free(leg.tones.take());
        outbound.playing = leg.plays();
        if outbound.numbers.feed.is_relay() {
            // Another party's epoch may have the same number.
            outbound.numbers.feed = Feed::NONE;
        }
        self.legs.join(slot, joined);
        self.tap_we_rest(slot);
        if let Some((room, place)) = room {
            self.enter_room(now, slot, room, place);
        }
        self.assert_consistent(slot);
        Ok(())
    }
}
