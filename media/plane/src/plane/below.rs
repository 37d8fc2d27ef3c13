//! Legs that a tier below this machine relays for: given, read, taken back ([`crate::relay_rule`]). Sans-IO.
//!
//! ```text
//!          --(a beat: there is a rule, and the tier takes it)-->
//!   here                                                          below --+ (a beat, every 500 ms: counts)
//!          <--(a command for either leg, a packet that went up,         <-+
//!              silence, the latch of the other leg moves)--
//! ```
//!
//! While both directions of a leg are below, its beats have nothing to send, and the leg rests
//! (`plane/resting.rs`). All counts take many cache lines, and are read seldom: twice a second, and before anybody
//! sees or uses them (a report, a description, the media timeout, the return of the direction).
//!
//! The two directions of a bridge are given apart: each is one party's packets, with the numbers of the leg
//! that sends them. Nothing that decides a rule changes while it is below, because every such change takes
//! it back first; so two feeds never choose numbers at once (I8), and no rule is compared with an older one.
//!
//! A packet that went up takes its direction back and gives it again behind it, or at the next beat where the tier
//! has relayed nothing in between. A telephone event so costs two exchanges of a word, and audio that overtakes it
//! meanwhile comes here as well. RTCP decides no rule, and
//! takes nothing back.

use shared::{Instant, LegId};

use crate::clock;
use crate::inbound::Route;
use crate::output::Output;
use crate::relay_rule::RelayedCounts;

use super::Plane;
use super::resting::Rests;

/// The directions that are below, by the slot of the leg whose party speaks.
#[derive(Debug)]
pub(super) struct Below {
    has_tier: bool,
    places: Vec<Place>,
    /// Next time to look at the tier, in wrapping milliseconds.
    looks: Vec<u32>,
    pub(super) rests: Rests,
}

/// Where a direction is relayed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// By this machine.
    Here,
    /// By this machine: the tier has refused the direction since it changed last. Only for its description.
    Refused,
    Below,
}

/// Memory of one slot.
pub(super) const SLOT_BYTES: usize =
    size_of::<Place>() + size_of::<u32>() + super::resting::SLOT_BYTES;

impl Below {
    pub fn new(has_tier: bool, legs_max: usize) -> Self {
        Self {
            has_tier,
            places: vec![Place::Here; legs_max],
            looks: vec![0; legs_max],
            rests: Rests::new(legs_max),
        }
    }

    #[inline]
    pub const fn has_tier(&self) -> bool {
        self.has_tier
    }

    #[inline]
    pub fn is_given(&self, slot: usize) -> bool {
        self.places[slot] == Place::Below
    }

    /// Whether the tier has refused the direction since it changed last.
    pub fn is_refused(&self, slot: usize) -> bool {
        self.places[slot] == Place::Refused
    }

    /// Whether it is time to look at the tier for a slot.
    pub fn is_due(&self, slot: usize, now_ms: u32) -> bool {
        clock::is_due(now_ms, self.looks[slot])
    }

    /// The tier did, or did not, refuse a direction that stays here.
    fn note_refusal(&mut self, slot: usize, is_refused: bool) {
        debug_assert!(!self.is_given(slot), "the direction is below");
        self.places[slot] = if is_refused { Place::Refused } else { Place::Here };
    }

    fn look_at(&mut self, slot: usize, at_ms: u32) {
        self.looks[slot] = at_ms;
    }

    /// A leg that was taken back is looked at with the next beat, since the reason may be over.
    fn set(&mut self, slot: usize, is_given: bool) {
        debug_assert_ne!(self.is_given(slot), is_given, "a leg was given or taken back twice");
        self.places[slot] = if is_given { Place::Below } else { Place::Here };
        if !is_given {
            self.looks[slot] = self.looks[slot].wrapping_sub(READ_MS);
        }
    }
}

impl Plane {
    /// What a beat does about the tier: looks at it when that is due, and lets the leg rest.
    pub(super) fn beat_below(&mut self, slot: usize, at: Instant, out: &mut impl Output) {
        let now_ms = clock::millis(at);
        if self.below.is_due(slot, now_ms) {
            self.look_below(slot, now_ms, out);
        }
        let both = self.slot_that_feeds(slot).filter(|_| self.below.is_given(slot));
        if let Some(from) = both.filter(|from| self.below.is_given(*from)) {
            self.begin_rest(slot, from, at, out);
        }
    }

