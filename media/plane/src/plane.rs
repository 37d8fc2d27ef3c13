//! One media core: commands in, packets through, events out. Sans-IO.
//!
//! The core holds machines that own their fields, and carries values from one to the other: the legs, spread
//! over arrays by how often they are touched ([`LegTable`]), the ports, the wheel of beats, packets in parts
//! from other cores, and slabs for state that few legs need (SRTP, tones, taps, feeds), into which a leg points.
//! Everything is allocated in [`Plane::new`], so that a core never allocates afterwards (ARCHITECTURE.md, I2);
//! `plane/consistency.rs` checks in debug builds that the machines agree.
//!
//! Four things drive a core, each in its file: a packet (`plane/packet.rs`), the beat of a leg every
//! 20 ms (`plane/beat.rs`), a command of signaling (`plane/command.rs`) and audio of a thread (`plane/feeds.rs`).

mod answering;
mod beat;
mod below;
mod command;
mod consistency;
mod describe;
mod digits;
mod feeds;
mod joining;
mod packet;
mod relaying;
mod report;
mod resting;
mod room_taps;
mod rooms;
mod secure;
mod taps;

use std::net::SocketAddr;
use std::sync::Arc;

use shared::limits::{
    FEEDS_PER_CORE_MAX, LEGS_PER_CORE_MAX, ROOM_MEMBERS_PER_CORE_MAX, TAPS_PER_CORE_MAX,
};
use shared::{BySink, CoreId, FeedItem, Instant, LegId, MediaCommand, MediaPort, OwnSockets};

use self::below::Below;
use crate::answering::Answering;
use crate::dtmf::ToneRelay;
use crate::feed::FeedBuffer;
use crate::inbound::Inbound;
use crate::leg_table::{LegTable, SLOT_BYTES};
use crate::mesh::{Assemblies, Carried, MeshFrame};
use crate::meters::PlaneMeters;
use crate::outbound::Outbound;
use crate::output::{Output, Received, SocketId};
use crate::ports::Ports;
use crate::room::{self, Rooms};
use crate::rtp;
use crate::side_table::SideTable;
use crate::srtp::SrtpSession;
use crate::tap::Tap;
use crate::wheel::{Beating, Wheel};

/// Sizes and constants of a core, from which [`Plane::new`] allocates everything.
#[derive(Clone, Debug)]
pub struct PlaneConfig {
    /// Number of this core.
    pub core: CoreId,
    /// Number of cores in the process; mesh frames come from all others.
    pub cores: u8,
    /// The ports of this core, in the order that gives [`SocketId`]s. At most 65,535.
    pub ports: Vec<MediaPort>,
    /// The sockets of all cores, and those of SIP: a packet from one of them is never a party's.
    pub own: Arc<OwnSockets>,
    /// Legs at once, at most `limits::LEGS_PER_CORE_MAX`: slots `0..legs_max` are valid.
    pub legs_max: usize,
    /// Taps at once, for each sink at most `limits::TAPS_PER_CORE_MAX`; each takes about 4 KiB. 0 where
    /// nothing reads the sink's ring.
    pub taps_max: BySink<usize>,
    /// Feeds at once, at most `limits::FEEDS_PER_CORE_MAX`; 0 where no thread feeds this core.
    pub feeds_max: usize,
    /// Members of rooms at once, and rooms, at most `limits::ROOM_MEMBERS_PER_CORE_MAX`.
    pub room_members_max: usize,
    /// Seed of RTCP intervals and CNAMEs.
    pub seed: u64,
    /// Whether to detect digits in the audio of parties without telephone events.
    pub inband_digits: bool,
    /// Unix time in milliseconds at `Instant::ZERO`, for the NTP timestamps of sender reports.
    pub unix_ms_at_zero: i64,
    /// Whether the caller's [`Output`] has a tier that may relay for legs ([`crate::relay_rule`]).
    pub has_tier: bool,
}

