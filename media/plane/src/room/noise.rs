//! Comfort noise: what the room hears of a party that sends nothing while it is silent. Sans-IO.
//!
//! A phone that leaves silence out takes the hum of its room along: between two words the others would hear that
//! the line is dead. So a member's place in the mix is filled, once the concealment of its last audio is over, with
//! white noise as loud as its quietest frames were, or as it announced (RFC 3389 §3.1). It stands for that party: the
//! gate judges it as it judges what a party sends, so noise below the room's floor is in no mix, and the party itself
//! does not hear it. A party that was never quiet (a tone, music), or whose silence is digital, has no noise.

use shared::{Codec, FRAME_SAMPLES};

use super::gate::{Level, thresholds};
use crate::g711;

/// The noise of one member.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ComfortNoise {
    /// Level of the quietest frames: follows a quieter frame at once, and rises slowly.
    floor: Level,
    /// Frames that it was measured on, up to [`MEASURED_FRAMES`].
    frames: u8,
    /// The peak that the party announced; it holds until the next frame.
    announced: Option<i16>,
    /// State of the generator.
    state: u32,
}

impl ComfortNoise {
    /// That of a member of which nothing is known. Two members of one seed would make the same noise.
    pub fn new(seed: u16) -> Self {
        Self { state: u32::from(seed).wrapping_mul(2_654_435_761), ..Self::default() }
    }

    /// Measures a frame of the party.
    pub fn measure(&mut self, level: Level) {
        self.announced = None;
        self.floor = if self.frames == 0 { level } else { self.floor.rise_towards(level) };
        self.frames = (self.frames + 1).min(MEASURED_FRAMES);
    }

    /// The party announced silence with noise of this level, in dB below overload, if it named one.
    pub fn announce(&mut self, level: Option<u8>) {
        // The peak of uniform noise is the root of 3 times its effective value.
        let peak = |level: u8| 32_768.0 * 1.732 * 10f32.powf(-f32::from(level & 0x7F) / 20.0);
        self.announced = level.map(|level| peak(level).min(PEAK_MAX.into()) as i16);
    }

    /// Forgets the measured level: the party is another one, or rests for another reason.
    pub fn stop(&mut self) {
        *self = Self { state: self.state, ..Self::default() };
    }

    /// Fills 20 ms without audio; `false`: nothing is known of the party's noise, or it is too quiet to be heard.
    pub fn fill(&mut self, codec: Codec, frame: &mut [u8; FRAME_SAMPLES]) -> bool {
        let Some(peak) = self.announced.or_else(|| self.measured(codec)) else { return false };
        let range = 2 * u32::from(peak.unsigned_abs()) + 1;
        let samples = std::array::from_fn::<i16, FRAME_SAMPLES, _>(|_| {
            // A linear congruence; its upper bits are white enough for noise.
            self.state = self.state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (((self.state >> 16) * range) >> 16) as i16 - peak
        });
        g711::encode_all(codec, samples.into_iter(), frame);
        true
    }

    fn measured(&self, codec: Codec) -> Option<i16> {
        let (open, loud) = thresholds(codec);
        let is_noise = self.frames == MEASURED_FRAMES && (open..loud).contains(&self.floor);
        // So near to silence a law is almost linear, and the mean of uniform noise is half of its peak.
        let mean = |steps: u8| g711::linear(codec)[usize::from(codec.silence() ^ steps)];
        is_noise.then(|| mean(self.floor.whole_steps()).saturating_mul(2).min(PEAK_MAX))
    }
}

/// A second: long enough for a pause between two words.
const MEASURED_FRAMES: u8 = 50;
/// About -42 dBFS: louder noise would count as speech.
const PEAK_MAX: i16 = 440;

#[cfg(test)]
mod tests {
    use super::super::gate::Gate;
    use super::*;

    const CODECS: [Codec; 2] = [Codec::Pcmu, Codec::Pcma];

    /// Noise with this peak, of a generator that is not ours.
    fn hiss(codec: Codec, peak: i32, tick: u32) -> [u8; FRAME_SAMPLES] {
        std::array::from_fn(|at| {
            let hashed = (tick * 160 + at as u32 + 1).wrapping_mul(2_654_435_761).rotate_left(13);
            let sample = (hashed.wrapping_mul(40_503) >> 8) as i32 % (2 * peak + 1) - peak;
            g711::encode(codec, sample as i16)
        })
    }

    fn effective(codec: Codec, frames: &[[u8; FRAME_SAMPLES]]) -> f32 {
        let squares =
            frames.iter().flatten().map(|code| f32::from(g711::decode(codec, *code)).powi(2));
        (squares.sum::<f32>() / (frames.len() * FRAME_SAMPLES) as f32).sqrt()
    }

    fn filled(noise: &mut ComfortNoise, codec: Codec) -> Vec<[u8; FRAME_SAMPLES]> {
        let mut frame = [0; FRAME_SAMPLES];
        (0..50).map_while(|_| noise.fill(codec, &mut frame).then_some(frame)).collect()
    }

    #[test]
    fn it_is_as_loud_as_the_pauses_of_a_voice() {
        for codec in CODECS {
            let mut noise = ComfortNoise::default();
            let mut pauses = Vec::new();
            for tick in 0..200 {
                // Ten frames of speech, five of the room.
                let speaks = tick % 15 < 10;
                let frame = hiss(codec, if speaks { 6_000 } else { 300 }, tick);
                noise.measure(Level::of(codec, &frame));
                if !speaks {
                    pauses.push(frame);
                }
            }
            let filled = filled(&mut noise, codec);
            assert_eq!(filled.len(), 50);
            let ratio = effective(codec, &filled) / effective(codec, &pauses);
            assert!((0.7..1.3).contains(&ratio), "{codec:?}: {ratio}");
            assert_ne!(filled[0], filled[1], "it is not one frame over and over");
            let mut gate = Gate::default();
            assert!(
                filled.iter().all(|frame| gate.hear(codec, Level::of(codec, frame))),
                "the room hears it"
            );
            assert!(!gate.is_talking(), "and it is no speech");
        }
    }

    #[test]
    fn a_tone_digital_silence_and_a_party_of_a_moment_have_none() {
        for codec in CODECS {
            for (peak, ticks) in [(6_000, 200), (0, 200), (300, 49), (20, 200)] {
                let mut noise = ComfortNoise::default();
                for tick in 0..ticks {
                    noise.measure(Level::of(codec, &hiss(codec, peak, tick)));
                }
                assert!(filled(&mut noise, codec).is_empty(), "{codec:?} {peak} {ticks}");
            }
        }
    }

    #[test]
    fn an_announced_level_holds_until_the_next_frame() {
        for codec in CODECS {
            let mut noise = ComfortNoise::default();
            noise.announce(Some(50));
            // 50 dB below overload.
            let ratio = effective(codec, &filled(&mut noise, codec)) / 103.6;
            assert!((0.8..1.25).contains(&ratio), "{codec:?}: {ratio}");
            noise.announce(Some(10));
            let loudest = effective(codec, &filled(&mut noise, codec));
            assert!(loudest < 300.0, "{codec:?}: {loudest} is no noise but speech");
            noise.measure(Level::of(codec, &hiss(codec, 6_000, 0)));
            assert!(filled(&mut noise, codec).is_empty());
        }
    }
}
