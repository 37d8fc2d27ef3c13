//! The built-in music for parties that wait, made from arithmetic so that it works offline.
//!
//! Four chords (C, A minor, F, G), each as an arpeggio of eight soft plucks over a bass note, 19.2 s in all.
//! The last pluck has died away at the end, so that the loop does not click.

use std::f32::consts::TAU;

/// One round of the music, 8,000 samples a second.
pub fn samples() -> Vec<i16> {
    let mut mix = vec![0_f32; CHORDS.len() * PLUCKS * PLUCK_SAMPLES];
    for (chord, notes) in CHORDS.iter().enumerate() {
        let start = chord * PLUCKS * PLUCK_SAMPLES;
        add(&mut mix, start, notes[0] / 2.0, 0.5, PLUCKS * PLUCK_SAMPLES);
        for (pluck, note) in ORDER.iter().enumerate() {
            add(&mut mix, start + pluck * PLUCK_SAMPLES, notes[*note], 0.35, 3 * PLUCK_SAMPLES);
        }
    }
    mix.into_iter().map(|sample| (sample * PEAK) as i16).collect()
}

/// Adds one pluck: a sine with two harmonics that decays to silence in `length` samples. What lies behind the
/// end of the round sounds at its begin.
fn add(mix: &mut [f32], start: usize, hertz: f32, level: f32, length: usize) {
    let round = mix.len();
    for at in 0..length {
        let seconds = at as f32 / RATE;
        let remaining = 1.0 - at as f32 / length as f32;
        let attack = (at as f32 / ATTACK_SAMPLES).min(1.0);
        let envelope = attack * remaining * (-1.8 * seconds).exp();
        let phase = TAU * hertz * seconds;
        let tone = phase.sin() + 0.3 * (2.0 * phase).sin() + 0.1 * (3.0 * phase).sin();
        mix[(start + at) % round] += level * envelope * tone;
    }
}

const RATE: f32 = 8_000.0;
const PLUCKS: usize = 8;
/// 600 ms.
const PLUCK_SAMPLES: usize = 4_800;
const ATTACK_SAMPLES: f32 = 80.0;
/// Linear units; about -20 dBm0, so that the music does not drown a voice.
const PEAK: f32 = 4_000.0;
/// Root, third, fifth and octave of each chord, in hertz.
const CHORDS: [[f32; 4]; 4] = [
    [261.6, 329.6, 392.0, 523.3],
    [220.0, 261.6, 329.6, 440.0],
    [174.6, 220.0, 261.6, 349.2],
    [196.0, 246.9, 293.7, 392.0],
];
/// The notes of a chord, in the order of the plucks.
const ORDER: [usize; PLUCKS] = [0, 1, 2, 3, 2, 1, 2, 1];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_music_is_heard_all_the_time_and_never_clips_or_clicks() {
        let samples = samples();
        assert_eq!(samples.len(), 153_600);
        for (second, part) in samples.chunks(8_000).enumerate() {
            let peak = part.iter().map(|sample| sample.unsigned_abs()).max();
            assert!(peak.is_some_and(|peak| (300..16_000).contains(&peak)), "{second}: {peak:?}");
        }
        let round = samples.iter().zip(samples.iter().cycle().skip(1));
        let step = round.map(|(one, next)| (i32::from(*one) - i32::from(*next)).abs()).max();
        assert!(step.is_some_and(|step| step < 4_000), "{step:?}");
    }
}
