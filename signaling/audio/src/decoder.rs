//! Audio files to both laws at 8,000 Hz while they arrive: WAV, AIFF, AU, raw mu-law and MP3. Pure.
//!
//! A decoder holds the decoded samples and not the file. Their memory must be allowed beforehand:
//! [`Decoder::push`] stops when it needs more than [`Decoder::allow`] has given. A file that announces
//! its length asks once, for exactly that. Any other asks for [`UNKNOWN_FIRST_BYTES`], then for the most
//! that it can still become, so two steps are always enough.

use plane::g711;
use shared::{Codec, Prompt, limits};

use crate::error::AudioError;
use crate::format::Format;
use crate::head::Head;
use crate::memory::Charge;
use crate::mp3::Mp3;
use crate::resample::{RATES_HZ, Resampler};
use crate::samples::{Pushed, Samples, UNKNOWN_FIRST_BYTES};

/// A decoder into both laws.
pub type Decoder = Decoding<Laws>;

/// Decodes a whole file to linear samples at 8,000 Hz; two channels are mixed. `media_type` is lower
/// case, without parameters.
///
/// # Errors
/// The file cannot be played.
pub fn decode(media_type: &str, bytes: &[u8]) -> Result<Vec<i16>, AudioError> {
    let mut decoding: Decoding<Linear> = Decoding::new(media_type, Some(bytes.len() as u64))?;
    let mut input = bytes;
    while let Pushed::NeedsRoom(room) = decoding.push(&mut input)? {
        decoding.allow(room);
    }
    decoding.ended().map(|linear| linear.samples)
}

/// A decoder of one file.
pub struct Decoding<S> {
    stage: Stage,
    /// Bytes of the whole file; `None`: unknown.
    length: Option<u64>,
    read: u64,
    made: S,
}

enum Stage {
    Head(Head),
    Audio(Audio),
    /// MP3 has no head: its frames say everything.
    Mp3(Box<Mp3>),
}

impl<S: Samples> Decoding<S> {
    /// `media_type` is lower case, without parameters. `length` is the announced bytes of the file;
    /// `None`: not announced.
    ///
    /// # Errors
    /// Files of this type are not played.
    pub fn new(media_type: &str, length: Option<u64>) -> Result<Self, AudioError> {
        let stage = match media_type {
            "audio/mpeg" => Stage::Mp3(Box::new(Mp3::new(length))),
            other => Stage::Head(Head::of(other)?),
        };
        Ok(Self { stage, length, read: 0, made: S::default() })
    }

    /// Takes bytes from the front of `input`.
    ///
    /// # Errors
    /// The file cannot be played. Nothing more may be pushed.
    pub fn push(&mut self, input: &mut &[u8]) -> Result<Pushed, AudioError> {
        let offered = input.len();
        if let Stage::Head(head) = &mut self.stage {
            let format = head.read(input)?;
            self.read += (offered - input.len()) as u64;
            let Some(format) = format else { return Ok(Pushed::All) };
            self.stage = Stage::Audio(Audio::new(format, self.length, self.read)?);
        }
        let offered = input.len();
        let pushed = match &mut self.stage {
            Stage::Audio(audio) => audio.push(input, &mut self.made),
            Stage::Mp3(mp3) => mp3.push(input, &mut self.made),
            Stage::Head(_) => Ok(Pushed::All),
        };
        self.read += (offered - input.len()) as u64;
        pushed
    }

    /// Bytes of the file that were taken.
    pub const fn read(&self) -> u64 {
        self.read
    }

    /// Allows this number of bytes in total.
    pub fn allow(&mut self, bytes: usize) {
        let filter_bytes = match &self.stage {
            Stage::Audio(audio) => Resampler::filter_bytes(audio.format.rate_hz),
            Stage::Mp3(mp3) => mp3.filter_bytes(),
            Stage::Head(_) => 0,
        };
        self.made.allow(bytes.saturating_sub(filter_bytes) / S::BYTES);
    }

