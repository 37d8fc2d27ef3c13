//! How loud a frame is, whether it is worth mixing, and whether its party speaks. Sans-IO.
//!
//! A code of G.711 is close to the logarithm of its sample, so the mean of the codes is a level in steps of about
//! 0.4 dB. It costs a few nanoseconds, needs no decoding, and is not moved by a single click as a mean of squares
//! is. Two thresholds: above the lower one a frame is mixed, so that a thousand quiet microphones do not add up to
//! a loud hiss; above the higher one the party speaks. Both hold on after the level has fallen, so that the end of
//! a word is not cut off and a report does not flap.

use shared::{Codec, FRAME_SAMPLES};

/// Level of a frame: the mean distance of its codes from silence, in 160ths of a step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Level(u16);

impl Level {
    /// The level of a frame.
    pub fn of(codec: Codec, codes: &[u8; FRAME_SAMPLES]) -> Self {
        // Without sign, and with the bits that the law inverts put right, a code counts up from silence.
        let (flip, magnitude) = match codec {
            Codec::Pcmu => (u64::from_ne_bytes([0x7F; 8]), u64::from_ne_bytes([0x7F; 8])),
            Codec::Pcma => (u64::from_ne_bytes([0x55; 8]), u64::from_ne_bytes([0x7F; 8])),
        };
        // Eight codes at once, in four sums of 16 bits that cannot overflow: 40 codes of 127 at most.
        let mut sums = 0u64;
        for codes in codes.as_chunks::<8>().0 {
            let codes = (u64::from_ne_bytes(*codes) ^ flip) & magnitude;
            sums += (codes & EVEN_BYTES) + (codes >> 8 & EVEN_BYTES);
        }
        let sums = [0, 16, 32, 48].map(|shift| (sums >> shift) as u16);
        Self(sums.iter().sum())
    }

    /// A quieter level at once, or a small step towards a louder one: to half of the way in seven seconds.
    pub fn rise_towards(self, level: Self) -> Self {
        let step = (level.0.saturating_sub(self.0) >> 9).max(1);
        Self(level.0.min(self.0 + step))
    }

    /// The mean distance from silence, in whole steps.
    pub const fn whole_steps(self) -> u8 {
        // 127 steps at most.
        (self.0 / FRAME_SAMPLES as u16) as u8
    }

    /// The level of a constant distance from silence.
    const fn steps(steps: u16) -> Self {
        Self(steps * FRAME_SAMPLES as u16)
    }
}

const EVEN_BYTES: u64 = 0x00FF_00FF_00FF_00FF;

/// What the levels of a member say.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Gate {
    /// Level for the choice of the loudest: rises at once and falls slowly, so that the choice is steady.
    rank: Level,
    /// Ticks for which frames are still mixed.
    open_ticks: u8,
    /// Loud frames in a row, or nearly so, and quiet ones since.
    loud: u8,
    quiet: u8,
    is_talking: bool,
    is_reported: bool,
}

impl Gate {
    /// Hears a frame of this level; answers whether to mix it.
    pub fn hear(&mut self, codec: Codec, level: Level) -> bool {
        let (open, loud) = thresholds(codec);
        self.rank = level.max(Level(self.rank.0 - self.rank.0 / RANK_DECAY));
        self.open_ticks =
            if level >= open { OPEN_TICKS } else { self.open_ticks.saturating_sub(1) };
        self.judge(level >= loud);
        self.open_ticks > 0
    }

    /// 20 ms without a frame.
    pub fn hear_nothing(&mut self) {
        self.rank = Level(self.rank.0 - self.rank.0 / RANK_DECAY);
        self.open_ticks = self.open_ticks.saturating_sub(1);
        self.judge(false);
    }

    /// Forgets everything but what was reported: nobody hears the member any more.
    pub fn close(&mut self) {
        *self = Self { is_reported: self.is_reported, ..Self::default() };
    }

    /// For the choice of the loudest members.
    pub const fn rank(&self) -> Level {
        self.rank
    }

