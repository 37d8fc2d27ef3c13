//! Reasons that a text was not spoken. Pure.

use std::time::Duration;

use shared::limits;

/// Reasons a text was not spoken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpeechError {
    /// The customer's: the text is too long.
    #[error("the text has {0} characters; {max} can be spoken", max = limits::SAY_CHARACTERS_MAX)]
    TooLong(usize),
    /// The customer's or the voice's: this text cannot be spoken.
    #[error("{0}")]
    Unspeakable(String),
    /// The operator's: a program or a service failed.
    #[error("the engine {0} failed: {1}")]
    Engine(&'static str, String),
    /// The system's: the voices or a worker cannot be made ready.
    #[error("speech is not available: {0}")]
    Unavailable(String),
    /// Ours: other audio occupies the memory.
    #[error("{0}")]
    NoRoom(String),
    /// Ours: too many requests wait.
    #[error("more than {0} texts are waiting to be spoken")]
    Busy(usize),
    /// The voice took too long; its worker was replaced.
    #[error("the text was not spoken within {} s", .0.as_secs())]
    Timeout(Duration),
}
