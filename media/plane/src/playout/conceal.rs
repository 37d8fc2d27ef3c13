//! Concealment of lost samples, in the manner of ITU-T G.711 Appendix I. Sans-IO.
//!
//! A loss is filled with the last pitch period of what was heard, repeated: after 20 ms with the last two, after
//! 40 ms with the last three, because one period over and over is a buzz. The seam of the repetition is smoothed over
//! a quarter of a period. The level stays for 10 ms and then falls.
//!
//! Three things differ from Appendix I; `bench/load/concealment.py` rates each of them better or equal. Appendix I delays
//! all audio by 3.75 ms to smooth the beginning of a loss: here it begins as it is, one period after a like one. It
//! is silent after 60 ms, and fades longer into what arrives the longer the loss was: here the level falls over 70 ms,
//! and a quarter of a period suffices.
//!
//! The period is looked for in steps of 0.5 ms on a quarter of the samples, then nearer on all of them: the sums of
//! a search at full rate would take longer than everything else together.

use shared::{Codec, FRAME_SAMPLES};

use crate::{g711, simd};

/// The state of one loss.
#[derive(Clone, Debug)]
pub(crate) struct Concealer {
    /// The latest audio, as far back as a repetition may reach.
    past: [i16; PAST_SAMPLES],
    period: usize,
    /// Periods that are repeated, and the place in them of the next sample.
    periods: usize,
    at: usize,
    /// Samples of this loss so far; 0 where nothing is lost.
    lost: usize,
    /// Samples so far of its fading into what arrived.
    fading: usize,
}

/// Samples of the past that are repeated at most, with the seam before them.
pub(crate) const PAST_SAMPLES: usize = PERIODS_MAX * PERIOD_MAX + PERIOD_MAX / 4;
/// Pitch periods that are looked for: 200 down to 67 Hz.
const PERIOD_MIN: usize = 40;
pub(crate) const PERIOD_MAX: usize = 120;
const PERIODS_MAX: usize = 3;
/// Samples that are compared at each period.
const COMPARED: usize = 160;
/// Samples of the past that a search of the period needs.
pub(crate) const SEARCHED: usize = COMPARED + PERIOD_MAX;
/// Those before them, which only a long period needs.
pub(crate) const OLDER: usize = PAST_SAMPLES - SEARCHED;
/// The first search looks at means of this many samples.
const COARSE: usize = 4;
/// The level falls from here.
const FADE_FROM: usize = 80;
/// By this much a sample, in 1/32,768: to nothing in 70 ms.
const FADE_STEP: i32 = 58;
const FADE_SAMPLES: usize = (i16::MAX as usize).div_ceil(FADE_STEP as usize);
/// Samples of a loss after which nothing is left of it.
pub(crate) const SILENT_AFTER: usize = FADE_FROM + FADE_SAMPLES;

impl Concealer {
    pub const fn new() -> Self {
        let past = [0; PAST_SAMPLES];
        Self { past, period: PERIOD_MIN, periods: 1, at: 0, lost: 0, fading: 0 }
    }

    /// Whether a loss goes on, or is still faded out.
    pub const fn is_active(&self) -> bool {
        self.lost > 0
    }

    /// Samples of this loss so far; 0 where nothing is lost.
    pub const fn lost(&self) -> usize {
        self.lost
    }

    /// Forgets the loss.
    pub const fn stop(&mut self) {
        self.lost = 0;
        self.fading = 0;
    }

    /// A loss begins behind these samples. Answers whether it may need [`Concealer::put_older`].
    pub fn begin(&mut self, past: &[i16; SEARCHED]) -> bool {
        self.past[OLDER..].copy_from_slice(past);
        self.period = simd::widely(PeriodOf(past));
        self.periods = 1;
        self.at = 0;
        self.stop();
        self.period * PERIODS_MAX + self.period / 4 > SEARCHED
    }

    /// The samples before those that the loss began with.
    pub fn put_older(&mut self, past: &[i16; OLDER]) {
        self.past[..OLDER].copy_from_slice(past);
    }

