//! Reasons an audio file cannot be played. Pure.

use shared::limits;

/// Reasons a file cannot be played. Always the fault of the file: the call reports 13420.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AudioError {
    /// A type that the API plays and this version does not.
    #[error("files of the type `{0}` are not played in this version; use MP3, WAV, AIFF or mu-law")]
    NotBuilt(String),
    /// Not an audio type.
    #[error("the type `{0}` is not audio that can be played")]
    UnknownType(String),
    /// The part of the file that is broken, and the reason.
    #[error("the {0} cannot be read: {1}")]
    Malformed(&'static str, &'static str),
    /// The format tag of a WAV file.
    #[error(
        "WAV files with format {0} are not played; use PCM of 8, 16 or 24 bits, A-law or mu-law"
    )]
    Format(u16),
    /// Bits per sample.
    #[error("WAV files with {0} bits a sample are not played; use 8, 16 or 24")]
    Bits(u16),
    /// The number of channels.
    #[error("files with {0} channels are not played; use one or two")]
    Channels(u16),
    /// Samples per second.
    #[error("files with {0} samples a second are not played; use 4,000 to 48,000")]
    Rate(u32),
    /// The file is longer than [`limits::PLAY_S_MAX`].
    #[error("the file is longer than {max} s", max = limits::PLAY_S_MAX)]
    TooLong,
    /// The file has a head and no samples.
    #[error("the file holds no audio")]
    Empty,
}
