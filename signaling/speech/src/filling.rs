//! Audio of one text while it arrives from an engine. Shell, on tokio.
//!
//! An engine writes WAV or bare samples. The first four bytes tell which; from then on every piece is decoded
//! as it comes, charged to the memory for audio, and passed on to whoever listens. So a listener can play the
//! beginning of a sentence while its end is still being made.

use audio::{AudioError, AudioMemory, Charge, Decoder, Pushed};
use plane::g711;
use shared::Prompt;
use tokio::time::Instant;

use crate::error::SpeechError;

/// Hears mu-law samples of 8,000 Hz as they are made, in order.
pub type Hearer<'a> = &'a mut (dyn FnMut(&[u8]) + Send);

/// What an engine may make of one text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// Samples a second of audio without a header.
    pub pcm_rate: u32,
    /// Bytes of audio. Past it the text fails.
    pub bytes_max: u64,
    /// How long a piece may wait for memory.
    pub room_by: Instant,
}

/// The audio of one text so far.
pub(crate) struct Filling<'a> {
    /// `None` until the header was seen or missed.
    decoder: Option<Decoder>,
    head: Vec<u8>,
    charge: Charge,
    bounds: Bounds,
    bytes: u64,
    heard: usize,
    hearer: Hearer<'a>,
}

impl<'a> Filling<'a> {
    /// Audio that says itself what it is.
    pub fn new(memory: &AudioMemory, bounds: Bounds, hearer: Hearer<'a>) -> Self {
        let charge = memory.nothing();
        Self { decoder: None, head: Vec::new(), charge, bounds, bytes: 0, heard: 0, hearer }
    }

    /// Audio of a known format.
    pub fn of(decoder: Decoder, memory: &AudioMemory, bounds: Bounds, hearer: Hearer<'a>) -> Self {
        Self { decoder: Some(decoder), ..Self::new(memory, bounds, hearer) }
    }

    /// Bytes that came so far.
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Takes a piece of any length.
    pub async fn push(&mut self, bytes: &[u8]) -> Result<(), SpeechError> {
        self.bytes += bytes.len() as u64;
        if self.bytes > self.bounds.bytes_max {
            let most = self.bounds.bytes_max;
            return Err(SpeechError::Unspeakable(format!("more than {most} bytes of audio came")));
        }
        if self.decoder.is_some() {
            return self.decode(bytes).await;
        }
        self.head.extend_from_slice(bytes);
        if self.head.len() < MAGIC.len() {
            return Ok(());
        }
        let Bounds { pcm_rate, bytes_max, .. } = self.bounds;
        self.decoder = Some(match self.head.starts_with(MAGIC) {
            true => Decoder::new("audio/wav", Some(bytes_max)).map_err(unplayable)?,
            false => Decoder::of_pcm(pcm_rate, bytes_max),
        });
        let head = std::mem::take(&mut self.head);
        self.decode(&head).await
    }

    async fn decode(&mut self, mut bytes: &[u8]) -> Result<(), SpeechError> {
        let Some(decoder) = &mut self.decoder else { return Ok(()) };
        while let Pushed::NeedsRoom(room) = decoder.push(&mut bytes).map_err(unplayable)? {
            if let Err(no_room) = self.charge.grow(room, self.bounds.room_by).await {
                return Err(SpeechError::NoRoom(no_room.to_string()));
            }
            decoder.allow(room);
        }
        let fresh = decoder.mulaw().get(self.heard..).unwrap_or_default();
        self.heard += fresh.len();
        if !fresh.is_empty() {
            (self.hearer)(fresh);
        }
        Ok(())
    }

    /// The engine has said everything. A text may have no sound.
    pub fn finish(self) -> Result<Prompt, SpeechError> {
        let Some(decoder) = self.decoder else { return Ok(g711::prompt(&[])) };
        let prompt = match decoder.finish(self.charge) {
            Ok(prompt) => prompt,
            Err(AudioError::Empty) => g711::prompt(&[]),
            Err(error) => return Err(unplayable(error)),
        };
        // The resampler keeps the last samples back until the end.
        let fresh = prompt.mulaw.get(self.heard..).unwrap_or_default();
        if !fresh.is_empty() {
            (self.hearer)(fresh);
        }
        Ok(prompt)
    }
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn unplayable(error: AudioError) -> SpeechError {
    SpeechError::Unspeakable(format!("its audio cannot be played: {error}"))
}

/// The first bytes of a WAV file.
const MAGIC: &[u8; 4] = b"RIFF";

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn bounds(bytes_max: u64) -> Bounds {
        Bounds { pcm_rate: 16_000, bytes_max, room_by: Instant::now() + Duration::from_secs(1) }
    }

    fn samples(count: i16) -> Vec<u8> {
        (0..count).flat_map(|at| (at * 8).to_le_bytes()).collect()
    }

    /// Pushes bytes one piece of `size` after the other; the prompt, and what was heard of it by then.
    async fn filled(bytes: &[u8], size: usize) -> (Prompt, usize, Vec<u8>) {
        let memory = AudioMemory::new(1 << 24);
        let mut heard = Vec::new();
        let mut hearer = |audio: &[u8]| heard.extend_from_slice(audio);
        let mut filling = Filling::new(&memory, bounds(100_000), &mut hearer);
        for piece in bytes.chunks(size) {
            filling.push(piece).await.unwrap();
        }
        let before_end = filling.heard;
        let prompt = filling.finish().unwrap();
        (prompt, before_end, heard)
    }

    #[tokio::test]
    async fn bare_samples_and_wav_are_told_apart_and_heard_while_they_come() {
        let bare = samples(3_200);
        let mut wav = b"RIFF\xff\xff\xff\xffWAVEfmt \x10\0\0\0\x01\0\x01\0\x80\x3e\0\0\0\x7d\0\0\x02\0\x10\0data\xff\xff\xff\xff".to_vec();
        wav.extend_from_slice(&bare);
        let (of_bare, early, heard) = filled(&bare, 3).await;
        assert_eq!(of_bare.duration_ms(), 200);
        assert!(early > 1_000, "{early} samples were heard before the end");
        assert_eq!(heard, of_bare.mulaw);
        let (of_wav, ..) = filled(&wav, 7).await;
        assert_eq!(of_wav.mulaw, of_bare.mulaw);
    }

    #[tokio::test]
    async fn nothing_is_an_empty_prompt_and_too_much_is_refused() {
        assert_eq!(filled(&[], 1).await.0.duration_ms(), 0);
        assert_eq!(filled(&[1, 2, 3], 1).await.0.duration_ms(), 0);
        let memory = AudioMemory::new(1 << 24);
        let mut hearer = |_: &[u8]| {};
        let mut filling = Filling::new(&memory, bounds(1_000), &mut hearer);
        filling.push(&[0; 1_000]).await.unwrap();
        assert!(matches!(filling.push(&[0]).await, Err(SpeechError::Unspeakable(_))));
    }
}
