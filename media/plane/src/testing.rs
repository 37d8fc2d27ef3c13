//! Plans, peers and a small world of cores for unit tests.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use shared::{
    BySink, Codec, CoreId, CoreSet, Direction, FeedId, FeedItem, FeedPart, Instant, Joined,
    LatchMode, LegId, LegPlan, MediaCommand, MediaEvent, MediaPort, Member, NegotiatedMedia,
    OwnSockets, RoomCommand, RoomId, Sink, TapFrame,
};

use crate::mesh::MeshFrame;
use crate::output::{Output, Received, SocketId};
use crate::plane::{Plane, PlaneConfig};
use crate::relay_rule::{RelayRule, RelayedCounts};
use crate::rtp::{self, RtpHeader};
use crate::soft_tier::{SoftTier, Verdict};

/// The plan of the party at this index: port, address and numbers follow from it.
pub(crate) fn plan(index: u16) -> LegPlan {
    let remote = |port| SocketAddr::from(([192, 0, 2, 1], 4_000 + index * 2 + port));
    LegPlan {
        port: port(index),
        media: NegotiatedMedia {
            remote_rtp: Some(remote(0)),
            remote_rtcp: Some(remote(1)),
            rtcp_mux: false,
            codec: Codec::Pcmu,
            payload_type_send: 0,
            payload_type_receive: 0,
            event_payload_type_send: Some(101),
            event_payload_type_receive: Some(101),
            direction: Direction::SendRecv,
            ptime_ms: 20,
            srtp: None,
        },
        latch: LatchMode::Peer,
        signaling_peer: None,
        ssrc: 0x5000_0000 + u32::from(index),
        first_sequence: 65_530,
        first_timestamp: u32::MAX - 1_000,
        media_timeout_ms: 0,
    }
}

/// The port of the party at this index.
pub(crate) fn port(index: u16) -> MediaPort {
    MediaPort { address: 0, rtp: 10_000 + index * 2 }
}

/// The recorded actions of a core.
#[derive(Debug, Default)]
pub(crate) struct Hands {
    pub sent: Vec<Sent>,
    pub events: Vec<MediaEvent>,
    /// Frames for the recorder.
    pub frames: Vec<TapFrame>,
    /// Frames for a stream.
    pub stream_frames: Vec<TapFrame>,
    pub mesh: Vec<(CoreId, MeshFrame)>,
    /// RTCP sockets opened (`true`) or closed, by the index of their port.
    pub rtcp: Vec<(usize, bool)>,
    pub recorder_is_full: bool,
    pub mesh_is_full: bool,
    pub has_tier: bool,
    /// The tier takes no leg.
    pub tier_is_full: bool,
    /// What the tier relays, by the index of the port.
    pub tiers: BTreeMap<usize, SoftTier>,
    /// Legs given so far.
    pub gifts: usize,
    /// How often counts of the tier were read, and the last arrival alone.
    pub readings: usize,
    pub glances: usize,
}

/// One datagram that left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sent {
    pub at: Instant,
    pub socket: SocketId,
    pub to: SocketAddr,
    pub packet: Vec<u8>,
}

impl Sent {
    /// The RTP header; RTCP has none.
    pub fn header(&self) -> RtpHeader {
        RtpHeader::parse(&self.packet).unwrap()
    }

    pub fn payload(&self) -> &[u8] {
        &self.packet[12..]
    }

    pub fn is_rtcp(&self) -> bool {
        rtp::is_rtcp(&self.packet)
    }
}

impl Output for Hands {
    fn send(&mut self, socket: SocketId, to: SocketAddr, packet: &[u8]) {
        self.sent.push(Sent { at: Instant::ZERO, socket, to, packet: packet.to_vec() });
    }

    fn listen_for_rtcp(&mut self, port_index: usize, listens: bool) {
        self.rtcp.push((port_index, listens));
    }

    fn event(&mut self, event: MediaEvent) {
        self.events.push(event);
    }

    fn deliver(&mut self, sink: Sink, frame: TapFrame) -> bool {
        let (frames, is_full) = match sink {
            Sink::Recorder => (&mut self.frames, self.recorder_is_full),
            Sink::Stream | Sink::Recognition => (&mut self.stream_frames, false),
        };
        if !is_full {
            frames.push(frame);
        }
        !is_full
    }