    /// Fills lost samples, at most 20 ms, behind those before.
    pub fn fill(&mut self, codec: Codec, codes: &mut [u8]) {
        self.fading = 0;
        if self.lost >= FRAME_SAMPLES * self.periods && self.periods < PERIODS_MAX {
            // The place stays: it is one period earlier, in the like phase.
            self.periods += 1;
        }
        let mut samples = [0; FRAME_SAMPLES];
        let samples = &mut samples[..codes.len()];
        self.go_on(samples);
        g711::encode_all(codec, samples.iter().copied(), codes);
    }

    /// Fades the loss into samples that arrived, at most 20 ms.
    pub fn fade_into(&mut self, codec: Codec, codes: &mut [u8]) {
        let (done, whole) = (self.fading, self.period / 4);
        let len = codes.len().min(whole - done);
        let mut samples = [0; PERIOD_MAX / 4];
        let (samples, codes) = (&mut samples[..len], &mut codes[..len]);
        self.go_on(samples);
        let table = g711::linear(codec);
        let fade = Fade::over(whole);
        for (at, (sample, code)) in samples.iter_mut().zip(codes.iter()).enumerate() {
            *sample = fade.at(done + at, *sample, table[usize::from(*code)]);
        }
        g711::encode_all(codec, samples.iter().copied(), codes);
        self.fading = done + len;
        if self.fading == whole {
            self.stop();
        }
    }

    /// The samples of the loss that come next.
    fn go_on(&mut self, samples: &mut [i16]) {
        let whole = self.period * self.periods;
        let mut rest = &mut *samples;
        while !rest.is_empty() {
            let len = rest.len().min(whole - self.at);
            let (part, next) = rest.split_at_mut(len);
            self.repeat(whole, part);
            self.at = (self.at + len) % whole;
            rest = next;
        }
        fall(self.lost, samples);
        self.lost += samples.len();
    }

    /// A part of the repeated periods. Their last quarter period is faded into what lies before the first, so that
    /// the repetition has no seam.
    fn repeat(&self, whole: usize, part: &mut [i16]) {
        let first = PAST_SAMPLES - whole;
        part.copy_from_slice(&self.past[first + self.at..][..part.len()]);
        let quarter = self.period / 4;
        let seam = whole - quarter;
        let fade = Fade::over(quarter);
        let from = seam.saturating_sub(self.at).min(part.len());
        let into = (self.at + from).saturating_sub(seam);
        let before = &self.past[first - quarter + into..];
        for (at, (sample, before)) in part[from..].iter_mut().zip(before).enumerate() {
            *sample = fade.at(into + at, *sample, *before);
        }
    }
}

/// Lets the level fall where this many samples of the loss came before.
fn fall(lost: usize, samples: &mut [i16]) {
    let whole_for = FADE_FROM.saturating_sub(lost).min(samples.len());
    let level =
        i32::from(i16::MAX) - (lost + whole_for).saturating_sub(FADE_FROM) as i32 * FADE_STEP;
    for (at, sample) in samples[whole_for..].iter_mut().enumerate() {
        let level = (level - at as i32 * FADE_STEP).max(0) as i16;
        // The upper half of a product of 16 bits is one instruction for eight samples. No law has the bit that
        // is lost by it.
        *sample = ((i32::from(*sample) * i32::from(level)) >> 16) as i16 * 2;
    }
}

/// The way from one signal to another, over a number of samples.
#[derive(Clone, Copy)]
struct Fade {
    /// Weight of half a sample, in [`Fade::ONE`]ths: a division for all samples.
    half: i32,
}

impl Fade {
    const ONE: i32 = 1 << 14;

    const fn over(samples: usize) -> Self {
        Self { half: Self::ONE / (2 * samples as i32) }
    }

