//! Signals of 8,000 samples a second: tones, rings, music, noise, and sums of them.

use std::f32::consts::TAU;

use shared::SplitMix;

/// Linear samples; full scale is 32,768.
#[derive(Clone, Default, PartialEq)]
pub struct Sound(pub Vec<f32>);

impl Sound {
    pub fn silence(ms: u32) -> Self {
        Self(vec![0.0; ms as usize * 8])
    }

    /// Sines of equal level, with edges of 2 ms as a switch behind a filter makes them.
    pub fn tones(hertz: &[f32], ms: u32) -> Self {
        let count = ms as usize * 8;
        let sample = |at: usize| {
            let edge = (at.min(count - 1 - at) as f32 / 16.0).min(1.0);
            let sines = hertz.iter().map(|hertz| (TAU * hertz * at as f32 / 8_000.0).sin());
            sines.sum::<f32>() * edge * 8_000.0 / hertz.len() as f32
        };
        Self((0..count).map(sample).collect())
    }

    /// Answering tone of a fax (ITU-T V.8 §7.2): 2,100 Hz, its phase reversed every 450 ms.
    pub fn answering_tone(ms: u32) -> Self {
        let tone = Self::tones(&[2_100.0], ms);
        let turned = tone.0.iter().enumerate();
        let turned = turned.map(|(at, s)| if (at / 3_600).is_multiple_of(2) { *s } else { -s });
        Self(turned.collect())
    }

    /// A melody with accompaniment: notes with four overtones that decay, 120 to 400 ms each.
    pub fn music(random: &mut SplitMix, ms: u32) -> Self {
        let mut music = Self::silence(ms);
        let mut at = 0;
        while at < music.0.len() {
            let lasts = (120 + random.below(280)) as usize * 8;
            for semitone in [random.below(13), 3 + random.below(17), random.below(25)] {
                let hertz = 220.0 * 2f32.powf(semitone as f32 / 12.0);
                note(&mut music.0[at..], hertz, lasts * 2);
            }
            at += lasts;
        }
        music
    }

    /// White noise of this root mean square.
    pub fn white(random: &mut SplitMix, count: usize, rms: f32) -> Self {
        let reach = rms * 3f32.sqrt();
        Self((0..count).map(|_| (unit(random) * 2.0 - 1.0) * reach).collect())
    }

    /// Noise that falls with the frequency, as of a street or a car.
    pub fn brown(random: &mut SplitMix, count: usize, rms: f32) -> Self {
        let mut last = 0.0;
        let white = Self::white(random, count, 1.0).0.into_iter();
        let brown = Self(
            white
                .map(|sample| {
                    last = last * 0.95 + sample;
                    last
                })
                .collect(),
        );
        brown.at_rms(rms)
    }

    /// Hum of the mains with overtones.
    pub fn hum(count: usize, rms: f32) -> Self {
        let sample = |at: usize| {
            let turn = TAU * 50.0 * at as f32 / 8_000.0;
            (1..12).map(|n| (turn * n as f32).sin() / n as f32).sum()
        };
        Self((0..count).map(sample).collect()).at_rms(rms)
    }

    pub fn then(mut self, next: &Self) -> Self {
        self.0.extend_from_slice(&next.0);
        self
    }

    pub fn times(self, factor: f32) -> Self {
        Self(self.0.into_iter().map(|sample| sample * factor).collect())
    }

    /// Adds another sound, repeated to the length of this one.
    pub fn plus(mut self, other: &Self) -> Self {
        for (sample, other) in self.0.iter_mut().zip(other.0.iter().cycle()) {
            *sample += other;
        }
        self
    }

    pub fn ms(&self) -> u32 {
        (self.0.len() / 8) as u32
    }

    /// Root mean square of the frames that are heard: within 25 dB of the loudest.
    pub fn active_rms(&self) -> f32 {
        let powers: Vec<f32> = self.0.chunks(160).map(power).collect();
        let least = powers.iter().copied().fold(0.0, f32::max) / 316.0;
        let heard: Vec<f32> = powers.into_iter().filter(|power| *power > least).collect();
        (heard.iter().sum::<f32>() / heard.len().max(1) as f32).sqrt()
    }

    /// At this level: the root mean square of what is heard.
    pub fn at_rms(self, rms: f32) -> Self {
        let own = self.active_rms();
        if own > 0.0 { self.times(rms / own) } else { self }
    }

    /// Without what lies more than 40 dB below the loudest frame at both ends. Two frames alone are no sound:
    /// the voice clicks behind some sentences.
    pub fn trimmed(self) -> Self {
        let powers: Vec<f32> = self.0.chunks_exact(160).map(power).collect();
        let least = powers.iter().copied().fold(0.0, f32::max) / 10_000.0;
        let is_heard = |three: &[f32]| three.iter().all(|power| *power > least);
        let first = powers.windows(3).position(is_heard).unwrap_or(0);
        let end = powers.windows(3).rposition(is_heard).map_or(0, |last| last + 3);
        Self(self.0[first * 160..end * 160].to_vec())
    }
}

fn note(samples: &mut [f32], hertz: f32, lasts: usize) {
    for (at, sample) in samples.iter_mut().take(lasts).enumerate() {
        let seconds = at as f32 / 8_000.0;
        let decay = (-3.0 * seconds).exp() * (at as f32 / 80.0).min(1.0);
        let turn = TAU * hertz * seconds;
        let sines = (1..5).map(|n| (turn * n as f32).sin() / (n * n) as f32);
        *sample += sines.sum::<f32>() * decay * 3_000.0;
    }
}

fn power(samples: &[f32]) -> f32 {
    samples.iter().map(|sample| sample * sample).sum::<f32>() / samples.len() as f32
}

/// From 0 to below 1.
pub fn unit(random: &mut SplitMix) -> f32 {
    (random.number() >> 40) as f32 / (1u64 << 24) as f32
}