    fn give(&mut self, port_index: usize, rule: &RelayRule) -> bool {
        assert!(self.has_tier, "given to a tier that is not there");
        if self.tier_is_full {
            return false;
        }
        let before = self.tiers.insert(port_index, SoftTier::new(*rule));
        assert!(before.is_none(), "given twice");
        self.gifts += 1;
        true
    }

    fn take_back(&mut self, port_index: usize) -> RelayedCounts {
        self.tiers.remove(&port_index).expect("it was given").read()
    }

    fn relayed(&mut self, port_index: usize) -> RelayedCounts {
        self.readings += 1;
        self.tiers.get_mut(&port_index).expect("it was given").read()
    }

    fn relayed_at(&mut self, port_index: usize) -> Option<u32> {
        self.glances += 1;
        self.tiers[&port_index].last_arrival()
    }

    fn mesh(&mut self, core: CoreId, frame: &MeshFrame) -> bool {
        if !self.mesh_is_full {
            self.mesh.push((core, frame.clone()));
        }
        !self.mesh_is_full
    }
}

/// Cores, their hands and the time. Party `i` has port, address and leg slot `i`, on core
/// `i % cores`.
pub(crate) struct World {
    pub cores: Vec<(Plane, Hands)>,
    pub now: Instant,
    /// Deadlines that were kept.
    pub wakes: u64,
    parties: Vec<Party>,
}

/// A peer; each call of `World::speak` sends its next packet of 20 ms.
#[derive(Clone, Debug)]
pub(crate) struct Party {
    pub leg: LegId,
    pub address: SocketAddr,
    pub ssrc: u32,
    pub sequence: u16,
    pub timestamp: u32,
    pub payload_type: u8,
}

impl World {
    pub fn new(cores: u8) -> Self {
        Self::owning(cores, OwnSockets::default())
    }

    /// One core with a tier below.
    pub fn with_tier() -> Self {
        Self::of(1, OwnSockets::default(), true)
    }

    /// The same where these sockets are known as the gateway's own.
    pub fn owning(cores: u8, own: OwnSockets) -> Self {
        Self::of(cores, own, false)
    }

    fn of(cores: u8, own: OwnSockets, has_tier: bool) -> Self {
        let own = Arc::new(own);
        let make = |core| {
            let config = PlaneConfig {
                core: CoreId(core),
                cores,
                ports: (0..8).map(port).collect(),
                own: Arc::clone(&own),
                legs_max: 8,
                taps_max: BySink::from_fn(|_| 64),
                feeds_max: 2,
                room_members_max: 7,
                seed: 7,
                inband_digits: true,
                unix_ms_at_zero: 1_700_000_000_000,
                has_tier,
            };
            (Plane::new(config), Hands { has_tier, ..Hands::default() })
        };
        let cores = (0..cores).map(make).collect();
        Self { cores, now: Instant::from_millis(1_000), wakes: 0, parties: Vec::new() }
    }

    /// Starts the leg of the next party; its index.
    pub fn start(&mut self, change: impl FnOnce(&mut LegPlan)) -> usize {
        let index = self.parties.len() as u16;
        let mut plan = plan(index);
        change(&mut plan);
        let core = CoreId((usize::from(index) % self.cores.len()) as u8);
        let leg = LegId { core, slot: index, generation: 1 };
        self.parties.push(Party {
            leg,
            address: plan.media.remote_rtp.unwrap_or(([192, 0, 2, 9], 9).into()),
            ssrc: 0xA000_0000 + u32::from(index),
            sequence: 65_000 + index * 10,
            timestamp: 0xFFFF_F000 + u32::from(index) * 77,
            payload_type: plan.media.payload_type_receive,
        });
        self.command(MediaCommand::StartLeg { leg, plan: Box::new(plan) });
        usize::from(index)
    }

    pub fn leg(&self, party: usize) -> LegId {
        self.parties[party].leg
    }

    pub fn party(&mut self, party: usize) -> &mut Party {
        &mut self.parties[party]
    }

