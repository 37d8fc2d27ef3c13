//! The media cores of a world: real [`Plane`]s, and what each of them wants carried.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;

use plane::{
    MeshFrame, Output, Plane, PlaneConfig, Received, RelayRule, RelayedCounts, SocketId, SoftTier,
    Verdict,
};
use shared::time::soonest;
use shared::{
    BySink, CoreId, FeedItem, Instant, MediaCommand, MediaEvent, MediaPort, Sink, TapFrame,
};

use crate::ground::START_UNIX_MS;

/// What one core wants, collected.
#[derive(Default)]
struct Wanted {
    packets: VecDeque<(SocketId, SocketAddr, Vec<u8>)>,
    events: VecDeque<MediaEvent>,
    frames: VecDeque<(Sink, TapFrame)>,
    mesh: VecDeque<(CoreId, MeshFrame)>,
    /// What a tier below relays, by the index of the port.
    tiers: BTreeMap<usize, SoftTier>,
}

impl Output for Wanted {
    fn send(&mut self, socket: SocketId, to: SocketAddr, packet: &[u8]) {
        self.packets.push_back((socket, to, packet.to_vec()));
    }
    fn event(&mut self, event: MediaEvent) {
        self.events.push_back(event);
    }
    fn deliver(&mut self, sink: Sink, frame: TapFrame) -> bool {
        self.frames.push_back((sink, frame));
        true
    }
    fn give(&mut self, port_index: usize, rule: &RelayRule) -> bool {
        self.tiers.insert(port_index, SoftTier::new(*rule)).is_none()
    }
    fn take_back(&mut self, port_index: usize) -> RelayedCounts {
        let tier = self.tiers.remove(&port_index);
        tier.map_or_else(RelayedCounts::default, |mut tier| tier.read())
    }
    fn relayed(&mut self, port_index: usize) -> RelayedCounts {
        let tier = self.tiers.get_mut(&port_index);
        tier.map_or_else(RelayedCounts::default, SoftTier::read)
    }
    fn relayed_at(&mut self, port_index: usize) -> Option<u32> {
        self.tiers.get(&port_index)?.last_arrival()
    }
    fn mesh(&mut self, core: CoreId, frame: &MeshFrame) -> bool {
        self.mesh.push_back((core, frame.clone()));
        true
    }
}

struct Core {
    plane: Plane,
    wanted: Wanted,
    ports: Vec<MediaPort>,
}

/// A packet that leaves a core.
pub struct Packet {
    /// The gateway's port that it leaves by.
    pub from: u16,
    pub to: SocketAddr,
    pub bytes: Vec<u8>,
}

/// All media cores, by [`CoreId`].
#[derive(Default)]
pub struct Cores(Vec<Core>);

const PORTS_PER_CORE: u16 = 8;

impl Cores {
    /// Adds a core of `cores`; the ports that it owns.
    pub fn add(&mut self, cores: u8, legs_max: usize, seed: u64) -> Vec<MediaPort> {
        let core = CoreId(u8::try_from(self.0.len()).expect("few cores"));
        let first = 10_000 + u16::from(core.0) * PORTS_PER_CORE * 2;
        let port = |index| MediaPort { address: 0, rtp: first + index * 2 };
        let ports: Vec<MediaPort> = (0..PORTS_PER_CORE).map(port).collect();
        let plane = Plane::new(PlaneConfig {
            core,
            cores,
            ports: ports.clone(),
            own: std::sync::Arc::default(),
            legs_max,
            taps_max: BySink::from_fn(|_| 8),
            feeds_max: 8,
            room_members_max: 64,
            seed,
            inband_digits: true,
            unix_ms_at_zero: START_UNIX_MS - 1_000,
            // Nobody must notice a tier, so the worlds with one core have one.
            has_tier: cores == 1,
        });
        self.0.push(Core { plane, wanted: Wanted::default(), ports: ports.clone() });
        ports
    }

    /// Every core, in order.
    pub fn ids(&self) -> impl Iterator<Item = CoreId> + use<> {
        (0..self.0.len()).map(|core| CoreId(core as u8))
    }

    pub fn command(&mut self, now: Instant, core: CoreId, command: MediaCommand) {
        let Core { plane, wanted, .. } = self.core(core);
        plane.command(now, command, wanted);
    }

    /// Hands a datagram to the core that owns its port; without one it is lost.
    pub fn receive(&mut self, now: Instant, from: SocketAddr, port: u16, bytes: &mut [u8]) {
        let rtp = port & !1;
        for Core { plane, wanted, ports } in &mut self.0 {
            let Some(index) = ports.iter().position(|port| port.rtp == rtp) else { continue };
            let is_rtp = port == rtp;
            let tier = wanted.tiers.get_mut(&index).filter(|_| is_rtp);
            match tier.map_or(Verdict::Up, |tier| tier.take(now, from, bytes)) {
                Verdict::Up => {}
                Verdict::Dropped => return,
                Verdict::Relayed { port, to, packet } => {
                    let out =
                        ports.iter().position(|own| *own == port).expect("a port of this core");
                    wanted.packets.push_back((SocketId::rtp(out), to, packet));
                    return;
                }
            }
            let socket = if is_rtp { SocketId::rtp(index) } else { SocketId::rtcp(index) };
            let received = plane.receive(now, socket, from, bytes, wanted);
            if let Received::Forward { socket, to, len } = received {
                wanted.packets.push_back((socket, to, bytes[..len].to_vec()));
            }
            return;
        }
    }

    pub fn handle_timeout(&mut self, now: Instant) {
        for Core { plane, wanted, .. } in &mut self.0 {
            if plane.poll_timeout().is_some_and(|(at, _)| at <= now) {
                plane.tick(now, wanted);
            }
        }
    }

    pub fn poll_timeout(&self) -> Option<(Instant, &'static str)> {
        self.0.iter().fold(None, |next, core| soonest(next, core.plane.poll_timeout()))
    }

    /// Carries what a core wants sent to other cores; whether there was anything.
    pub fn carry_mesh(&mut self, now: Instant, core: CoreId) -> bool {
        let mut any = false;
        while let Some((to, frame)) = self.core(core).wanted.mesh.pop_front() {
            any = true;
            let Core { plane, wanted, .. } = self.core(to);
            plane.mesh_receive(now, &frame, wanted);
        }
        any
    }

    pub fn poll_event(&mut self, core: CoreId) -> Option<MediaEvent> {
        self.core(core).wanted.events.pop_front()
    }

    /// Hands an item of a feed to its core.
    pub fn feed(&mut self, now: Instant, item: &FeedItem) {
        self.core(item.leg.core).plane.feed(now, item);
    }

    pub fn poll_frame(&mut self, core: CoreId) -> Option<(Sink, TapFrame)> {
        self.core(core).wanted.frames.pop_front()
    }

    pub fn poll_packet(&mut self, core: CoreId) -> Option<Packet> {
        let Core { wanted, ports, .. } = self.core(core);
        let (socket, to, bytes) = wanted.packets.pop_front()?;
        let from = ports[socket.port_index()].rtp + u16::from(socket.is_rtcp());
        Some(Packet { from, to, bytes })
    }

    /// Whether every packet received was sent, consumed or dropped with a reason (I4).
    pub fn are_balanced(&self) -> bool {
        self.0.iter().all(|core| {
            let meters = core.plane.meters();
            meters.received_balance() == 0
                && meters.mesh_balance() == 0
                && meters.feed_balance() == 0
        })
    }

    fn core(&mut self, core: CoreId) -> &mut Core {
        &mut self.0[usize::from(core.0)]
    }
}
