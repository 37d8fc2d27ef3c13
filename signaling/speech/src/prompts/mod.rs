//! Prompts: speech, files and tones as samples for a media core. Shell, on tokio.
//!
//! [`PromptLoader::load`] is the whole interface: it turns a [`call::PromptSource`] into a [`shared::Prompt`] in both
//! codecs, or into a failure with an error code of the API. The webhook client fetches files, through its
//! address guard, and package `audio` decodes them while they arrive. Loaded prompts are cached while
//! memory lasts. A prompt that a hundred calls request at one time is loaded once.

mod cache;
mod flights;
mod loader;
pub mod music;

pub use loader::{LoadedPrompt, PromptLoader};