    /// Passes the command to the core of its leg.
    pub fn command(&mut self, command: MediaCommand) {
        let core = usize::from(command.core().0);
        let (plane, hands) = &mut self.cores[core];
        plane.command(self.now, command, hands);
        self.settle();
    }

    /// Passes an item of a feed to the core of its leg.
    pub fn feed(&mut self, party: usize, feed: FeedId, part: FeedPart) {
        let leg = self.leg(party);
        let now = self.now;
        self.cores[usize::from(leg.core.0)].0.feed(now, &FeedItem { leg, feed, part });
    }

    pub fn update(&mut self, party: usize, change: impl FnOnce(&mut LegPlan)) {
        let mut plan = plan(party as u16);
        change(&mut plan);
        self.command(MediaCommand::UpdateLeg { leg: self.leg(party), plan: Box::new(plan) });
    }

    pub fn bridge(&mut self, a: usize, b: usize) {
        let (a, b) = (self.leg(a), self.leg(b));
        self.command(MediaCommand::Join { leg: a, joined: Joined::Party(b) });
        self.command(MediaCommand::Join { leg: b, joined: Joined::Party(a) });
    }

    /// Joins a party to nobody.
    pub fn unbridge(&mut self, party: usize) {
        self.command(MediaCommand::Join { leg: self.leg(party), joined: Joined::Nobody });
    }

    /// Joins a party to itself.
    pub fn echo(&mut self, party: usize) {
        let leg = self.leg(party);
        self.command(MediaCommand::Join { leg, joined: Joined::Party(leg) });
    }

    /// Opens a room on every core.
    pub fn open_room(&mut self, room: RoomId) {
        let cores: CoreSet = (0..self.cores.len()).map(|core| CoreId(core as u8)).collect();
        for core in cores.iter() {
            self.room(core, room, RoomCommand::Span { cores });
        }
    }

    /// Passes a command about a room to one core.
    pub fn room(&mut self, core: CoreId, room: RoomId, command: RoomCommand) {
        self.command(MediaCommand::Room { core, room, command });
    }

    /// Joins a party to a room, and sets what it says and hears there.
    pub fn enter(&mut self, party: usize, room: RoomId, member: Member) {
        let leg = self.leg(party);
        self.command(MediaCommand::Join { leg, joined: Joined::Room(room) });
        self.command(MediaCommand::SetMember { leg, member });
    }

    /// The party's next audio packet.
    pub fn speak(&mut self, party: usize, samples: &[u8]) -> Received {
        let packet = self.next_packet(party, samples);
        self.receive(party, &packet)
    }

    /// The party's next two packets, the later one first.
    pub fn speak_swapped(&mut self, party: usize, samples: [&[u8]; 2]) {
        let packets = samples.map(|samples| self.next_packet(party, samples));
        for packet in packets.iter().rev() {
            let _ = self.receive(party, packet);
        }
    }

    /// As `speak`, but it never arrives.
    pub fn lose(&mut self, party: usize, samples: &[u8]) {
        self.next_packet(party, samples);
    }

    /// A packet of comfort noise with this level (RFC 3389).
    pub fn announce_silence(&mut self, party: usize, level: u8) -> Received {
        let mut packet = self.next_packet(party, &[level]);
        packet[1] = 13;
        self.receive(party, &packet)
    }

    /// A telephone event packet with the next sequence number.
    pub fn press(&mut self, party: usize, timestamp: u32, payload: [u8; 4]) -> Received {
        let sender = &mut self.parties[party];
        let mut packet = vec![0; 12];
        let head = packet.first_chunk_mut().unwrap();
        rtp::write_header(head, false, 101, sender.sequence, timestamp, sender.ssrc);
        sender.sequence = sender.sequence.wrapping_add(1);
        packet.extend_from_slice(&payload);
        self.receive(party, &packet)
    }

    pub fn receive(&mut self, party: usize, packet: &[u8]) -> Received {
        let source = self.parties[party].address;
        self.receive_at(party, SocketId::rtp(party), source, packet)
    }

