//! A media core with two bridged legs under RTP, RTCP and telephone events from anybody (RFC 3550, 4733).

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use plane::{MeshFrame, Output, Plane, PlaneConfig, Received, SocketId};
use shared::ids::TapId;
use shared::media::{TapLimits, TapTracks};
use shared::{
    BySink, Codec, CoreId, Direction, Instant, Joined, LatchMode, LegId, LegPlan, LegQuality,
    MediaCommand, MediaEvent, MediaPort, NegotiatedMedia, Sink, TapFrame,
};

use super::records::{Record, records};

/// Every packet is in exactly one counter (I4), and a stopped leg always answers with its figures.
pub fn check(input: &[u8]) {
    let mut core = Core::new();
    for record in records(input) {
        core.receive(record);
        assert_eq!(core.plane.meters().received_balance(), 0, "a packet in no counter or in two");
    }
    core.stop();
}

struct Core {
    plane: Plane,
    now: Instant,
    hands: Hands,
}

impl Core {
    fn new() -> Self {
        let plane = Plane::new(PlaneConfig {
            core: CoreId(0),
            cores: 1,
            ports: PORTS.to_vec(),
            own: std::sync::Arc::default(),
            legs_max: 2,
            taps_max: BySink::only(Sink::Recorder, 2),
            feeds_max: 0,
            room_members_max: 0,
            seed: 1,
            inband_digits: true,
            unix_ms_at_zero: 1_700_000_000_000,
            has_tier: false,
        });
        let mut core = Self { plane, now: Instant::from_millis(1_000), hands: Hands::default() };
        for (index, leg) in LEGS.into_iter().enumerate() {
            core.command(MediaCommand::StartLeg { leg, plan: Box::new(plan(index)) });
        }
        let [a, b] = LEGS;
        core.command(MediaCommand::Join { leg: a, joined: Joined::Party(b) });
        core.command(MediaCommand::Join { leg: b, joined: Joined::Party(a) });
        let (tap, tracks) = (TapId(1), TapTracks::Both);
        core.command(MediaCommand::StartTap {
            leg: a,
            tap,
            sink: Sink::Recorder,
            tracks,
            limits: TapLimits::default(),
        });
        core
    }

    fn command(&mut self, command: MediaCommand) {
        self.plane.command(self.now, command, &mut self.hands);
    }

    /// The control byte: to which leg, RTP or RTCP, from the party or a stranger, and how many
    /// times 8 ms later.
    fn receive(&mut self, Record { control, bytes }: Record<'_>) {
        self.pass(Duration::from_millis(u64::from(control >> 3) * 8));
        let index = usize::from(control & 1);
        let rtcp = control & 2 != 0;
        let socket = if rtcp { SocketId::rtcp(index) } else { SocketId::rtp(index) };
        let mut source = party(index);
        source.set_port(source.port() + u16::from(rtcp));
        if control & 4 != 0 {
            source.set_ip(STRANGER);
        }
        let mut packet = bytes.to_vec();
        let received = self.plane.receive(self.now, socket, source, &mut packet, &mut self.hands);
        if let Received::Forward { len, .. } = received {
            assert!(len <= packet.len(), "{len} bytes of {} go on", packet.len());
        }
    }

    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some((at, _)) = self.plane.poll_timeout().filter(|(at, _)| *at <= end) {
            self.now = self.now.max(at);
            self.plane.tick(self.now, &mut self.hands);
        }
        self.now = end;
    }

    fn stop(&mut self) {
        for leg in LEGS {
            self.command(MediaCommand::StopLeg { leg, quality: Box::new(LegQuality::default()) });
        }
        self.pass(Duration::from_millis(100));
        assert_eq!(self.hands.legs_stopped, LEGS.len());
        assert_eq!(self.plane.meters().legs, 0);
    }
}

/// A core for one report, at the first leg.
pub(super) fn one_leg() -> OneLeg {
    OneLeg(Core::new())
}

/// A leg that has sent and received something.
pub(super) struct OneLeg(Core);

impl OneLeg {
    /// One packet from the party at the RTCP port.
    pub fn report(&mut self, bytes: &[u8]) -> Received {
        let Self(core) = self;
        core.pass(Duration::from_secs(8));
        let mut source = party(0);
        source.set_port(source.port() + 1);
        let (socket, mut packet) = (SocketId::rtcp(0), bytes.to_vec());
        let received = core.plane.receive(core.now, socket, source, &mut packet, &mut core.hands);
        core.pass(Duration::from_secs(8));
        received
    }

    /// The first leg's final figures.
    pub fn stop(mut self) -> LegQuality {
        self.0.stop();
        self.0.hands.first_quality
    }
}

/// Accepts everything and keeps only what the checks need.
#[derive(Default)]
struct Hands {
    legs_stopped: usize,
    first_quality: LegQuality,
}

impl Output for Hands {
    fn send(&mut self, _: SocketId, _: SocketAddr, packet: &[u8]) {
        assert!(packet.len() <= shared::limits::RTP_BYTES_MAX);
    }

    fn event(&mut self, event: MediaEvent) {
        if let MediaEvent::LegStopped { leg, quality } = event {
            self.legs_stopped += 1;
            if leg == LEGS[0] {
                self.first_quality = *quality;
            }
        }
    }

    fn deliver(&mut self, _: Sink, _: TapFrame) -> bool {
        true
    }

    fn mesh(&mut self, _: CoreId, _: &MeshFrame) -> bool {
        true
    }
}

const LEGS: [LegId; 2] = [
    LegId { core: CoreId(0), slot: 0, generation: 0 },
    LegId { core: CoreId(0), slot: 1, generation: 0 },
];

const PORTS: [MediaPort; 2] =
    [MediaPort { address: 0, rtp: 10_000 }, MediaPort { address: 0, rtp: 10_002 }];

const STRANGER: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 51, 100, 66));

fn party(index: usize) -> SocketAddr {
    let last = if index == 0 { 10 } else { 11 };
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, last)), 4_000)
}

pub(super) fn plan(index: usize) -> LegPlan {
    let remote = party(index);
    LegPlan {
        port: PORTS[index],
        media: NegotiatedMedia {
            remote_rtp: Some(remote),
            remote_rtcp: Some(SocketAddr::new(remote.ip(), remote.port() + 1)),
            rtcp_mux: index == 1,
            codec: if index == 0 { Codec::Pcmu } else { Codec::Pcma },
            payload_type_send: if index == 0 { 0 } else { 8 },
            payload_type_receive: if index == 0 { 0 } else { 8 },
            event_payload_type_send: Some(101),
            event_payload_type_receive: Some(101),
            direction: Direction::SendRecv,
            ptime_ms: 20,
            srtp: None,
        },
        latch: LatchMode::Peer,
        signaling_peer: None,
        ssrc: 0x5000_0000,
        first_sequence: 65_530,
        first_timestamp: u32::MAX - 1_000,
        media_timeout_ms: 0,
    }
}
