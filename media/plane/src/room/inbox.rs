//! The sums that other cores send to a room, tick by tick. Sans-IO.
//!
//! Every core of a room mixes it at the same phase of the clock and sends the sum of its own talkers to the
//! others. These frames arrive a little before or after the tick of the receiver, so they are named by tick: the
//! mix of a tick takes the sums of the tick before, which have had 20 ms to arrive. Two places suffice, one that
//! fills while the other is read. A sum that is not there by then is silence, and counted.

use shared::{Codec, CoreSet, FRAME_SAMPLES};

use super::mix::{Sum, Total};
use crate::g711;
use crate::mesh::{HALF_SAMPLES, RoomFrame, RoomPart};

/// The sums of two ticks.
#[derive(Debug)]
pub(crate) struct Inbox {
    ticks: [TickSums; 2],
    /// Cores that have sent anything since they joined the room: only they can be missed.
    known: CoreSet,
}

/// The sums of one tick.
#[derive(Debug)]
pub(crate) struct TickSums {
    tick: u32,
    from: CoreSet,
    /// Sources so far, and the codec of `codes` where the only one is a coded frame.
    sources: u8,
    coded: Option<Codec>,
    codes: [u8; FRAME_SAMPLES],
    sum: Sum,
}

impl Inbox {
    pub fn new() -> Self {
        let empty = || TickSums {
            tick: 0,
            from: CoreSet::default(),
            sources: 0,
            coded: None,
            codes: [0; FRAME_SAMPLES],
            sum: [0; FRAME_SAMPLES],
        };
        Self { ticks: [empty(), empty()], known: CoreSet::default() }
    }

    /// Cores left the room: they are not missed.
    pub fn span(&mut self, cores: CoreSet) {
        let left = self.known.iter().filter(|core| !cores.contains(*core));
        let left: CoreSet = left.collect();
        left.iter().for_each(|core| self.known.remove(core));
    }

    /// Takes a frame of another core; `false` when it came too late. `tick` is the next one that this core mixes.
    pub fn take(&mut self, tick: u32, frame: &RoomFrame) -> bool {
        // The mix of `tick` reads the sums of the tick before.
        if (frame.tick.wrapping_sub(tick) as i32) < -1 {
            return false;
        }
        let sums = &mut self.ticks[frame.tick as usize % 2];
        if sums.tick != frame.tick {
            sums.begin(frame.tick);
        }
        sums.add(frame);
        self.known.insert(frame.from);
        true
    }

    /// The sums for the mix of a tick, and the number of cores whose sum is missing.
    pub fn read(&self, tick: u32) -> (Total<'_>, u64) {
        let before = tick.wrapping_sub(1);
        let sums = &self.ticks[before as usize % 2];
        if sums.tick != before {
            return (Total::Silence, self.known.iter().count() as u64);
        }
        let missing = self.known.iter().filter(|core| !sums.from.contains(*core)).count() as u64;
        let total = match (sums.sources, sums.coded) {
            (0, _) => Total::Silence,
            (1, Some(codec)) => Total::Codes(codec, &sums.codes),
            (_, _) => Total::Sum(&sums.sum),
        };
        (total, missing)
    }

    #[cfg(test)]
    pub fn known(&self, core: shared::CoreId) -> bool {
        self.known.contains(core)
    }
}

impl TickSums {
    fn begin(&mut self, tick: u32) {
        self.tick = tick;
        self.from = CoreSet::default();
        self.sources = 0;
        self.coded = None;
        self.sum = [0; FRAME_SAMPLES];
    }

    fn add(&mut self, frame: &RoomFrame) {
        match frame.part {
            RoomPart::Silence | RoomPart::Coach { .. } => {}
            RoomPart::Codes(codec) => {
                self.codes = frame.payload;
                self.coded = Some(codec);
                self.sources += 1;
                let table = g711::linear(codec);
                let samples = frame.payload.iter().map(|code| table[usize::from(*code)]);
                self.sum.iter_mut().zip(samples).for_each(|(sum, new)| *sum += i32::from(new));
            }
            RoomPart::Half { second } => {
                let at = if second { HALF_SAMPLES } else { 0 };
                let sums = self.sum.iter_mut().skip(at);
                sums.zip(frame.samples()).for_each(|(sum, new)| *sum += i32::from(new));
                self.sources += u8::from(second);
                self.coded = None;
                if !second {
                    // The other half follows in the same ring.
                    return;
                }
            }
        }
        self.from.insert(frame.from);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::{CoreId, RoomId};

    fn frame(core: u8, tick: u32, part: RoomPart, sample: i16) -> RoomFrame {
        let mut frame = RoomFrame::new(RoomId(1), CoreId(core), tick, part);
        match part {
            RoomPart::Codes(codec) => frame.payload = [g711::encode(codec, sample); FRAME_SAMPLES],
            RoomPart::Half { .. } => frame.set_samples(&[sample.into(); HALF_SAMPLES]),
            RoomPart::Silence | RoomPart::Coach { .. } => {}
        }
        frame
    }

    #[test]
    fn the_sums_of_a_tick_are_read_at_the_next() {
        let mut inbox = Inbox::new();
        let codes = RoomPart::Codes(Codec::Pcmu);
        assert!(inbox.take(7, &frame(1, 7, codes, 988)));
        for second in [false, true] {
            assert!(inbox.take(7, &frame(2, 7, RoomPart::Half { second }, 5)));
        }
        let (total, missing) = inbox.read(8);
        assert!(matches!(total, Total::Sum(sum) if *sum == [993; FRAME_SAMPLES]));
        assert_eq!(missing, 0);
    }

    #[test]
    fn a_single_coded_frame_stays_coded() {
        let mut inbox = Inbox::new();
        inbox.take(7, &frame(1, 7, RoomPart::Codes(Codec::Pcma), 500));
        inbox.take(7, &frame(2, 7, RoomPart::Silence, 0));
        assert!(matches!(inbox.read(8).0, Total::Codes(Codec::Pcma, _)));
    }

    #[test]
    fn a_missing_sum_is_silence_and_a_late_one_is_refused() {
        let mut inbox = Inbox::new();
        let codes = RoomPart::Codes(Codec::Pcmu);
        inbox.take(7, &frame(1, 7, codes, 988));
        inbox.take(8, &frame(2, 8, codes, 988));
        assert!(inbox.known(CoreId(1)));
        assert!(matches!(inbox.read(9), (Total::Codes(..), 1)));
        assert!(matches!(inbox.read(10), (Total::Silence, 2)));
        assert!(!inbox.take(10, &frame(1, 8, codes, 988)));
        inbox.span([CoreId(2)].into_iter().collect());
        assert_eq!(inbox.read(10).1, 1);
    }
}
