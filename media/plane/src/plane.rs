//! One media core: commands in, packets through, events out. Sans-IO.

use std::net::SocketAddr;

use shared::{CoreId, Instant, MediaCommand, MediaPort};

use crate::mesh::MeshFrame;
use crate::meters::{DropReason, PlaneMeters};
use crate::output::{Output, Received, SocketId};

/// What a core is made of. Everything is allocated from this in [`Plane::new`].
#[derive(Clone, Debug)]
pub struct PlaneConfig {
    /// Which core this is.
    pub core: CoreId,
    /// How many cores there are; frames come from all others.
    pub cores: u8,
    /// The ports of this core, in the order that gives [`SocketId`]s.
    pub ports: Vec<MediaPort>,
    /// Legs at once, at most `limits::LEGS_PER_CORE_MAX`: slots `0..legs_max` are valid.
    pub legs_max: usize,
    /// Taps at once, at most `limits::TAPS_PER_CORE_MAX`; each takes about 4 KiB.
    pub taps_max: usize,
    /// Seed of RTCP intervals and CNAMEs.
    pub seed: u64,
    /// Unix time in milliseconds at `Instant::ZERO`, for the NTP timestamps of sender reports.
    pub unix_ms_at_zero: i64,
}

/// One media core.
#[derive(Debug)]
pub struct Plane {
    meters: PlaneMeters,
}

impl Plane {
    /// Makes a core; all that it will ever hold is allocated here.
    pub fn new(config: PlaneConfig) -> Self {
        let _ = config;
        Self { meters: PlaneMeters::default() }
    }

    /// Carries out one command of signaling.
    pub fn command(&mut self, now: Instant, command: MediaCommand, out: &mut impl Output) {
        let _ = (now, command, out);
    }

    /// Takes one datagram, which may be rewritten in place; see [`Received`].
    pub fn receive(
        &mut self,
        now: Instant,
        socket: SocketId,
        source: SocketAddr,
        packet: &mut [u8],
        out: &mut impl Output,
    ) -> Received {
        let _ = (now, socket, source, packet, out);
        Received::Dropped(DropReason::NoLeg)
    }

    /// Takes one frame from another core for a leg here.
    pub fn mesh_receive(&mut self, now: Instant, frame: &MeshFrame, out: &mut impl Output) {
        let _ = (now, frame, out);
    }

    /// Does what is due; call at the deadlines of [`Plane::poll_timeout`].
    pub fn tick(&mut self, now: Instant, out: &mut impl Output) {
        let _ = (now, out);
    }

    /// When [`Plane::tick`] wants to be called next; `None` when no leg is up.
    pub fn poll_timeout(&self) -> Option<(Instant, &'static str)> {
        None
    }

    /// The counters.
    pub fn meters(&self) -> &PlaneMeters {
        &self.meters
    }
}
