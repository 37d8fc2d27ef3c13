//! Tones as linear samples: beep and ring-back. Made before they are played, never on the packet path.

use std::f32::consts::TAU;

/// One cadence of a tone: the sum of two sines, then silence.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tone {
    /// Frequencies in hertz; two equal ones are one sine.
    pub hertz: [f32; 2],
    /// Peak of the sum, in linear units.
    pub peak: i16,
    /// Milliseconds of sound.
    pub on_ms: u32,
    /// Milliseconds of silence after it.
    pub off_ms: u32,
}

impl Tone {
    /// The beep that `<Record>` plays before it records.
    pub const BEEP: Self = Self { hertz: [1000.0; 2], peak: 8_000, on_ms: 400, off_ms: 0 };
    /// The sound of a member that enters or leaves a conference.
    pub const DOOR: Self = Self { hertz: [587.3, 880.0], peak: 4_000, on_ms: 200, off_ms: 0 };
    /// North American ring-back (440 + 480 Hz, 2 s on, 4 s off).
    pub const RINGBACK: Self =
        Self { hertz: [440.0, 480.0], peak: 6_000, on_ms: 2_000, off_ms: 4_000 };

    /// One cadence at 8,000 samples a second, faded in and out over 5 ms so that it does not click.
    pub fn samples(self) -> Vec<i16> {
        let on = self.on_ms as usize * SAMPLES_A_MS;
        let off = self.off_ms as usize * SAMPLES_A_MS;
        let mut samples = Vec::with_capacity(on + off);
        samples.extend((0..on).map(|at| self.sample(at, on)));
        samples.resize(on + off, 0);
        samples
    }

    fn sample(self, at: usize, on: usize) -> i16 {
        let edge = at.min(on - 1 - at).min(FADE_SAMPLES) as f32 / FADE_SAMPLES as f32;
        let sum: f32 =
            self.hertz.iter().map(|hertz| (TAU * hertz * at as f32 / 8_000.0).sin()).sum();
        (sum / 2.0 * edge * f32::from(self.peak)) as i16
    }
}

const SAMPLES_A_MS: usize = 8;
const FADE_SAMPLES: usize = 5 * SAMPLES_A_MS;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tone_has_its_length_and_stays_under_its_peak() {
        let samples = Tone::RINGBACK.samples();
        assert_eq!(samples.len(), 6_000 * SAMPLES_A_MS);
        assert!(samples.iter().all(|sample| sample.abs() <= Tone::RINGBACK.peak));
        assert!(samples.iter().any(|sample| *sample > 5_000));
        assert!(samples[16_000..].iter().all(|sample| *sample == 0));
    }

    #[test]
    fn a_beep_begins_and_ends_softly() {
        let samples = Tone::BEEP.samples();
        assert_eq!((samples[0], samples[samples.len() - 1]), (0, 0));
    }

    #[test]
    fn a_tone_of_no_length_is_empty() {
        assert!(Tone { on_ms: 0, ..Tone::BEEP }.samples().is_empty());
    }
}
