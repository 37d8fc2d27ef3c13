//! Any sample rate to 8,000 Hz: a polyphase filter of windowed sincs. Pure.

use std::f64::consts::PI;

/// The rate of every prompt.
pub const PROMPT_HZ: u32 = 8_000;
/// Rates that files may have.
pub const RATES_HZ: std::ops::RangeInclusive<u32> = 4_000..=48_000;
/// Share of the narrower band that passes; the rest is the filter's slope, so that nothing folds back.
const PASSBAND: f64 = 0.925;
/// Zero crossings of the sinc on each side. With the window below: 70 dB down beyond the slope.
const CROSSINGS: f64 = 32.0;
/// Shape of the Kaiser window.
const KAISER_BETA: f64 = 7.0;

/// Resamples a whole file to 8,000 Hz. `rate_hz` must be one of [`RATES_HZ`].
pub fn to_prompt_rate(samples: &[i16], rate_hz: u32) -> Vec<i16> {
    let mut resampler = Resampler::new(rate_hz);
    let mut made = Vec::new();
    resampler.push(samples, |sample| made.push(sample));
    resampler.finish(|sample| made.push(sample));
    made
}

/// Resamples to 8,000 Hz while samples arrive. Level and duration are unchanged; frequencies above the
/// narrower of the two bands are filtered out.
pub struct Resampler {
    /// `None` if the samples have 8,000 Hz already.
    filter: Option<Filter>,
    /// Input samples that future outputs need. The first belongs to output `made` or precedes it.
    window: Vec<i16>,
    /// Index of the first sample in the window. Samples before the file are silence.
    start: i64,
    read: u64,
    made: u64,
}

impl Resampler {
    /// `rate_hz` must be one of [`RATES_HZ`]. The caller has checked it.
    pub fn new(rate_hz: u32) -> Self {
        debug_assert!(RATES_HZ.contains(&rate_hz), "{rate_hz} Hz");
        let filter = (rate_hz != PROMPT_HZ).then(|| Filter::new(rate_hz));
        let before = filter.as_ref().map_or(0, Filter::before);
        Self { filter, window: vec![0; before], start: -(before as i64), read: 0, made: 0 }
    }

    /// Bytes of the filter for this rate.
    pub fn filter_bytes(rate_hz: u32) -> usize {
        if rate_hz == PROMPT_HZ {
            return 0;
        }
        let shape = Shape::new(rate_hz);
        shape.taps * shape.up as usize * size_of::<f32>()
    }

    /// Samples at 8,000 Hz that `count` input samples give.
    pub fn made_of(count: u64, rate_hz: u32) -> u64 {
        (count * u64::from(PROMPT_HZ)).div_ceil(u64::from(rate_hz))
    }

    /// Takes samples and returns the outputs that are ready.
    pub fn push(&mut self, samples: &[i16], mut made: impl FnMut(i16)) {
        self.read += samples.len() as u64;
        match &self.filter {
            None => samples.iter().copied().for_each(made),
            Some(_) => {
                self.window.extend_from_slice(samples);
                self.make(&mut made);
            }
        }
    }

    /// Ends the file and returns the last outputs.
    pub fn finish(mut self, mut made: impl FnMut(i16)) {
        let Some(filter) = &self.filter else { return };
        let behind = self.window.len() + filter.taps;
        self.window.resize(behind, 0);
        self.make(&mut made);
    }

    /// Makes the outputs that the window is long enough for.
    fn make(&mut self, made: &mut impl FnMut(i16)) {
        let Some(filter) = &self.filter else { return };
        let all = (self.read * filter.up).div_ceil(filter.down);
        while self.made < all {
            let first = usize::try_from(filter.first(self.made) - self.start).unwrap_or(0);
            let Some(samples) = self.window.get(first..first + filter.taps) else { break };
            made(filter.sample(samples, self.made));
            self.made += 1;
        }
        let behind = usize::try_from(filter.first(self.made) - self.start).unwrap_or(0);
        let behind = behind.min(self.window.len());
        self.window.drain(..behind);
        self.start += behind as i64;
    }
}

/// One set of weights for each of the `up` places that an output sample can have between two
/// input samples.
struct Filter {
    up: u64,
    down: u64,
    taps: usize,
    /// `up` rows of `taps`.
    weights: Vec<f32>,
}

/// The size of a filter, and what its weights are made from.
struct Shape {
    up: u64,
    down: u64,
    taps: usize,
    /// In cycles per input sample.
    cutoff: f64,
    /// In input samples.
    half_width: f64,
}

impl Shape {
    fn new(rate_hz: u32) -> Self {
        let divisor = greatest_common_divisor(rate_hz, PROMPT_HZ);
        let (up, down) = (u64::from(PROMPT_HZ / divisor), u64::from(rate_hz / divisor));
        let cutoff = PASSBAND * f64::from(rate_hz.min(PROMPT_HZ)) / f64::from(rate_hz) / 2.0;
        let half_width = CROSSINGS / (2.0 * cutoff);
        Self { up, down, taps: 2 * half_width.ceil() as usize, cutoff, half_width }
    }
}

impl Filter {
    fn new(rate_hz: u32) -> Self {
        let Shape { up, down, taps, cutoff, half_width } = Shape::new(rate_hz);
        let mut weights = Vec::with_capacity(taps * up as usize);
        for phase in 0..up {
            let offset = phase as f64 / up as f64 + (taps / 2 - 1) as f64;
            let row: Vec<f64> = (0..taps)
                .map(|tap| windowed_sinc(tap as f64 - offset, cutoff, half_width))
                .collect();
            // Each row passes a constant unchanged, so that no phase is louder than another.
            let sum: f64 = row.iter().sum();
            weights.extend(row.iter().map(|weight| (weight / sum) as f32));
        }
        Self { up, down, taps, weights }
    }

