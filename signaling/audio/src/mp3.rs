//! MP3 to samples at 8,000 Hz while the file arrives. Pure.
//!
//! A frame is recognised by the frames behind it, so frames are decoded from a window of bytes, and the end
//! of the file decodes what is left of it. No head tells how long the audio is. Memory is therefore asked for
//! by the bit rate: first for half a minute, then for what the rest of the file becomes at the rate of its
//! frames. The invariant is that whatever the window can hold has room: the end asks for nothing.

use nanomp3::{Decoder, FrameInfo, MAX_SAMPLES_PER_FRAME};
use shared::limits;

use crate::error::AudioError;
use crate::resample::{PROMPT_HZ, RATES_HZ, Resampler};
use crate::samples::{Pushed, Samples, UNKNOWN_FIRST_BYTES};

/// Bytes that are decoded from: several frames of the highest bit rate.
const WINDOW_BYTES: usize = 16 * 1024;
/// Bytes by which a tag at the front is known.
const TAG_HEAD_BYTES: usize = 10;
/// Samples at 8,000 Hz of one byte at the lowest bit rate, 8 kbit/s.
const SAMPLES_A_BYTE_MAX: u64 = 8;
/// Samples that the decoder and the filter may add to those of the bytes.
const MARGIN_SAMPLES: u64 = 2 * 1_152;
/// The sampling rates of MPEG audio.
const MPEG_RATES_HZ: [u32; 9] =
    [8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000];

/// One file.
pub(super) struct Mp3 {
    decoder: Decoder,
    window: Vec<u8>,
    /// Whether the front of the file has been looked at for a tag.
    is_begun: bool,
    /// Bytes of a tag still to come.
    skip: u64,
    /// Most bytes of the file still to come.
    left: u64,
    /// `None` before the first frame.
    rate_hz: Option<u32>,
    kbit_a_s: u64,
    /// Samples of each channel so far, at the rate of the file.
    samples: u64,
    pcm: Vec<i16>,
    mono: Vec<i16>,
    resampler: Option<Resampler>,
}

impl Mp3 {
    /// `length` is the announced bytes of the file.
    pub(super) fn new(length: Option<u64>) -> Self {
        let most = limits::PLAY_BYTES_MAX as u64;
        Self {
            decoder: Decoder::new(),
            window: Vec::with_capacity(WINDOW_BYTES),
            is_begun: false,
            skip: 0,
            left: length.unwrap_or(most).min(most),
            rate_hz: None,
            kbit_a_s: 8,
            samples: 0,
            pcm: vec![0; MAX_SAMPLES_PER_FRAME],
            mono: Vec::new(),
            resampler: None,
        }
    }

    pub(super) fn push<S: Samples>(
        &mut self,
        input: &mut &[u8],
        made: &mut S,
    ) -> Result<Pushed, AudioError> {
        loop {
            if self.samples_bound() > made.room() as u64 {
                return Ok(Pushed::NeedsRoom(self.room_wanted(made)));
            }
            self.fill(input);
            if self.window.len() < WINDOW_BYTES {
                return Ok(Pushed::All);
            }
            self.step(made)?;
        }
    }

    /// Decodes what is left of the file.
    pub(super) fn finish<S: Samples>(mut self, made: &mut S) -> Result<(), AudioError> {
        while !self.window.is_empty() {
            self.step(made)?;
        }
        if self.samples == 0 {
            return Err(AudioError::Malformed("MP3 file", "it has no frames of MPEG layer III"));
        }
        if let Some(resampler) = self.resampler.take() {
            resampler.finish(|sample| made.push(sample));
        }
        Ok(())
    }

    /// Bytes of the largest filter that the file may need.
    pub(super) fn filter_bytes(&self) -> usize {
        match self.rate_hz {
            Some(rate_hz) => Resampler::filter_bytes(rate_hz),
            None => MPEG_RATES_HZ.into_iter().map(Resampler::filter_bytes).max().unwrap_or(0),
        }
    }

    fn fill(&mut self, input: &mut &[u8]) {
        while !input.is_empty() && self.window.len() < WINDOW_BYTES {
            let room = match usize::try_from(self.skip) {
                Ok(0) => WINDOW_BYTES - self.window.len(),
                Ok(skip) => skip,
                Err(_) => usize::MAX,
            };
            let (taken, rest) = input.split_at(room.min(input.len()));
            *input = rest;
            self.left = self.left.saturating_sub(taken.len() as u64);
            if self.skip > 0 {
                self.skip -= taken.len() as u64;
            } else {
                self.window.extend_from_slice(taken);
            }
            if !self.is_begun && self.window.len() >= TAG_HEAD_BYTES {
                self.is_begun = true;
                // Pictures in a tag may hold what looks like frames.
                let tag = nanomp3::id3v2_len(&self.window);
                let here = tag.min(self.window.len());
                self.window.drain(..here);
                self.skip = (tag - here) as u64;
            }
        }
    }

    fn step<S: Samples>(&mut self, made: &mut S) -> Result<(), AudioError> {
        let (consumed, decoded) = self.decoder.decode(&self.window, self.pcm.as_mut_slice());
        // Nothing consumed would be a window that no byte can lead on.
        let consumed = if consumed == 0 { self.window.len() } else { consumed };
        self.window.drain(..consumed.min(self.window.len()));
        match decoded {
            Ok(frame) => self.take(frame, made),
            // Not a frame, one that is broken, or one that leans on another before the file began: left
            // out, as players do.
            Err(_) => Ok(()),
        }
    }

