//! Playback to a party: a prompt or digits. Sans-IO.

use std::sync::Arc;

use shared::media::PlayedValue;
use shared::{Codec, PlayId, Prompt};

use crate::telephone_event::DigitSender;

/// At most one of these plays on a leg.
#[derive(Debug)]
pub(crate) enum Playing {
    Prompt(Player),
    Digits(DigitSender),
}

impl Playing {
    /// Its name, and its heap value to be returned.
    pub fn into_parts(self) -> (PlayId, PlayedValue) {
        match self {
            Self::Prompt(player) => (player.play, PlayedValue::Prompt(player.prompt)),
            Self::Digits(sender) => (sender.play, PlayedValue::Digits(sender.digits)),
        }
    }
}

/// A place in a prompt.
#[derive(Debug)]
pub(crate) struct Player {
    play: PlayId,
    prompt: Arc<Prompt>,
    at: usize,
    /// Rounds after this one; `None` = until stopped.
    rounds_left: Option<u32>,
}

impl Player {
    /// Plays `repeat` rounds in all; 0 = until stopped.
    pub fn new(play: PlayId, prompt: Arc<Prompt>, repeat: u32) -> Self {
        Self { play, prompt, at: 0, rounds_left: repeat.checked_sub(1) }
    }

    /// Its name.
    pub const fn id(&self) -> PlayId {
        self.play
    }

    /// Its name, and the prompt to be returned.
    pub fn into_prompt(self) -> (PlayId, Arc<Prompt>) {
        (self.play, self.prompt)
    }

    /// Fills the frame; rounds follow without a gap, the last one is padded with silence. Answers whether
    /// the prompt ends in this frame.
    pub fn fill(&mut self, codec: Codec, frame: &mut [u8]) -> bool {
        let mut filled = 0;
        while filled < frame.len() {
            // Taken from the codec's own slice, so that a prompt with unequal slices cannot harm.
            let samples = self.prompt.samples(codec);
            let rest = samples.get(self.at..).unwrap_or_default();
            let len = rest.len().min(frame.len() - filled);
            frame[filled..filled + len].copy_from_slice(&rest[..len]);
            filled += len;
            self.at += len;
            if self.at < samples.len() {
                return false;
            }
            if samples.is_empty() || !self.begin_round() {
                frame[filled..].fill(codec.silence());
                return true;
            }
        }
        false
    }

    fn begin_round(&mut self) -> bool {
        match &mut self.rounds_left {
            Some(0) => return false,
            Some(left) => *left -= 1,
            None => {}
        }
        self.at = 0;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn player(len: usize, repeat: u32) -> Player {
        let mulaw: Vec<u8> = (0..len).map(|at| at as u8).collect();
        let prompt = Arc::new(Prompt { alaw: mulaw.clone().into(), mulaw: mulaw.into() });
        Player::new(PlayId(1), prompt, repeat)
    }

    fn play(player: &mut Player) -> (Vec<u8>, usize) {
        let mut heard = Vec::new();
        for frames in 1..50 {
            let mut frame = [0; 160];
            let ended = player.fill(Codec::Pcmu, &mut frame);
            heard.extend_from_slice(&frame);
            if ended {
                return (heard, frames);
            }
        }
        (heard, 50)
    }

    #[test]
    fn the_last_frame_is_filled_up_with_silence() {
        let (heard, frames) = play(&mut player(200, 1));
        assert_eq!(frames, 2);
        assert!(heard[..200].iter().enumerate().all(|(at, byte)| *byte == at as u8));
        assert!(heard[200..].iter().all(|byte| *byte == 0xFF));
    }

    #[test]
    fn a_prompt_of_whole_frames_ends_with_its_last_frame() {
        assert_eq!(play(&mut player(320, 1)).1, 2);
    }

    #[test]
    fn rounds_follow_without_a_gap() {
        let (heard, frames) = play(&mut player(100, 3));
        assert_eq!(frames, 2);
        assert!(heard[..300].iter().enumerate().all(|(at, byte)| *byte == (at % 100) as u8));
    }

    #[test]
    fn zero_means_until_stopped_and_nothing_to_play_ends_at_once() {
        assert_eq!(play(&mut player(10, 0)).1, 50);
        assert_eq!(play(&mut player(0, 0)).1, 1);
        assert_eq!(play(&mut player(0, 5)).1, 1);
    }
}
