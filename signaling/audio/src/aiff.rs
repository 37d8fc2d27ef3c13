//! The head of AIFF and AIFF-C files: big-endian chunks, `COMM` before `SSND`. Pure.

use shared::Codec;

use crate::error::AudioError;
use crate::fields::{Taken, skipped, u16_be, u32_be};
use crate::format::{Coding, Format};

/// The parser of a head.
#[derive(Debug, Default)]
pub(super) struct AiffHead {
    part: Part,
    taken: Taken,
    /// Bytes of skipped chunks.
    skip: u64,
    format: Option<Format>,
}

#[derive(Clone, Copy, Debug, Default)]
enum Part {
    #[default]
    Form,
    Chunk,
    /// The format, with its length and the bytes read of it.
    Common {
        length: u64,
        read: usize,
    },
    /// The head of the audio, with the length of its chunk.
    Sound {
        length: u64,
    },
    /// Bytes between the head of the audio and its samples.
    Offset,
}

/// Bytes of `COMM` that are used, with the compression of AIFF-C.
const COMMON_BYTES: usize = 22;
/// Bytes of `COMM` in AIFF files, which are not compressed.
const COMMON_BYTES_MIN: usize = 18;
/// Bytes of `SSND` before its samples: the offset of the first, and a block size.
const SOUND_BYTES: usize = 8;

impl AiffHead {
    pub(super) fn read(&mut self, input: &mut &[u8]) -> Result<Option<Format>, AudioError> {
        loop {
            if !skipped(&mut self.skip, input) {
                return Ok(None);
            }
            match self.part {
                Part::Form => {
                    let Some(head) = self.taken.exactly(12, input) else { return Ok(None) };
                    let is_aiff = head.ends_with(b"AIFF") || head.ends_with(b"AIFC");
                    if !head.starts_with(b"FORM") || !is_aiff {
                        return Err(self.missing());
                    }
                    self.part = Part::Chunk;
                }
                Part::Chunk => {
                    let Some(head) = self.taken.exactly(8, input) else { return Ok(None) };
                    let length = u64::from(u32_be(&head, 4));
                    if head.starts_with(b"SSND") {
                        self.part = Part::Sound { length };
                    } else if head.starts_with(b"COMM") {
                        let read = usize::try_from(length).unwrap_or(COMMON_BYTES);
                        self.part = Part::Common { length, read: read.min(COMMON_BYTES) };
                    } else {
                        // Chunks begin at even offsets.
                        self.skip = length + length % 2;
                    }
                }
                Part::Common { length, read } => {
                    let Some(chunk) = self.taken.exactly(read, input) else { return Ok(None) };
                    if chunk.len() < COMMON_BYTES_MIN {
                        return Err(self.missing());
                    }
                    self.format = Some(format(&chunk)?);
                    self.skip = length + length % 2 - read as u64;
                    self.part = Part::Chunk;
                }
                Part::Sound { length } => {
                    let Some(head) = self.taken.exactly(SOUND_BYTES, input) else {
                        return Ok(None);
                    };
                    let early =
                        AudioError::Malformed("AIFF file", "its audio comes before its format");
                    let format = self.format.as_mut().ok_or(early)?;
                    self.skip = u64::from(u32_be(&head, 0));
                    let bytes = length.saturating_sub(SOUND_BYTES as u64 + self.skip);
                    // A writer that did not know the length left it 0.
                    format.bytes = (bytes > 0).then_some(bytes);
                    self.part = Part::Offset;
                }
                Part::Offset => return Ok(self.format.take()),
            }
        }
    }

    pub(super) const fn missing(&self) -> AudioError {
        let what = match self.part {
            Part::Form => "it does not begin as one",
            Part::Chunk => "it has no audio",
            Part::Common { .. } => "its format is cut",
            Part::Sound { .. } | Part::Offset => "its audio is cut",
        };
        AudioError::Malformed("AIFF file", what)
    }
}

fn format(chunk: &[u8]) -> Result<Format, AudioError> {
    let (channels, bits) = (u16_be(chunk, 0), u16_be(chunk, 6));
    let compression = chunk.get(COMMON_BYTES_MIN..).unwrap_or_default();
    let coding = match (compression, bits) {
        (b"ulaw" | b"ULAW", _) => Coding::Law(Codec::Pcmu),
        (b"alaw" | b"ALAW", _) => Coding::Law(Codec::Pcma),
        (b"sowt", 16) => Coding::Pcm16,
        (b"" | b"NONE" | b"twos", 8) => Coding::Pcm8Signed,
        (b"" | b"NONE" | b"twos", 16) => Coding::Pcm16Big,
        (b"" | b"NONE" | b"twos", 24) => Coding::Pcm24Big,
        (b"" | b"NONE" | b"twos" | b"sowt", bits) => return Err(AudioError::Bits(bits)),
        _ => return Err(AudioError::Malformed("AIFF file", "its compression is not played")),
    };
    Ok(Format { coding, channels, rate_hz: rate_hz(chunk), bytes: None, begun: Vec::new() })
}

/// The rate, an 80-bit float: sign and exponent in 16 bits, then 64 bits of which the first is the integer.
fn rate_hz(chunk: &[u8]) -> u32 {
    let exponent = u32::from(u16_be(chunk, 8) & 0x7FFF);
    // The upper half of the fraction holds every whole rate that is played.
    match (16_383 + 31_u32).checked_sub(exponent) {
        Some(shift) if shift < 32 => u32_be(chunk, 10) >> shift,
        // Less than 1, or more than fits: the check of rates refuses either.
        Some(_) => 0,
        None => u32::MAX,
    }
}
