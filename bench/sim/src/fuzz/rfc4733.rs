//! Telephone events and tones between a leg with and a leg without them, from anybody (RFC 4733, ITU-T Q.24).

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use plane::rtp::{self, HEADER_BYTES, RtpHeader};
use plane::{MeshFrame, Output, Plane, PlaneConfig, Received, SocketId};
use shared::{
    BySink, CoreId, Instant, Joined, LegId, LegPlan, MediaCommand, MediaEvent, MediaPort, Sink,
    TapFrame,
};

use super::media_packets;
use super::records::{Record, records};

/// Digits are known ones and no more than presses were named; towards the leg with events go events of
/// four bytes with a known key or audio, towards the other one audio only, and after a while silence.
pub fn check(input: &[u8]) {
    let mut core = Core::new();
    for record in records(input) {
        core.receive(record);
        assert_eq!(core.plane.meters().received_balance(), 0, "a packet in no counter or in two");
    }
    core.pass(Duration::from_secs(20));
    let tones = core.plane.meters().sent_tones;
    // Keys that nobody lets go of last as long as they said: eight of eight seconds at most.
    core.pass(Duration::from_secs(70));
    let later = core.plane.meters().sent_tones;
    core.pass(Duration::from_secs(2));
    assert_eq!(core.plane.meters().sent_tones, later, "a tone never ends (after {tones})");
    let told = core.hands.digits.len() as u64;
    assert!(told <= core.blocks + core.audio, "{told} digits of {} blocks", core.blocks);
}

struct Core {
    plane: Plane,
    now: Instant,
    hands: Hands,
    sequences: [u16; 2],
    /// Event blocks and packets of audio that were given.
    blocks: u64,
    audio: u64,
    presses: BTreeSet<(u32, u8)>,
}

impl Core {
    fn new() -> Self {
        let plane = Plane::new(PlaneConfig {
            core: CoreId(0),
            cores: 1,
            ports: PORTS.to_vec(),
            own: std::sync::Arc::default(),
            legs_max: 2,
            taps_max: BySink::default(),
            feeds_max: 0,
            room_members_max: 0,
            seed: 1,
            inband_digits: true,
            unix_ms_at_zero: 1_700_000_000_000,
            has_tier: false,
        });
        let mut core = Self {
            plane,
            now: Instant::from_millis(1_000),
            hands: Hands::default(),
            sequences: [0; 2],
            blocks: 0,
            audio: 0,
            presses: BTreeSet::new(),
        };
        for (index, leg) in LEGS.into_iter().enumerate() {
            core.command(MediaCommand::StartLeg { leg, plan: Box::new(plan(index)) });
        }
        let [a, b] = LEGS;
        core.command(MediaCommand::Join { leg: a, joined: Joined::Party(b) });
        core.command(MediaCommand::Join { leg: b, joined: Joined::Party(a) });
        core
    }

    fn command(&mut self, command: MediaCommand) {
        self.plane.command(self.now, command, &mut self.hands);
    }

    /// The control byte: an event or audio, a number left out, and how many times 20 ms later. An event's
    /// first two bytes are its timestamp; of audio, the bytes again and again are 20 ms.
    fn receive(&mut self, Record { control, bytes }: Record<'_>) {
        self.pass(Duration::from_millis(u64::from(control >> 4) * 20));
        let index = usize::from(control & 1);
        let sequence = self.sequences[index].wrapping_add(1 + u16::from(control >> 1 & 1));
        self.sequences[index] = sequence;
        let mut packet = vec![0; HEADER_BYTES];
        let (payload_type, timestamp) = if index == 0 {
            let Some(([high, low], payload)) = bytes.split_first_chunk() else { return };
            packet.extend_from_slice(payload);
            self.blocks += payload.len() as u64 / 4;
            let timestamp = u32::from(u16::from_be_bytes([*high, *low])) * 40;
            self.presses.extend(payload.first().map(|event| (timestamp, *event)));
            (101, timestamp)
        } else {
            packet.extend(bytes.iter().cycle().take(if bytes.is_empty() { 0 } else { 160 }));
            self.audio += 1;
            (0, u32::from(sequence) * 160)
        };
        if let Some(head) = packet.first_chunk_mut() {
            rtp::write_header(head, false, payload_type, sequence, timestamp, 7);
        }
        let (socket, source) = (SocketId::rtp(index), party(index));
        let received = self.plane.receive(self.now, socket, source, &mut packet, &mut self.hands);
        if let Received::Forward { socket, to, len } = received {
            self.hands.send(socket, to, &packet[..len]);
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
}

#[derive(Default)]
struct Hands {
    digits: Vec<u8>,
}

impl Output for Hands {
    fn send(&mut self, socket: SocketId, _: SocketAddr, packet: &[u8]) {
        if rtp::is_rtcp(packet) {
            return;
        }
        let header = RtpHeader::parse(packet).expect("we send what we could read");
        let payload = &packet[header.payload.clone()];
        match (socket.port_index(), header.payload_type) {
            (0 | 1, 0) => {}
            (0, 101) => {
                assert!(payload.len() == 4 && payload[0] < 16, "no key: {payload:?}");
            }
            (leg, other) => panic!("payload type {other} towards leg {leg}"),
        }
    }

    fn event(&mut self, event: MediaEvent) {
        if let MediaEvent::Digit { digit, .. } = event {
            assert!(b"0123456789*#ABCD".contains(&digit), "digit {digit}");
            self.digits.push(digit);
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

fn party(index: usize) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 10 + index as u8], 4_000))
}

/// Both speak mu-law; only the first one has telephone events.
fn plan(index: usize) -> LegPlan {
    let mut plan = media_packets::plan(0);
    plan.port = PORTS[index];
    plan.media.remote_rtp = Some(party(index));
    plan.media.remote_rtcp = None;
    let events = (index == 0).then_some(101);
    plan.media.event_payload_type_send = events;
    plan.media.event_payload_type_receive = events;
    plan.media_timeout_ms = 0;
    plan
}

/// Parts of payloads.
pub const WORDS: &[&str] = &[
    "\u{1}\u{a}\0\u{50}",
    "\u{10}",
    "\0\0",
    "\0\0\0\0",
    "\u{7f}\u{7f}\u{7f}\u{7f}",
    "\u{f}",
    "\u{4}",
];
