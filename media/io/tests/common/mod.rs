//! What the socket-level tests share: a media side on free loopback ports, and parties.
#![allow(dead_code)] // Each test binary uses its part.

use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::{Duration, Instant};

use io::{Backend, BackendChoice, Core, CoreFigures, Cpus, IoConfig, Media};
use shared::{
    BySink, Codec, Direction, Joined, LatchMode, LegId, LegPlan, MediaCommand, MediaEvent,
    MediaPort, NegotiatedMedia,
};

/// Longer than any test takes; only a failing test waits this long.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// The backends that work on this machine.
pub fn backends() -> Vec<BackendChoice> {
    match io::probe().backend {
        Backend::IoUring => vec![BackendChoice::Portable, BackendChoice::IoUring],
        Backend::Portable => vec![BackendChoice::Portable],
    }
}

/// A separate range for each test, free at present: below the ephemeral ports and above the default
/// range, which a gateway on this machine may open at any time.
fn some_ports(count: u16) -> RangeInclusive<u16> {
    loop {
        // Each `RandomState` has different keys.
        let random = RandomState::new().hash_one(count);
        let first = 20_000 + (random % 12_000) as u16 / 2 * 2;
        let range = first..=first + count - 1;
        let bound = range.clone().map(|port| UdpSocket::bind((Ipv4Addr::UNSPECIFIED, port)));
        if bound.collect::<Result<Vec<_>, _>>().is_ok() {
            return range;
        }
    }
}

/// Media cores on loopback.
pub fn config(backend: BackendChoice, cores: usize) -> IoConfig {
    IoConfig {
        // Where there is one CPU the second core runs unpinned, which only costs a note.
        cpus: Cpus::List((0..cores).collect()),
        backend,
        addresses: vec![IpAddr::V4(Ipv4Addr::LOCALHOST)],
        ports: some_ports(64),
        legs_max: 64,
        taps_max: BySink::from_fn(|_| 16),
        feeds_max: 4,
        ..IoConfig::default()
    }
}

pub fn rtp_address(port: MediaPort) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port.rtp))
}

/// A phone: one socket, PCMU, its own sequence numbers.
pub struct Party {
    pub socket: UdpSocket,
    pub leg: LegId,
    pub port: MediaPort,
    sequence: u16,
    timestamp: u32,
    ssrc: u32,
}

impl Party {
    fn new(core: &Core, slot: u16) -> Self {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        socket.set_read_timeout(Some(PATIENCE)).expect("a valid timeout");
        let port = core.ports[usize::from(slot)];
        let leg = LegId { core: core.id, slot, generation: 0 };
        Self {
            socket,
            leg,
            port,
            sequence: 0xFFF0,
            timestamp: u32::MAX - 1_000,
            ssrc: 0xABCD_0000 + u32::from(slot),
        }
    }

    /// Sends one packet with this payload.
    pub fn say(&mut self, payload: &[u8]) {
        let mut bytes = rtp(self.sequence, self.ssrc, payload);
        bytes[4..8].copy_from_slice(&self.timestamp.to_be_bytes());
        self.sequence = self.sequence.wrapping_add(1);
        self.timestamp = self.timestamp.wrapping_add(160);
        self.socket.send_to(&bytes, rtp_address(self.port)).expect("loopback takes it");
    }

    /// The payload of the next packet that is RTP and not silence; its source is checked.
    pub fn hear(&self) -> Vec<u8> {
        let deadline = Instant::now() + PATIENCE;
        let mut bytes = [0; 2_048];
        while Instant::now() < deadline {
            let (len, from) = self.socket.recv_from(&mut bytes).expect("something comes");
            let packet = &bytes[..len];
            let is_rtp = packet.len() > 12 && packet[1] & 0x7F == 0;
            if is_rtp && packet[12..].iter().any(|byte| *byte != Codec::Pcmu.silence()) {
                assert_eq!(from, rtp_address(self.port));
                return packet[12..].to_vec();
            }
        }
        panic!("only silence was heard");
    }
}

