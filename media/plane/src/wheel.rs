//! The schedule of beats: twenty phases of one millisecond, legs spread over them by their slot. Sans-IO.
//!
//! A leg keeps its phase, so a core of evenly filled slots sends at an even pace instead of in a
//! burst every 20 ms. A core that is late serves missed milliseconds in order, at most two rounds of them.
//!
//! A room beats in a phase of its own, and its members beat with it instead of in theirs. Media time must not
//! notice the change (I8), however often it happens. So each 20 ms of a leg keep their place in its own phase: with a
//! room they leave at the last beat before it, up to 19 ms early. [`Wheel::leave_for`] and [`Wheel::return_from`]
//! find the beat for the next ones; a beat before it rests, and 20 ms whose beat has passed are left out.
//!
//! A suspended leg keeps its beats and its phase, and nobody waits for them: a core whose legs are all suspended has
//! no deadline here. What is suspended begins and ends outside ([`crate::Plane`] leaves such beats out).

use shared::Instant;

/// Every leg beats once in 20 slots; legs with an odd packet time once more, 10 slots later.
#[derive(Debug)]
pub(crate) struct Wheel {
    phases: [Vec<Beat>; PHASES],
    /// Beats of each phase that are not suspended.
    awake: [u16; PHASES],
    /// The next millisecond to serve.
    next_ms: u64,
}

/// One beat of one leg or one room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Beat {
    pub of: Beating,
    /// A half beat between two full ones: it only sends.
    pub half: bool,
    /// Whether it is left out this once.
    rests: bool,
}

/// The first beat of a leg with a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub first_ms: u64,
    /// Whether the beat that carries the leg's next 20 ms has passed: they are left out.
    pub has_passed: bool,
}

/// Who beats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Beating {
    /// The leg in this slot.
    Leg(u16),
    /// The room at this place, with its members.
    Room(u16),
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
    pub fn new(legs_max: usize, rooms_max: usize) -> Self {
        // Legs of one phase, and those of the opposite phase with their half beats. Rooms choose their phase
        // by number, so all of them may have the same one.
        let beats_max = 2 * legs_max.div_ceil(PHASES) + rooms_max;
        Self {
            phases: std::array::from_fn(|_| Vec::with_capacity(beats_max)),
            awake: [0; PHASES],
            next_ms: 0,
        }
    }

    /// Lets a leg beat from the next millisecond on.
    pub fn insert(&mut self, now: Instant, slot: u16, with_half_beats: bool) {
        self.insert_leg(now, slot, with_half_beats, false);
    }

    /// Waits for the beats of a leg no longer. It may not be removed or leave for a room until it is resumed.
    pub fn suspend(&mut self, slot: u16, with_half_beats: bool) {
        for phase in phases_of(slot, with_half_beats) {
            debug_assert!(self.awake[phase] > 0, "a leg without beats is suspended");
            self.awake[phase] -= 1;
        }
    }

    /// A suspended leg beats again from this millisecond on.
    pub fn resume(&mut self, first_ms: u64, slot: u16, with_half_beats: bool) {
        self.skip_to(first_ms);
        for phase in phases_of(slot, with_half_beats) {
            self.awake[phase] += 1;
        }
    }

    /// Ends the beats of a leg.
    pub fn remove(&mut self, slot: u16) {
        self.remove_beats(phase_of(slot), Beating::Leg(slot));
    }

    /// Lets a room beat from the next millisecond on, twice in 20 ms.
    pub fn insert_room(&mut self, now: Instant, place: u16, phase_ms: u64) {
        self.wake(now);
        let (phase, of) = (phase_at(phase_ms), Beating::Room(place));
        self.push(phase, Beat { of, half: false, rests: false });
        self.push(opposite(phase), Beat { of, half: true, rests: false });
    }

    /// Ends the beats of a room.
    pub fn remove_room(&mut self, place: u16, phase_ms: u64) {
        self.remove_beats(phase_at(phase_ms), Beating::Room(place));
    }

    /// A leg beats with a room of this phase from now on, for the first time at the millisecond that this answers.
    pub fn leave_for(&mut self, now: Instant, slot: u16, phase_ms: u64) -> Entry {
        self.wake(now);
        let home = phase_of(slot);
        let is_own = |beat: &&Beat| beat.of == Beating::Leg(slot) && !beat.half;
        let rests = self.phases[home].iter().find(is_own).is_some_and(|beat| beat.rests);
        self.remove(slot);
        let due_ms = self.next_in(home) + if rests { PHASES as u64 } else { 0 };
        let earlier = earlier(home, phase_at(phase_ms));
        let has_passed = due_ms < self.next_ms + earlier;
        let first_ms = due_ms + if has_passed { PHASES as u64 } else { 0 } - earlier;
        Entry { first_ms, has_passed }
    }

    /// A leg beats in its own phase again. It beat with a room of this phase from `first_ms` on.
    pub fn return_from(
        &mut self,
        now: Instant,
        slot: u16,
        half: bool,
        phase_ms: u64,
        first_ms: u64,
    ) {
        self.wake(now);
        let (home, phase) = (phase_of(slot), phase_at(phase_ms));
        let due_ms = self.next_in(phase).max(first_ms) + earlier(home, phase);
        self.insert_leg(now, slot, half, due_ms > self.next_in(home));
    }

    /// The next millisecond of a phase to be served.
    pub fn next_at(&self, phase_ms: u64) -> u64 {
        self.next_in(phase_at(phase_ms))
    }

    fn next_in(&self, phase: usize) -> u64 {
        let ahead = (PHASES + phase - phase_at(self.next_ms)) % PHASES;
        self.next_ms + ahead as u64
    }

    fn insert_leg(&mut self, now: Instant, slot: u16, with_half_beats: bool, rests: bool) {
        self.wake(now);
        let of = Beating::Leg(slot);
        self.push(phase_of(slot), Beat { of, half: false, rests });
        if with_half_beats {
            self.push(opposite(phase_of(slot)), Beat { of, half: true, rests: false });
        }
    }

    /// Empty milliseconds may lie behind us unserved: nobody may start to beat in one of them.
    fn wake(&mut self, now: Instant) {
        self.skip_to(now.as_millis() + 1);
    }

    fn skip_to(&mut self, first_ms: u64) {
        if self.next_deadline().is_none_or(|at| at.as_millis() >= first_ms) {
            self.next_ms = self.next_ms.max(first_ms);
        }
    }

    fn remove_beats(&mut self, phase: usize, of: Beating) {
        for phase in [phase, opposite(phase)] {
            let before = self.phases[phase].len();
            self.phases[phase].retain(|beat| beat.of != of);
            let removed = before - self.phases[phase].len();
            debug_assert!(removed <= self.awake[phase].into(), "a suspended leg is removed");
            self.awake[phase] -= removed as u16;
        }
    }

    /// The first millisecond at which a leg or a room beats.
    pub fn next_deadline(&self) -> Option<Instant> {
        let is_used = |ms: &u64| self.awake[phase_at(*ms)] > 0;
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

    /// The beat at a place of this millisecond; `None` where it rests.
    pub fn take_beat(&mut self, ms: u64, index: usize) -> Option<Beat> {
        let beat = self.phases[phase_at(ms)].get_mut(index)?;
        let rests = std::mem::take(&mut beat.rests);
        (!rests).then_some(*beat)
    }

    /// Whether nobody beats.
    pub fn is_silent(&self) -> bool {
        self.awake.iter().all(|beats| *beats == 0)
    }

    fn push(&mut self, phase: usize, beat: Beat) {
        let beats = &mut self.phases[phase];
        debug_assert!(beats.len() < beats.capacity(), "I2: it would allocate");
        debug_assert!(!beats.contains(&beat), "a leg beats twice in one slot");
        beats.push(beat);
        self.awake[phase] += 1;
    }
}

