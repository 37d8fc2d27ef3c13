//! Hears that the party begins to speak. Sans-IO.
//!
//! A frame is loud where it is well above the floor, which follows the line: down at once, up slowly, slower still
//! while it is loud. So a street is learnt and a sentence is not. Loud frames in a row, short gaps allowed, are
//! speech. This is only the decision to interrupt; what was
//! said is the recogniser's.

use shared::FRAME_SAMPLES;

use super::terms::Sensitivity;

/// The gate of one party.
#[derive(Debug)]
pub(super) struct Gate {
    /// Mean amplitude of the line without speech.
    floor: u32,
    /// Loud frames of the speech that may be beginning, and quiet ones since the last of them.
    loud: u32,
    gap: u32,
    needed: u32,
    is_speech: bool,
}

impl Gate {
    pub const fn new(sensitivity: Sensitivity) -> Self {
        let needed = match sensitivity {
            Sensitivity::High => 4,
            Sensitivity::Medium => 8,
            Sensitivity::Low => 15,
        };
        Self { floor: FLOOR_LEAST, loud: 0, gap: 0, needed, is_speech: false }
    }

    /// 20 ms in mu-law. `true` once, when speech begins.
    pub fn hear(&mut self, frame: &[u8; FRAME_SAMPLES]) -> bool {
        let sum: u32 = frame.iter().map(|code| u32::from(amplitude(*code))).sum();
        let mean = sum / FRAME_SAMPLES as u32;
        if mean < LOUD_LEAST.max(self.floor * LOUD_FACTOR) {
            self.floor = if mean < self.floor {
                mean.max(FLOOR_LEAST)
            } else {
                self.floor + (mean - self.floor) / FLOOR_FRAMES
            };
            self.gap += 1;
            if self.gap > GAP_MAX {
                (self.loud, self.is_speech) = (0, false);
            }
            return false;
        }
        self.floor += 1 + self.floor / FLOOR_LOUD_FRAMES;
        (self.loud, self.gap) = (self.loud + 1, 0);
        let begins = !self.is_speech && self.loud >= self.needed;
        self.is_speech |= begins;
        begins
    }
}

/// Linear amplitude of a mu-law code (ITU-T G.711), without its sign.
pub(super) const fn amplitude(code: u8) -> u16 {
    let code = !code;
    let exponent = (code >> 4) & 7;
    let mantissa = (code & 15) as u16;
    (((mantissa << 3) + 132) << exponent) - 132
}

/// Least floor, and least mean amplitude of a loud frame: some 40 dB below full scale.
const FLOOR_LEAST: u32 = 20;
const LOUD_LEAST: u32 = 320;
/// A loud frame is 10 dB above the floor.
const LOUD_FACTOR: u32 = 3;
/// Frames in which the floor rises by most of the way: a second.
const FLOOR_FRAMES: u32 = 50;
/// Loud frames in which it doubles: ten seconds. From its least, steady noise is learnt in a few.
const FLOOR_LOUD_FRAMES: u32 = 512;
/// Quiet frames between two sounds of one word, such as before its t.
const GAP_MAX: u32 = 6;

#[cfg(test)]
mod tests {
    use super::*;

    /// Mu-law of silence, of noise some 45 dB below full scale, and of a loud voice.
    const SILENCE: [u8; FRAME_SAMPLES] = [0xFF; FRAME_SAMPLES];
    const NOISE: [u8; FRAME_SAMPLES] = [0xE8; FRAME_SAMPLES];
    const VOICE: [u8; FRAME_SAMPLES] = [0xA0; FRAME_SAMPLES];

    fn begins_after(sensitivity: Sensitivity, before: &[[u8; FRAME_SAMPLES]]) -> Option<usize> {
        let mut gate = Gate::new(sensitivity);
        assert!(!before.iter().any(|frame| gate.hear(frame)), "no speech before");
        (1..30).find(|_| gate.hear(&VOICE))
    }

    #[test]
    fn speech_begins_after_the_frames_of_the_sensitivity() {
        assert_eq!(begins_after(Sensitivity::High, &[SILENCE; 10]), Some(4));
        assert_eq!(begins_after(Sensitivity::Medium, &[NOISE; 100]), Some(8));
        assert_eq!(begins_after(Sensitivity::Low, &[SILENCE; 10]), Some(15));
    }

    #[test]
    fn clicks_and_noise_are_no_speech_and_speech_begins_once() {
        let mut gate = Gate::new(Sensitivity::High);
        for _ in 0..20 {
            assert!(!gate.hear(&VOICE));
            assert!((0..10).all(|_| !gate.hear(&SILENCE)));
        }
        assert!((0..200).all(|_| !gate.hear(&NOISE)));
        assert_eq!((0..50).filter(|_| gate.hear(&VOICE)).count(), 1);
        (0..10).for_each(|_| assert!(!gate.hear(&SILENCE)));
        assert_eq!((0..50).filter(|_| gate.hear(&VOICE)).count(), 1, "the next word");
    }

    #[test]
    fn a_loud_line_is_learnt_and_a_voice_above_it_is_still_heard() {
        // A street of 32 dB below full scale, and 20 s of a voice with a pause each second.
        let street = [0xD8; FRAME_SAMPLES];
        let mut gate = Gate::new(Sensitivity::High);
        assert_eq!((0..500).filter(|_| gate.hear(&street)).count(), 1, "until it is learnt");
        assert_eq!((0..20).filter(|_| gate.hear(&VOICE)).count(), 1);
        let mut gate = Gate::new(Sensitivity::High);
        let begins = (0..1_000).filter(|at| {
            let is_pause = at % 50 < 10;
            gate.hear(if is_pause { &SILENCE } else { &VOICE })
        });
        assert_eq!(begins.count(), 20, "each sentence once");
    }

    #[test]
    fn amplitudes_are_those_of_the_law() {
        assert_eq!((amplitude(0xFF), amplitude(0x00), amplitude(0x80)), (0, 32_124, 32_124));
    }
}
