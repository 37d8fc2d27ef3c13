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
//! A frame of 20 ms is a tone or it has a level. [`tone`] knows steady tones, those of the exchange among them, in
//! noise, too: a tone is never speech. [`loudness`] keeps when the party was how loud, so the utterance is found
//! again with each frame, by what is known of the noise by then: many calls begin in the noise of a street, and
//! what it sounds like is known only once somebody has spoken. An utterance ends with the silence that the terms
//! name, so the pauses between its words count as part of it.

mod loudness;
mod tone;

use shared::{AnsweredBy, Codec, Detection, FRAME_SAMPLES};

use self::loudness::Loudness;
use self::tone::Heard;
use crate::g711;

/// The state of one detection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answering {
    terms: Detection,
    begun_ms: u32,
    loudness: Loudness,
    tone: Option<Tone>,
    /// A tone has lasted long enough to be a beep, and goes on.
    beeps: bool,
    is_machine: bool,
}

/// A tone that goes on. Times are milliseconds from the begin.
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
            loudness: Loudness::new(),
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
        let at_ms = self.elapsed_ms(now_ms);
        for frame in payload.chunks(FRAME_SAMPLES).filter(|frame| frame.len() * 2 >= FRAME_SAMPLES)
        {
            if let Some(found) = self.hear_frame(at_ms, codec, frame) {
                return Some(found);
            }
        }
        self.at(now_ms)
    }

    fn hear_frame(&mut self, at_ms: u32, codec: Codec, frame: &[u8]) -> Option<AnsweredBy> {
        let level = g711::mean_magnitude(codec, frame);
        let heard = if level > TONE_LEAST { tone::heard(codec, frame) } else { Heard::Other };
        if let Heard::Tone(hertz) = heard {
            return self.hear_tone(at_ms, hertz);
        }
        let beep_ended = std::mem::take(&mut self.beeps);
        self.tone = None;
        if beep_ended && self.is_machine && self.terms.to_end {
            return Some(AnsweredBy::MachineEndBeep);
        }
        if heard == Heard::Other {
            self.loudness.hear(at_ms, level);
        }
        None
    }

    /// A frame that is one steady tone. A long one ends the greeting of a machine, or is a fax.
    fn hear_tone(&mut self, at_ms: u32, hertz: f32) -> Option<AnsweredBy> {
        let is_same = |tone: &Tone| (tone.hertz - hertz).abs() < tone.hertz * STEADY;
        let tone = self.tone.filter(is_same).unwrap_or(Tone { hertz, since_ms: at_ms });
        self.tone = Some(tone);
        // The first frame of the tone lasts 20 ms as well.
        let lasts_ms = at_ms.wrapping_sub(tone.since_ms) + FRAME_MS;
        let has_spoken = self.loudness.utterance().is_some();
        let is_fax = FAX_HERTZ.iter().any(|fax| (fax - hertz).abs() < FAX_WITHIN);
        if !has_spoken && is_fax && lasts_ms >= FAX_MS {
            return Some(AnsweredBy::Fax);
        }
        if has_spoken && lasts_ms >= BEEP_MS && BEEP_HERTZ.contains(&hertz) {
            self.beeps = true;
            self.is_machine = true;
            return (!self.terms.to_end).then_some(AnsweredBy::MachineStart);
        }
        None
    }

    /// What the time alone decides.
    pub fn at(&mut self, now_ms: u32) -> Option<AnsweredBy> {
        let elapsed_ms = self.elapsed_ms(now_ms);
        let Detection { speech_ms, speech_end_ms, silence_ms, timeout_ms, to_end } = self.terms;
        if elapsed_ms >= u32::from(timeout_ms) {
            let machine = self.is_machine && to_end;
            return Some(if machine { AnsweredBy::MachineEndOther } else { AnsweredBy::Unknown });
        }
        let Some((first_ms, last_ms)) = self.loudness.utterance() else {
            return (elapsed_ms >= u32::from(silence_ms)).then_some(AnsweredBy::Unknown);
        };
        if !self.is_machine && last_ms - first_ms > u32::from(speech_ms) {
            self.is_machine = true;
            if !to_end {
                return Some(AnsweredBy::MachineStart);
            }
        }
        let quiet_ms = elapsed_ms.saturating_sub(last_ms);
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

const FRAME_MS: u32 = 20;
/// Mean magnitude of a frame that may be a tone, linear: about -48 dBFS.
const TONE_LEAST: u32 = 90;
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
mod tests;
