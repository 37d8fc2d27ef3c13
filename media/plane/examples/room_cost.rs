//! What a room costs a core, without its sockets: `cargo run --release -p plane --example room_cost`.
//!
//! Prints nanoseconds a member and frame for reading and mixing, for the whole tick with the packets that it makes,
//! and for taking a packet in; then what a lost frame costs. Not a test: nothing here asserts a time.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)] // It measures: it reads the clock.

use std::hint::black_box;
use std::net::SocketAddr;
use std::time;

use plane::{MeshFrame, Output, Plane, PlaneConfig, Received, SocketId, g711, rtp};
use shared::{
    BySink, Codec, CoreId, Direction, Instant, Joined, LatchMode, LegId, LegPlan, MediaCommand,
    MediaEvent, MediaPort, Member, NegotiatedMedia, Playout, RoomCommand, RoomId, Sink, TapFrame,
    Voice,
};

fn main() {
    println!(
        "{:<42} {:>6} {:>6} {:>7} {:>9}",
        "ns a member and 20 ms", "mix", "tick", "packet", "of a core"
    );
    for (what, rooms, members, talkers) in [
        ("one room of 1,000, 3 speak", 1, 1_000, 3),
        ("one room of 1,000, all speak", 1, 1_000, 1_000),
        ("one room of 250, 3 speak", 1, 250, 3),
        ("250 rooms of 4, one speaks in each", 250, 4, 1),
        ("250 rooms of 4, all speak", 250, 4, 4),
    ] {
        let legs = rooms * members;
        let mix = Site::new(rooms, members, talkers, false).cost(false);
        let tick = Site::new(rooms, members, talkers, true).cost(false);
        let core = f64::from(legs) * (tick.tick + tick.packet) / 20e6 * 100.0;
        println!(
            "{:<42} {:>6.1} {:>6.1} {:>7.1} {:>7.1} %",
            format!("  {what}"),
            mix.tick,
            tick.tick,
            tick.packet,
            core
        );
    }
    let whole = Site::new(1, 200, 200, false).cost(false).tick;
    let lossy = Site::new(1, 200, 200, false).cost(true).tick;
    println!("{:<42} {:>6.0}", "a lost frame, one in five", (lossy - whole) * 5.0);
}

struct Site {
    plane: Plane,
    legs: u16,
    members: u16,
    talkers: u16,
    round: u32,
}

/// Nanoseconds a member and frame.
struct Cost {
    tick: f64,
    packet: f64,
}

impl Site {
    fn new(rooms: u16, members: u16, talkers: u16, sends: bool) -> Self {
        let legs = rooms * members;
        let mut plane = Plane::new(PlaneConfig {
            core: CoreId(0),
            cores: 1,
            ports: (0..legs).map(port).collect(),
            own: std::sync::Arc::default(),
            legs_max: usize::from(legs),
            taps_max: BySink::default(),
            feeds_max: 0,
            room_members_max: usize::from(legs),
            seed: 1,
            inband_digits: true,
            unix_ms_at_zero: 0,
            has_tier: false,
        });
        let mut command = |command| plane.command(Instant::ZERO, command, &mut Nothing);
        for room in 0..rooms {
            let cores = [CoreId(0)].into_iter().collect();
            let span = RoomCommand::Span { cores };
            let room = RoomId(room.into());
            command(MediaCommand::Room { core: CoreId(0), room, command: span });
        }
        for slot in 0..legs {
            let leg = leg(slot);
            command(MediaCommand::StartLeg { leg, plan: Box::new(plan(slot, sends)) });
            let joined = Joined::Room(RoomId((slot / members).into()));
            command(MediaCommand::Join { leg, joined });
            let member = Member { voice: Voice::Room, hears: true, playout: Playout::Fixed(40) };
            command(MediaCommand::SetMember { leg, member });
        }
        Self { plane, legs, members, talkers, round: 0 }
    }

