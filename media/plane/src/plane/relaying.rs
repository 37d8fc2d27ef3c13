//! Legs whose packets another tier relays: the rule that it gets, the counts that it gives back
//! ([`crate::relay_rule`]). Sans-IO.

use shared::{LatchMode, LegId, NotRelayable};

use crate::clock;
use crate::dtmf::ToneNote;
use crate::inbound::{Inbound, Latch, Route};
use crate::leg::Leg;
use crate::meters::DropReason;
use crate::outbound::{Outbound, Speech};
use crate::relay::{Content, Feed, Incoming};
use crate::relay_rule::{RelayRule, RelayStream, RelayedCounts};

use super::Plane;

impl Plane {
    /// How another tier may relay the packets of this leg's party.
    ///
    /// # Errors
    /// [`NotRelayable`]: the first reason that they need this machine.
    pub fn relay_rule(&self, leg: LegId) -> Result<RelayRule, NotRelayable> {
        let slot = self.slot_of(leg).ok_or(NotRelayable::NoLeg)?;
        let other = match self.legs.inbound(slot).route {
            Route::Local { slot } => usize::from(slot),
            Route::Nowhere => return Err(NotRelayable::NotJoined),
            Route::Mesh => return Err(NotRelayable::OtherCore),
            Route::Room => return Err(NotRelayable::InRoom),
        };
        let leg_at = |slot: usize| self.legs.leg(slot).ok_or(NotRelayable::NoLeg);
        let (leg, joined) = (leg_at(slot)?, leg_at(other)?);
        if [leg, joined].iter().any(|leg| leg.plan.latch == LatchMode::Link) {
            return Err(NotRelayable::Linked);
        }
        let (inbound, outbound) = (self.legs.inbound(slot), self.legs.outbound(other));
        check_inbound(leg, inbound)?;
        check_outbound(outbound)?;
        let highest = inbound.reception.highest_sequence();
        let map = outbound.numbers.map_of(inbound.epoch, highest as u16);
        let map = map.ok_or(NotRelayable::NotBegun)?;
        let timing = inbound.reception.timing().ok_or(NotRelayable::NotBegun)?;
        let source = inbound.source.socket_addr();
        Ok(RelayRule {
            port: leg.plan.port,
            source,
            // The address of the SDP wins over any other, whenever it comes.
            others_go_up: leg.may_move_until_ms.is_some()
                || leg.plan.media.remote_rtp != Some(source),
            ssrc: inbound.reception.ssrc,
            payload_type: inbound.payload_type,
            codec: inbound.codec,
            out_port: joined.plan.port,
            out_destination: outbound.destination.socket_addr(),
            out_ssrc: outbound.ssrc,
            out_payload_type: outbound.payload_type,
            out_codec: outbound.codec,
            delta_sequence: map.delta_sequence,
            delta_timestamp: map.delta_timestamp,
            stream: RelayStream {
                next: map.next,
                highest,
                timestamp: timing.timestamp,
                transit: timing.transit,
                jitter_16: timing.jitter_16,
            },
        })
    }

    /// Adds what another tier relayed for this leg, as if the packets had come here. The core counts them in any
    /// case (I4). `false`: the leg is gone, so its own figures lack them.
    pub fn absorb_relayed(&mut self, leg: LegId, counts: &RelayedCounts) -> bool {
        self.count_relayed(counts);
        let Some(slot) = self.slot_of(leg) else { return counts.packets == 0 };
        if let Some(leg) = self.legs.leg_mut(slot) {
            leg.dropped += u64::from(counts.strangers) + u64::from(counts.malformed);
            leg.below.received += u64::from(counts.packets);
        }
        if counts.packets == 0 {
            return true;
        }
        let (inbound, past) = self.legs.reception_mut(slot);
        inbound.reception.absorb(past, counts);
        let inbound = *inbound;
        let Route::Local { slot: other } = inbound.route else { return true };
        if let Some(other) = self.legs.leg_mut(usize::from(other)) {
            other.below.sent += u64::from(counts.packets);
        }
        let outbound = self.legs.outbound_mut(usize::from(other));
        outbound.packets = outbound.packets.wrapping_add(counts.packets);
        outbound.octets = outbound.octets.wrapping_add(counts.octets);
        // Another feed has taken the stream over only if the tier kept a rule beyond an input.
        let is_fed = outbound.numbers.feed == Feed::relay(inbound.epoch);
        debug_assert!(is_fed, "I8: the tier and another feed sent at once");
        if is_fed {
            let highest = highest_packet(&inbound, counts);
            let _ = outbound.numbers.relay(highest, clock::samples(counts.last_arrival));
        }
        true
    }

    fn count_relayed(&mut self, counts: &RelayedCounts) {
        let meters = &mut self.meters;
        let before = meters.received_balance();
        let RelayedCounts { packets, strangers, malformed, .. } = *counts;
        meters.packets_received += u64::from(packets) + u64::from(strangers) + u64::from(malformed);
        meters.packets_forwarded += u64::from(packets);
        meters.packets_below += u64::from(packets);
        meters.packets_by_driver += u64::from(counts.by_driver);
        meters.packets_dropped_below += u64::from(strangers) + u64::from(malformed);
        meters.packets_dropped.add_many(DropReason::Stranger, strangers);
        meters.packets_dropped.add_many(DropReason::Malformed, malformed);
        debug_assert_eq!(meters.received_balance(), before, "a packet in no counter or in two");
    }
}

/// The packet with the highest sequence number, as the numbers of the leg that sends it see it.
fn highest_packet(inbound: &Inbound, counts: &RelayedCounts) -> Incoming {
    // A party keeps its packet time, so the mean is the length of each.
    let len = counts.octets / counts.packets.max(1);
    Incoming {
        epoch: inbound.epoch,
        sequence: counts.highest as u16,
        timestamp: counts.timestamp,
        content: Content::Audio(inbound.codec),
        len: u16::try_from(len).unwrap_or(u16::MAX),
        note: ToneNote::Voice,
    }
}

fn check_inbound(leg: &Leg, inbound: &Inbound) -> Result<(), NotRelayable> {
    if inbound.latch != Latch::Locked {
        return Err(NotRelayable::NotLatched);
    }
    if !inbound.receives {
        return Err(NotRelayable::Held);
    }
    if inbound.secured {
        return Err(NotRelayable::Secured);
    }
    match inbound.tapped {
        true if leg.first_tap.is_some() => Err(NotRelayable::Tapped),
        true if leg.answering.is_some() => Err(NotRelayable::Detecting),
        true => Err(NotRelayable::DigitsInAudio),
        false => Ok(()),
    }
}

fn check_outbound(outbound: &Outbound) -> Result<(), NotRelayable> {
    match outbound.speech {
        Speech::Held => return Err(NotRelayable::Held),
        Speech::Secured => return Err(NotRelayable::Secured),
        Speech::Clear => {}
    }
    if !outbound.destination.is_some() {
        return Err(NotRelayable::NoDestination);
    }
    if outbound.tapped {
        return Err(NotRelayable::Tapped);
    }
    if outbound.playing { Err(NotRelayable::Playing) } else { Ok(()) }
}