    fn ended(mut self) -> Result<S, AudioError> {
        let mut audio = match self.stage {
            Stage::Audio(audio) => audio,
            Stage::Mp3(mp3) => {
                mp3.finish(&mut self.made)?;
                return Ok(self.made);
            }
            Stage::Head(head) => {
                let audio = Audio::new(head.ended()?, None, self.read)?;
                self.made.allow(audio.cut.len());
                audio
            }
        };
        audio.push(&mut [].as_slice(), &mut self.made)?;
        if let Some(resampler) = audio.resampler {
            resampler.finish(|sample| self.made.push(sample));
        }
        if self.made.len() == 0 { Err(AudioError::Empty) } else { Ok(self.made) }
    }
}

impl Decoder {
    /// Linear samples of 16 bits, little-endian and without a head: at most `bytes`, of a rate that the
    /// caller has checked.
    pub fn of_pcm(rate_hz: u32, bytes: u64) -> Self {
        let audio = Audio::of(Format::samples(rate_hz, bytes), None, bytes);
        Self { stage: Stage::Audio(audio), length: None, read: 0, made: Laws::default() }
    }

    /// The samples that are decoded so far, in mu-law.
    pub fn mulaw(&self) -> &[u8] {
        &self.made.mulaw
    }

    /// Ends the file and returns the prompt, whose bytes take over their part of the charge.
    ///
    /// # Errors
    /// The file cannot be played.
    pub fn finish(self, mut charge: Charge) -> Result<Prompt, AudioError> {
        let Laws { mut mulaw, mut alaw, .. } = self.ended()?;
        mulaw.shrink_to_fit();
        alaw.shrink_to_fit();
        let first = charge.split(mulaw.len());
        Ok(Prompt { mulaw: first.own(mulaw), alaw: charge.own(alaw) })
    }
}

/// Both laws, each from the same samples.
#[derive(Default)]
pub struct Laws {
    mulaw: Vec<u8>,
    alaw: Vec<u8>,
    room: usize,
}

impl Samples for Laws {
    const BYTES: usize = 2;

    fn allow(&mut self, samples: usize) {
        self.room = self.room.max(samples);
        let more = self.room - self.mulaw.len();
        self.mulaw.reserve_exact(more);
        self.alaw.reserve_exact(more);
    }

    fn room(&self) -> usize {
        self.room
    }

    fn push(&mut self, sample: i16) {
        self.mulaw.push(g711::encode(Codec::Pcmu, sample));
        self.alaw.push(g711::encode(Codec::Pcma, sample));
    }

    fn len(&self) -> usize {
        self.mulaw.len()
    }
}

#[derive(Default)]
struct Linear {
    samples: Vec<i16>,
    room: usize,
}

impl Samples for Linear {
    const BYTES: usize = 2;

    fn allow(&mut self, samples: usize) {
        self.room = self.room.max(samples);
    }

    fn room(&self) -> usize {
        self.room
    }

    fn push(&mut self, sample: i16) {
        self.samples.push(sample);
    }

    fn len(&self) -> usize {
        self.samples.len()
    }
}

/// The state after a valid head.
struct Audio {
    format: Format,
    /// Bytes of one block: one sample of every channel.
    block: usize,
    /// Most bytes that can still come; with `is_announced` exactly these, if the file is complete.
    left: u64,
    is_announced: bool,
    /// Blocks taken.
    blocks: u64,
    /// Bytes of an incomplete block.
    cut: Vec<u8>,
    mono: Vec<i16>,
    /// `None` until there is memory for its filter.
    resampler: Option<Resampler>,
}

impl Audio {
    /// `length` is the bytes of the whole file, `read` those read so far.
    fn new(format: Format, length: Option<u64>, read: u64) -> Result<Self, AudioError> {
        if !(1..=2).contains(&format.channels) {
            return Err(AudioError::Channels(format.channels));
        }
        if !RATES_HZ.contains(&format.rate_hz) {
            return Err(AudioError::Rate(format.rate_hz));
        }
        let behind = length.map(|length| length.saturating_sub(read));
        let announced = match (format.bytes, behind) {
            (Some(bytes), Some(behind)) => Some(bytes.min(behind)),
            (one, other) => one.or(other),
        };
        let left_max = (limits::PLAY_BYTES_MAX as u64).saturating_sub(read);
        let audio = Self::of(format, announced, announced.unwrap_or(left_max).min(left_max));
        let is_long = audio.is_announced && audio.blocks_at_most() > audio.blocks_max();
        if is_long { Err(AudioError::TooLong) } else { Ok(audio) }
    }

