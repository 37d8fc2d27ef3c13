//! In-band digits: two tones a key (ITU-T Q.23), detected in G.711 and generated as samples. Sans-IO.
//!
//! `detector.rs` judges samples, `in_band.rs` applies it to the packets of one leg and bridges their losses,
//! `generator.rs` makes the tones, `tone_relay.rs` plays another party's telephone events with them.

mod detector;
mod generator;
mod in_band;
#[cfg(test)]
pub(crate) mod material;
mod tables;
mod tone_relay;

pub use detector::{Detector, Heard};
pub use generator::DualTone;
pub(crate) use in_band::{InBand, Spoken, ToneNote};
pub(crate) use tone_relay::ToneRelay;