    /// The sample at a place of the way.
    fn at(self, place: usize, from: i16, to: i16) -> i16 {
        let weight = self.half * (2 * place as i32 + 1);
        let (from, to) = (i32::from(from), i32::from(to));
        (from + (((to - from) * weight) >> Self::ONE.ilog2())) as i16
    }
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
    let mut best = Match::none(from);
    for lag in from..=to {
        let pair = (scaled.first_chunk::<COMPARED>(), scaled[lag..].first_chunk());
        let (Some(now), Some(later)) = pair else { break };
        best = best.or(Match { lag, product: product(now, later), energy: product(later, later) });
    }
    let period = best.lag;
    let fade = Fade::over(period);
    let joined = (0..FRAME_SAMPLES).map(|at| match at < period {
        true => fade.at(at, samples[at], samples[at + period]),
        false => samples[at + period],
    });
    g711::encode_all(codec, joined, frame);
    period
}

/// The search for the pitch period at the end of samples: where they resemble themselves most.
struct PeriodOf<'a>(&'a [i16; SEARCHED]);

impl simd::Work for PeriodOf<'_> {
    type Answer = usize;

    #[inline(always)]
    fn run(self) -> usize {
        period_of(self.0)
    }
}

#[inline(always)]
fn period_of(past: &[i16; SEARCHED]) -> usize {
    // With 12 bits, the sum of 160 products fits 32.
    let scaled = past.map(|sample| sample >> 4);
    let means: [i16; SEARCHED / COARSE] = std::array::from_fn(|at| {
        let four = &scaled[at * COARSE..][..COARSE];
        four.iter().sum::<i16>() / COARSE as i16
    });
    let coarse = most_alike(&means).lag * COARSE;
    let near = |best: Match, lag: usize| match (PERIOD_MIN..=PERIOD_MAX).contains(&lag) {
        true => best.or(Match::at(&scaled, lag)),
        false => best,
    };
    let best = Match::at(&scaled, coarse);
    let best = near(near(best, coarse - 2), coarse + 2);
    near(near(best, best.lag - 1), best.lag + 1).lag
}

/// The lag of means at which the last of them resemble earlier ones best.
#[inline(always)]
fn most_alike(means: &[i16; SEARCHED / COARSE]) -> Match {
    const LEN: usize = COMPARED / COARSE;
    const BASE: usize = PERIOD_MAX / COARSE;
    let square = |at: usize| i32::from(means[at]) * i32::from(means[at]);
    let earlier = |lag: usize| means[BASE - lag..].first_chunk::<LEN>();
    let mut best = Match::none(BASE);
    let Some(end) = earlier(0) else { return best };
    let mut energy = earlier(PERIOD_MIN / COARSE).map_or(0, |first| product(first, first));
    for lag in PERIOD_MIN / COARSE..=BASE {
        let Some(before) = earlier(lag) else { break };
        best = best.or(Match { lag, product: product(end, before), energy });
        if lag < BASE {
            // The window moves one mean back.
            energy += square(BASE - lag - 1) - square(BASE - lag - 1 + LEN);
        }
    }
    best
}

/// How much the samples at a lag resemble the last ones.
#[derive(Clone, Copy, Debug)]
struct Match {
    lag: usize,
    product: i32,
    energy: i32,
}

impl Match {
    /// One that any other is better than, or as good.
    const fn none(lag: usize) -> Self {
        Self { lag, product: i32::MIN, energy: 0 }
    }

    #[inline(always)]
    fn at(scaled: &[i16; SEARCHED], lag: usize) -> Self {
        let earlier = |lag: usize| scaled[PERIOD_MAX - lag..].first_chunk::<COMPARED>();
        let (Some(end), Some(before)) = (earlier(0), earlier(lag)) else { return Self::none(lag) };
        Self { lag, product: product(end, before), energy: product(before, before) }
    }

    /// The better of two: by the correlation, with its sign, over the root of the energy. Root and quotient are
    /// spared by squaring and by multiplying with the other's energy.
    #[inline(always)]
    fn or(self, other: Self) -> Self {
        let squared = |it: Self| it.product as f32 * (it.product as f32).abs();
        let weight = |it: Self| it.energy as f32 + 1.0;
        let is_better = squared(other) * weight(self) > squared(self) * weight(other);
        if is_better { other } else { self }
    }
}

#[inline(always)]
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
        concealer.put_older(&std::array::from_fn(&signal));
        concealer.begin(&std::array::from_fn(|at| signal(OLDER + at)));
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