fn phase_of(slot: u16) -> usize {
    usize::from(slot) % PHASES
}

/// The phases in which a leg beats.
fn phases_of(slot: u16, with_half_beats: bool) -> impl Iterator<Item = usize> {
    let home = phase_of(slot);
    std::iter::once(home).chain(with_half_beats.then_some(opposite(home)))
}

/// Milliseconds by which a leg beats earlier in another phase than in its own.
const fn earlier(home: usize, phase: usize) -> u64 {
    ((PHASES + home - phase) % PHASES) as u64
}

const fn opposite(phase: usize) -> usize {
    (phase + PHASES / 2) % PHASES
}

const fn phase_at(ms: u64) -> usize {
    (ms % PHASES as u64) as usize
}

/// Slots of a round, one millisecond each.
pub(crate) const PHASES: usize = 20;
/// Memory of one beat.
pub(crate) const BEAT_BYTES: usize = size_of::<Beat>();
/// A core that is more than two frames late skips the older ones: their time has passed.
const TURN_SLOTS_MAX: u64 = 2 * PHASES as u64;

#[cfg(test)]
mod tests {
    use super::*;

    fn leg(slot: u16, half: bool) -> Beat {
        Beat { of: Beating::Leg(slot), half, rests: false }
    }

    #[test]
    fn every_slot_is_taken_once_however_the_turns_fall() {
        let mut wheel = Wheel::new(4, 0);
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
        let mut wheel = Wheel::new(20, 0);
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
        let mut wheel = Wheel::new(1, 0);
        wheel.insert(Instant::ZERO, 0, false);
        let turn = wheel.take_turn(Instant::from_millis(1_000));
        assert_eq!(turn, Turn { from_ms: 961, to_ms: 1_001, skipped: 960 });
    }

    #[test]
    fn the_deadline_is_that_of_the_next_leg_only() {
        let mut wheel = Wheel::new(40, 1);
        assert_eq!(wheel.next_deadline(), None);
        wheel.insert(Instant::from_millis(100), 25, false);
        assert_eq!(wheel.next_deadline(), Some(Instant::from_millis(105)));
        wheel.take_turn(Instant::from_millis(105));
        assert_eq!(wheel.next_deadline(), Some(Instant::from_millis(125)));
        wheel.remove(25);
        assert_eq!((wheel.next_deadline(), wheel.is_silent()), (None, true));
    }