pub fn rtp(sequence: u16, ssrc: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x80, 0];
    bytes.extend(sequence.to_be_bytes());
    bytes.extend((u32::from(sequence) * 160).to_be_bytes());
    bytes.extend(ssrc.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// 160 bytes of which each follows from the number, never silence.
pub fn payload(number: u32) -> [u8; 160] {
    std::array::from_fn(|i| (number.wrapping_mul(7).wrapping_add(i as u32) % 250) as u8)
}

/// A media side, and how many commands each core was sent.
pub struct Site {
    pub media: Media,
    sent: Vec<u64>,
}

impl Site {
    /// Nobody is woken: the tests look for themselves.
    pub fn open(config: &IoConfig) -> Self {
        Self::open_with(config, Arc::new(|| {}))
    }

    pub fn open_with(config: &IoConfig, wake: io::Wake) -> Self {
        Self::open_with_sinks(config, wake, &BySink::from_fn(|_| Arc::new(|| {}) as io::Wake))
    }

    pub fn open_with_sinks(config: &IoConfig, wake: io::Wake, sinks: &BySink<io::Wake>) -> Self {
        let media = io::start(config, wake, sinks).expect("the media side starts");
        Self { sent: vec![0; media.cores.len()], media }
    }

    pub fn core(&mut self, core: usize) -> &mut Core {
        &mut self.media.cores[core]
    }

    pub fn send(&mut self, core: usize, command: MediaCommand) {
        self.sent[core] += 1;
        self.core(core).send(command).expect("the ring has room");
        self.core(core).ring();
    }

    /// Takes a leg up for a new party on this core, on its port number `slot`.
    pub fn join(&mut self, core: usize, slot: u16) -> Party {
        let party = Party::new(self.core(core), slot);
        let address = party.socket.local_addr().expect("it is bound");
        let plan = Box::new(plan(party.port, address));
        self.send(core, MediaCommand::StartLeg { leg: party.leg, plan });
        party
    }

    /// Both directions, on whichever cores the parties are.
    pub fn bridge(&mut self, a: &Party, b: &Party) {
        for (leg, other) in [(a.leg, b.leg), (b.leg, a.leg)] {
            let joined = Joined::Party(other);
            self.send(usize::from(leg.core.0), MediaCommand::Join { leg, joined });
        }
    }

    /// Waits until all commands are carried out.
    pub fn settle(&self) {
        for (core, sent) in self.media.cores.iter().zip(&self.sent) {
            when(core, |figures| figures.commands == *sent);
        }
    }
}

/// Waits until the core has published figures that satisfy `is_right`.
pub fn when(core: &Core, is_right: impl Fn(&CoreFigures) -> bool) -> CoreFigures {
    let start = Instant::now();
    loop {
        let figures = core.meters.figures();
        if is_right(&figures) {
            return figures;
        }
        assert!(start.elapsed() < PATIENCE, "never came true: {figures:#?}");
        std::thread::yield_now();
    }
}

/// The next event that is wanted; others are dropped.
pub fn event_when(core: &mut Core, is_wanted: impl Fn(&MediaEvent) -> bool) -> MediaEvent {
    let start = Instant::now();
    loop {
        match core.poll_event() {
            Some(event) if is_wanted(&event) => return event,
            Some(_) => {}
            None => std::thread::yield_now(),
        }
        assert!(start.elapsed() < PATIENCE, "the event never came");
    }
}

pub fn plan(port: MediaPort, party: SocketAddr) -> LegPlan {
    LegPlan {
        port,
        media: NegotiatedMedia {
            remote_rtp: Some(party),
            remote_rtcp: Some(party),
            rtcp_mux: true,
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
        ssrc: 7_000 + u32::from(port.rtp),
        first_sequence: 65_000,
        first_timestamp: u32::MAX - 1_000,
        media_timeout_ms: 0,
    }
}
