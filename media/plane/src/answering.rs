//! Answering-machine detection on the audio of one party. Sans-IO.
//!
//! ```text
//! Listening --(speech, then silence)-------------------------> Human
//!    |  \----(speech too long, or a beep after speech)--> machine --> MachineStart
//!    |                                                       \--(to the end)--> beep, silence, time
//!    |--(1,100 or 2,100 Hz before any speech)--> Fax
//!    \--(no speech, or no time left)-----------> Unknown
//! ```
//!
//! A frame of 20 ms is speech when it is loud enough above a floor that follows the noise; one loud frame alone is
//! a click. An utterance ends with the silence that the terms name, so the pauses between its words count as part of
//! it. A tone is a frame of which one sine holds nearly all of the energy; it is a beep when it lasts with a steady
//! pitch. Its frequency comes from a predictor of two samples, so that no bank of filters has to be tried.

use std::f32::consts::TAU;

use shared::{AnsweredBy, Codec, Detection, FRAME_SAMPLES};

use crate::g711;

/// The state of one detection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answering {
    terms: Detection,
    begun_ms: u32,
    /// Mean magnitude of the background, linear.
    floor: u32,
    /// Loud frames in a row.
    loud: u8,
    /// First and last time of the utterance.
    speech: Option<(u32, u32)>,
    tone: Option<Tone>,
    /// A tone has lasted long enough to be a beep, and goes on.
    beeps: bool,
    is_machine: bool,
}

/// A tone that goes on.
#[derive(Clone, Copy, Debug)]
struct Tone {
    hertz: f32,
    since_ms: u32,
}

impl Answering {
    /// Begins to listen.
    pub fn new(terms: Detection, now_ms: u32) -> Self {
        Self {
            terms,
            begun_ms: now_ms,
            floor: FLOOR_FIRST,
            loud: 0,
            speech: None,
            tone: None,
            beeps: false,
            is_machine: false,
        }
    }

    /// Milliseconds since it began.
    pub const fn elapsed_ms(&self, now_ms: u32) -> u32 {
        now_ms.wrapping_sub(self.begun_ms)
    }

    /// Hears the audio of one packet; the decision, once there is one.
    pub fn hear(&mut self, now_ms: u32, codec: Codec, payload: &[u8]) -> Option<AnsweredBy> {
        for frame in payload.chunks(FRAME_SAMPLES).filter(|frame| frame.len() * 2 >= FRAME_SAMPLES)
        {
            if let Some(found) = self.hear_frame(now_ms, codec, frame) {
                return Some(found);
            }
        }
        self.at(now_ms)
    }

    fn hear_frame(&mut self, now_ms: u32, codec: Codec, frame: &[u8]) -> Option<AnsweredBy> {
        let level = g711::mean_magnitude(codec, frame);
        let is_loud = level > LEVEL_LEAST.max(self.floor * ABOVE_FLOOR);
        if is_loud && let Some(hertz) = pitch(codec, frame) {
            return self.hear_tone(now_ms, hertz);
        }
        let beep_ended = std::mem::take(&mut self.beeps);
        self.tone = None;
        if beep_ended && self.is_machine && self.terms.to_end {
            return Some(AnsweredBy::MachineEndBeep);
        }
        self.follow_noise(level, is_loud);
        self.loud = if is_loud { self.loud.saturating_add(1) } else { 0 };
        if self.loud >= LOUD_FRAMES {
            let first = self.speech.map_or(now_ms, |(first, _)| first);
            self.speech = Some((first, now_ms));
        }
        None
    }