    #[test]
    fn nobody_waits_for_a_suspended_leg_and_it_resumes_in_its_phase() {
        let mut wheel = Wheel::new(40, 0);
        wheel.insert(Instant::from_millis(100), 3, true);
        wheel.take_turn(Instant::from_millis(103));
        wheel.suspend(3, true);
        assert_eq!((wheel.next_deadline(), wheel.is_silent()), (None, true));
        // A long time later: nothing was missed, and the beats are those of its phase.
        wheel.resume(90_015, 3, true);
        assert_eq!(wheel.next_deadline(), Some(Instant::from_millis(90_023)));
        let turn = wheel.take_turn(Instant::from_millis(90_023));
        assert_eq!((turn.to_ms, turn.skipped), (90_024, 0));
        assert_eq!(wheel.next_deadline(), Some(Instant::from_millis(90_033)));
        wheel.insert(Instant::from_millis(90_024), 5, false);
        wheel.suspend(3, true);
        assert_eq!(wheel.next_deadline(), Some(Instant::from_millis(90_025)));
    }

    /// The times at which leg 2 beats, alone or with the room at phase 15.
    fn beats(wheel: &mut Wheel, to_ms: u64) -> Vec<u64> {
        let mut times = Vec::new();
        for ms in wheel.next_ms..=to_ms {
            wheel.take_turn(Instant::from_millis(ms));
            for index in 0..wheel.len(ms) {
                times.extend(wheel.take_beat(ms, index).filter(|beat| !beat.half).map(|_| ms));
            }
        }
        times
    }

    #[test]
    fn a_leg_beats_early_once_in_a_room_and_comes_back_to_its_own_time() {
        let mut wheel = Wheel::new(20, 1);
        wheel.insert(Instant::from_millis(0), 2, false);
        assert_eq!(beats(&mut wheel, 50), [2, 22, 42]);
        wheel.insert_room(Instant::from_millis(50), 0, 15);
        assert_eq!(
            wheel.leave_for(Instant::from_millis(50), 2, 15),
            Entry { first_ms: 55, has_passed: false }
        );
        assert_eq!(beats(&mut wheel, 80), [55, 75]);
        wheel.return_from(Instant::from_millis(80), 2, false, 15, 55);
        wheel.remove_room(0, 15);
        // 82 would be 7 ms after 75.
        assert_eq!(beats(&mut wheel, 125), [102, 122]);
    }

    #[test]
    fn a_leg_that_changes_rooms_keeps_its_account() {
        let mut wheel = Wheel::new(20, 2);
        wheel.insert(Instant::from_millis(0), 2, false);
        wheel.insert_room(Instant::from_millis(0), 0, 15);
        wheel.insert_room(Instant::from_millis(0), 1, 18);
        beats(&mut wheel, 50);
        assert_eq!(wheel.leave_for(Instant::from_millis(50), 2, 15).first_ms, 55);
        beats(&mut wheel, 56);
        wheel.return_from(Instant::from_millis(56), 2, false, 15, 55);
        // What 62 would carry left at 55; what 82 would carry leaves at 78.
        assert_eq!(
            wheel.leave_for(Instant::from_millis(56), 2, 18),
            Entry { first_ms: 78, has_passed: false }
        );
        beats(&mut wheel, 70);
        wheel.return_from(Instant::from_millis(70), 2, false, 18, 78);
        assert_eq!(
            wheel.leave_for(Instant::from_millis(70), 2, 15),
            Entry { first_ms: 75, has_passed: false }
        );
    }

    #[test]
    fn a_leg_that_joins_behind_the_beat_of_the_room_leaves_20_ms_out() {
        let mut wheel = Wheel::new(20, 1);
        wheel.insert(Instant::from_millis(0), 2, false);
        wheel.insert_room(Instant::from_millis(0), 0, 15);
        assert_eq!(beats(&mut wheel, 57), [2, 15, 22, 35, 42, 55]);
        assert_eq!(
            wheel.leave_for(Instant::from_millis(57), 2, 15),
            Entry { first_ms: 75, has_passed: true }
        );
        assert_eq!(beats(&mut wheel, 80), [75]);
        wheel.return_from(Instant::from_millis(80), 2, false, 15, 75);
        wheel.remove_room(0, 15);
        assert_eq!(beats(&mut wheel, 125), [102, 122]);
    }

    #[test]
    fn half_beats_lie_between_the_full_ones() {
        let mut wheel = Wheel::new(1, 0);
        wheel.insert(Instant::ZERO, 0, true);
        assert_eq!(wheel.take_beat(20, 0), Some(leg(0, false)));
        assert_eq!(wheel.take_beat(30, 0), Some(leg(0, true)));
        wheel.remove(0);
        assert!(wheel.is_silent());
    }
}