    /// Reads the counts of the direction that begins at this slot, or tries to give it.
    pub(super) fn look_below(&mut self, slot: usize, now_ms: u32, out: &mut impl Output) {
        if self.below.is_given(slot) {
            self.read_below(slot, out);
        } else {
            self.give_below(slot, out);
        }
        let next_ms = if self.below.is_given(slot) { READ_MS } else { GIFT_MS };
        self.below.look_at(slot, now_ms.wrapping_add(next_ms));
    }

    /// Whether the tier has sent something to the party of this leg within `samples`.
    pub(super) fn is_relayed_below(
        &self,
        slot: usize,
        samples: u32,
        now_samples: u32,
        out: &mut impl Output,
    ) -> bool {
        let from = self.slot_that_feeds(slot).filter(|from| self.below.is_given(*from));
        let arrival = from.and_then(|from| {
            // A late packet that went up has arrived, and feeds nobody: the tier knows only what it relayed itself.
            out.relayed_at(usize::from(self.legs.outbound(from).port))
        });
        arrival.is_some_and(|arrival| clock::elapsed(now_samples, arrival) < samples)
    }

    /// Gives the direction that begins at this slot, if there is a rule and the tier takes it.
    pub(super) fn give_below(&mut self, slot: usize, out: &mut impl Output) {
        let Some(leg) = self.legs.leg(slot).map(|leg| leg.id) else { return };
        let Ok(rule) = self.relay_rule(leg) else { return };
        if out.give(usize::from(self.legs.outbound(slot).port), &rule) {
            self.below.set(slot, true);
            self.meters.legs_below += 1;
        } else {
            self.below.note_refusal(slot, true);
        }
    }

    /// Takes the direction that begins at this slot back, if it is below. From the next beat it may be given again.
    /// Answers whether the tier has relayed packets since its counts were read last.
    pub(super) fn take_back(&mut self, now: Instant, slot: usize, out: &mut impl Output) -> bool {
        if !self.below.is_given(slot) {
            self.below.note_refusal(slot, false);
            return false;
        }
        self.below.set(slot, false);
        self.end_rest(now, slot);
        if let Some(fed) = self.slot_that_feeds(slot) {
            self.end_rest(now, fed);
        }
        self.meters.legs_below -= 1;
        let counts = out.take_back(usize::from(self.legs.outbound(slot).port));
        self.absorb_for(slot, &counts);
        counts.packets > 0
    }

    /// Takes the direction back that ends at this slot, whose leg sends what the tier relays.
    pub(super) fn take_back_towards(&mut self, now: Instant, slot: usize, out: &mut impl Output) {
        if let Some(from) = self.slot_that_feeds(slot) {
            self.take_back(now, from, out);
        }
    }

    /// Takes both directions of a leg back: a command is about to change it.
    pub(super) fn take_back_leg(&mut self, now: Instant, leg: LegId, out: &mut impl Output) {
        if let Some(slot) = self.below.has_tier().then(|| self.slot_of(leg)).flatten() {
            self.take_back(now, slot, out);
            self.take_back_towards(now, slot, out);
        }
    }

    /// Brings the figures of a leg up to date, both ways: a report is about to leave.
    pub(super) fn read_leg_below(&mut self, slot: usize, out: &mut impl Output) {
        self.read_below(slot, out);
        if let Some(from) = self.slot_that_feeds(slot) {
            self.read_below(from, out);
        }
    }

    fn read_below(&mut self, slot: usize, out: &mut impl Output) {
        if self.below.is_given(slot) {
            let counts = out.relayed(usize::from(self.legs.outbound(slot).port));
            self.absorb_for(slot, &counts);
        }
    }

    fn absorb_for(&mut self, slot: usize, counts: &RelayedCounts) {
        if let Some(leg) = self.legs.leg(slot).map(|leg| leg.id) {
            self.absorb_relayed(leg, counts);
        }
    }

    /// The slot whose party's packets this leg sends, on this core.
    fn slot_that_feeds(&self, slot: usize) -> Option<usize> {
        // A bridge of one core has a route each way or none.
        match self.legs.inbound(slot).route {
            Route::Local { slot: other } => Some(usize::from(other)),
            Route::Nowhere | Route::Mesh | Route::Room => None,
        }
    }
}

/// Time between two offers of a direction that stays here.
const GIFT_MS: u32 = 100;
/// Time between two readings of all counts of a direction that is below. A reading that falls into a rest waits for its
/// end.
const READ_MS: u32 = 500;
