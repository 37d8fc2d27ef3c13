//! What a call plays: text spoken by a built-in voice, files and tones. Shell, on tokio.
//!
//! [`prompts`] is what calls ask; the rest of the package is the voice.
//!
//! The voice (Pico) is frozen C that reads text from customers, so that it runs in a process of its own:
//! this binary again as `sidetone worker speech <folder of voices>`, under limits that it sets itself,
//! killed and replaced when it dies or takes too long. [`SpeechService`] keeps one or two of
//! them and a bounded queue; [`worker_main`] is what the process runs. Between them go frames
//! with a length (`frame.rs`). Text of one request never reaches a second worker.

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
