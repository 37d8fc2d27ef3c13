//! Audio files to linear samples: WAV, AU and raw mu-law. Pure; every length is checked.

use plane::g711;
use shared::{Codec, limits};

use super::resample::{PROMPT_HZ, RATES_HZ, to_prompt_rate};

/// Why a file cannot be played.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AudioError {
    #[error("files of the type `{0}` are not played in this version; use WAV or mu-law")]
    NotBuilt(String),
    #[error("the type `{0}` is no audio that can be played")]
    UnknownType(String),
    #[error("the file is no {0}: {1}")]
    Malformed(&'static str, &'static str),
    #[error(
        "WAV files with format {0} are not played; use PCM of 8, 16 or 24 bits, A-law or mu-law"
    )]
    Format(u16),
    #[error("WAV files with {0} bits a sample are not played; use 8, 16 or 24")]
    Bits(u16),
    #[error("files with {0} channels are not played; use one or two")]
    Channels(u16),
    #[error("files with {0} samples a second are not played; use 4,000 to 48,000")]
    Rate(u32),
    #[error("the file is longer than {max} s", max = limits::PLAY_S_MAX)]
    TooLong,
    #[error("the file holds no audio")]
    Empty,
}

/// A file as linear samples, 8,000 a second; two channels are mixed. `media_type` is lower case and
/// has no parameters. May take seconds for a long file: not for an async thread.
pub(crate) fn decode(media_type: &str, bytes: &[u8]) -> Result<Vec<i16>, AudioError> {
    let audio = match media_type {
        "audio/wav" | "audio/wave" | "audio/x-wav" => wav(bytes)?,
        "audio/ulaw" | "audio/basic" if bytes.starts_with(b".snd") => au(bytes)?,
        "audio/ulaw" | "audio/basic" => {
            Audio { coding: Coding::Law(Codec::Pcmu), channels: 1, rate_hz: PROMPT_HZ, data: bytes }
        }
        other if call::content::is_audio(other) => {
            return Err(AudioError::NotBuilt(other.to_owned()));
        }
        other => return Err(AudioError::UnknownType(other.to_owned())),
    };
    audio.samples()
}

/// How one sample is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Coding {
    /// Unsigned, 128 is silence.
    Pcm8,
    Pcm16,
    /// Big-endian, as AU has it.
    Pcm16Big,
    Pcm24,
    Law(Codec),
}

impl Coding {
    const fn bytes(self) -> usize {
        match self {
            Self::Pcm8 | Self::Law(_) => 1,
            Self::Pcm16 | Self::Pcm16Big => 2,
            Self::Pcm24 => 3,
        }
    }

    fn linear(self, bytes: &[u8]) -> i16 {
        match (self, bytes) {
            (Self::Pcm8, [byte, ..]) => (i16::from(*byte) - 128) << 8,
            (Self::Law(codec), [byte, ..]) => g711::decode(codec, *byte),
            (Self::Pcm16, [low, high, ..]) => i16::from_le_bytes([*low, *high]),
            (Self::Pcm16Big, [high, low, ..]) => i16::from_be_bytes([*high, *low]),
            // The lowest byte is below what 16 bits can say.
            (Self::Pcm24, [_, low, high, ..]) => i16::from_le_bytes([*low, *high]),
            // Half a sample at the end of a cut file.
            (Self::Pcm8 | Self::Law(_) | Self::Pcm16 | Self::Pcm16Big | Self::Pcm24, _) => 0,
        }
    }
}

/// A file whose head made sense.
struct Audio<'a> {
    coding: Coding,
    channels: u16,
    rate_hz: u32,
    data: &'a [u8],
}

impl Audio<'_> {
    fn samples(&self) -> Result<Vec<i16>, AudioError> {
        if !(1..=2).contains(&self.channels) {
            return Err(AudioError::Channels(self.channels));
        }
        if !RATES_HZ.contains(&self.rate_hz) {
            return Err(AudioError::Rate(self.rate_hz));
        }
        let block = self.coding.bytes() * usize::from(self.channels);
        let count = self.data.len() / block;
        if count == 0 {
            return Err(AudioError::Empty);
        }
        if count as u64 > u64::from(limits::PLAY_S_MAX) * u64::from(self.rate_hz) {
            return Err(AudioError::TooLong);
        }
        let mono: Vec<i16> = self.data.chunks_exact(block).map(|block| self.mixed(block)).collect();
        Ok(to_prompt_rate(&mono, self.rate_hz))
    }

    /// The mean of the channels, so that nothing can clip.
    fn mixed(&self, block: &[u8]) -> i16 {
        let channels = block.chunks_exact(self.coding.bytes());
        let sum: i32 = channels.map(|bytes| i32::from(self.coding.linear(bytes))).sum();
        i16::try_from(sum / i32::from(self.channels)).unwrap_or(0)
    }
}

