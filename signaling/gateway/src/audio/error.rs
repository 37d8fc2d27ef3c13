//! Why an audio file cannot be played. Pure.

use shared::limits;

/// Why a file cannot be played. Always the fault of the file, so a call reports it with 13420.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AudioError {
    #[error("files of the type `{0}` are not played in this version; use WAV or mu-law")]
    NotBuilt(String),
    #[error("the type `{0}` is not audio that can be played")]
    UnknownType(String),
    #[error("the {0} cannot be read: {1}")]
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
