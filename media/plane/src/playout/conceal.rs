//! Concealment of lost samples, in the manner of ITU-T G.711 Appendix I. Sans-IO.
//!
//! A loss is filled with the last pitch period of what was heard, repeated. The seam of the repetition is smoothed
//! over a quarter of a period. The level stays for 10 ms and then falls.
//!
//! Three things differ from Appendix I; `bench/load/concealment.py` rates each of them better. Appendix I delays all
//! audio by 3.75 ms to smooth the beginning of a loss: here the step between the past and its repetition is taken
//! out and fades away over a quarter of a period, which needs no delay. It repeats two and three periods after 10
//! and 20 ms: here it stays at one. And it is silent after 60 ms, and fades longer into what arrives the longer the
//! loss was: here the level falls over 100 ms, and a quarter of a period suffices.

use shared::{Codec, FRAME_SAMPLES};

use crate::g711;

/// The state of one loss.
#[derive(Clone, Debug)]
pub(crate) struct Concealer {
    /// The pitch period that is repeated, and the place in it of the next sample.
    wave: [i16; PERIOD_MAX],
    period: usize,
    at: usize,
    /// The step from the past to its repetition.
    step: i32,
    /// Samples of this loss so far; 0 where nothing is lost.
    lost: usize,
    /// Samples so far of its fading into what arrived.
    fading: usize,
}

/// Samples of the past that a loss begins with: those that are compared, at the longest period.
pub(crate) const PAST_SAMPLES: usize = COMPARED + PERIOD_MAX;
/// Pitch periods that are looked for: 200 down to 67 Hz.
const PERIOD_MIN: usize = 40;
pub(crate) const PERIOD_MAX: usize = 120;
/// Samples that are compared at each period.
const COMPARED: usize = 160;
const TEN_MS: usize = 80;
/// The level falls from here.
const FADE_FROM: usize = TEN_MS;
/// Samples of its fall to nothing.
const FADE_SAMPLES: usize = 10 * TEN_MS;
/// Samples of a loss after which nothing is left of it.
pub(crate) const SILENT_AFTER: usize = FADE_FROM + FADE_SAMPLES;

impl Concealer {
    pub const fn new() -> Self {
        let wave = [0; PERIOD_MAX];
        Self { wave, period: PERIOD_MIN, at: 0, step: 0, lost: 0, fading: 0 }
    }

    /// Whether a loss goes on, or is still faded out.
    pub const fn is_active(&self) -> bool {
        self.lost > 0
    }

    /// Forgets the loss.
    pub const fn stop(&mut self) {
        self.lost = 0;
        self.fading = 0;
    }

    /// A loss begins behind these samples.
    pub fn begin(&mut self, past: &[i16; PAST_SAMPLES]) {
        self.period = period_of(past);
        self.stop();
        self.at = 0;
        let start = PAST_SAMPLES - self.period;
        let (before, period) = past.split_at(start);
        self.wave[..self.period].copy_from_slice(period);
        // The last quarter is faded into what lies before the first, so that the repetition has no seam.
        let quarter = self.period / 4;
        let seam = &mut self.wave[self.period - quarter..self.period];
        for (at, (sample, before)) in seam.iter_mut().zip(&before[start - quarter..]).enumerate() {
            *sample = faded(*sample, *before, (at as f32 + 0.5) / quarter as f32);
        }
        self.step = i32::from(past[PAST_SAMPLES - 1]) - i32::from(before[start - 1]);
    }

    /// Fills lost samples, at most 20 ms, behind those before.
    pub fn fill(&mut self, codec: Codec, codes: &mut [u8]) {
        self.fading = 0;
        let mut samples = [0; FRAME_SAMPLES];
        let samples = &mut samples[..codes.len()];
        self.go_on(samples);
        g711::encode_all(codec, samples.iter().copied(), codes);
    }

    /// Fades the loss into samples that arrived, at most 20 ms.
    pub fn fade_into(&mut self, codec: Codec, codes: &mut [u8]) {
        let (done, whole) = (self.fading, self.period / 4);
        let len = codes.len().min(whole - done);
        let mut samples = [0; FRAME_SAMPLES];
        let (samples, codes) = (&mut samples[..len], &mut codes[..len]);
        self.go_on(samples);
        let table = g711::linear(codec);
        for (at, (sample, code)) in samples.iter_mut().zip(codes.iter()).enumerate() {
            let weight = ((done + at) as f32 + 0.5) / whole as f32;
            *sample = faded(*sample, table[usize::from(*code)], weight);
        }
        g711::encode_all(codec, samples.iter().copied(), codes);
        self.fading = done + len;
        if self.fading == whole {
            self.stop();
        }
    }

