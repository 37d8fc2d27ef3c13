//! Audio of the phone as samples: tones, levels, WAV files. Pure, except for the files.

use std::path::Path;
use std::sync::Arc;

use plane::g711;
use shared::{Codec, Prompt};

const RATE_HZ: f32 = 8_000.0;

/// A sine tone at 8,000 Hz, amplitude 9,000.
pub fn tone(hertz: f32, milliseconds: u32) -> Vec<i16> {
    let step = std::f32::consts::TAU * hertz / RATE_HZ;
    (0..milliseconds * 8).map(|n| ((n as f32 * step).sin() * 9_000.0) as i16).collect()
}

/// Samples as a prompt.
pub fn prompt(samples: &[i16]) -> Arc<Prompt> {
    Arc::new(g711::prompt(samples))
}

/// A frame as linear samples.
pub fn linear(codec: Codec, frame: &[u8]) -> Vec<i16> {
    frame.iter().map(|code| g711::decode(codec, *code)).collect()
}

/// Mean magnitude of samples: below 50 is silence, speech is in the hundreds and thousands.
pub fn level(samples: &[i16]) -> u32 {
    let sum: u64 = samples.iter().map(|sample| u64::from(sample.unsigned_abs())).sum();
    u32::try_from(sum / samples.len().max(1) as u64).unwrap_or(u32::MAX)
}

/// Share of the energy that lies at one frequency (Goertzel): near 1 for a pure tone.
pub fn tone_share(samples: &[i16], hertz: f32) -> f32 {
    let coefficient = 2.0 * (std::f32::consts::TAU * hertz / RATE_HZ).cos();
    let (mut one, mut two, mut energy) = (0.0f32, 0.0f32, 0.0f32);
    for sample in samples {
        let value = f32::from(*sample);
        energy += value * value;
        let next = value + coefficient * one - two;
        two = one;
        one = next;
    }
    let power = one * one + two * two - coefficient * one * two;
    let most = energy * samples.len() as f32 / 2.0;
    if most > 0.0 { (power / most).min(1.0) } else { 0.0 }
}

/// Writes 16-bit mono WAV.
///
/// # Errors
/// The file cannot be written.
pub fn write_wav(path: &Path, samples: &[i16]) -> std::io::Result<()> {
    let data: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
    let mut file = recorder::header(1, data.len() as u64).to_vec();
    file.extend_from_slice(&data);
    std::fs::write(path, file)
}

/// Reads an audio file as 8,000 Hz samples.
///
/// # Errors
/// A sentence.
pub fn read_file(path: &Path) -> Result<Vec<i16>, String> {
    let bytes = std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
    audio::decode("audio/wav", &bytes).map_err(|error| format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tone_is_found_at_its_own_frequency_only() {
        let samples = tone(440.0, 100);
        assert!(tone_share(&samples, 440.0) > 0.9);
        assert!(tone_share(&samples, 1_000.0) < 0.1);
        assert!(level(&samples) > 3_000);
        assert_eq!(level(&[0; 160]), 0);
    }
}
