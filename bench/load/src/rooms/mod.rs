//! Rooms: what mixing costs a core, what a room with its sockets costs, and the delay of a member's audio. Shell.
//!
//! Three measurements that do not explain each other. [`samples`] drives a `Plane` without sockets: the cost of
//! the samples and of making packets. [`sockets`] is a core with sockets and members on loopback: the part of a CPU that
//! a room takes, nearly all of it the kernel's. [`delay`] is in virtual time: it cannot be disturbed, and holds what
//! the playout buffer and the tick add.

mod delay;
mod plan;
mod samples;
mod sockets;

use std::time::Duration;

use crate::report::Section;

/// Rounds of each measurement.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Effort {
    pub rounds: usize,
    /// Time of real packets.
    pub burst: Duration,
}

/// Measures and writes the sections; whether a promise was broken.
pub(crate) fn measure(effort: Effort) -> (Vec<Section>, bool) {
    let (with_sockets, is_broken) = sockets::section(effort);
    (vec![samples::section(effort.rounds), with_sockets, delay::section()], is_broken)
}