    /// The samples of the loss that come next.
    fn go_on(&mut self, samples: &mut [i16]) {
        let mut from = 0;
        while from < samples.len() {
            let len = (samples.len() - from).min(self.period - self.at);
            let part = &mut samples[from..from + len];
            part.copy_from_slice(&self.wave[self.at..self.at + len]);
            self.follow_on(part);
            self.fall(part);
            from += len;
            self.lost += len;
            self.at = (self.at + len) % self.period;
        }
    }

    /// Begins where the past ended: its step fades away over the first quarter of a period.
    fn follow_on(&self, part: &mut [i16]) {
        let quarter = self.period / 4;
        let left = quarter.saturating_sub(self.lost);
        for (at, sample) in part.iter_mut().take(left).enumerate() {
            let weight = (left - at) as f32 / quarter as f32;
            let moved = f32::from(*sample) + self.step as f32 * weight;
            *sample = moved as i16;
        }
    }

    /// Lets the level fall.
    fn fall(&self, part: &mut [i16]) {
        let whole_for = FADE_FROM.saturating_sub(self.lost);
        let falls = part.iter_mut().enumerate().skip(whole_for);
        let left = SILENT_AFTER.saturating_sub(self.lost);
        for (at, sample) in falls {
            let level = left.saturating_sub(at) as f32 / FADE_SAMPLES as f32;
            *sample = (f32::from(*sample) * level) as i16;
        }
    }
}

/// A sample on the way from one signal to another.
fn faded(from: i16, to: i16, weight: f32) -> i16 {
    (f32::from(from) * (1.0 - weight) + f32::from(to) * weight) as i16
}

/// Leaves a pitch period out of 20 ms of speech, at most `most` samples: fades from the beginning into what lies a
/// period later. Answers the samples that are left out.
pub(crate) fn join(
    samples: &[i16; FRAME_SAMPLES + PERIOD_MAX],
    most: usize,
    codec: Codec,
    frame: &mut [u8; FRAME_SAMPLES],
) -> usize {
    let (from, to) = (PERIOD_MIN.min(most), PERIOD_MAX.min(most));
    let scaled = samples.map(|sample| sample >> 4);
    let mut best = (f32::MIN, from);
    for lag in from..=to {
        let pair = (scaled.first_chunk::<COMPARED>(), scaled[lag..].first_chunk());
        let (Some(now), Some(later)) = pair else { break };
        best = better(best, lag, product(now, later), product(later, later));
    }
    let period = best.1;
    let joined = (0..FRAME_SAMPLES).map(|at| {
        let weight = ((at as f32 + 0.5) / period as f32).min(1.0);
        faded(samples[at], samples[at + period], weight)
    });
    g711::encode_all(codec, joined, frame);
    period
}

/// The pitch period at the end of these samples: where they resemble themselves most.
fn period_of(past: &[i16; PAST_SAMPLES]) -> usize {
    // With 12 bits, the sum of 160 products fits 32.
    let scaled = past.map(|sample| sample >> 4);
    // Every second sample first, then the neighbours of the best with all of them.
    let halved: [i16; PAST_SAMPLES / 2] = std::array::from_fn(|at| scaled[2 * at]);
    let coarse = most_alike::<{ COMPARED / 2 }>(&halved, PERIOD_MIN / 2, PERIOD_MAX / 2);
    let from = (2 * coarse).saturating_sub(1).max(PERIOD_MIN);
    most_alike::<COMPARED>(&scaled, from, (2 * coarse + 1).min(PERIOD_MAX))
}

/// The lag from `from` to `to` at which the last `COMPARED` samples resemble earlier ones best.
fn most_alike<const COMPARED: usize>(samples: &[i16], from: usize, to: usize) -> usize {
    let base = samples.len() - COMPARED;
    let square = |at: usize| i32::from(samples[at]) * i32::from(samples[at]);
    let earlier = |lag: usize| samples[base - lag..].first_chunk::<COMPARED>();
    let (Some(end), Some(first)) = (earlier(0), earlier(from)) else { return from };
    let mut energy = product(first, first);
    let mut best = (f32::MIN, from);
    for lag in from..=to {
        let Some(before) = earlier(lag) else { break };
        best = better(best, lag, product(end, before), energy);
        if lag < to {
            // The window moves one sample back.
            energy += square(base - lag - 1) - square(base - lag - 1 + COMPARED);
        }
    }
    best.1
}