    /// Whether the member speaks.
    pub const fn is_talking(&self) -> bool {
        self.is_talking
    }

    /// Whether that differs from what was reported last.
    pub const fn has_report(&self) -> bool {
        self.is_reported != self.is_talking
    }

    /// It was reported.
    pub const fn note_report(&mut self) {
        self.is_reported = self.is_talking;
    }

    fn judge(&mut self, is_loud: bool) {
        if is_loud {
            self.loud = (self.loud + 1).min(TALKING_TICKS);
            self.quiet = 0;
        } else {
            self.loud = self.loud.saturating_sub(1);
            self.quiet = self.quiet.saturating_add(1);
        }
        if self.loud >= TALKING_TICKS {
            self.is_talking = true;
        } else if self.quiet >= QUIET_TICKS {
            self.is_talking = false;
        }
    }
}

/// The levels from which a frame is mixed, and from which its party speaks: about -54 and -42 dBFS. Near silence
/// the steps of A-law are twice as wide.
pub(super) const fn thresholds(codec: Codec) -> (Level, Level) {
    match codec {
        Codec::Pcmu => (Level::steps(8), Level::steps(24)),
        Codec::Pcma => (Level::steps(4), Level::steps(16)),
    }
}

/// 400 ms, longer than the pause between two words.
const OPEN_TICKS: u8 = 20;
/// 60 ms of speech: a click is none.
const TALKING_TICKS: u8 = 3;
/// 600 ms of silence. With the above it bounds the reports to three a second and member.
const QUIET_TICKS: u8 = 30;
/// Share of the rank that 20 ms take: it halves in 220 ms.
const RANK_DECAY: u16 = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::g711;

    fn level(codec: Codec, peak: i16) -> Level {
        let code = |at| g711::encode(codec, if at % 8 < 4 { peak } else { -peak });
        Level::of(codec, &std::array::from_fn(code))
    }

    #[test]
    fn a_level_is_the_mean_distance_from_silence_in_both_laws() {
        for codec in [Codec::Pcmu, Codec::Pcma] {
            assert_eq!(Level::of(codec, &[codec.silence(); FRAME_SAMPLES]), Level(0));
            let distance = |code: u8| match codec {
                Codec::Pcmu => u16::from(!code & 0x7F),
                Codec::Pcma => u16::from((code ^ 0x55) & 0x7F),
            };
            let codes: [u8; FRAME_SAMPLES] = std::array::from_fn(|at| (at * 37 % 256) as u8);
            let sum = codes.map(distance).iter().sum();
            assert_eq!(Level::of(codec, &codes), Level(sum));
        }
    }

    #[test]
    fn hiss_stays_out_and_a_quiet_voice_is_mixed() {
        for codec in [Codec::Pcmu, Codec::Pcma] {
            let mut gate = Gate::default();
            assert!(!gate.hear(codec, level(codec, 24)));
            assert!(gate.hear(codec, level(codec, 200)));
            let open = (0..100).filter(|_| gate.hear(codec, level(codec, 24))).count();
            assert_eq!(open, usize::from(OPEN_TICKS) - 1);
        }
    }

    #[test]
    fn speech_is_reported_once_at_each_end_and_a_click_is_not() {
        let mut gate = Gate::default();
        let mut hear = |peak: i16, ticks: usize| -> Vec<(usize, bool)> {
            let report = |tick| {
                gate.hear(Codec::Pcmu, level(Codec::Pcmu, peak));
                let has_report = gate.has_report();
                gate.note_report();
                has_report.then_some((tick, gate.is_talking()))
            };
            (0..ticks).filter_map(report).collect()
        };
        assert_eq!(hear(8_000, 1), []);
        assert_eq!(hear(0, 50), []);
        assert_eq!(hear(8_000, 50), [(2, true)]);
        assert_eq!(hear(0, 20), []);
        assert_eq!(hear(8_000, 5), []);
        assert_eq!(hear(0, 50), [(29, false)]);
    }
}
