//! Where speech begins and ends on a track. Sans-IO.
//!
//! ```text
//!   Quiet ──120 ms of voice──> Speaking ──silence of `silence_ms`, or `longest_ms`──> Quiet
//! ```
//!
//! A frame of 20 ms has voice where its energy is 9 dB above the noise, and above an absolute least. The noise is learnt:
//! it falls to a quieter frame at once and rises slowly, slower still while somebody speaks, so that a long sentence does
//! not become its own noise. The frames of the last 400 ms are kept: an utterance begins with them, because the first
//! consonant of a word is quieter than what opens the gate.

use std::collections::VecDeque;

use shared::FRAME_SAMPLES;

/// Where an utterance ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Endpointing {
    /// Milliseconds of silence that end it.
    pub silence_ms: u32,
    /// Its greatest length, milliseconds.
    pub longest_ms: u32,
}

/// 20 ms of linear audio at 8,000 Hz.
pub(super) type Frame = [i16; FRAME_SAMPLES];

/// What a frame means for the utterances of its track.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// Nobody speaks.
    Nothing,
    /// An utterance begins: its audio so far, this frame included.
    Begins(Vec<i16>),
    /// It goes on. `is_sent` is false in a long silence, which an engine does not need.
    GoesOn { is_sent: bool },
    /// It ended before this frame.
    Ends,
}

/// The gate of one track.
#[derive(Debug)]
pub(super) struct Endpointer {
    ends: Endpointing,
    /// Mean square of the noise.
    noise: u64,
    recent: VecDeque<Frame>,
    state: State,
}

#[derive(Debug, PartialEq, Eq)]
enum State {
    Quiet {
        /// Frames with voice, less those without.
        voiced: u32,
    },
    Speaking {
        length_ms: u32,
        silent_ms: u32,
        /// Frames with voice in a row.
        voiced: u32,
    },
}

impl Endpointer {
    pub fn new(ends: Endpointing) -> Self {
        let recent = VecDeque::with_capacity(RECENT_FRAMES);
        Self { ends, noise: NOISE_AT_START, recent, state: State::Quiet { voiced: 0 } }
    }

    pub const fn is_speaking(&self) -> bool {
        matches!(self.state, State::Speaking { .. })
    }

    pub fn hear(&mut self, frame: &Frame) -> Heard {
        let has_voice = self.has_voice(frame);
        match &mut self.state {
            State::Quiet { voiced } => {
                *voiced = if has_voice { *voiced + 1 } else { voiced.saturating_sub(1) };
                let begins = *voiced >= ONSET_FRAMES;
                if self.recent.len() == RECENT_FRAMES {
                    self.recent.pop_front();
                }
                self.recent.push_back(*frame);
                if !begins {
                    return Heard::Nothing;
                }
                let audio: Vec<i16> = self.recent.drain(..).flatten().collect();
                let length_ms = (audio.len() / SAMPLES_A_MS) as u32;
                self.state = State::Speaking { length_ms, silent_ms: 0, voiced: 0 };
                Heard::Begins(audio)
            }
            State::Speaking { length_ms, silent_ms, voiced } => {
                *length_ms += FRAME_MS;
                *voiced = if has_voice { *voiced + 1 } else { 0 };
                // One loud frame is a click; speech has more.
                *silent_ms = if *voiced >= 2 { 0 } else { *silent_ms + FRAME_MS };
                let is_sent = *silent_ms <= SILENCE_SENT_MS;
                let is_over =
                    *silent_ms >= self.ends.silence_ms || *length_ms > self.ends.longest_ms;
                if !is_over {
                    return Heard::GoesOn { is_sent };
                }
                self.rest();
                // The frame may be the first of what follows.
                self.recent.push_back(*frame);
                Heard::Ends
            }
        }
    }

    /// Ends the utterance, if one is open, and drops the frames that are kept for the next one.
    pub fn rest(&mut self) {
        self.recent.clear();
        self.state = State::Quiet { voiced: 0 };
    }

    fn has_voice(&mut self, frame: &Frame) -> bool {
        let square = |sample: &i16| u64::from(sample.unsigned_abs()).pow(2);
        let energy = frame.iter().map(square).sum::<u64>() / FRAME_SAMPLES as u64;
        let has_voice = energy > VOICE_LEAST.max(self.noise.saturating_mul(VOICE_OVER_NOISE));
        if energy < self.noise {
            self.noise = (self.noise + energy) / 2;
        } else {
            let slowness = if self.is_speaking() { 512 } else { 64 };
            self.noise = (self.noise + self.noise / slowness + 1).min(energy.max(1));
        }
        has_voice
    }
}

