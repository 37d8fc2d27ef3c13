//! Concealment of lost samples, in the manner of ITU-T G.711 Appendix I. Sans-IO.
//!
//! A loss is filled with the last pitch period of what was heard, repeated, and after 10 and 20 ms with two and
//! three of them, because a single period that goes on sounds like a tone. The seam of the repetition is smoothed
//! over a quarter of a period. The level stays for 10 ms and then falls; Appendix I is silent after 60 ms, but
//! bursts are longer than that and a slower fall is rated better.
//!
//! Appendix I delays all audio by 3.75 ms, so that it can smooth the beginning of a loss as well. Here the
//! beginning is smoothed with the mirrored end of the past, which needs no delay. Where samples arrive again, both
//! signals are faded into each other.

use shared::{Codec, FRAME_SAMPLES};

use crate::g711;

/// The state of one loss.
#[derive(Clone, Debug)]
pub(crate) struct Concealer {
    /// Samples before the loss, the newest last.
    past: [i16; PAST_SAMPLES],
    /// Pitch period of the past, in samples.
    period: usize,
    /// Samples that are repeated: one, two or three periods.
    cycle: usize,
    /// Place in them of the next sample.
    at: usize,
    /// Place before the number of periods changed, while the change is smoothed.
    before: Option<(usize, usize)>,
    /// Samples of this loss so far; 0 where nothing is lost.
    lost: usize,
    /// While it is faded into what arrived: samples of that so far, and of the whole.
    fading: Option<(usize, usize)>,
}

/// Samples of the past that are kept: three periods, and the quarter that smooths their seam.
pub(crate) const PAST_SAMPLES: usize = 3 * PERIOD_MAX + PERIOD_MAX / 4;
/// Pitch periods that are looked for: 200 down to 67 Hz.
const PERIOD_MIN: usize = 40;
pub(crate) const PERIOD_MAX: usize = 120;
/// Samples that are compared at each period.
const COMPARED: usize = 160;
/// Samples of a loss after which one more period is repeated.
const TEN_MS: usize = 80;
/// The level falls from here.
const FADE_FROM: usize = TEN_MS;
/// Samples of its fall to nothing.
const FADE_SAMPLES: usize = 10 * TEN_MS;
/// Samples of a loss after which nothing is left of it.
pub(crate) const SILENT_AFTER: usize = FADE_FROM + FADE_SAMPLES;

impl Concealer {
    pub const fn new() -> Self {
        Self {
            past: [0; PAST_SAMPLES],
            period: PERIOD_MIN,
            cycle: PERIOD_MIN,
            at: 0,
            before: None,
            lost: 0,
            fading: None,
        }
    }

    /// Whether a loss goes on, or is still faded out.
    pub const fn is_active(&self) -> bool {
        self.lost > 0
    }

    /// Forgets the loss.
    pub const fn stop(&mut self) {
        self.lost = 0;
        self.fading = None;
    }

    /// A loss begins behind these samples.
    pub fn begin(&mut self, past: [i16; PAST_SAMPLES]) {
        self.past = past;
        self.period = period_of(&self.past);
        self.cycle = self.period;
        self.at = 0;
        self.before = None;
        self.lost = 0;
        self.fading = None;
    }

    /// Fills lost samples, behind those before.
    pub fn fill(&mut self, codec: Codec, codes: &mut [u8]) {
        self.fading = None;
        for code in codes {
            *code = g711::encode(codec, self.next() as i16);
        }
    }

    /// Fades the loss into samples that arrived.
    pub fn fade_into(&mut self, codec: Codec, codes: &mut [u8]) {
        // A longer loss has drifted further from the signal.
        let whole = (self.period / 4 + self.lost / TEN_MS * 32).min(2 * TEN_MS);
        let (mut done, whole) = self.fading.unwrap_or((0, whole));
        for code in codes {
            if done == whole {
                self.stop();
                return;
            }
            let weight = (done as f32 + 0.5) / whole as f32;
            let arrived = f32::from(g711::decode(codec, *code));
            let mixed = self.next() * (1.0 - weight) + arrived * weight;
            *code = g711::encode(codec, mixed as i16);
            done += 1;
        }
        self.fading = Some((done, whole));
    }