    /// Samples of silence before the first sample of a file.
    const fn before(&self) -> usize {
        self.taps / 2 - 1
    }

    /// Place of the first sample that this output lies on.
    const fn first(&self, index: u64) -> i64 {
        (index * self.down / self.up) as i64 - self.before() as i64
    }

    /// One output from the `taps` samples from [`Filter::first`] on.
    fn sample(&self, samples: &[i16], index: u64) -> i16 {
        let row = (index * self.down % self.up) as usize * self.taps;
        let weights = self.weights.get(row..row + self.taps).unwrap_or(&[]);
        let pairs = weights.iter().zip(samples);
        let sum: f32 = pairs.map(|(weight, sample)| weight * f32::from(*sample)).sum();
        // `as` saturates: a peak between two full-scale samples is cut, not wrapped.
        sum.round() as i16
    }
}

/// A low pass at `cutoff` (cycles per sample), `x` samples from its middle, cut off at `half_width`.
fn windowed_sinc(x: f64, cutoff: f64, half_width: f64) -> f64 {
    let position = x / half_width;
    if position.abs() >= 1.0 {
        return 0.0;
    }
    let angle = 2.0 * PI * cutoff * x;
    let sinc = if angle.abs() < 1e-9 { 1.0 } else { angle.sin() / angle };
    sinc * bessel_i0(KAISER_BETA * (1.0 - position * position).sqrt())
}

/// Modified Bessel function of the first kind, order zero, by its power series.
fn bessel_i0(x: f64) -> f64 {
    let quarter = x * x / 4.0;
    let mut term = 1.0;
    let mut sum = 1.0;
    for k in 1..40 {
        term *= quarter / f64::from(k * k);
        sum += term;
        if term < sum * 1e-12 {
            break;
        }
    }
    sum
}

fn greatest_common_divisor(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_tone_in_the_voice_band_keeps_its_level_from_every_usual_rate() {
        for rate in [4_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000] {
            let out = to_prompt_rate(&sine(1_000.0, rate, 10_000.0), rate);
            assert_eq!(out.len(), 8_000, "{rate}");
            let level = rms(&out[1_000..7_000]);
            assert!((level - 7_071.0).abs() < 40.0, "{rate}: {level}");
        }
    }

    #[test]
    fn a_tone_above_the_band_is_gone_and_does_not_fold_back() {
        for (hertz, rate) in
            [(4_600.0, 16_000), (7_000.0, 16_000), (5_000.0, 44_100), (20_000.0, 48_000)]
        {
            let out = to_prompt_rate(&sine(hertz, rate, 10_000.0), rate);
            assert!(
                rms(&out[1_000..7_000]) < 10.0,
                "{hertz} of {rate}: {}",
                rms(&out[1_000..7_000])
            );
        }
    }

    #[test]
    fn the_voice_band_passes_to_3_400_hertz() {
        let out = to_prompt_rate(&sine(3_400.0, 16_000, 10_000.0), 16_000);
        assert!((rms(&out[1_000..7_000]) - 7_071.0).abs() < 100.0);
    }

    #[test]
    fn a_constant_stays_the_constant() {
        let out = to_prompt_rate(&[5_000; 4_410], 44_100);
        assert!(out[100..700].iter().all(|sample| (4_999..=5_001).contains(sample)));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn any_samples_at_any_rate_give_the_same_time_in_samples_of_8_000_hertz(
            samples in prop::collection::vec(any::<i16>(), 0..600),
            // In steps, because a filter for a rate without a common divisor is slow to make.
            rate in (40u32..=480).prop_map(|hundreds| hundreds * 100),
        ) {
            let out = to_prompt_rate(&samples, rate);
            let expected = (samples.len() as u64 * 8_000).div_ceil(u64::from(rate));
            prop_assert_eq!(out.len() as u64, expected);
            prop_assert_eq!(Resampler::made_of(samples.len() as u64, rate), expected);
        }

        #[test]
        fn samples_that_come_in_pieces_make_the_same_as_all_at_once(
            samples in prop::collection::vec(any::<i16>(), 0..900),
            piece in 1usize..300,
            rate in (40u32..=480).prop_map(|hundreds| hundreds * 100),
        ) {
            let mut resampler = Resampler::new(rate);
            let mut out = Vec::new();
            let mut read = 0;
            for piece in samples.chunks(piece) {
                resampler.push(piece, |sample| out.push(sample));
                read += piece.len() as u64;
                prop_assert!(out.len() as u64 <= Resampler::made_of(read, rate));
            }
            resampler.finish(|sample| out.push(sample));
            prop_assert_eq!(out, to_prompt_rate(&samples, rate));
        }
    }

    fn sine(hertz: f64, rate: u32, peak: f64) -> Vec<i16> {
        let step = 2.0 * PI * hertz / f64::from(rate);
        (0..rate).map(|at| ((f64::from(at) * step).sin() * peak) as i16).collect()
    }

    fn rms(samples: &[i16]) -> f64 {
        let sum: f64 = samples.iter().map(|sample| f64::from(*sample).powi(2)).sum();
        (sum / samples.len() as f64).sqrt()
    }
}