    /// A frame that is one steady tone. A long one ends the greeting of a machine, or is a fax.
    fn hear_tone(&mut self, now_ms: u32, hertz: f32) -> Option<AnsweredBy> {
        let is_same = |tone: &Tone| (tone.hertz - hertz).abs() < tone.hertz * STEADY;
        let tone = self.tone.filter(is_same).unwrap_or(Tone { hertz, since_ms: now_ms });
        self.tone = Some(tone);
        // The first frame of the tone lasts 20 ms as well.
        let lasts_ms = now_ms.wrapping_sub(tone.since_ms) + FRAME_MS;
        let is_fax = FAX_HERTZ.iter().any(|fax| (fax - hertz).abs() < FAX_WITHIN);
        if self.speech.is_none() && is_fax && lasts_ms >= FAX_MS {
            return Some(AnsweredBy::Fax);
        }
        if lasts_ms >= BEEP_MS && BEEP_HERTZ.contains(&hertz) && self.speech.is_some() {
            self.beeps = true;
            self.is_machine = true;
            return (!self.terms.to_end).then_some(AnsweredBy::MachineStart);
        }
        None
    }

    /// The floor falls at once and rises slowly, and not while somebody speaks.
    fn follow_noise(&mut self, level: u32, is_loud: bool) {
        if level < self.floor {
            self.floor = level.max(1);
        } else if !is_loud {
            self.floor += self.floor / FLOOR_RISE + 1;
        } else {
            // A hum that began after the answer becomes the floor in the end.
            self.floor += self.floor / (FLOOR_RISE * 8);
        }
    }

    /// What the time alone decides.
    pub fn at(&mut self, now_ms: u32) -> Option<AnsweredBy> {
        let elapsed_ms = self.elapsed_ms(now_ms);
        let Detection { speech_ms, speech_end_ms, silence_ms, timeout_ms, to_end } = self.terms;
        if elapsed_ms >= u32::from(timeout_ms) {
            let machine = self.is_machine && to_end;
            return Some(if machine { AnsweredBy::MachineEndOther } else { AnsweredBy::Unknown });
        }
        let Some((first, last)) = self.speech else {
            return (elapsed_ms >= u32::from(silence_ms)).then_some(AnsweredBy::Unknown);
        };
        if !self.is_machine && last.wrapping_sub(first) > u32::from(speech_ms) {
            self.is_machine = true;
            if !to_end {
                return Some(AnsweredBy::MachineStart);
            }
        }
        let quiet_ms = now_ms.wrapping_sub(last);
        match self.is_machine {
            false => (quiet_ms >= u32::from(speech_end_ms)).then_some(AnsweredBy::Human),
            // Longer than a pause between two sentences, in which a beep may still come.
            true => {
                let end_ms = u32::from(speech_end_ms).max(GREETING_END_MS);
                (quiet_ms >= end_ms && !self.beeps).then_some(AnsweredBy::MachineEndSilence)
            }
        }
    }
}

/// Frequency of a frame that is a single sine, in hertz; `None` for anything else.
///
/// A sine obeys `x[n] + x[n-2] = 2 cos(w) x[n-1]`. The best such factor is found by least squares. Where it explains
/// most of the frame, its frequency is a candidate: a vowel near one formant passes that, too. A sine of this frequency
/// then has to hold nearly all of the energy, which the harmonics of a voice, 80 Hz or more apart, do not let it.
fn pitch(codec: Codec, frame: &[u8]) -> Option<f32> {
    let table = g711::linear(codec);
    let mut samples = [0_f32; FRAME_SAMPLES];
    for (sample, code) in samples.iter_mut().zip(frame) {
        *sample = f32::from(table[usize::from(*code)]);
    }
    let samples = samples.get(..frame.len())?;
    let (mut product, mut energy, mut outer) = (0.0, 0.0, 0.0);
    for triple in samples.windows(3) {
        let sum = triple[0] + triple[2];
        product += triple[1] * sum;
        energy += triple[1] * triple[1];
        outer += sum * sum;
    }
    if energy <= 0.0 {
        return None;
    }
    let factor = product / energy;
    if outer - factor * product > energy * IMPURE || factor.abs() >= 2.0 {
        return None;
    }
    let turn = (factor / 2.0).acos();
    let hertz = turn / TAU * 8_000.0;
    let is_tone = TONE_HERTZ.contains(&hertz) && share_of(samples, turn) >= PURE;
    is_tone.then_some(hertz)
}

