//! Prompts: speech, files and tones as samples for a media core. Shell, on tokio.
//!
//! [`PromptLoader::load`] is the whole interface: what `call` asks for ([`call::PromptSource`]) becomes
//! a [`shared::Prompt`] in both codecs, or a failure with an error code of the product. Files are fetched by the
//! webhook client, through its address guard, and decoded while they arrive (package `audio`). What was loaded is
//! kept for the next call while memory lasts, and loaded once even when a hundred calls want it in the same
//! moment.

mod cache;
mod flights;
mod loader;

pub use loader::{LoadedPrompt, PromptLoader};