    fn of(mut format: Format, announced: Option<u64>, left: u64) -> Self {
        Self {
            block: format.coding.bytes() * usize::from(format.channels),
            left,
            is_announced: announced.is_some(),
            blocks: 0,
            cut: std::mem::take(&mut format.begun),
            mono: Vec::new(),
            resampler: None,
            format,
        }
    }

    fn push(&mut self, input: &mut &[u8], made: &mut impl Samples) -> Result<Pushed, AudioError> {
        loop {
            let here = usize::try_from(self.left).unwrap_or(usize::MAX).min(input.len());
            let blocks = ((self.cut.len() + here) / self.block).min(BLOCKS_A_STEP);
            if blocks == 0 {
                self.take(here, input);
                // Chunks behind the audio are ignored.
                if self.left == 0 {
                    *input = &[];
                }
                return Ok(Pushed::All);
            }
            let after = self.blocks + blocks as u64;
            if after > self.blocks_max() {
                return Err(AudioError::TooLong);
            }
            let samples = Resampler::made_of(after, self.format.rate_hz) as usize;
            if samples > made.room() {
                return Ok(Pushed::NeedsRoom(self.room_wanted(samples, made)));
            }
            self.take(blocks * self.block - self.cut.len(), input);
            self.decode(made);
            self.blocks = after;
        }
    }

    fn take(&mut self, count: usize, input: &mut &[u8]) {
        let (taken, rest) = input.split_at(count);
        self.cut.extend_from_slice(taken);
        *input = rest;
        self.left -= count as u64;
    }

    /// Decodes complete blocks.
    fn decode(&mut self, made: &mut impl Samples) {
        let Format { coding, channels, rate_hz, .. } = self.format;
        // The mean of the channels, so that nothing can clip.
        let mixed = |block: &[u8]| {
            let samples = block.chunks_exact(coding.bytes());
            let sum: i32 = samples.map(|bytes| i32::from(coding.linear(bytes))).sum();
            i16::try_from(sum / i32::from(channels)).unwrap_or(0)
        };
        self.mono.clear();
        self.mono.extend(self.cut.chunks_exact(self.block).map(mixed));
        self.cut.clear();
        let resampler = self.resampler.get_or_insert_with(|| Resampler::new(rate_hz));
        resampler.push(&self.mono, |sample| made.push(sample));
    }

    /// Bytes to ask for in total if `samples` have no room.
    fn room_wanted<S: Samples>(&self, samples: usize, made: &S) -> usize {
        let blocks = self.blocks_at_most().min(self.blocks_max());
        let most = Resampler::made_of(blocks, self.format.rate_hz) as usize;
        let samples = match self.is_announced || made.room() > 0 {
            true => most,
            false => most.min(samples.max(UNKNOWN_FIRST_BYTES / S::BYTES)),
        };
        samples * S::BYTES + Resampler::filter_bytes(self.format.rate_hz)
    }

    /// Blocks that the file can have.
    fn blocks_at_most(&self) -> u64 {
        self.blocks + (self.cut.len() as u64 + self.left) / self.block as u64
    }

    /// Blocks of the longest file that we play.
    fn blocks_max(&self) -> u64 {
        u64::from(limits::PLAY_S_MAX) * u64::from(self.format.rate_hz)
    }
}

