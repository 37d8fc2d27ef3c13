//! What every shell of the signaling side uses: clock, randomness, instruments, queues. Shell.
//!
//! A sans-IO package takes time, bytes and randomness as arguments; the shells that give them get
//! them here.

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
