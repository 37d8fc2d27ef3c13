//! Input of the detectors: keys of all kinds, noise, recorded speech. Reads files of Debian packages.

use std::f64::consts::TAU;
use std::fs;
use std::path::{Path, PathBuf};

use plane::g711;
use shared::Codec;

/// One key in the material.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expected {
    pub digit: u8,
    pub begins: u64,
    pub ends: u64,
}

/// Samples and the keys that they contain.
#[derive(Clone, Debug, Default)]
pub(super) struct Material {
    pub samples: Vec<i16>,
    pub expected: Vec<Expected>,
}

impl Material {
    /// Keys that a detector must accept by ITU-T Q.24: every key at four levels, three twists, three lengths
    /// and three frequencies, with a pause of 60 ms, and optional noise this far below the tones.
    pub fn keys(noise_below_db: Option<f64>) -> Self {
        let mut material = Self::default();
        let mut random = 1;
        for level in [-4.0, -10.0, -18.0, -25.0] {
            for twist in [0.0, 4.0, -8.0] {
                for milliseconds in [40, 50, 80] {
                    for detune in [0.985, 1.0, 1.015] {
                        for (place, digit) in DIGITS.iter().enumerate() {
                            let hertz = [LOW[place / 4] * detune, HIGH[place % 4] * detune];
                            let levels =
                                [level - f64::max(twist, 0.0), level + f64::min(twist, 0.0)];
                            material.key(*digit, hertz, levels, milliseconds * 8 + place);
                        }
                    }
                }
            }
            if let Some(below) = noise_below_db {
                let from = material.expected[material.expected.len() - 432].begins as usize;
                add_noise(&mut material.samples[from..], level - below, &mut random);
            }
        }
        material.through_mulaw()
    }

    /// White noise at levels from -3 to -45 dBm0.
    pub fn noise(seconds: usize) -> Self {
        let mut samples = vec![0; seconds * 8_000];
        let mut random = 7;
        let part = samples.len() / 8;
        for (at, part) in samples.chunks_mut(part).enumerate() {
            add_noise(part, -3.0 - 6.0 * at as f64, &mut random);
        }
        Self { samples, expected: Vec::new() }.through_mulaw()
    }

    /// All recordings at 8,000 Hz below a folder, in the order of their names.
    pub fn recordings(folder: &Path) -> Self {
        let mut files = Vec::new();
        wav_files(folder, &mut files);
        files.sort();
        let samples = files.iter().filter_map(|file| read_wav(file)).flatten().collect();
        Self { samples, expected: Vec::new() }.through_mulaw()
    }

    /// Duration in minutes.
    pub fn minutes(&self) -> f64 {
        self.samples.len() as f64 / 480_000.0
    }

    /// The mu-law codes of the samples.
    pub fn codes(&self) -> Vec<u8> {
        self.samples.iter().map(|sample| g711::encode(Codec::Pcmu, *sample)).collect()
    }

    fn key(&mut self, digit: u8, hertz: [f64; 2], dbm0: [f64; 2], len: usize) {
        let begins = self.samples.len() as u64;
        let sample = |at: usize| {
            let sine = |(hertz, level): (f64, f64)| {
                let peak = 32_636.0 * 10f64.powf((level - 3.17) / 20.0);
                peak * (TAU * hertz * at as f64 / 8_000.0).sin()
            };
            hertz.into_iter().zip(dbm0).map(sine).sum::<f64>() as i16
        };
        self.samples.extend((0..len).map(sample));
        self.expected.push(Expected { digit, begins, ends: begins + len as u64 });
        self.samples.resize(self.samples.len() + PAUSE_SAMPLES, 0);
    }

    /// Both detectors get the audio as a line delivers it: decoded mu-law.
    fn through_mulaw(mut self) -> Self {
        for sample in &mut self.samples {
            *sample = g711::decode(Codec::Pcmu, g711::encode(Codec::Pcmu, *sample));
        }
        self
    }
}

/// Uniform noise of this power.
fn add_noise(samples: &mut [i16], dbm0: f64, random: &mut u64) {
    let power = 32_636f64.powi(2) / 2.0 * 10f64.powf((dbm0 - 3.17) / 10.0);
    let reach = (power * 3.0).sqrt();
    for sample in samples {
        *random =
            random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let unit = (*random >> 11) as f64 / (1u64 << 53) as f64 * 2.0 - 1.0;
        *sample = sample.saturating_add((unit * reach) as i16);
    }
}

fn wav_files(folder: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.is_dir() {
            wav_files(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "wav") {
            found.push(path);
        }
    }
}

/// The samples of a mono file of 16 bits at 8,000 Hz; other files are left out.
fn read_wav(path: &Path) -> Option<Vec<i16>> {
    let bytes = fs::read(path).ok()?;
    let is_ours =
        bytes.get(20..28)? == [1, 0, 1, 0, 0x40, 0x1F, 0, 0] && bytes.get(34..36)? == [16, 0];
    let at = bytes.windows(4).position(|word| word == b"data")?;
    let data = bytes.get(at + 8..)?;
    let samples = data.as_chunks::<2>().0.iter().map(|pair| i16::from_le_bytes(*pair));
    is_ours.then(|| samples.collect())
}

const DIGITS: &[u8; 16] = b"123A456B789C*0#D";
const LOW: [f64; 4] = [697.0, 770.0, 852.0, 941.0];
const HIGH: [f64; 4] = [1_209.0, 1_336.0, 1_477.0, 1_633.0];
const PAUSE_SAMPLES: usize = 480;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_follow_each_other_with_pauses() {
        let material = Material::keys(None);
        assert_eq!(material.expected.len(), 4 * 3 * 3 * 3 * 16);
        for pair in material.expected.windows(2) {
            assert_eq!(pair[1].begins - pair[0].ends, PAUSE_SAMPLES as u64);
        }
    }
}
