//! Audio files decoded while they arrive, within one account of memory. Shell, on tokio.
//!
//! [`AudioIntake`] takes a file from its first byte to a [`shared::Prompt`]. Below it stand the formats
//! (`head.rs`, `mp3.rs`), the samples (`decoder.rs`) and the conversion to 8,000 Hz (`resample.rs`), which know no
//! clock and no socket. Loading files, playing prompts and cached prompts all count against one
//! [`AudioMemory`], so one setting (`limits.audio`) bounds the audio of the process.

#![forbid(unsafe_code)]

mod aiff;
mod decoder;
mod error;
mod fields;
mod format;
mod head;
mod intake;
mod memory;
mod mp3;
mod resample;
mod samples;

pub use decoder::{Decoder, decode};
pub use error::AudioError;
pub use intake::{AudioIntake, Encoding, IntakeError, Load};
pub use memory::{AudioMemory, AudioMemoryFigures, Charge, NoRoom};
pub use resample::{Resampler, to_prompt_rate};
pub use samples::Pushed;
