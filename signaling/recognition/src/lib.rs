//! Recognition of speech: the thread between the taps of calls and the engines. Shell: one thread.
//!
//! ```text
//!   rings of the cores ──frames──> sessions ──utterances──> engines (processes, services)
//!                                     │ <────answers──────────┘
//!                                     └──reports──> Control
//! ```
//!
//! The machine of a recognition is [`call::recognition::RecognitionSession`]; this package carries its audio to an engine and
//! its events to the call. Every recognition that is started is answered by exactly one [`call::RecognitionEvent::Ended`],
//! also where an engine dies or the gateway ends.

#![forbid(unsafe_code)]

mod engine;
mod lane;
mod meters;
mod order;
mod port;
mod resample;
mod share;
mod thread;

pub use engine::command::check;
pub use engine::service::Services;
pub use meters::{RecognitionCounts, RecognitionMeters};
pub use order::{RecognitionReport, StartRecognition};
pub use thread::{Recognition, RecognitionParts};
