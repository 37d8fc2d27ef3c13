//! The format of samples in a file, and one sample of it as a number. Pure.

use plane::g711;
use shared::Codec;

/// The encoding of one sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    /// Unsigned, 128 is silence.
    Pcm8,
    Pcm16,
    /// Big-endian, in AU files.
    Pcm16Big,
    Pcm24,
    /// Signed, big-endian and in two's complement, in AIFF files.
    Pcm8Signed,
    Pcm24Big,
    Law(Codec),
}

impl Coding {
    pub(super) const fn bytes(self) -> usize {
        match self {
            Self::Pcm8 | Self::Pcm8Signed | Self::Law(_) => 1,
            Self::Pcm16 | Self::Pcm16Big => 2,
            Self::Pcm24 | Self::Pcm24Big => 3,
        }
    }

    pub(super) fn linear(self, bytes: &[u8]) -> i16 {
        match (self, bytes) {
            (Self::Pcm8, [byte, ..]) => (i16::from(*byte) - 128) << 8,
            (Self::Pcm8Signed, [byte, ..]) => i16::from_be_bytes([*byte, 0]),
            (Self::Law(codec), [byte, ..]) => g711::decode(codec, *byte),
            (Self::Pcm16, [low, high, ..]) => i16::from_le_bytes([*low, *high]),
            (Self::Pcm16Big | Self::Pcm24Big, [high, low, ..]) => i16::from_be_bytes([*high, *low]),
            // The lowest byte is below the resolution of 16 bits.
            (Self::Pcm24, [_, low, high, ..]) => i16::from_le_bytes([*low, *high]),
            // A partial sample at the end of a cut file.
            (_, _) => 0,
        }
    }
}

/// The format that a head declares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Format {
    pub(super) coding: Coding,
    pub(super) channels: u16,
    pub(super) rate_hz: u32,
    /// Bytes of audio; `None` = to the end of the file.
    pub(super) bytes: Option<u64>,
    /// First bytes of the audio, read in search of a head that the file does not have.
    pub(super) begun: Vec<u8>,
}

impl Format {
    /// Linear samples without a head.
    pub(super) fn samples(rate_hz: u32, bytes: u64) -> Self {
        let coding = Coding::Pcm16;
        Self { coding, channels: 1, rate_hz, bytes: Some(bytes), begun: Vec::new() }
    }
}
