//! Beliefs about a core's state that no single part holds, checked after every command in debug builds:
//! arrays by slot, the slabs they point into, and the hot copies of cold facts must agree. Sans-IO.

use shared::Joined;

use super::Plane;
use crate::inbound::Route;
use crate::output::SocketId;

impl Plane {
    /// Checks one slot, and the sums over all. Does nothing in release builds: a command may be checked
    /// in a time that does not depend on the number of legs, a packet not even that.
    ///
    /// # Panics
    /// In debug builds, where the state contradicts itself: a fault of this package.
    pub(super) fn assert_consistent(&self, slot: usize) {
        if !cfg!(debug_assertions) {
            return;
        }
        let taps_up = self.meters.taps.iter().map(|(_, up)| *up as usize).sum::<usize>();
        assert_eq!(
            self.taps_free.len() + taps_up,
            self.taps.len(),
            "a tap is lost or in use twice"
        );
        assert!(self.taps_ending.len() <= taps_up, "a tap that is not up is ending");
        let (inbound, outbound) = (self.legs.inbound(slot), self.legs.outbound(slot));
        let Some(leg) = self.legs.leg(slot) else {
            assert_eq!(inbound.route, Route::Nowhere, "a vacant slot has a route");
            self.rooms.assert_consistent(slot, false);
            assert!(!outbound.can_send(), "a vacant slot sends");
            return;
        };
        // I1: the slot of a leg is that of its name, for life.
        assert_eq!(self.slot_of(leg.id), Some(slot), "a leg moved");
        let by_port = self.ports.slot_at(SocketId::rtp(usize::from(outbound.port)));
        assert_eq!(by_port, Some(leg.id.slot), "another leg has the port");
        // I8: sequence numbers and timestamps continue under one SSRC.
        assert_eq!(outbound.ssrc, leg.plan.ssrc, "the SSRC of a leg changed");
        assert!(
            !leg.plays() || outbound.playing,
            "a prompt or a feed plays, and packets are relayed"
        );
        assert!(
            !outbound.playing || leg.plays() || leg.tones.is_some(),
            "nothing plays, and no packet is relayed"
        );
        assert!(!leg.plays() || leg.tones.is_none(), "a prompt or a feed, and tones, play at once");
        let is_tapped = leg.first_tap.is_some();
        assert_eq!(
            inbound.tapped,
            is_tapped || leg.listens || leg.answering.is_some(),
            "the hot line of what comes in is stale"
        );
        assert_eq!(outbound.tapped, is_tapped, "the hot line of what goes out is stale");
        assert_eq!(
            inbound.secured,
            leg.plan.media.srtp.is_some(),
            "the plan says otherwise of SRTP"
        );
        assert_eq!(inbound.secured, leg.srtp.is_some(), "SRTP without its state, or state unused");
        assert!(leg.srtp.is_none() || leg.srtp_resting.is_none(), "SRTP is in use and resting");
        self.legs.assert_route(slot);
        self.rooms.assert_consistent(slot, matches!(leg.joined, Joined::Room(_)));
        assert!(
            !self.below.is_given(slot) || self.relay_rule(leg.id).is_ok(),
            "a tier relays without a rule"
        );
    }
}

#[cfg(test)]
mod tests {
    use shared::Joined;

    use crate::testing::World;

    #[test]
    #[should_panic(expected = "the SSRC of a leg changed")]
    fn a_hot_line_that_disagrees_with_the_plan_is_noticed() {
        let mut world = World::new(1);
        let party = world.start(|_| {});
        world.cores[0].0.legs.outbound_mut(party).ssrc ^= 1;
        world.cores[0].0.assert_consistent(party);
    }

    #[test]
    #[should_panic(expected = "a route outlived its bridge")]
    fn a_route_without_its_bridge_is_noticed() {
        let mut world = World::new(1);
        let (a, b) = (world.start(|_| {}), world.start(|_| {}));
        world.bridge(a, b);
        if let Some(leg) = world.cores[0].0.legs.leg_mut(b) {
            leg.joined = Joined::Nobody;
        }
        world.cores[0].0.assert_consistent(a);
    }
}