/// RIFF WAVE: chunks in any order, `fmt ` before `data`. Streams that never knew their length say 0 or
/// all ones; then, and where the file is cut, what is there counts.
fn wav(bytes: &[u8]) -> Result<Audio<'_>, AudioError> {
    let malformed = |what| AudioError::Malformed("WAV file", what);
    let mut input = Input(bytes);
    if input.tag() != Some(*b"RIFF") || input.u32_le().is_none() || input.tag() != Some(*b"WAVE") {
        return Err(malformed("it does not begin as one"));
    }
    let mut format = None;
    while let (Some(tag), Some(length)) = (input.tag(), input.u32_le()) {
        let length = length as usize;
        match &tag {
            b"fmt " => format = Some(WavFormat::read(Input(input.up_to(length)))?),
            b"data" => {
                let format = format.ok_or(malformed("its audio comes before its format"))?;
                let is_unknown = length == 0 || length >= STREAMED;
                let data = input.up_to(if is_unknown { usize::MAX } else { length });
                let coding = format.coding()?;
                return Ok(Audio {
                    coding,
                    channels: format.channels,
                    rate_hz: format.rate_hz,
                    data,
                });
            }
            _ => {
                input.up_to(length);
            }
        }
        // Chunks begin at even places.
        if length % 2 == 1 {
            input.up_to(1);
        }
    }
    Err(malformed("it has no audio"))
}

/// Lengths from here on mean "unknown": some tools write all ones less the header.
const STREAMED: usize = 0xFFFF_FF00;

/// What the `fmt ` chunk says.
#[derive(Clone, Copy)]
struct WavFormat {
    tag: u16,
    channels: u16,
    rate_hz: u32,
    bits: u16,
}

impl WavFormat {
    fn read(mut input: Input<'_>) -> Result<Self, AudioError> {
        let read = (|| {
            let tag = input.u16_le()?;
            let channels = input.u16_le()?;
            let rate_hz = input.u32_le()?;
            let _bytes_a_second = input.u32_le()?;
            let _bytes_a_block = input.u16_le()?;
            let bits = input.u16_le()?;
            Some(Self { tag, channels, rate_hz, bits })
        })();
        let mut format = read.ok_or(AudioError::Malformed("WAV file", "its format is cut"))?;
        if format.tag == EXTENSIBLE {
            // Extension size, valid bits, speaker mask; then a GUID that begins with the real tag.
            input.up_to(8);
            format.tag = input.u16_le().unwrap_or(EXTENSIBLE);
        }
        Ok(format)
    }

    const fn coding(self) -> Result<Coding, AudioError> {
        match (self.tag, self.bits) {
            (PCM, 8) => Ok(Coding::Pcm8),
            (PCM, 16) => Ok(Coding::Pcm16),
            (PCM, 24) => Ok(Coding::Pcm24),
            (PCM, bits) => Err(AudioError::Bits(bits)),
            (A_LAW, 8) => Ok(Coding::Law(Codec::Pcma)),
            (MU_LAW, 8) => Ok(Coding::Law(Codec::Pcmu)),
            (tag, _) => Err(AudioError::Format(tag)),
        }
    }
}

const PCM: u16 = 1;
const A_LAW: u16 = 6;
const MU_LAW: u16 = 7;
const EXTENSIBLE: u16 = 0xFFFE;

/// Sun/NeXT audio: a big-endian head, then samples to the end.
fn au(bytes: &[u8]) -> Result<Audio<'_>, AudioError> {
    let mut input = Input(bytes);
    let head = (|| {
        let _magic = input.tag()?;
        let offset = input.u32_be()?;
        let _length = input.u32_be()?;
        let encoding = input.u32_be()?;
        let rate_hz = input.u32_be()?;
        let channels = input.u32_be()?;
        Some((offset, encoding, rate_hz, channels))
    })();
    let malformed = AudioError::Malformed("AU file", "its head is cut");
    let (offset, encoding, rate_hz, channels) = head.ok_or(malformed)?;
    let coding = match encoding {
        1 => Coding::Law(Codec::Pcmu),
        3 => Coding::Pcm16Big,
        27 => Coding::Law(Codec::Pcma),
        other => return Err(AudioError::Format(u16::try_from(other).unwrap_or(u16::MAX))),
    };
    let data = bytes.get(offset as usize..).unwrap_or(&[]);
    Ok(Audio { coding, channels: u16::try_from(channels).unwrap_or(u16::MAX), rate_hz, data })
}

/// Bytes that are read from the front; past the end there is nothing.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    /// At most so many bytes; fewer where the file is cut.
    fn up_to(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        taken
    }

    fn exactly<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*taken)
    }

    fn tag(&mut self) -> Option<[u8; 4]> {
        self.exactly()
    }

    fn u16_le(&mut self) -> Option<u16> {
        self.exactly().map(u16::from_le_bytes)
    }

    fn u32_le(&mut self) -> Option<u32> {
        self.exactly().map(u32::from_le_bytes)
    }

    fn u32_be(&mut self) -> Option<u32> {
        self.exactly().map(u32::from_be_bytes)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

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
        assert_eq!(error("audio/mpeg", b"ID3"), AudioError::NotBuilt("audio/mpeg".to_owned()));
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
    fn more_than_an_hour_is_too_long() {
        let hour = vec![0; 3_600 * 4_000 + 1];
        assert_eq!(
            decode("audio/wav", &file(MU_LAW, 1, 4_000, 8, &hour)),
            Err(AudioError::TooLong)
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]
        #[test]
        fn any_bytes_are_read_without_a_panic(head in 0usize..64, bytes: Vec<u8>) {
            let _ = decode("audio/wav", &bytes);
            let _ = decode("audio/basic", &[b".snd", bytes.as_slice()].concat());
            let mut changed = file(PCM, 1, 8_000, 16, &[0; 64]);
            let start = head.min(changed.len());
            for (place, byte) in changed[start..].iter_mut().zip(&bytes) {
                *place = *byte;
            }
            let _ = decode("audio/wav", &changed);
        }
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
