//! Generator of the two tones of a key, sample by sample. Sans-IO.

use super::tables::{GROUP, HERTZ, PEAK, RATE, SINE, SINE_LEN, tones_of};

/// Two sines whose phases continue from call to call.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DualTone {
    phases: [u32; 2],
    steps: [u32; 2],
    peak: i32,
}

impl DualTone {
    /// The tones of an event code (RFC 4733 table 3), each at this many dBm0 below zero, clamped to 6..=20:
    /// louder ones clip, softer ones are missed by some receivers. `None` for other codes.
    pub fn new(event: u8, below_dbm0: u8) -> Option<Self> {
        let [low, high] = tones_of(event)?;
        let step = |hertz: f64| (hertz / RATE * ROUND) as u32;
        let level = usize::from(below_dbm0.clamp(LOUDEST, SOFTEST));
        Some(Self {
            phases: [0; 2],
            steps: [step(HERTZ[low]), step(HERTZ[GROUP + high])],
            peak: PEAK[level] as i32,
        })
    }

    /// The next linear sample.
    pub fn sample(&mut self) -> i16 {
        let mut sum = 0;
        for (phase, step) in self.phases.iter_mut().zip(self.steps) {
            let sine = i32::from(SINE[(*phase >> SINE_SHIFT) as usize % SINE_LEN]);
            sum += (sine * self.peak) >> 15;
            *phase = phase.wrapping_add(step);
        }
        sum.clamp(i32::from(i16::MIN), i32::from(i16::MAX)) as i16
    }
}

/// Phases are fractions of 2^32.
const ROUND: f64 = 4_294_967_296.0;
const SINE_SHIFT: u32 = 32 - SINE_LEN.trailing_zeros();
const LOUDEST: u8 = 6;
const SOFTEST: u8 = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tones_have_their_level() {
        for event in 0..16 {
            let mut tone = DualTone::new(event, 10).unwrap();
            let samples: Vec<f64> = (0..8_000).map(|_| f64::from(tone.sample())).collect();
            let power = samples.iter().map(|sample| sample * sample).sum::<f64>() / 8_000.0;
            // Two sines: twice the power of one at -10 dBm0.
            let expected = (32_636.0 * 10f64.powf(-13.17 / 20.0)).powi(2);
            assert!((power / expected - 1.0).abs() < 0.01, "{event}: {power} {expected}");
        }
        assert_eq!(DualTone::new(16, 10), None);
    }
}
