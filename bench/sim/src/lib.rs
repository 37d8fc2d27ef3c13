//! The simulator: the product's own machines on a virtual clock and a bad network, from one seed.
//!
//! [`run`] plays one story: three phones, an application, a store, one or three media cores, and the
//! `Control` that the gateway drives. All randomness comes from the seed, so a seed that fails once fails
//! again. [`dialogs`] plays two user agents, [`planes`] media cores, [`whole`] a gateway with its phones for
//! hours, each against a model; [`fuzz`] feeds hostile bytes to the product's readers.
#![forbid(unsafe_code)]

mod audio;
pub mod dialogs;
pub mod fuzz;
mod ground;
mod network;
pub mod planes;
mod rng;
mod schedule;
mod seen;
mod stories;
mod tale;
mod tales;
mod webhook;
pub mod whole;
mod world;

pub use network::Network;
pub use rng::Rng;
pub use stories::{Report, replay, run};
