//! Whether a frame is a tone, and which. Sans-IO.
//!
//! A sine obeys `x[n] + x[n-2] = 2 cos(w) x[n-1]`, so its correlations over one and two samples give its frequency
//! without a bank of filters, and white noise is in neither of them (Pisarenko). The phases of the two halves of the
//! frame make it exact. A sine of this frequency then has to hold nearly all of the energy: the harmonics of a
//! voice, 80 Hz or more apart, do not let it.
//!
//! An exchange rings, and is busy, with two sines at once (ITU-T E.180). Both are near each other, so that a frame of
//! them passes the first step, too, and those of the table are tried. Where a voice is taken for such a frame,
//! nothing is lost: it is one frame of many.

use std::f32::consts::TAU;

use shared::{Codec, FRAME_SAMPLES};

use crate::g711;

/// Content of a frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Heard {
    /// A single sine, in hertz.
    Tone(f32),
    /// Two sines with which an exchange tells of the call.
    Progress,
    /// A voice, music, noise.
    Other,
}

/// What a frame of 10 to 20 ms is.
pub(super) fn heard(codec: Codec, frame: &[u8]) -> Heard {
    let table = g711::linear(codec);
    let mut samples = [0_f32; FRAME_SAMPLES];
    for (sample, code) in samples.iter_mut().zip(frame) {
        *sample = f32::from(table[usize::from(*code)]);
    }
    let samples = samples.get(..frame.len() / LANES * LANES).unwrap_or(&[]);
    let energy = product(samples, samples);
    let Some(turn) = narrow(samples, energy) else { return Heard::Other };
    let turn = exactly(samples, turn);
    let hertz = turn / TAU * RATE;
    let share = 2.0 * Phasor::of(samples, turn).power() / (samples.len() as f32 * energy);
    if PAIRS_HERTZ.contains(&hertz) {
        let shares = PROGRESS_HERTZ.iter().map(|pair| pair_share(samples, *pair) / energy);
        let pair = shares.fold(0.0, f32::max);
        // A frame in which two sines do not weaken each other looks like one: two have to leave half as much.
        if pair >= PAIR && (1.0 - pair) * 2.0 < 1.0 - share {
            return Heard::Progress;
        }
    }
    let is_tone = share >= PURE && TONE_HERTZ.contains(&hertz);
    if is_tone { Heard::Tone(hertz) } else { Heard::Other }
}

/// The turn a sample, in radians, where most of the energy is near one frequency.
fn narrow(samples: &[f32], energy: f32) -> Option<f32> {
    let one = product(samples, samples.get(1..)?);
    let two = product(samples, samples.get(2..)?);
    let root = (two * two + 8.0 * one * one).sqrt();
    // Of the two forms, the one that does not subtract like numbers.
    let cos = if two < 0.0 { 2.0 * one / (root - two) } else { (two + root) / (4.0 * one) };
    let line =
        (one * cos + two * (2.0 * cos * cos - 1.0)) / (cos * cos + (2.0 * cos * cos - 1.0).powi(2));
    (cos.abs() < 1.0 && line >= energy * NARROW).then(|| cos.acos())
}

/// The frequency by the phases of the two halves.
fn exactly(samples: &[f32], turn: f32) -> f32 {
    let (first, second) = samples.split_at(samples.len() / 2 / LANES * LANES);
    let (a, b) = (Phasor::of(first, turn), Phasor::of(second, turn));
    // The phase of the second half is that of its own first sample.
    let b = b.turned(-turn * first.len() as f32);
    let shift = (a.real * b.imaginary - a.imaginary * b.real)
        .atan2(a.real * b.real + a.imaginary * b.imaginary);
    turn + shift / first.len() as f32
}

/// Energy that two sines hold; 0 where one of them is hardly there.
fn pair_share(samples: &[f32], hertz: [f32; 2]) -> f32 {
    let count = samples.len() as f32;
    let turns = hertz.map(|hertz| hertz / RATE * TAU);
    // With phases as of the middle of the frame, what both have in common is a real number.
    let [a, b] = turns.map(|turn| Phasor::of(samples, turn).turned(turn * (count - 1.0) / 2.0));
    let half = (turns[1] - turns[0]) / 2.0;
    let common = (half * count).sin() / (half.sin() * count);
    let own = |a: Phasor, b: Phasor| Phasor {
        real: a.real - common * b.real,
        imaginary: a.imaginary - common * b.imaginary,
    };
    let powers = [own(a, b).power(), own(b, a).power()];
    if powers[0].min(powers[1]) * TWIST < powers[0].max(powers[1]) {
        return 0.0;
    }
    let crossed = a.real * b.real + a.imaginary * b.imaginary;
    let both = a.power() + b.power() - 2.0 * common * crossed;
    2.0 * both / (1.0 - common * common) / count
}

