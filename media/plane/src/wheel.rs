//! The schedule of beats: twenty phases of one millisecond, legs spread over them by their slot. Sans-IO.
//!
//! A leg keeps its phase for life, so a core of evenly filled slots sends at an even pace instead of in a
//! burst every 20 ms. A core that is late serves missed milliseconds in order, at most two rounds of them.

use shared::Instant;

/// Every leg beats once in 20 slots; legs with an odd packet time once more, 10 slots later.
#[derive(Debug)]
pub(crate) struct Wheel {
    phases: [Vec<Beat>; PHASES],
    /// The next millisecond to serve.
    next_ms: u64,
    beats: usize,
}

/// One beat of one leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Beat {
    pub slot: u16,
    /// A half beat between two full ones: it only sends.
    pub half: bool,
}

/// The milliseconds that one tick serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Turn {
    pub from_ms: u64,
    pub to_ms: u64,
    /// Milliseconds skipped before them because the core is late.
    pub skipped: u64,
}

impl Wheel {
    pub fn new(legs_max: usize) -> Self {
        // Legs of one phase, and those of the opposite phase with their half beats.
        let beats_max = 2 * legs_max.div_ceil(PHASES);
        Self {
            phases: std::array::from_fn(|_| Vec::with_capacity(beats_max)),
            next_ms: 0,
            beats: 0,
        }
    }

    /// Lets a leg beat from the next millisecond on.
    pub fn insert(&mut self, now: Instant, slot: u16, with_half_beats: bool) {
        // Empty milliseconds may lie behind us unserved: the leg must not beat in one of them.
        if self.next_deadline().is_none_or(|at| at > now) {
            self.next_ms = self.next_ms.max(now.as_millis() + 1);
        }
        self.push(phase_of(slot), Beat { slot, half: false });
        if with_half_beats {
            self.push(opposite(phase_of(slot)), Beat { slot, half: true });
        }
    }

    pub fn remove(&mut self, slot: u16) {
        for phase in [phase_of(slot), opposite(phase_of(slot))] {
            let before = self.phases[phase].len();
            self.phases[phase].retain(|beat| beat.slot != slot);
            self.beats -= before - self.phases[phase].len();
        }
    }

    /// The first millisecond at which a leg beats.
    pub fn next_deadline(&self) -> Option<Instant> {
        if self.beats == 0 {
            return None;
        }
        let is_used = |ms: &u64| !self.phases[phase_at(*ms)].is_empty();
        let ms = (self.next_ms..self.next_ms + PHASES as u64).find(is_used);
        ms.map(Instant::from_millis)
    }

    /// Takes the milliseconds up to now, at most two rounds of them; earlier ones are skipped.
    pub fn take_turn(&mut self, now: Instant) -> Turn {
        let end_ms = now.as_millis() + 1;
        let late = end_ms.saturating_sub(self.next_ms);
        let skipped = late.saturating_sub(TURN_SLOTS_MAX);
        let turn = Turn { from_ms: self.next_ms + skipped, to_ms: end_ms, skipped };
        self.next_ms = self.next_ms.max(end_ms);
        turn
    }

    pub fn len(&self, ms: u64) -> usize {
        self.phases[phase_at(ms)].len()
    }

    pub fn beat(&self, ms: u64, index: usize) -> Option<Beat> {
        self.phases[phase_at(ms)].get(index).copied()
    }

    pub fn is_empty(&self) -> bool {
        self.beats == 0
    }

    fn push(&mut self, phase: usize, beat: Beat) {
        let beats = &mut self.phases[phase];
        debug_assert!(beats.len() < beats.capacity(), "I2: it would allocate");
        debug_assert!(!beats.contains(&beat), "a leg beats twice in one slot");
        beats.push(beat);
        self.beats += 1;
    }
}

fn phase_of(slot: u16) -> usize {
    usize::from(slot) % PHASES
}

const fn opposite(phase: usize) -> usize {
    (phase + PHASES / 2) % PHASES
}

const fn phase_at(ms: u64) -> usize {
    (ms % PHASES as u64) as usize
}

/// Slots of a round, one millisecond each.
const PHASES: usize = 20;
/// A core that is more than two frames late skips the older ones: their time has passed.
const TURN_SLOTS_MAX: u64 = 2 * PHASES as u64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_slot_is_taken_once_however_the_turns_fall() {
        let mut wheel = Wheel::new(4);
        wheel.insert(Instant::from_millis(100), 3, false);
        let mut next = 101;
        for now in [101, 101, 105, 117, 150] {
            let turn = wheel.take_turn(Instant::from_millis(now));
            assert_eq!((turn.from_ms, turn.skipped), (next, 0));
            next = turn.to_ms;
        }
    }

    #[test]
    fn a_leg_that_starts_between_the_beats_of_others_does_not_beat_before_its_start() {
        let mut wheel = Wheel::new(20);
        wheel.insert(Instant::from_millis(100), 2, false);
        wheel.take_turn(Instant::from_millis(102));
        wheel.insert(Instant::from_millis(113), 3, false);
        assert_eq!(wheel.next_deadline(), Some(Instant::from_millis(122)));
        // What is due already stays due.
        wheel.insert(Instant::from_millis(122), 7, false);
        assert_eq!(wheel.next_deadline(), Some(Instant::from_millis(122)));
    }

    #[test]
    fn a_late_core_catches_up_two_rounds_and_no_more() {
        let mut wheel = Wheel::new(1);
        wheel.insert(Instant::ZERO, 0, false);
        let turn = wheel.take_turn(Instant::from_millis(1_000));
        assert_eq!(turn, Turn { from_ms: 961, to_ms: 1_001, skipped: 960 });
    }

    #[test]
    fn the_deadline_is_that_of_the_next_leg_only() {
        let mut wheel = Wheel::new(40);
        assert_eq!(wheel.next_deadline(), None);
        wheel.insert(Instant::from_millis(100), 25, false);
        assert_eq!(wheel.next_deadline(), Some(Instant::from_millis(105)));
        wheel.take_turn(Instant::from_millis(105));
        assert_eq!(wheel.next_deadline(), Some(Instant::from_millis(125)));
        wheel.remove(25);
        assert_eq!((wheel.next_deadline(), wheel.is_empty()), (None, true));
    }

    #[test]
    fn half_beats_lie_between_the_full_ones() {
        let mut wheel = Wheel::new(1);
        wheel.insert(Instant::ZERO, 0, true);
        assert_eq!(wheel.beat(20, 0), Some(Beat { slot: 0, half: false }));
        assert_eq!(wheel.beat(30, 0), Some(Beat { slot: 0, half: true }));
        wheel.remove(0);
        assert!(wheel.is_empty());
    }
}