/// One media core; see the head of this file for its layout.
#[derive(Debug)]
pub struct Plane {
    own: Arc<OwnSockets>,
    seed: u64,
    inband_digits: bool,
    unix_ms_at_zero: i64,
    ports: Ports,
    legs: LegTable,
    below: Below,
    /// SRTP state of the legs that have it.
    srtp: SideTable<SrtpSession>,
    /// Tones of the legs that play the bridged party's telephone events as such.
    tones: SideTable<ToneRelay>,
    answering: SideTable<Answering>,
    feeds_max: usize,
    /// Audio of threads, for the legs that have a feed.
    feeds: SideTable<FeedBuffer>,
    rooms: Rooms,
    wheel: Wheel,
    taps_max: BySink<usize>,
    /// Taps of all sinks, in one slab.
    taps: Vec<Tap>,
    taps_free: Vec<u16>,
    /// Taps whose last frame waits for room.
    taps_ending: Vec<u16>,
    assemblies: Assemblies,
    /// Time of the last tick; waiting last frames are offered again from there.
    ticked_at: Instant,
    meters: PlaneMeters,
}

impl Plane {
    /// Makes a core and allocates all memory that it will ever use.
    ///
    /// # Panics
    /// When the configuration exceeds the limits that [`PlaneConfig`] names.
    pub fn new(config: PlaneConfig) -> Self {
        assert!(config.legs_max <= LEGS_PER_CORE_MAX, "more legs than a core may have");
        let taps_within = config.taps_max.iter().all(|(_, max)| *max <= TAPS_PER_CORE_MAX);
        assert!(taps_within, "more taps than a core may have");
        assert!(config.feeds_max <= FEEDS_PER_CORE_MAX, "more feeds than a core may have");
        let members_max = config.room_members_max;
        assert!(members_max <= ROOM_MEMBERS_PER_CORE_MAX, "more members than a core may have");
        let legs_max = config.legs_max;
        let taps = config.taps_max.iter().map(|(_, max)| max).sum();
        Self {
            own: config.own,
            seed: config.seed,
            inband_digits: config.inband_digits,
            unix_ms_at_zero: config.unix_ms_at_zero,
            ports: Ports::new(&config.ports),
            legs: LegTable::new(config.core, legs_max),
            below: Below::new(config.has_tier, legs_max),
            srtp: SideTable::new(legs_max),
            tones: SideTable::new(legs_max),
            answering: SideTable::new(legs_max),
            feeds_max: config.feeds_max,
            feeds: SideTable::new(config.feeds_max),
            rooms: Rooms::new(config.core, members_max, legs_max),
            wheel: Wheel::new(legs_max, members_max),
            taps_max: config.taps_max,
            taps: (0..taps).map(|_| Tap::vacant()).collect(),
            taps_free: (0..taps as u16).rev().collect(),
            taps_ending: Vec::with_capacity(taps),
            assemblies: Assemblies::new(config.cores),
            ticked_at: Instant::ZERO,
            meters: PlaneMeters::default(),
        }
    }

    /// Carries out one command of signaling. Its heap values return in events.
    pub fn command(&mut self, now: Instant, command: MediaCommand, out: &mut impl Output) {
        self.carry_out(now, command, out);
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
        let below = self.slot_below(socket).filter(|_| !rtp::is_rtcp(packet));
        // A tier that relayed nothing may not see these packets at all (another way in, a run of keys): then the
        // next beat gives the leg, so that the exchange is not made for each packet.
        let below = below.filter(|slot| self.take_back(now, *slot, out));
        self.meters.packets_received += 1;
        let received = self.take_packet(now, socket, source, packet, out);
        if let Some(slot) = below {
            self.give_below(slot, out);
        }
        debug_assert_eq!(self.meters.received_balance(), 0, "a packet in no counter or in two");
        received
    }

    /// Takes one frame from another core, for a leg or a room here.
    pub fn mesh_receive(&mut self, now: Instant, frame: &MeshFrame, out: &mut impl Output) {
        match &frame.0 {
            Carried::Packet(frame) => self.take_frame(now, frame, out),
            Carried::Room(frame) => self.take_room_frame(frame),
        }
        debug_assert_eq!(self.meters.mesh_balance(), 0, "a packet in no counter or in two");
    }

