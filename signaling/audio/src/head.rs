//! Parses the head of an audio file while bytes arrive: WAV, AIFF, AU and raw mu-law. Pure; every length is
//! checked.

use shared::Codec;

use crate::aiff::AiffHead;
use crate::error::AudioError;
use crate::fields::{Taken, skipped, u16_le, u32_be, u32_le};
use crate::format::{Coding, Format};
use crate::resample::PROMPT_HZ;

/// The parser of a head.
#[derive(Debug)]
pub(super) enum Head {
    Wav(WavHead),
    /// `audio/basic` and `audio/ulaw`: an AU file, or mu-law without a head.
    Basic(AuHead),
    Aiff(AiffHead),
}

impl Head {
    /// A parser for files of this type.
    ///
    /// # Errors
    /// Files of this type are not played.
    pub(super) fn of(media_type: &str) -> Result<Self, AudioError> {
        match media_type {
            "audio/wav" | "audio/wave" | "audio/x-wav" => Ok(Self::Wav(WavHead::default())),
            "audio/ulaw" | "audio/basic" => Ok(Self::Basic(AuHead::default())),
            "audio/aiff" | "audio/x-aiff" | "audio/x-aifc" => Ok(Self::Aiff(AiffHead::default())),
            other if call::content::is_audio(other) => Err(AudioError::NotBuilt(other.to_owned())),
            other => Err(AudioError::UnknownType(other.to_owned())),
        }
    }

    /// Reads from the front of `input`. Once the format is known, `input` begins with audio.
    pub(super) fn read(&mut self, input: &mut &[u8]) -> Result<Option<Format>, AudioError> {
        match self {
            Self::Wav(head) => head.read(input),
            Self::Basic(head) => head.read(input),
            Self::Aiff(head) => head.read(input),
        }
    }

    /// The file ended before its head did.
    pub(super) fn ended(self) -> Result<Format, AudioError> {
        match self {
            Self::Wav(head) => Err(head.part.missing()),
            Self::Aiff(head) => Err(head.missing()),
            // Shorter than the magic number of an AU file: raw mu-law.
            Self::Basic(AuHead { part: AuPart::Magic, taken, .. }) => Ok(raw_mulaw(taken.0)),
            Self::Basic(_) => Err(AudioError::Malformed("AU file", "its head is cut")),
        }
    }
}

/// RIFF WAVE: chunks in any order, `fmt ` before `data`. A length of 0 or all ones means that the writer
/// did not know it; the audio then extends to the end of the file.
#[derive(Debug, Default)]
pub(super) struct WavHead {
    part: WavPart,
    taken: Taken,
    /// Bytes of skipped chunks.
    skip: u64,
    format: Option<WavFormat>,
}

#[derive(Clone, Copy, Debug, Default)]
enum WavPart {
    #[default]
    Riff,
    Chunk,
    /// A format chunk, with its length and the bytes read of it.
    Format {
        length: u64,
        read: usize,
    },
}

impl WavPart {
    fn missing(self) -> AudioError {
        let what = match self {
            Self::Riff => "it does not begin as one",
            Self::Chunk => "it has no audio",
            Self::Format { .. } => "its format is cut",
        };
        AudioError::Malformed("WAV file", what)
    }
}

impl WavHead {
    fn read(&mut self, input: &mut &[u8]) -> Result<Option<Format>, AudioError> {
        loop {
            if !skipped(&mut self.skip, input) {
                return Ok(None);
            }
            match self.part {
                WavPart::Riff => {
                    let Some(head) = self.taken.exactly(12, input) else { return Ok(None) };
                    if !head.starts_with(b"RIFF") || !head.ends_with(b"WAVE") {
                        return Err(self.part.missing());
                    }
                    self.part = WavPart::Chunk;
                }
                WavPart::Chunk => {
                    let Some(head) = self.taken.exactly(8, input) else { return Ok(None) };
                    let length = u64::from(u32_le(&head, 4));
                    if head.starts_with(b"data") {
                        return self.audio(length).map(Some);
                    }
                    if head.starts_with(b"fmt ") {
                        let read = usize::try_from(length).unwrap_or(WavFormat::BYTES_MAX);
                        self.part =
                            WavPart::Format { length, read: read.min(WavFormat::BYTES_MAX) };
                    } else {
                        // Chunks begin at even offsets.
                        self.skip = length + length % 2;
                    }
                }
                WavPart::Format { length, read } => {
                    let Some(chunk) = self.taken.exactly(read, input) else { return Ok(None) };
                    self.format = Some(WavFormat::read(&chunk).ok_or(self.part.missing())?);
                    self.skip = length + length % 2 - read as u64;
                    self.part = WavPart::Chunk;
                }
            }
        }
    }

