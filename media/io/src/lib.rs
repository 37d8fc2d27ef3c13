//! Shell of the media cores: one pinned thread a core that drives a [`plane::Plane`] on io_uring or epoll.
//!
//! [`start`] opens the ports, starts the threads and returns a [`Core`] for each: commands and feeds down, events
//! up, frames to the sinks of taps, counters to read. After that a core's thread takes no lock, allocates
//! nothing and blocks only in its one wait (ARCHITECTURE.md, I2).

mod backend;
pub mod clock;
mod config;
mod cpus;
mod event_loop;
mod handle;
mod interfaces;
pub mod kernel;
mod meters;
mod ports;
mod report;
mod rtcp;
mod sleeper;
mod start;
#[cfg(test)]
mod tests;
mod wait;

pub use backend::{Probe, probe};
pub use config::{Backend, BackendChoice, Cpus, FastPathChoice, IoConfig, WaitSettings};
pub use handle::{Core, FeedWriter, Media};
pub use interfaces::machine_addresses;
pub use meters::{CoreFigures, CoreMeters, Heartbeat};
pub use report::{StartError, StartNote};
pub use sleeper::{Sleeper, Wake};
pub use start::{core_bytes, start};
