//! A sans-IO phone: one SIP user agent, one media leg, one call at a time, one registration.
//!
//! `sidetone phone`, the self-call of `sidetone demo --call`, the load generator and the simulator
//! drive it with real or virtual sockets and clocks. It knows nothing of the gateway.
#![forbid(unsafe_code)]

mod hands;
mod phone;
mod registration;
mod surface;

pub use phone::{Phone, RTCP};
pub use surface::{Command, Effect, Event, Input, PhoneConfig};