/// Sum of the products of two signals, over the shorter.
fn product(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0; LANES];
    for (a, b) in a.as_chunks::<LANES>().0.iter().zip(b.as_chunks::<LANES>().0) {
        for lane in 0..LANES {
            sums[lane] += a[lane] * b[lane];
        }
    }
    sums.iter().sum()
}

/// Sum of samples, each turned back by the phase that a sine has there.
#[derive(Clone, Copy, Debug)]
struct Phasor {
    real: f32,
    imaginary: f32,
}

impl Phasor {
    fn of(samples: &[f32], turn: f32) -> Self {
        let lanes: [(f32, f32); LANES] = std::array::from_fn(|lane| (turn * lane as f32).sin_cos());
        let (mut sin, mut cos) = (lanes.map(|lane| lane.0), lanes.map(|lane| lane.1));
        let (step_sin, step_cos) = (turn * LANES as f32).sin_cos();
        let (mut real, mut imaginary) = ([0.0; LANES], [0.0; LANES]);
        for samples in samples.as_chunks::<LANES>().0 {
            for lane in 0..LANES {
                real[lane] += samples[lane] * cos[lane];
                imaginary[lane] -= samples[lane] * sin[lane];
                let turned = sin[lane] * step_cos + cos[lane] * step_sin;
                cos[lane] = cos[lane] * step_cos - sin[lane] * step_sin;
                sin[lane] = turned;
            }
        }
        Self { real: real.iter().sum(), imaginary: imaginary.iter().sum() }
    }

    fn turned(self, angle: f32) -> Self {
        let (sin, cos) = angle.sin_cos();
        Self {
            real: self.real * cos - self.imaginary * sin,
            imaginary: self.real * sin + self.imaginary * cos,
        }
    }

    fn power(self) -> f32 {
        self.real * self.real + self.imaginary * self.imaginary
    }
}

const RATE: f32 = 8_000.0;
/// Samples that are summed side by side.
const LANES: usize = 8;
/// Part of the energy that has to be near one frequency for a closer look.
const NARROW: f32 = 0.75;
/// Part of the energy that a single sine holds at least: noise 10 dB below.
const PURE: f32 = 0.9;
/// Part that two hold: they weaken each other 40 times a second, the noise does not.
const PAIR: f32 = 0.8;
/// Candidates: beeps and fax tones.
const TONE_HERTZ: std::ops::RangeInclusive<f32> = 340.0..=2_250.0;
/// Dial tone and ring of North America, ring of the United Kingdom, busy of North America. Continental tones are one
/// sine of 425 Hz.
const PROGRESS_HERTZ: [[f32; 2]; 4] =
    [[350.0, 440.0], [440.0, 480.0], [400.0, 450.0], [480.0, 620.0]];
/// Where a frame of such a pair seems to be.
const PAIRS_HERTZ: std::ops::RangeInclusive<f32> = 330.0..=640.0;
/// The two sines differ in power by no more than this factor.
const TWIST: f32 = 10.0;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dtmf::material as dtmf;

    fn frames(samples: &[i16]) -> Vec<Heard> {
        let codes: Vec<u8> =
            samples.iter().map(|sample| g711::encode(Codec::Pcmu, *sample)).collect();
        codes.chunks_exact(FRAME_SAMPLES).map(|frame| heard(Codec::Pcmu, frame)).collect()
    }

    #[test]
    fn the_frequency_of_a_tone_is_found_in_noise_12_db_below() {
        for hertz in
            [350.0, 425.0, 460.0, 480.0, 600.0, 950.0, 1_100.0, 1_800.0, 1_999.0, 2_100.0, 2_200.0]
        {
            let tone = dtmf::pair([hertz, 0.0], [-12.0, -90.0], 3_200);
            let noisy = dtmf::sum(&tone, &dtmf::noise(9, -24.0, 3_200));
            let near = |heard: &Heard| matches!(heard, Heard::Tone(found) if (found - hertz as f32).abs() < 12.0);
            let found = frames(&noisy);
            let count = found.iter().filter(|heard| near(heard)).count();
            assert!(count >= 17, "{hertz}: {found:?}");
        }
    }

    #[test]
    fn the_tones_of_an_exchange_are_neither_a_beep_nor_speech() {
        for pair in [[350.0, 440.0], [440.0, 480.0], [400.0, 450.0], [480.0, 620.0]] {
            let tone = dtmf::pair(pair, [-15.0, -17.0], 3_200);
            let noisy = dtmf::sum(&tone, &dtmf::noise(5, -32.0, 3_200));
            let found = frames(&noisy);
            let count = found.iter().filter(|heard| **heard == Heard::Progress).count();
            assert!(count >= 18, "{pair:?}: {found:?}");
        }
    }

    #[test]
    fn keys_and_noise_are_no_tones() {
        let key = dtmf::keys("5", 400, 0);
        let noise = dtmf::noise(2, -20.0, 8_000);
        for samples in [key, noise] {
            assert!(frames(&samples).iter().all(|heard| *heard == Heard::Other));
        }
    }
}
