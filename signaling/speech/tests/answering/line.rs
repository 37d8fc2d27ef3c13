//! The phone line of a case: what it does to a clean signal.

use std::f32::consts::TAU;

use shared::SplitMix;

use crate::sounds::{Sound, unit};

/// Level, noise and band of a line, drawn at random.
pub struct Line {
    /// Level of what is heard, dB below full scale.
    pub level_db: f32,
    /// Level of the noise below that.
    pub noise_below_db: f32,
    pub noise: Noise,
}

#[derive(Clone, Copy, Debug)]
pub enum Noise {
    White,
    Street,
    Hum,
    /// Other people in the room.
    Babble,
}

impl Line {
    pub fn new(random: &mut SplitMix) -> Self {
        let noise = match random.below(4) {
            0 => Noise::White,
            1 => Noise::Street,
            2 => Noise::Hum,
            _ => Noise::Babble,
        };
        // People who talk beside the phone are a part of the answer where they are not far below it.
        let least = if matches!(noise, Noise::Babble) { 25.0 } else { 15.0 };
        Self {
            level_db: 10.0 + 25.0 * unit(random),
            noise_below_db: least + 20.0 * unit(random),
            noise,
        }
    }

    /// What arrives of a sound: filtered, at its level, with the noise.
    pub fn carry(&self, sound: Sound, babble: &Sound, random: &mut SplitMix) -> Vec<i16> {
        let sound = band(sound).at_rms(rms(self.level_db));
        let (count, rms) = (sound.0.len(), rms(self.level_db + self.noise_below_db));
        let noise = match self.noise {
            Noise::White => Sound::white(random, count, rms),
            Noise::Street => Sound::brown(random, count, rms),
            Noise::Hum => Sound::hum(count, rms),
            Noise::Babble => babble.clone().at_rms(rms),
        };
        sound.plus(&band(noise)).0.into_iter().map(|sample| sample as i16).collect()
    }
}

fn rms(below_db: f32) -> f32 {
    32_768.0 * 10f32.powf(-below_db / 20.0)
}

/// The phone band, 300 to 3,400 Hz, with slopes of 12 and 24 dB an octave.
fn band(sound: Sound) -> Sound {
    let high = Biquad::new(300.0, true);
    let low = Biquad::new(3_400.0, false);
    Sound(low.clone().filter(low.filter(high.filter(sound.0))))
}

/// A Butterworth filter of second order.
#[derive(Clone)]
struct Biquad {
    feed: [f32; 3],
    back: [f32; 2],
}

impl Biquad {
    fn new(hertz: f32, is_high: bool) -> Self {
        let (sin, cos) = (TAU * hertz / 8_000.0).sin_cos();
        let alpha = sin / 2f32.sqrt();
        let edge = if is_high { 1.0 + cos } else { 1.0 - cos };
        let sign = if is_high { -1.0 } else { 1.0 };
        let whole = 1.0 + alpha;
        Self {
            feed: [edge / 2.0 / whole, sign * edge / whole, edge / 2.0 / whole],
            back: [-2.0 * cos / whole, (1.0 - alpha) / whole],
        }
    }

    fn filter(&self, samples: Vec<f32>) -> Vec<f32> {
        let (mut x, mut y) = ([0.0; 2], [0.0; 2]);
        let step = |sample: f32| {
            let fed = self.feed[0] * sample + self.feed[1] * x[0] + self.feed[2] * x[1];
            let out = fed - self.back[0] * y[0] - self.back[1] * y[1];
            (x, y) = ([sample, x[0]], [out, y[0]]);
            out
        };
        samples.into_iter().map(step).collect()
    }
}
