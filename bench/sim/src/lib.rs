//! The simulator: the product's own machines on a virtual clock and a bad network, from one seed.
//!
//! [`run`] plays one story: two phones, an application, a store, one or three media cores, and the
//! same `Control` that the gateway drives. Everything random comes from the seed, so a failing
//! seed fails again. [`dialogs`] lets two user agents talk through trouble; [`whole`] takes the whole
//! gateway through it; [`fuzz`] feeds hostile bytes into the readers of the product.
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
