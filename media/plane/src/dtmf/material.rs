//! Samples for tests: keys, silence, noise.

use super::generator::DualTone;
use crate::telephone_event::event_of;

pub(crate) fn silence(ms: usize) -> Vec<i16> {
    vec![0; ms * 8]
}

/// Each key `on_ms` long, with a pause of `off_ms` after it.
pub(crate) fn keys(keys: &str, on_ms: usize, off_ms: usize) -> Vec<i16> {
    let key = |key: u8| {
        let mut tone = DualTone::new(event_of(key).unwrap(), 10).unwrap();
        let mut samples: Vec<i16> = (0..on_ms * 8).map(|_| tone.sample()).collect();
        samples.extend(silence(off_ms));
        samples
    };
    keys.bytes().flat_map(key).collect()
}

/// Two sines at these frequencies and levels (dBm0).
pub(crate) fn pair(hertz: [f64; 2], dbm0: [f64; 2], samples: usize) -> Vec<i16> {
    let sample = |at: usize| {
        let sine = |(hertz, level): (f64, f64)| {
            let peak = 32_636.0 * 10f64.powf((level - 3.17) / 20.0);
            peak * (std::f64::consts::TAU * hertz * at as f64 / 8_000.0).sin()
        };
        hertz.into_iter().zip(dbm0).map(sine).sum::<f64>() as i16
    };
    (0..samples).map(sample).collect()
}

/// White noise of this level, from a seed.
pub(crate) fn noise(seed: u64, dbm0: f64, samples: usize) -> Vec<i16> {
    let mut random = shared::SplitMix::new(seed);
    let power = 32_636f64.powi(2) / 2.0 * 10f64.powf((dbm0 - 3.17) / 10.0);
    let reach = (power * 3.0).sqrt();
    let sample = |_| ((random.number() >> 11) as f64 / (1u64 << 53) as f64 * 2.0 - 1.0) * reach;
    (0..samples).map(sample).map(|sample| sample as i16).collect()
}

pub(crate) fn sum(a: &[i16], b: &[i16]) -> Vec<i16> {
    a.iter().zip(b).map(|(a, b)| a.saturating_add(*b)).collect()
}
