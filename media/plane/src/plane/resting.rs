//! Legs that rest, because both their directions are below: no beat, one look in a while. Sans-IO.
//!
//! ```text
//!          --(a beat finds both directions below, and packets that arrive)-->
//!   beats                                                                    rests --+ (its time is over, and
//!          <--(a direction is taken back, the party has gone silent,               <-+  packets still arrive)
//!              a check is due: a report, the media timeout)--
//! ```
//!
//! A wake-up of the core costs more than what all its resting legs need. So the wheel does not wait for them, and
//! every 20 ms the core makes one round over all: a core whose legs all rest sleeps from round to round. A round reads
//! two words a leg in the order of memory. Every 160 ms at most it glances at the arrival of the leg's last
//! packet, one word of the tier; once that packet is older, the leg beats as usual.
//!
//! What a leg sends leaves at its beat, never in a round. A round wakes it before that beat, at most 20 ms ahead; so
//! silence and reports leave at the time at which they would without a tier.

use shared::Instant;

use crate::clock;
use crate::output::Output;

use super::Plane;

/// The legs that rest, by slot.
#[derive(Debug)]
pub(super) struct Rests {
    rests: Vec<Option<Rest>>,
    count: usize,
    /// Millisecond of the next round; means nothing while no leg rests.
    round_ms: u64,
}

#[derive(Clone, Copy, Debug)]
struct Rest {
    /// Its end, in wrapping milliseconds.
    until_ms: u32,
    /// Index of the port whose packets the leg sends. It cannot change while the leg rests.
    from_port: u16,
}

/// Memory of one slot.
pub(super) const SLOT_BYTES: usize = size_of::<Option<Rest>>();

impl Rests {
    pub fn new(legs_max: usize) -> Self {
        Self { rests: vec![None; legs_max], count: 0, round_ms: 0 }
    }

    /// Whether the beats of a leg are left out.
    #[inline]
    pub fn has(&self, slot: usize) -> bool {
        self.count > 0 && self.rests[slot].is_some()
    }

    /// Time of the next round; `None` while no leg rests.
    pub fn next_round(&self) -> Option<Instant> {
        (self.count > 0).then_some(Instant::from_millis(self.round_ms))
    }

    fn begin(&mut self, at: Instant, slot: usize, rest: Rest) {
        debug_assert!(self.rests[slot].is_none(), "a resting leg has had a beat");
        if self.count == 0 {
            self.round_ms = at.as_millis() + ROUND_MS;
        }
        self.count += 1;
        self.rests[slot] = Some(rest);
    }

    /// Answers whether the leg rested.
    fn end(&mut self, slot: usize) -> bool {
        let rested = self.rests[slot].take().is_some();
        self.count -= usize::from(rested);
        rested
    }
}

impl Plane {
    /// Lets a leg rest whose directions are both below, if packets from the slot that feeds it have arrived lately.
    pub(super) fn begin_rest(
        &mut self,
        slot: usize,
        from: usize,
        at: Instant,
        out: &mut impl Output,
    ) {
        let from_port = self.legs.outbound(from).port;
        let Some(until_ms) = self.rest_until(slot, from_port, at, out) else { return };
        self.below.rests.begin(at, slot, Rest { until_ms, from_port });
        self.wheel.suspend(slot as u16, self.legs.outbound(slot).wants_half_beats());
    }

    /// From the next millisecond on the leg beats again, if it rested.
    pub(super) fn end_rest(&mut self, now: Instant, slot: usize) {
        self.wake_at(now.as_millis() + 1, slot);
    }

    fn wake_at(&mut self, first_ms: u64, slot: usize) {
        if self.below.rests.end(slot) {
            self.wheel.resume(first_ms, slot as u16, self.legs.outbound(slot).wants_half_beats());
        }
    }

    /// One round over the resting legs, before the beats of this millisecond.
    pub(super) fn visit_resting(&mut self, now: Instant, out: &mut impl Output) {
        let next_ms = now.as_millis() + ROUND_MS;
        self.below.rests.round_ms = next_ms;
        for slot in 0..self.below.rests.rests.len() {
            let Some(rest) = self.below.rests.rests[slot] else { continue };
            if clock::is_due(next_ms as u32, self.legs.check_ms(slot)) {
                self.wake_at(now.as_millis(), slot);
            } else if clock::is_due(clock::millis(now), rest.until_ms) {
                self.renew_rest(slot, rest, now, out);
            }
        }
    }

    /// The time of a rest is over.
    fn renew_rest(&mut self, slot: usize, rest: Rest, now: Instant, out: &mut impl Output) {
        let now_ms = clock::millis(now);
        if self.below.is_due(slot, now_ms) {
            self.look_below(slot, now_ms, out);
        }
        match self.rest_until(slot, rest.from_port, now, out) {
            Some(until_ms) => self.below.rests.rests[slot] = Some(Rest { until_ms, ..rest }),
            None => self.wake_at(now.as_millis(), slot),
        }
    }

    /// How long a leg may rest after the last packet from this port. `None`: it is too old.
    fn rest_until(
        &self,
        slot: usize,
        from_port: u16,
        at: Instant,
        out: &mut impl Output,
    ) -> Option<u32> {
        // Without a packet since the last reading, what that reading told.
        let arrival = out
            .relayed_at(usize::from(from_port))
            .unwrap_or_else(|| self.legs.outbound(slot).numbers.last_at());
        let age_ms = clock::elapsed(clock::samples(at), arrival) / clock::SAMPLES_A_MS;
        // Legs that were given together part: else one round would look at all of them.
        let rest_ms = REST_MS - ROUND_MS as u32 * (slot as u32 % REST_STEPS);
        (age_ms < rest_ms).then(|| clock::millis(at).wrapping_add(rest_ms - age_ms))
    }
}

/// Milliseconds between two rounds: those between two beats of a leg, so that none comes between a round and the
/// beat that it wakes the leg for.
const ROUND_MS: u64 = 20;
/// The longest rest, counted from the last packet. With a round and a beat behind it, it ends before the 200 ms
/// after which the beat takes a party for silent.
const REST_MS: u32 = 160;
/// What the rests of neighbouring legs differ by, in rounds.
const REST_STEPS: u32 = 3;
