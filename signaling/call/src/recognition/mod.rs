//! Recognition of speech: what is said on a leg, as text (recognition.md). Sans-IO.
//!
//! ```text
//!   frames of a tap ──> Endpointer ──utterances──> engine ──answers──> in order ──> events of the call
//! ```
//!
//! [`RecognitionSession`] is the machine of one recognition. It decides itself where an utterance begins and ends, so
//! every engine gets whole utterances and `speechTimeout` has one meaning. An engine only turns audio into text; the
//! session reaches it through a [`RecognitionPort`]. `wire` is the language of engines that are programs.

mod endpointer;
mod event;
mod plan;
mod profanity;
mod session;
pub mod wire;

pub use endpointer::Endpointing;
pub use event::{RecognitionEnd, RecognitionEvent, RecognitionFault, Share};
pub use plan::{Lane, RecognitionPlan, Track, hints};
pub use profanity::masked;
pub use session::{Answer, RecognitionPort, RecognitionSession, UtteranceId};
