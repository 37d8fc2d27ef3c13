//! Tones: each party of a conference says one of its own, so that what a phone hears names who it hears.
//!
//! Audio is looked at in windows of 100 ms. All frequencies are multiples of 10 Hz, so that a window holds whole
//! periods of each, and one tone adds nothing to the measure of another.

use std::f64::consts::TAU;

/// The tone of each of three parties, in hertz.
pub const ALICE: u32 = 400;
pub const BOB: u32 = 700;
pub const CAROL: u32 = 1_100;
/// All of them.
const PARTIES: [u32; 3] = [ALICE, BOB, CAROL];

/// The two tones of the beep of a conference.
const BEEP: [f64; 2] = [587.3, 880.0];

/// Peak of each party's tone. Three of them together stay below full scale.
const PEAK: f64 = 6_000.0;

/// A fifth of a party's tone, and half of the beep's: more is a tone, and less is an edge or the noise of the codec.
const PRESENT: f64 = 1_000.0;

/// A second of a tone, 8,000 Hz; it can be repeated without a break.
pub fn second(hertz: u32) -> Vec<i16> {
    seconds(hertz, 1)
}

/// As [`second`], that many times.
pub fn seconds(hertz: u32, count: usize) -> Vec<i16> {
    let sample = |at: usize| (TAU * f64::from(hertz) * at as f64 / 8_000.0).sin() * PEAK;
    (0..8_000 * count).map(|at| sample(at) as i16).collect()
}

/// The parties that are in each window of 100 ms.
pub fn windows(samples: &[i16], rate: u32) -> Vec<Vec<u32>> {
    let windows = samples.chunks_exact(rate as usize / 10);
    windows.map(|window| parties(window, rate)).collect()
}

/// The number of windows that hold these parties and no other.
pub fn count(windows: &[Vec<u32>], parties: &[u32]) -> usize {
    windows.iter().filter(|window| *window == parties).count()
}

/// Whether a beep is somewhere in the samples.
pub fn has_beep(samples: &[i16], rate: u32) -> bool {
    let is_beep = |window: &[i16]| BEEP.iter().all(|hertz| peak(window, *hertz, rate) > PRESENT);
    samples.chunks_exact(rate as usize / 10).any(is_beep)
}

fn parties(window: &[i16], rate: u32) -> Vec<u32> {
    let is_there = |hertz: &u32| peak(window, f64::from(*hertz), rate) > PRESENT;
    PARTIES.into_iter().filter(is_there).collect()
}

/// The peak of the sine of this frequency in the samples.
fn peak(samples: &[i16], hertz: f64, rate: u32) -> f64 {
    let step = TAU * hertz / f64::from(rate);
    let (mut real, mut imaginary) = (0.0, 0.0);
    for (at, sample) in samples.iter().enumerate() {
        let (sine, cosine) = (step * at as f64).sin_cos();
        real += f64::from(*sample) * cosine;
        imaginary += f64::from(*sample) * sine;
    }
    2.0 * f64::hypot(real, imaginary) / samples.len() as f64
}

#[test]
fn each_tone_is_seen_in_a_mix_and_no_other_one() {
    let (alice, carol) = (second(ALICE), second(CAROL));
    let mix: Vec<i16> = alice.iter().zip(&carol).map(|(one, other)| one + other).collect();
    assert_eq!(count(&windows(&mix, 8_000), &[ALICE, CAROL]), 10);
    assert_eq!(count(&windows(&[0; 800], 8_000), &[]), 1);
    assert!(!has_beep(&mix, 8_000));
}