    /// The least of some runs: others only add to it.
    fn cost(&mut self, is_lossy: bool) -> Cost {
        let voice = voice();
        let mut best = Cost { tick: f64::INFINITY, packet: f64::INFINITY };
        for _ in 0..8 {
            let (mut tick, mut packets) = (time::Duration::ZERO, time::Duration::ZERO);
            for _ in 0..ROUNDS {
                self.round += 1;
                let now = Instant::from_millis(u64::from(self.round) * 20 + 10);
                let started = time::Instant::now();
                for slot in 0..self.legs {
                    let is_lost = is_lossy && (self.round + u32::from(slot)).is_multiple_of(5);
                    if !is_lost {
                        self.speak(now, slot, &voice);
                    }
                }
                packets += started.elapsed();
                let started = time::Instant::now();
                self.plane.tick(Instant::from_millis(now.as_millis() + 20), &mut Nothing);
                tick += started.elapsed();
            }
            let frames = f64::from(ROUNDS) * f64::from(self.legs);
            best.tick = best.tick.min(tick.as_nanos() as f64 / frames);
            best.packet = best.packet.min(packets.as_nanos() as f64 / frames);
        }
        best
    }

    fn speak(&mut self, now: Instant, slot: u16, voice: &[u8; 1_600]) {
        let mut packet = [0xFE; 172];
        if let Some(head) = packet.first_chunk_mut() {
            let timestamp = self.round.wrapping_mul(160);
            rtp::write_header(head, false, 0, self.round as u16, timestamp, slot.into());
        }
        if slot % self.members < self.talkers {
            let from = self.round as usize % 10 * 160;
            packet[12..].copy_from_slice(&voice[from..from + 160]);
        }
        let socket = SocketId::rtp(usize::from(slot));
        let received = self.plane.receive(now, socket, address(slot), &mut packet, &mut Nothing);
        assert_eq!(black_box(received), Received::Consumed);
    }
}

/// 200 ms of a tone with overtones.
fn voice() -> [u8; 1_600] {
    std::array::from_fn(|at| {
        let turn = std::f32::consts::TAU * at as f32 / 64.0;
        let sample = 4_000.0 * turn.sin() + 2_000.0 * (3.0 * turn).cos();
        g711::encode(Codec::Pcmu, sample as i16)
    })
}

fn plan(slot: u16, sends: bool) -> LegPlan {
    LegPlan {
        port: port(slot),
        media: NegotiatedMedia {
            remote_rtp: Some(address(slot)),
            remote_rtcp: None,
            rtcp_mux: false,
            codec: Codec::Pcmu,
            payload_type_send: 0,
            payload_type_receive: 0,
            event_payload_type_send: Some(101),
            event_payload_type_receive: Some(101),
            direction: if sends { Direction::SendRecv } else { Direction::RecvOnly },
            ptime_ms: 20,
            srtp: None,
        },
        latch: LatchMode::Sdp,
        signaling_peer: None,
        ssrc: u32::from(slot),
        first_sequence: 0,
        first_timestamp: 0,
        media_timeout_ms: 0,
    }
}

fn port(slot: u16) -> MediaPort {
    MediaPort { address: 0, rtp: 10_000 + slot * 2 }
}

fn leg(slot: u16) -> LegId {
    LegId { core: CoreId(0), slot, generation: 0 }
}

fn address(slot: u16) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1], 20_000 + slot))
}

/// Hands that do nothing, so that only the core is measured.
struct Nothing;

impl Output for Nothing {
    fn send(&mut self, socket: SocketId, to: SocketAddr, packet: &[u8]) {
        black_box((socket, to, packet));
    }

    fn event(&mut self, event: MediaEvent) {
        black_box(event);
    }

    fn deliver(&mut self, _: Sink, _: TapFrame) -> bool {
        true
    }

    fn mesh(&mut self, _: CoreId, frame: &MeshFrame) -> bool {
        black_box(frame);
        true
    }
}

const ROUNDS: u32 = 100;