    /// A datagram on the wire: the tier sees it first.
    pub fn arrive(&mut self, party: usize, source: SocketAddr, packet: &[u8]) {
        let now = self.now;
        let hands = &mut self.cores[0].1;
        let verdict = hands.tiers.get_mut(&party).map(|tier| tier.take(now, source, packet));
        match verdict.unwrap_or(Verdict::Up) {
            Verdict::Relayed { port, to, packet } => {
                let socket = SocketId::rtp(usize::from((port.rtp - 10_000) / 2));
                hands.sent.push(Sent { at: now, socket, to, packet });
            }
            Verdict::Dropped => {}
            Verdict::Up => {
                let _ = self.receive_at(party, SocketId::rtp(party), source, packet);
            }
        }
    }

    pub fn receive_at(
        &mut self,
        party: usize,
        socket: SocketId,
        source: SocketAddr,
        packet: &[u8],
    ) -> Received {
        let mut buffer = packet.to_vec();
        let core = usize::from(self.parties[party].leg.core.0);
        let (plane, hands) = &mut self.cores[core];
        let received = plane.receive(self.now, socket, source, &mut buffer, hands);
        if let Received::Forward { socket, to, len } = received {
            hands.send(socket, to, &buffer[..len]);
        }
        self.settle();
        received
    }

    /// Lets time pass; every core ticks at its deadlines.
    pub fn run(&mut self, ms: u64) {
        let end = self.now + Duration::from_millis(ms);
        while let Some(at) = self.next_deadline().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.wakes += 1;
            for (plane, hands) in &mut self.cores {
                plane.tick(self.now, hands);
            }
            self.settle();
        }
        self.now = end;
    }

    /// What was sent to a party since the last call, RTP only.
    pub fn heard(&mut self, party: usize) -> Vec<Sent> {
        self.take_sent(party, |sent| !sent.is_rtcp())
    }

    /// As `heard`, RTCP only.
    pub fn reports(&mut self, party: usize) -> Vec<Sent> {
        self.take_sent(party, Sent::is_rtcp)
    }

    /// The events of all cores since the last call, plans left out.
    pub fn events(&mut self) -> Vec<MediaEvent> {
        let events = self.cores.iter_mut().flat_map(|(_, hands)| hands.events.drain(..));
        events.filter(|event| !matches!(event, MediaEvent::PlanReturned(_))).collect()
    }

    pub fn next_packet(&mut self, party: usize, samples: &[u8]) -> Vec<u8> {
        let sender = &mut self.parties[party];
        let mut packet = vec![0; 12];
        let head = packet.first_chunk_mut().unwrap();
        let Party { payload_type, sequence, timestamp, ssrc, .. } = *sender;
        rtp::write_header(head, false, payload_type, sequence, timestamp, ssrc);
        sender.sequence = sequence.wrapping_add(1);
        sender.timestamp = timestamp.wrapping_add(samples.len() as u32);
        packet.extend_from_slice(samples);
        packet
    }

    fn take_sent(&mut self, party: usize, keep: impl Fn(&Sent) -> bool) -> Vec<Sent> {
        let core = usize::from(self.parties[party].leg.core.0);
        let hands = &mut self.cores[core].1;
        let is_theirs = |sent: &Sent| sent.socket.port_index() == party && keep(sent);
        let (theirs, others) = hands.sent.drain(..).partition(is_theirs);
        hands.sent = others;
        theirs
    }

    fn next_deadline(&self) -> Option<Instant> {
        self.cores.iter().filter_map(|(plane, _)| Some(plane.poll_timeout()?.0)).min()
    }

    /// Carries frames between cores, dates what was sent and holds the sums.
    fn settle(&mut self) {
        for from in 0..self.cores.len() {
            for (to, frame) in std::mem::take(&mut self.cores[from].1.mesh) {
                let (plane, hands) = &mut self.cores[usize::from(to.0)];
                plane.mesh_receive(self.now, &frame, hands);
            }
        }
        for (plane, hands) in &mut self.cores {
            let undated = hands.sent.iter_mut().filter(|sent| sent.at == Instant::ZERO);
            undated.for_each(|sent| sent.at = self.now);
            assert_eq!((plane.meters().received_balance(), plane.meters().mesh_balance()), (0, 0));
            assert_eq!(plane.meters().feed_balance(), 0);
        }
    }
}
