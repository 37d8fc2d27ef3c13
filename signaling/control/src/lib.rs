//! The composed machine: one UserAgent, all Calls, the bridges between them. Sans-IO.
//!
//! [`Control`] holds the values and carries messages between the machines; the gateway and the
//! simulator drive the same one. One input, then drain [`Control::poll_effect`] until `None`,
//! then arm [`Control::poll_timeout`].
#![forbid(unsafe_code)]

mod admission;
mod api;
mod call_effects;
mod control;
mod cores;
mod edges;
mod effect;
mod entry;
pub mod explain;
mod extensions;
mod identity;
mod incoming;
mod input;
mod media;
mod media_addresses;
mod outbound;
mod outbound_elsewhere;
mod placement;
mod quality;
mod random;
mod reason;
mod records;
mod registrar;
mod registrations;
mod sessions;
mod settings;
mod take_over;
mod timeline;
mod transfers;

#[cfg(test)]
mod tests;

pub use control::Control;
pub use edges::{EdgeListener, Edges, Service};
pub use effect::*;
pub use input::*;
pub use media_addresses::MediaAddresses;
pub use placement::{Place, Placement};
pub use settings::ControlSettings;
pub use timeline::{Entry, Kind, Timeline};
