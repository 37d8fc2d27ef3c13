//! The description of a leg for the operator. Sans-IO.
//!
//! The figures of a leg that a tier below relays for are read first, so that a description is as new as its event.
//! The reason that a leg is here is found anew: it is the one that the next look at the tier would find.

use shared::{LegDescription, NotInKernel, Tier};

use crate::output::Output;

use super::Plane;

impl Plane {
    /// The leg in a slot as it is now; `None`: the slot is free.
    pub(super) fn describe(
        &mut self,
        slot: usize,
        out: &mut impl Output,
    ) -> Option<LegDescription> {
        self.read_leg_below(slot, out);
        let tier = self.tier(slot)?;
        let leg = self.legs.leg(slot)?;
        let (inbound, outbound) = (self.legs.inbound(slot), self.legs.outbound(slot));
        let totals = inbound.reception.totals(self.legs.past(slot));
        let destination = outbound.destination;
        Some(LegDescription {
            tier,
            codec: leg.plan.media.codec,
            remote: destination.is_some().then(|| destination.socket_addr()),
            joined: leg.joined.party(),
            received: totals.received,
            received_in_kernel: leg.below.received,
            sent: u64::from(outbound.packets),
            sent_in_kernel: leg.below.sent,
            lost: totals.losses.lost,
            jitter_rtp_units: inbound.reception.jitter(),
        })
    }

    fn tier(&self, slot: usize) -> Option<Tier> {
        let leg = self.legs.leg(slot)?.id;
        if self.below.is_given(slot) {
            return Some(Tier::Kernel);
        }
        Some(Tier::UserSpace(match self.relay_rule(leg) {
            _ if !self.below.has_tier() => NotInKernel::NoTier,
            Err(reason) => NotInKernel::NotRelayable(reason),
            Ok(_) if self.below.is_refused(slot) => NotInKernel::NotTaken,
            Ok(_) => NotInKernel::NotYet,
        }))
    }
}