/// Blocks decoded between two checks for room.
const BLOCKS_A_STEP: usize = 2_048;
/// Most bytes that one file asks for: the longest file that we play, and the largest filter.
pub const DECODED_BYTES_MAX: usize = limits::PLAY_S_MAX as usize * 16_000 + FILTER_BYTES_MAX;
/// A filter from a rate that has no divisor in common with 8,000 Hz.
const FILTER_BYTES_MAX: usize = 8_000 * 416 * 4;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::head::{A_LAW, EXTENSIBLE, MU_LAW, PCM};
    use crate::memory::AudioMemory;

    #[test]
    fn every_coding_gives_the_same_tone() {
        let expected: Vec<i16> = (0..800).map(sine).collect();
        let pcm = |bits: u16, write: fn(i16) -> Vec<u8>| {
            file(PCM, 1, 8_000, bits, &expected.iter().copied().flat_map(write).collect::<Vec<_>>())
        };
        let law = |tag: u16, codec: Codec| {
            let data: Vec<u8> = expected.iter().map(|s| g711::encode(codec, *s)).collect();
            file(tag, 1, 8_000, 8, &data)
        };
        let files = [
            (pcm(16, |s| s.to_le_bytes().to_vec()), 0),
            (pcm(24, |s| [&[0x55][..], &s.to_le_bytes()].concat()), 0),
            (pcm(8, |s| vec![((s >> 8) + 128) as u8]), 256),
            (law(MU_LAW, Codec::Pcmu), 400),
            (law(A_LAW, Codec::Pcma), 400),
        ];
        for (file, tolerance) in files {
            let samples = decode("audio/wav", &file).unwrap();
            assert_eq!(samples.len(), expected.len());
            let off = samples.iter().zip(&expected).map(|(a, b)| (a - b).abs()).max().unwrap();
            assert!(off <= tolerance, "{off}");
        }
    }

    #[test]
    fn two_channels_are_mixed_without_clipping() {
        let data: Vec<u8> = [i16::MAX, i16::MAX, 1_000, -1_000]
            .iter()
            .flat_map(|sample| sample.to_le_bytes())
            .collect();
        let samples = decode("audio/x-wav", &file(PCM, 2, 8_000, 16, &data)).unwrap();
        assert_eq!(samples, [i16::MAX, 0]);
    }

    #[test]
    fn higher_rates_are_brought_to_8_000() {
        let data = vec![0; 44_100 * 2];
        let samples = decode("audio/wave", &file(PCM, 1, 44_100, 16, &data)).unwrap();
        assert_eq!(samples.len(), 8_000);
    }

    #[test]
    fn extensible_headers_other_chunks_and_streamed_lengths_are_understood() {
        let mut format = Vec::new();
        for field in [EXTENSIBLE, 1] {
            format.extend_from_slice(&field.to_le_bytes());
        }
        format.extend_from_slice(&8_000u32.to_le_bytes());
        format.extend_from_slice(&16_000u32.to_le_bytes());
        for field in [2u16, 16, 22, 16, 0, 0, PCM] {
            format.extend_from_slice(&field.to_le_bytes());
        }
        format.extend_from_slice(&[0; 14]);
        let mut bytes = b"RIFF\0\0\0\0WAVE".to_vec();
        bytes.extend_from_slice(&[b"LIST".as_slice(), &3u32.to_le_bytes(), b"abc\0"].concat());
        bytes.extend_from_slice(&[b"fmt ".as_slice(), &40u32.to_le_bytes(), &format].concat());
        bytes.extend_from_slice(
            &[b"data".as_slice(), &u32::MAX.to_le_bytes(), &[7, 0, 9, 0]].concat(),
        );
        assert_eq!(decode("audio/wav", &bytes), Ok(vec![7, 9]));
    }

    #[test]
    fn raw_mulaw_and_au_are_played() {
        let codes = [0xFF, 0x80, 0x00];
        let expected: Vec<i16> =
            codes.iter().map(|code| g711::decode(Codec::Pcmu, *code)).collect();
        assert_eq!(decode("audio/ulaw", &codes), Ok(expected.clone()));
        assert_eq!(decode("audio/basic", &codes), Ok(expected.clone()));
        let mut au = b".snd".to_vec();
        for field in [24u32, u32::MAX, 1, 8_000, 1] {
            au.extend_from_slice(&field.to_be_bytes());
        }
        au.extend_from_slice(&codes);
        assert_eq!(decode("audio/basic", &au), Ok(expected));
    }

    #[test]
    fn what_is_not_played_is_named() {
        let error = |media_type, bytes: &[u8]| decode(media_type, bytes).unwrap_err();
        assert_eq!(error("audio/gsm", b""), AudioError::NotBuilt("audio/gsm".to_owned()));
        assert!(matches!(error("audio/mpeg", b"ID3"), AudioError::Malformed("MP3 file", _)));
        assert!(matches!(error("audio/aiff", b"FORM"), AudioError::Malformed("AIFF file", _)));
        assert_eq!(error("text/html", b""), AudioError::UnknownType("text/html".to_owned()));
        assert_eq!(error("audio/wav", &file(3, 1, 8_000, 32, &[0; 8])), AudioError::Format(3));
        assert_eq!(error("audio/wav", &file(PCM, 3, 8_000, 16, &[0; 8])), AudioError::Channels(3));
        assert_eq!(
            error("audio/wav", &file(PCM, 1, 96_000, 16, &[0; 8])),
            AudioError::Rate(96_000)
        );
        assert_eq!(error("audio/wav", &file(PCM, 1, 8_000, 32, &[0; 8])), AudioError::Bits(32));
        assert_eq!(error("audio/wav", &file(PCM, 1, 8_000, 16, &[])), AudioError::Empty);
        assert!(matches!(error("audio/wav", b"<html>"), AudioError::Malformed(..)));
    }

    #[test]
    fn aiff_files_are_played_in_each_of_their_codings() {
        let rate = [0x40, 0x0B, 0xFA, 0, 0, 0, 0, 0, 0, 0]; // 8,000 as an 80-bit float
        let aiff = |bits: u16, compression: &[u8], data: &[u8]| {
            let kind: &[u8] = if compression.is_empty() { b"AIFF" } else { b"AIFC" };
            let length = u32::try_from(18 + compression.len()).unwrap();
            let head = [&length.to_be_bytes()[..], &[0, 1, 0, 0, 0, 2], &bits.to_be_bytes(), &rate];
            let sound = u32::try_from(8 + data.len()).unwrap().to_be_bytes();
            let parts = [
                &b"FORM\0\0\0\0"[..],
                kind,
                b"NAME\0\0\0\x03abc\0",
                b"COMM",
                &head.concat()[..],
                compression,
                b"SSND",
                &sound,
                &[0; 8],
                data,
                b"MARK",
            ];
            decode("audio/aiff", &parts.concat())
        };
        assert_eq!(aiff(16, b"", &[1, 0, 0xFF, 0]), Ok(vec![256, -256]));
        assert_eq!(aiff(8, b"", &[1, 0xFF]), Ok(vec![256, -256]));
        assert_eq!(aiff(24, b"NONE", &[1, 0, 9, 0xFF, 0, 9]), Ok(vec![256, -256]));
        assert_eq!(aiff(16, b"sowt", &[0, 1, 0, 0xFF]), Ok(vec![256, -256]));
        assert_eq!(aiff(16, b"ulaw", &[0xFF, 0xFF]), Ok(vec![0, 0]));
        assert_eq!(aiff(32, b"", &[0; 8]), Err(AudioError::Bits(32)));
        assert!(matches!(aiff(16, b"ima4", &[0; 8]), Err(AudioError::Malformed("AIFF file", _))));
    }

    #[test]
    fn more_than_an_hour_is_too_long() {
        let hour = vec![0; 3_600 * 4_000 + 1];
        assert_eq!(
            decode("audio/wav", &file(MU_LAW, 1, 4_000, 8, &hour)),
            Err(AudioError::TooLong)
        );
    }

    #[test]
    fn a_file_that_says_its_length_asks_once_for_exactly_what_it_becomes() {
        let wav = file(PCM, 1, 8_000, 16, &[7; 3_000 * 2]);
        for length in [Some(wav.len() as u64), None] {
            assert_eq!(asked_for(&wav, length), [6_000], "{length:?}");
        }
        let filtered = file(PCM, 2, 16_000, 16, &[7; 4_000 * 4]);
        let filter_bytes = Resampler::filter_bytes(16_000);
        assert_eq!(asked_for(&filtered, None), [2_000 * 2 + filter_bytes]);
    }

    #[test]
    fn a_file_of_unknown_length_asks_for_a_little_then_for_all_that_it_can_become() {
        let mut wav = file(PCM, 1, 8_000, 16, &vec![7; UNKNOWN_FIRST_BYTES + 2]);
        wav[40..44].copy_from_slice(&[0xFF; 4]);
        let all = (limits::PLAY_BYTES_MAX - 44) / 2 * 2;
        assert_eq!(asked_for(&wav, None), [UNKNOWN_FIRST_BYTES, all]);
        assert_eq!(asked_for(&wav[..800], None), [UNKNOWN_FIRST_BYTES]);
        assert_eq!(asked_for(&wav[..844], Some(844)), [800]);
    }

    #[test]
    fn no_file_asks_for_more_than_the_most() {
        for rate in 4_000..=48_000 {
            let samples = limits::PLAY_S_MAX as usize * 8_000;
            let most = samples * 2 + Resampler::filter_bytes(rate);
            assert!(most <= DECODED_BYTES_MAX, "{rate}");
        }
    }

    #[test]
    fn the_prompt_takes_what_it_needs_of_the_charge() {
        let memory = AudioMemory::new(8 * 1024 * 1024);
        let mut decoder = Decoder::new("audio/basic", None).unwrap();
        let mut input = [0xFF; 800].as_slice();
        assert_eq!(decoder.push(&mut input), Ok(Pushed::NeedsRoom(UNKNOWN_FIRST_BYTES)));
        let charge = memory.try_reserve(UNKNOWN_FIRST_BYTES).unwrap();
        decoder.allow(UNKNOWN_FIRST_BYTES);
        assert_eq!(decoder.push(&mut input), Ok(Pushed::All));
        let prompt = decoder.finish(charge).unwrap();
        assert_eq!((prompt.mulaw.len(), memory.figures().used), (800, 1_600));
        drop(prompt);
        assert_eq!(memory.figures().used, 0);
    }

    #[test]
    fn files_shorter_than_any_head_are_raw_mulaw() {
        assert_eq!(decode("audio/basic", &[0xFF, 0xFF]), Ok(vec![0, 0]));
        assert_eq!(decode("audio/basic", b""), Err(AudioError::Empty));
        assert!(matches!(decode("audio/basic", b".snd\0"), Err(AudioError::Malformed(..))));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]
        #[test]
        fn pieces_make_the_same_as_the_whole(
            samples: Vec<i16>,
            channels in 1u16..=2,
            rate in prop::sample::select(vec![8_000u32, 11_025, 44_100]),
            piece in 1usize..50,
        ) {
            let data: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
            let bytes = file(PCM, channels, rate, 16, &data);
            let mut decoding: Decoding<Linear> = Decoding::new("audio/wav", None).unwrap();
            for mut piece in bytes.chunks(piece) {
                while let Pushed::NeedsRoom(room) = decoding.push(&mut piece).unwrap() {
                    decoding.allow(room);
                }
            }
            prop_assert_eq!(decoding.ended().map(|made| made.samples), decode("audio/wav", &bytes));
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(head in 0usize..64, bytes: Vec<u8>) {
            let _ = decode("audio/wav", &bytes);
            let _ = decode("audio/basic", &[b".snd", bytes.as_slice()].concat());
            let _ = decode("audio/aiff", &[b"FORM\0\0\0\0AIFFCOMM\0\0\0\x12", bytes.as_slice()].concat());
            let _ = decode("audio/mpeg", &bytes);
            let mut changed = file(PCM, 1, 8_000, 16, &[0; 64]);
            let start = head.min(changed.len());
            for (place, byte) in changed[start..].iter_mut().zip(&bytes) {
                *place = *byte;
            }
            let _ = decode("audio/wav", &changed);
        }
    }

    /// What the decoder asked for while it read the file.
    fn asked_for(file: &[u8], length: Option<u64>) -> Vec<usize> {
        let mut decoder = Decoder::new("audio/wav", length).unwrap();
        let mut asked = Vec::new();
        for mut piece in file.chunks(1_000) {
            while let Pushed::NeedsRoom(bytes) = decoder.push(&mut piece).unwrap() {
                asked.push(bytes);
                decoder.allow(bytes);
            }
        }
        asked
    }

    fn sine(at: usize) -> i16 {
        ((at as f64 * 0.3).sin() * 9_000.0) as i16
    }

    fn file(tag: u16, channels: u16, rate_hz: u32, bits: u16, data: &[u8]) -> Vec<u8> {
        let block = channels * bits / 8;
        let length = u32::try_from(data.len()).unwrap();
        [
            b"RIFF".as_slice(),
            &(length + 36).to_le_bytes(),
            b"WAVEfmt ",
            &16u32.to_le_bytes(),
            &tag.to_le_bytes(),
            &channels.to_le_bytes(),
            &rate_hz.to_le_bytes(),
            &(rate_hz * u32::from(block)).to_le_bytes(),
            &block.to_le_bytes(),
            &bits.to_le_bytes(),
            b"data",
            &length.to_le_bytes(),
            data,
        ]
        .concat()
    }
}
