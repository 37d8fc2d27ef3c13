//! Audio of the control side: files decoded as they arrive, within one account of memory. Shell, on tokio.
//!
//! [`memory`] is the account that files, prompts and what is kept of them count against. [`intake`] takes a file
//! from its first byte to a [`shared::Prompt`]; below it are [`head`] (formats), [`decoder`] (samples) and
//! [`resample`] (to 8,000 Hz), which know no clock and no socket.

mod decoder;
mod error;
mod head;
mod intake;
mod memory;
pub(crate) mod resample;

pub(crate) use decoder::{Decoder, Pushed, decode};
pub use intake::AudioIntake;
pub(crate) use intake::{Encoding, IntakeError};
pub(crate) use memory::{AudioMemory, AudioMemoryFigures, Charge};