    fn audio(&self, length: u64) -> Result<Format, AudioError> {
        let early = AudioError::Malformed("WAV file", "its audio comes before its format");
        let format = self.format.ok_or(early)?;
        Ok(Format {
            coding: format.coding()?,
            channels: format.channels,
            rate_hz: format.rate_hz,
            bytes: (1..STREAMED).contains(&length).then_some(length),
            begun: Vec::new(),
        })
    }
}

/// Lengths from here on mean "unknown": some tools write all ones minus the header.
const STREAMED: u64 = 0xFFFF_FF00;

/// The `fmt ` chunk.
#[derive(Clone, Copy, Debug)]
struct WavFormat {
    tag: u16,
    channels: u16,
    rate_hz: u32,
    bits: u16,
}

impl WavFormat {
    /// The longest form, of extensible files.
    const BYTES_MAX: usize = 40;

    fn read(chunk: &[u8]) -> Option<Self> {
        if chunk.len() < 16 {
            return None;
        }
        let mut format = Self {
            tag: u16_le(chunk, 0),
            channels: u16_le(chunk, 2),
            rate_hz: u32_le(chunk, 4),
            // Then bytes per second and per block.
            bits: u16_le(chunk, 14),
        };
        // Extension size, valid bits, speaker mask; then a GUID that begins with the real tag.
        if format.tag == EXTENSIBLE && chunk.len() >= 26 {
            format.tag = u16_le(chunk, 24);
        }
        Some(format)
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

pub(super) const PCM: u16 = 1;
pub(super) const A_LAW: u16 = 6;
pub(super) const MU_LAW: u16 = 7;
pub(super) const EXTENSIBLE: u16 = 0xFFFE;

/// Sun/NeXT audio: a big-endian head, then samples to the end.
#[derive(Debug, Default)]
pub(super) struct AuHead {
    part: AuPart,
    taken: Taken,
    skip: u64,
    format: Option<Format>,
}

#[derive(Clone, Copy, Debug, Default)]
enum AuPart {
    #[default]
    Magic,
    Fields,
    /// Text between the head and the audio.
    Remark,
}

impl AuHead {
    fn read(&mut self, input: &mut &[u8]) -> Result<Option<Format>, AudioError> {
        loop {
            if !skipped(&mut self.skip, input) {
                return Ok(None);
            }
            match self.part {
                AuPart::Magic => {
                    let Some(magic) = self.taken.exactly(4, input) else { return Ok(None) };
                    if magic != b".snd" {
                        return Ok(Some(raw_mulaw(magic)));
                    }
                    self.part = AuPart::Fields;
                }
                AuPart::Fields => {
                    let Some(fields) = self.taken.exactly(20, input) else { return Ok(None) };
                    let offset = u64::from(u32_be(&fields, 0));
                    let inside = AudioError::Malformed("AU file", "its audio begins in its head");
                    self.skip = offset.checked_sub(24).ok_or(inside)?;
                    self.format = Some(au_format(&fields)?);
                    self.part = AuPart::Remark;
                }
                AuPart::Remark => return Ok(self.format.take()),
            }
        }
    }
}

fn au_format(fields: &[u8]) -> Result<Format, AudioError> {
    let coding = match u32_be(fields, 8) {
        1 => Coding::Law(Codec::Pcmu),
        3 => Coding::Pcm16Big,
        27 => Coding::Law(Codec::Pcma),
        other => return Err(AudioError::Format(u16::try_from(other).unwrap_or(u16::MAX))),
    };
    let channels = u16::try_from(u32_be(fields, 16)).unwrap_or(u16::MAX);
    let rate_hz = u32_be(fields, 12);
    // The head gives the length of the audio or all ones. Many tools write neither, so it is not used.
    Ok(Format { coding, channels, rate_hz, bytes: None, begun: Vec::new() })
}

fn raw_mulaw(begun: Vec<u8>) -> Format {
    let coding = Coding::Law(Codec::Pcmu);
    Format { coding, channels: 1, rate_hz: PROMPT_HZ, bytes: None, begun }
}
