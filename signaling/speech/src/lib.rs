//! The prompts of a call: text spoken by a voice, files and tones. Shell, on tokio.
//!
//! [`prompts`] is the interface for calls; the rest of the package is the voices. [`Voices`] has the engines in
//! the order of the settings: the built-in one, a program of the operator (`command.rs`), a service of the
//! operator (`http.rs`). Which of their voices speaks is looked up in a table (`voice.rs`).
//!
//! The built-in voice (Pico) is frozen C that reads text from customers. Therefore it runs in a process of its
//! own: this binary again, as `sidetone worker speech <folder of voices>`, under limits that it sets
//! itself. A worker that dies or takes too long is killed and replaced. [`SpeechService`] keeps one or
//! two workers and a bounded queue; [`worker_main`] is the main function of a worker. They exchange
//! frames with a length (`frame.rs`). The text of a request that killed a worker is not tried on a second
//! one.

#![deny(unsafe_code)]

mod check;
mod command;
mod error;
mod filling;
mod frame;
mod http;
mod language;
mod markup;
mod meters;
mod pico;
pub mod prompts;
mod service;
mod voice;
mod voices;
mod worker;

pub use check::{Checked, check};
pub use error::SpeechError;
pub use filling::Hearer;
pub use language::Language;
pub use service::{Program, SpeechService, SpeechSettings};
pub use voice::{Route, VoiceChoice, VoiceTable};
pub use voices::{Spoken, Voices};
pub use worker::worker_main;