/// Share of the energy of a frame that one sine holds, by its turn a sample in radians.
fn share_of(samples: &[f32], turn: f32) -> f32 {
    let (step_sin, step_cos) = turn.sin_cos();
    let (mut sin, mut cos) = (0.0_f32, 1.0_f32);
    let (mut real, mut imaginary, mut energy) = (0.0, 0.0, 0.0);
    for sample in samples {
        real += sample * cos;
        imaginary += sample * sin;
        energy += sample * sample;
        (sin, cos) = (sin * step_cos + cos * step_sin, cos * step_cos - sin * step_sin);
    }
    let explained = 2.0 * (real * real + imaginary * imaginary) / samples.len() as f32;
    if energy > 0.0 { explained / energy } else { 0.0 }
}

const FRAME_MS: u32 = 20;
/// Mean magnitude of a frame that may be speech, linear: about -48 dBFS.
const LEVEL_LEAST: u32 = 90;
/// Speech is this many times louder than the floor (10 dB).
const ABOVE_FLOOR: u32 = 3;
const FLOOR_FIRST: u32 = 60;
/// The floor grows by 1/32 a frame.
const FLOOR_RISE: u32 = 32;
/// Loud frames in a row that are speech and no click.
const LOUD_FRAMES: u8 = 3;
/// Share of the energy that the predictor may leave of a candidate: noise 20 dB below the tone.
const IMPURE: f32 = 0.06;
/// Share of the energy that the sine holds at least.
const PURE: f32 = 0.9;
/// Candidates: beeps and fax tones.
const TONE_HERTZ: std::ops::RangeInclusive<f32> = 340.0..=2_250.0;
/// Two frames of one tone differ by less than this part of its frequency.
const STEADY: f32 = 0.03;
const BEEP_HERTZ: std::ops::RangeInclusive<f32> = 350.0..=2_200.0;
const BEEP_MS: u32 = 120;
/// Calling and answering tone of a fax (ITU-T T.30 §4).
const FAX_HERTZ: [f32; 2] = [1_100.0, 2_100.0];
const FAX_WITHIN: f32 = 45.0;
const FAX_MS: u32 = 360;
/// Silence after a greeting that ends it without a beep.
const GREETING_END_MS: u32 = 2_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dtmf::material as dtmf;

    #[test]
    fn short_speech_and_silence_is_a_human_soon_after() {
        for codec in [Codec::Pcmu, Codec::Pcma] {
            let (found, at_ms) = run(Detection::default(), codec, &[speech(900), quiet(3_000)]);
            assert_eq!(found, Some(AnsweredBy::Human));
            assert!((2_100..=2_160).contains(&at_ms), "{at_ms}");
        }
    }

    #[test]
    fn the_pauses_of_a_greeting_do_not_make_it_human() {
        let greeting = [speech(1_000), quiet(600), speech(1_000), quiet(700), speech(900)];
        let (found, at_ms) = run(Detection::default(), Codec::Pcmu, &greeting);
        assert_eq!(found, Some(AnsweredBy::MachineStart));
        assert!((2_400..=2_700).contains(&at_ms), "{at_ms}");
    }

    #[test]
    fn the_end_of_a_greeting_is_a_beep_or_silence_or_the_time() {
        let to_end = Detection { to_end: true, ..Detection::default() };
        let beep = [speech(3_000), quiet(400), tone(1_000.0, 300), quiet(2_000)];
        let (found, at_ms) = run(to_end, Codec::Pcmu, &beep);
        assert_eq!(found, Some(AnsweredBy::MachineEndBeep));
        assert!((3_700..=3_800).contains(&at_ms), "{at_ms}");
        let (found, _) = run(to_end, Codec::Pcmu, &[speech(4_000), quiet(3_000)]);
        assert_eq!(found, Some(AnsweredBy::MachineEndSilence));
        let (found, at_ms) = run(to_end, Codec::Pcmu, &[speech(31_000)]);
        assert_eq!((found, at_ms), (Some(AnsweredBy::MachineEndOther), 30_000));
    }

    #[test]
    fn a_beep_after_a_short_greeting_is_a_machine() {
        let beep = [speech(1_500), quiet(300), tone(440.0, 200), quiet(2_000)];
        assert_eq!(run(Detection::default(), Codec::Pcma, &beep).0, Some(AnsweredBy::MachineStart));
    }

    #[test]
    fn fax_tones_before_any_speech_are_a_fax_and_other_tones_are_not() {
        for hertz in [1_100.0, 2_100.0] {
            let found = run(Detection::default(), Codec::Pcmu, &[quiet(500), tone(hertz, 500)]).0;
            assert_eq!(found, Some(AnsweredBy::Fax), "{hertz}");
        }
        let ringing = [tone(440.0, 1_000), quiet(6_000)];
        assert_eq!(run(Detection::default(), Codec::Pcmu, &ringing).0, Some(AnsweredBy::Unknown));
    }

    #[test]
    fn silence_is_unknown_and_clicks_are_silence() {
        let (found, at_ms) = run(Detection::default(), Codec::Pcmu, &[quiet(9_000)]);
        assert_eq!((found, at_ms), (Some(AnsweredBy::Unknown), 5_000));
        let clicks = [quiet(1_000), speech(20), quiet(1_000), speech(20), quiet(6_000)];
        assert_eq!(run(Detection::default(), Codec::Pcmu, &clicks).0, Some(AnsweredBy::Unknown));
    }

    #[test]
    fn a_party_that_sends_nothing_is_unknown() {
        let mut answering = Answering::new(Detection::default(), 7);
        assert_eq!(answering.at(5_006), None);
        assert_eq!(answering.at(5_007), Some(AnsweredBy::Unknown));
    }

    #[test]
    fn noise_is_no_speech() {
        let noise = dtmf::noise(3, -45.0, 48_000);
        let found = run(Detection::default(), Codec::Pcmu, &[noise]).0;
        assert_eq!(found, Some(AnsweredBy::Unknown));
    }

    /// The decision, and when it was made.
    fn run(terms: Detection, codec: Codec, parts: &[Vec<i16>]) -> (Option<AnsweredBy>, u32) {
        let mut answering = Answering::new(terms, 0);
        let samples = parts.concat();
        for (index, frame) in samples.chunks(FRAME_SAMPLES).enumerate() {
            let codes: Vec<u8> = frame.iter().map(|sample| g711::encode(codec, *sample)).collect();
            // A frame arrives when its 20 ms are over.
            let now_ms = (index as u32 + 1) * FRAME_MS;
            if let Some(found) = answering.hear(now_ms, codec, &codes) {
                return (Some(found), now_ms);
            }
        }
        (None, 0)
    }

    /// Voiced sound with a pitch that moves, at about -20 dBFS.
    fn speech(ms: usize) -> Vec<i16> {
        let mut phase = 0.0_f32;
        let sample = |at: usize| {
            let seconds = at as f32 / 8_000.0;
            phase += TAU * (140.0 + 30.0 * (TAU * 2.0 * seconds).sin()) / 8_000.0;
            let harmonics = (1..=9).map(|n| (phase * n as f32).sin() / n as f32);
            (harmonics.sum::<f32>() * 2_500.0) as i16
        };
        (0..ms * 8).map(sample).collect()
    }

    fn tone(hertz: f32, ms: usize) -> Vec<i16> {
        let sample = |at: usize| ((TAU * hertz * at as f32 / 8_000.0).sin() * 6_000.0) as i16;
        (0..ms * 8).map(sample).collect()
    }

    fn quiet(ms: usize) -> Vec<i16> {
        dtmf::noise(1, -60.0, ms * 8)
    }
}
