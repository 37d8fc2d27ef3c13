//! Prompts: speech, files and tones as samples that a media core can send. Shell, on tokio.
//!
//! [`PromptLoader::load`] is the whole interface: what `call` asks for ([`call::PromptSource`]) becomes
//! a [`shared::Prompt`] in both codecs, or a failure with the contract's code. Files are fetched by the
//! webhook client, through its address guard; decoding runs on threads that may take long. What was
//! loaded is kept for the next call, within bounds, and asked for once even when a hundred calls
//! want it in the same moment.

mod audio;
mod cache;
mod loader;
pub(crate) mod resample;

pub(crate) use audio::decode;
pub use loader::{LoadedPrompt, PromptLoader};
