//! The prompts of a call: text spoken by a built-in voice, files and tones. Shell, on tokio.
//!
//! [`prompts`] is the interface for calls; the rest of the package is the voice.
//!
//! The voice (Pico) is frozen C that reads text from customers. Therefore it runs in a process of its
//! own: this binary again, as `sidetone worker speech <folder of voices>`, under limits that it sets
//! itself. A worker that dies or takes too long is killed and replaced. [`SpeechService`] keeps one or
//! two workers and a bounded queue; [`worker_main`] is the main function of a worker. They exchange
//! frames with a length (`frame.rs`). The text of a request that killed a worker is not tried on a second
//! one.

#![deny(unsafe_code)]

mod frame;
mod markup;
mod pico;
pub mod prompts;
mod service;
mod voice;
mod worker;

pub use service::{Program, SpeechError, SpeechService, SpeechSettings};
pub use voice::{Language, VoiceChoice, choose};
pub use worker::worker_main;