const FRAME_MS: u32 = 20;
const SAMPLES_A_MS: usize = 8;
/// 400 ms.
const RECENT_FRAMES: usize = 20;
/// 120 ms.
const ONSET_FRAMES: u32 = 6;
/// Silence inside of an utterance that an engine gets. It shows the end of a word; more costs the engine time.
const SILENCE_SENT_MS: u32 = 800;
/// A mean square 9 dB above the noise.
const VOICE_OVER_NOISE: u64 = 8;
/// Mean square of -50 dBFS: quieter speech is line noise.
const VOICE_LEAST: u64 = 10_800;
/// Mean square of -56 dBFS.
const NOISE_AT_START: u64 = 2_700;

#[cfg(test)]
mod tests {
    use super::*;

    const ENDS: Endpointing = Endpointing { silence_ms: 600, longest_ms: 5_000 };

    /// A tone of this amplitude.
    fn frame(amplitude: i16) -> Frame {
        std::array::from_fn(|index| if index % 16 < 8 { amplitude } else { -amplitude })
    }

    /// Frames until the next beginning or end; `None`: neither within this many.
    fn until(
        gate: &mut Endpointer,
        amplitude: i16,
        most: usize,
        is_it: impl Fn(&Heard) -> bool,
    ) -> Option<usize> {
        (1..=most).find(|_| is_it(&gate.hear(&frame(amplitude))))
    }

    fn begins(heard: &Heard) -> bool {
        matches!(heard, Heard::Begins(_))
    }

    #[test]
    fn speech_begins_after_120_ms_with_the_400_ms_before_and_ends_after_silence() {
        let mut gate = Endpointer::new(ENDS);
        assert_eq!(until(&mut gate, 20, 50, begins), None);
        let onset = (0..5).map(|_| gate.hear(&frame(3_000))).all(|heard| heard == Heard::Nothing);
        assert!(onset);
        let Heard::Begins(audio) = gate.hear(&frame(3_000)) else { panic!("it begins") };
        assert_eq!(audio.len(), 20 * FRAME_SAMPLES);
        assert_eq!(gate.hear(&frame(3_000)), Heard::GoesOn { is_sent: true });
        assert_eq!(until(&mut gate, 20, 100, |heard| *heard == Heard::Ends), Some(29));
        assert!(!gate.is_speaking());
    }

    #[test]
    fn a_click_neither_begins_an_utterance_nor_prolongs_it() {
        let mut gate = Endpointer::new(ENDS);
        gate.hear(&frame(9_000));
        assert_eq!(until(&mut gate, 20, 50, begins), None);
        assert!(until(&mut gate, 3_000, 10, begins).is_some());
        until(&mut gate, 20, 15, |_| false);
        gate.hear(&frame(9_000));
        assert_eq!(until(&mut gate, 20, 100, |heard| *heard == Heard::Ends), Some(14));
    }

    #[test]
    fn an_utterance_has_a_greatest_length_and_the_next_follows_at_once() {
        let mut gate = Endpointer::new(ENDS);
        assert!(until(&mut gate, 3_000, 10, begins).is_some());
        let end = until(&mut gate, 3_000, 1_000, |heard| *heard == Heard::Ends);
        assert_eq!(end, Some(245));
        assert!(until(&mut gate, 3_000, 10, begins).is_some());
    }

    #[test]
    fn noise_that_stays_is_learnt_and_speech_above_it_is_found() {
        let mut gate = Endpointer::new(ENDS);
        until(&mut gate, 300, 600, |_| false);
        gate.rest();
        assert_eq!(until(&mut gate, 300, 200, begins), None);
        assert!(until(&mut gate, 3_000, 10, begins).is_some());
    }

    #[test]
    fn a_long_sentence_does_not_become_its_own_noise() {
        let ends = Endpointing { longest_ms: 60_000, ..ENDS };
        let mut gate = Endpointer::new(ends);
        assert!(until(&mut gate, 3_000, 10, begins).is_some());
        assert_eq!(until(&mut gate, 3_000, 1_400, |heard| *heard == Heard::Ends), None);
    }
}