    fn take<S: Samples>(&mut self, frame: FrameInfo, made: &mut S) -> Result<(), AudioError> {
        let rate_hz = *self.rate_hz.get_or_insert(frame.sample_rate);
        if !RATES_HZ.contains(&frame.sample_rate) {
            return Err(AudioError::Rate(frame.sample_rate));
        }
        if frame.sample_rate != rate_hz {
            return Err(AudioError::Malformed("MP3 file", "its sampling rate changes"));
        }
        if frame.bitrate > 0 {
            self.kbit_a_s = u64::from(frame.bitrate);
        }
        self.samples += frame.samples_produced as u64;
        if self.samples > u64::from(limits::PLAY_S_MAX) * u64::from(rate_hz) {
            return Err(AudioError::TooLong);
        }
        let channels = usize::from(frame.channels.num());
        let pcm = self.pcm.get(..frame.samples_produced * channels).unwrap_or_default();
        // The mean of the channels, so that nothing can clip.
        let mixed = |block: &[i16]| {
            let sum: i32 = block.iter().map(|sample| i32::from(*sample)).sum();
            i16::try_from(sum / channels as i32).unwrap_or(0)
        };
        self.mono.clear();
        self.mono.extend(pcm.chunks_exact(channels).map(mixed));
        let resampler = self.resampler.get_or_insert_with(|| Resampler::new(rate_hz));
        let room = made.room();
        resampler.push(&self.mono, |sample| {
            // Holds always, unless a file is of a bit rate that the standard does not have.
            if made.len() < room {
                made.push(sample);
            }
        });
        Ok(())
    }

    /// Samples at 8,000 Hz so far.
    fn made(&self) -> u64 {
        self.rate_hz.map_or(0, |rate_hz| Resampler::made_of(self.samples, rate_hz))
    }

    /// Most samples once all of a full window is decoded.
    fn samples_bound(&self) -> u64 {
        let bytes = (self.window.len() as u64 + self.left).min(WINDOW_BYTES as u64);
        self.made() + bytes * SAMPLES_A_BYTE_MAX + MARGIN_SAMPLES
    }

    /// Bytes to ask for in total where there is no room for a window.
    fn room_wanted<S: Samples>(&self, made: &S) -> usize {
        let bytes = self.window.len() as u64 + self.left;
        let samples = match made.room() {
            0 => (bytes * SAMPLES_A_BYTE_MAX).min((UNKNOWN_FIRST_BYTES / S::BYTES) as u64),
            // A quarter more: the bit rate of a file may vary.
            _ => bytes * u64::from(PROMPT_HZ / 1_000) * 8 / self.kbit_a_s * 5 / 4,
        };
        let most = u64::from(limits::PLAY_S_MAX) * u64::from(PROMPT_HZ);
        let samples = (self.made() + samples).min(most).max(self.samples_bound());
        usize::try_from(samples).unwrap_or(usize::MAX) * S::BYTES + self.filter_bytes()
    }
}

#[cfg(test)]
mod tests {
    use crate::decoder::decode;
    use crate::error::AudioError;

    /// A tone of 500 Hz: one second at 44,100 Hz in two channels, 64 kbit/s.
    const STEREO: &[u8] = include_bytes!("../tests/tone_44100.mp3");
    /// The tone for two seconds at 8,000 Hz, 16 kbit/s.
    const NARROW: &[u8] = include_bytes!("../tests/tone_8000.mp3");
    /// The tone for six seconds at 22,050 Hz, 32 kbit/s: longer than the window.
    const LONG: &[u8] = include_bytes!("../tests/tone_22050.mp3");

    /// The share of a signal's energy that is a tone of 500 Hz.
    fn tone(samples: &[i16]) -> f64 {
        let (mut re, mut im, mut all) = (0.0, 0.0, 0.0);
        for (at, sample) in samples.iter().enumerate() {
            let (sin, cos) = (at as f64 * 500.0 * std::f64::consts::TAU / 8_000.0).sin_cos();
            let sample = f64::from(*sample);
            (re, im, all) = (re + sample * cos, im + sample * sin, all + sample * sample);
        }
        2.0 * (re * re + im * im) / (all * samples.len() as f64)
    }

    #[test]
    fn every_rate_is_played_at_its_length_and_pitch() {
        for (file, seconds) in [(STEREO, 1), (NARROW, 2), (LONG, 6)] {
            let samples = decode("audio/mpeg", file).unwrap();
            let (least, most) = (seconds * 8_000 - 1_200, seconds * 8_000 + 2_400);
            assert!((least..most).contains(&samples.len()), "{} of {seconds} s", samples.len());
            let middle = &samples[2_400..6_400];
            assert!(tone(middle) > 0.95, "{} of the energy is the tone", tone(middle));
            let peak = middle.iter().map(|sample| sample.unsigned_abs()).max().unwrap();
            assert!((6_000..10_000).contains(&peak), "{peak}");
        }
    }

    #[test]
    fn a_tag_is_skipped_even_where_it_looks_like_frames() {
        let size = [0, 0, 0x7F, 0x7F]; // 16,383 bytes, seven bits each
        let tag: Vec<u8> = STEREO.iter().copied().cycle().take(16_383).collect();
        let file = [b"ID3\x04\0\0", &size[..], &tag, STEREO].concat();
        assert_eq!(decode("audio/mpeg", &file), decode("audio/mpeg", STEREO));
    }

    #[test]
    fn what_is_no_mp3_is_named() {
        for file in [&b""[..], b"<html>", &[0; 50_000]] {
            let error = decode("audio/mpeg", file).unwrap_err();
            assert!(matches!(error, AudioError::Malformed("MP3 file", _)), "{error:?}");
        }
    }

    #[test]
    fn a_file_that_is_cut_plays_what_it_has() {
        let samples = decode("audio/mpeg", &LONG[..LONG.len() / 2]).unwrap();
        assert!((20_000..26_000).contains(&samples.len()), "{}", samples.len());
    }
}