    fn next(&mut self) -> f32 {
        let quarter = self.period / 4;
        let mut sample = self.repeated(self.cycle, self.at);
        if let Some((cycle, at)) = self.before {
            let done = self.lost % TEN_MS;
            let weight = (done as f32 + 0.5) / quarter as f32;
            sample = self.repeated(cycle, at) * (1.0 - weight) + sample * weight;
            self.before = (done + 1 < quarter).then_some((cycle, (at + 1) % cycle));
        }
        if self.lost < quarter {
            let weight = (self.lost as f32 + 0.5) / quarter as f32;
            let mirrored = f32::from(self.past[PAST_SAMPLES - 1 - self.lost]);
            sample = mirrored * (1.0 - weight) + sample * weight;
        }
        let faded = self.lost.saturating_sub(FADE_FROM).min(FADE_SAMPLES);
        let level = 1.0 - faded as f32 / FADE_SAMPLES as f32;
        self.at = (self.at + 1) % self.cycle;
        self.lost += 1;
        if self.lost == TEN_MS || self.lost == 2 * TEN_MS {
            self.lengthen();
        }
        sample * level
    }

    /// One more period is repeated from now on.
    fn lengthen(&mut self) {
        self.before = Some((self.cycle, self.at));
        self.at %= self.period;
        self.cycle += self.period;
    }

    /// A sample of the last `cycle` samples of the past; the last quarter of a period is faded into what lies
    /// before the first, so that the repetition has no seam.
    fn repeated(&self, cycle: usize, at: usize) -> f32 {
        let quarter = self.period / 4;
        let sample = f32::from(self.past[PAST_SAMPLES + at - cycle]);
        let smooth_from = cycle - quarter;
        if at < smooth_from {
            return sample;
        }
        let weight = ((at - smooth_from) as f32 + 0.5) / quarter as f32;
        let before_first = f32::from(self.past[PAST_SAMPLES + at - 2 * cycle]);
        sample * (1.0 - weight) + before_first * weight
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
    let start = &samples[..COMPARED];
    let score = |lag: &usize| {
        let (product, energy) = likeness(start, &samples[*lag..*lag + COMPARED]);
        product * product.abs() / (energy + 1.0)
    };
    let period = (from..=to).max_by(|a, b| score(a).total_cmp(&score(b))).unwrap_or(from);
    for (at, code) in frame.iter_mut().enumerate() {
        let weight = ((at as f32 + 0.5) / period as f32).min(1.0);
        let (now, later) = (f32::from(samples[at]), f32::from(samples[at + period]));
        *code = g711::encode(codec, (now * (1.0 - weight) + later * weight) as i16);
    }
    period
}

/// The pitch period at the end of these samples: where they resemble themselves most.
fn period_of(past: &[i16; PAST_SAMPLES]) -> usize {
    // Every second sample first, then the neighbours of the best with all of them.
    let halved: [i16; PAST_SAMPLES / 2] = std::array::from_fn(|at| past[2 * at]);
    let coarse = best(&halved, PERIOD_MIN / 2, PERIOD_MAX / 2, COMPARED / 2);
    let from = (2 * coarse).saturating_sub(1).max(PERIOD_MIN);
    best(past, from, (2 * coarse + 1).min(PERIOD_MAX), COMPARED)
}

/// The lag from `from` to `to` at which the last `compared` samples resemble those before best.
fn best(samples: &[i16], from: usize, to: usize, compared: usize) -> usize {
    let (_, end) = samples.split_at(samples.len() - compared);
    let mut best = (f32::MIN, from);
    for lag in from..=to {
        let start = samples.len() - compared - lag;
        let (product, energy) = likeness(end, &samples[start..start + compared]);
        // The correlation, with its sign, over the root of the energy; the root is spared by squaring.
        let score = product * product.abs() / (energy + 1.0);
        if score > best.0 {
            best = (score, lag);
        }
    }
    best.1
}

/// The sum of products, and the energy of the second; in units that fit 32 bits.
fn likeness(a: &[i16], b: &[i16]) -> (f32, f32) {
    let (mut product, mut energy) = (0i32, 0i32);
    for (a, b) in a.iter().zip(b) {
        let (a, b) = (i32::from(*a >> 4), i32::from(*b >> 4));
        product += a * b;
        energy += b * b;
    }
    (product as f32, energy as f32)
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
        concealer.begin(std::array::from_fn(signal));
        concealer
    }

    fn filled(concealer: &mut Concealer, samples: usize) -> Vec<i32> {
        let mut codes = vec![0; samples];
        concealer.fill(Codec::Pcmu, &mut codes);
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