    /// Takes one item of a feed.
    pub fn feed(&mut self, now: Instant, item: &FeedItem) {
        self.take_feed_item(now, item);
        debug_assert_eq!(self.meters.feed_balance(), 0, "a frame in no counter or in two");
    }

    /// Does what is due; call at the deadlines of [`Plane::poll_timeout`]. A late core catches up with
    /// at most 40 ms; earlier slots are skipped and counted.
    pub fn tick(&mut self, now: Instant, out: &mut impl Output) {
        self.ticked_at = now;
        self.offer_last_frames(out);
        if self.below.rests.next_round().is_some_and(|due| due <= now) {
            self.visit_resting(now, out);
        }
        if self.wheel.is_silent() {
            return;
        }
        let turn = self.wheel.take_turn(now);
        if turn.skipped > 0 {
            self.meters.ticks_skipped += turn.skipped;
            self.leave_out(turn.skipped);
        }
        for ms in turn.from_ms..turn.to_ms {
            self.meters.ticks += 1;
            for index in 0..self.wheel.len(ms) {
                let Some(beat) = self.wheel.take_beat(ms, index) else { continue };
                let at = Instant::from_millis(ms);
                match beat.of {
                    Beating::Leg(slot) => self.beat(at, slot, beat.half, out),
                    Beating::Room(place) => self.beat_room(at, place, beat.half, out),
                }
            }
        }
    }

    /// Next deadline of [`Plane::tick`], with its timer's name; `None` when no leg is up.
    pub fn poll_timeout(&self) -> Option<(Instant, &'static str)> {
        let beat = self.wheel.next_deadline().map(|at| (at, "leg beat"));
        let last_frame = (!self.taps_ending.is_empty())
            .then(|| (Instant::from_millis(self.ticked_at.as_millis() + OFFER_MS), "last frame"));
        let round = self.below.rests.next_round().map(|at| (at, "resting legs"));
        shared::time::soonest(shared::time::soonest(beat, round), last_frame)
    }

    /// The counters.
    pub fn meters(&self) -> &PlaneMeters {
        &self.meters
    }

    /// The slot of the leg at this socket, if a tier below relays its packets: this one went up.
    #[inline]
    fn slot_below(&self, socket: SocketId) -> Option<usize> {
        if !self.below.has_tier() {
            return None;
        }
        let slot = usize::from(self.ports.slot_at(socket)?);
        self.below.is_given(slot).then_some(slot)
    }

    /// The slot of a leg that is up here.
    fn slot_of(&self, leg: LegId) -> Option<usize> {
        self.legs.slot_of(leg)
    }
}

/// Leg state that a relayed packet touches: two cache lines.
pub const HOT_LEG_BYTES: usize = size_of::<Inbound>() + size_of::<Outbound>();
const _: () = assert!(HOT_LEG_BYTES == 128);

/// Memory of one leg without SRTP, tones and taps, with its two beats in the wheel and its place among members.
pub const LEG_BYTES: usize =
    SLOT_BYTES + below::SLOT_BYTES + 2 * crate::wheel::BEAT_BYTES + size_of::<Option<u16>>();

/// Memory of one member of a room, with a room of its own, which may beat in any phase of the wheel.
pub const ROOM_MEMBER_BYTES: usize =
    room::MEMBER_BYTES + crate::wheel::PHASES * crate::wheel::BEAT_BYTES;

/// Memory of one leg with SRTP and tones.
pub const LEG_BYTES_MAX: usize = LEG_BYTES + size_of::<SrtpSession>() + size_of::<ToneRelay>() + 4;

/// Memory of one feed.
pub const FEED_BYTES: usize = size_of::<FeedBuffer>() + 2;

/// Memory of one tap, with the samples of its two tracks; the last 4 bytes are its places in two lists.
pub const TAP_BYTES: usize = size_of::<Tap>() + Tap::SAMPLES_BYTES + 4;

/// Milliseconds between two offers of a last frame to the full ring of a sink.
const OFFER_MS: u64 = 20;

#[cfg(test)]
mod tests;
