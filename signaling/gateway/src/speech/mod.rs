//! Speech: text to 8 kHz samples by a built-in voice in a worker process. Shell, on tokio.
//!
//! The voice (Pico) is frozen C that reads text from customers, so that it runs in a process of its own:
//! this binary again as `sidetone worker speech <folder of voices>`, under limits that it sets itself,
//! killed and replaced when it dies or takes too long. [`SpeechService`] keeps one or two of
//! them and a bounded queue; [`worker_main`] is what the process runs. Between them go frames
//! with a length ([`frame`]). Text of one request never reaches a second worker.

mod frame;
mod markup;
mod pico;
mod service;
mod voice;
mod worker;

pub use service::{Program, SpeechError, SpeechService, SpeechSettings};
pub use voice::{Language, VoiceChoice, choose};
pub use worker::worker_main;
