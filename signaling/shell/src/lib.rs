//! Tools of every shell on the signaling side: clock, randomness, instruments, queues. Shell.
//!
//! Sans-IO packages take time, bytes and randomness as arguments. The shells that pass them get them
//! here.

#![forbid(unsafe_code)]

mod clock;
mod exposition;
mod histogram;
mod instruments;
mod queue;
mod random;

pub use clock::Clock;
pub use exposition::{Exposed, Text};
pub use histogram::{BUCKETS_MAX, Histogram, Scale, Seconds};
pub use instruments::{Counter, Gauge, LABELS_MAX, Labelled};
pub use queue::{Doorbell, Sender, bounded};
pub use random::{hex, random};