/// The better of a lag and the best so far: by the correlation, with its sign, over the root of the energy. The
/// root is spared by squaring.
fn better(best: (f32, usize), lag: usize, product: i32, energy: i32) -> (f32, usize) {
    let product = product as f32;
    let score = product * product.abs() / (energy as f32 + 1.0);
    if score > best.0 { (score, lag) } else { best }
}

fn product<const N: usize>(a: &[i16; N], b: &[i16; N]) -> i32 {
    a.iter().zip(b).map(|(a, b)| i32::from(*a) * i32::from(*b)).sum()
}

#[cfg(test)]
mod tests {
    use std::f32::consts::TAU;

    use super::*;

    /// A voice-like signal: a period of 61 samples with two overtones.
    fn voice(at: usize) -> i16 {
        let turn = TAU * at as f32 / 61.0;
        (3_000.0 * turn.sin() + 1_500.0 * (2.0 * turn).sin() + 800.0 * (3.0 * turn).cos()) as i16
    }

    fn begun(signal: impl Fn(usize) -> i16) -> Concealer {
        let mut concealer = Concealer::new();
        concealer.begin(&std::array::from_fn(signal));
        concealer
    }

    fn filled(concealer: &mut Concealer, samples: usize) -> Vec<i32> {
        let mut codes = vec![0; samples];
        codes.chunks_mut(160).for_each(|codes| concealer.fill(Codec::Pcmu, codes));
        codes.iter().map(|code| i32::from(g711::decode(Codec::Pcmu, *code))).collect()
    }

    #[test]
    fn the_period_of_a_voice_is_found() {
        for period in [41usize, 61, 87, 118] {
            let turn = |at: usize| TAU * at as f32 / period as f32;
            let signal = |at| (4_000.0 * turn(at).sin() + 2_500.0 * (2.0 * turn(at)).cos()) as i16;
            let found = begun(signal).period;
            let nearest = (found as f32 / period as f32).round() as usize * period;
            assert!(found.abs_diff(nearest) <= 1, "{found} for {period}");
        }
    }

    #[test]
    fn a_periodic_signal_goes_on_as_if_nothing_were_lost() {
        let mut concealer = begun(voice);
        let heard = filled(&mut concealer, 80);
        for (at, sample) in heard.iter().enumerate().skip(20) {
            let expected = i32::from(voice(PAST_SAMPLES + at));
            assert!((sample - expected).abs() < 300, "{at}: {sample} for {expected}");
        }
    }

    #[test]
    fn a_long_loss_falls_to_silence_without_a_jump() {
        let mut concealer = begun(voice);
        let heard = filled(&mut concealer, SILENT_AFTER + 160);
        let steepest = (0..PAST_SAMPLES).map(|at| (voice(at + 1) - voice(at)).abs()).max();
        let steepest = i32::from(steepest.unwrap_or(0));
        assert!(heard.windows(2).all(|pair| (pair[1] - pair[0]).abs() <= steepest * 3 / 2 + 130));
        assert!(heard[SILENT_AFTER..].iter().all(|sample| *sample == 0));
        assert!(heard[400..480].iter().any(|sample| sample.abs() > 1_000));
    }

    #[test]
    fn a_period_is_left_out_of_speech_unheard() {
        let samples = std::array::from_fn(voice);
        let mut frame = [0; FRAME_SAMPLES];
        let left_out = join(&samples, 160, Codec::Pcmu, &mut frame);
        assert_eq!(left_out, 61);
        for (at, code) in frame.iter().enumerate() {
            let expected = i32::from(voice(at));
            let heard = i32::from(g711::decode(Codec::Pcmu, *code));
            assert!((heard - expected).abs() < 300, "{at}: {heard} for {expected}");
        }
        assert_eq!(join(&samples, 17, Codec::Pcmu, &mut frame), 17);
    }

    #[test]
    fn what_arrives_is_faded_in_and_then_untouched() {
        let mut concealer = begun(voice);
        filled(&mut concealer, 160);
        let arrived: Vec<u8> = (0..480).map(|at| g711::encode(Codec::Pcmu, voice(at))).collect();
        let mut codes = arrived.clone();
        for frame in codes.chunks_mut(160) {
            if concealer.is_active() {
                concealer.fade_into(Codec::Pcmu, frame);
            }
        }
        assert!(!concealer.is_active());
        assert_ne!(codes[..40], arrived[..40]);
        assert_eq!(codes[160..], arrived[160..]);
    }
}
