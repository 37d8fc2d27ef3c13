//! The composed machine: one UserAgent, all Calls, the bridges between them. Sans-IO.
//!
//! [`Control`] holds the machines and carries values between them; the gateway and the simulator drive the
//! same one. One input, then drain [`Control::poll_effect`] until `None`, then arm
//! [`Control::poll_timeout`].
#![forbid(unsafe_code)]

mod admission;
mod api;
mod call_effects;
mod call_panics;
mod conference;
mod control;
mod deferred;
mod edges;
mod effect;
pub mod explain;
mod extensions;
mod from_rest;
mod identity;
mod incoming;
mod input;
mod linked;
mod live_recordings;
mod media;
mod media_addresses;
mod notifications;
mod outgoing;
mod owed_callbacks;
mod placement;
mod queue;
mod reason;
mod recognition;
mod records;
mod registrar;
mod sessions;
mod settings;
mod sides;
mod siprec;
mod state;
mod stream;
mod tokens;
mod transfers;
mod trunk_registrations;
mod validation;

#[cfg(test)]
mod tests;

pub use control::Control;
pub use edges::{EdgeListener, Edges, Service};
pub use effect::{Effect, Observation, RecordingOrder, ResolveTarget};
pub use input::{
    ApiRequest, HostedAlert, Input, RecordingFailure, RecordingFile, RecordingUpload,
    ResolveFailure,
};
pub use media_addresses::MediaAddresses;
pub use placement::{Place, Placement};
pub use settings::ControlSettings;
pub use state::timeline::{Entry, Kind, Timeline};
pub use tokens::{ApiToken, CommitToken};
