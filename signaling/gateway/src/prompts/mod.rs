//! Prompts: speech, files and tones as samples that a media core can send. Shell, on tokio.

pub(crate) mod resample;
