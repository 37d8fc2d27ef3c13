//! What one packet costs a core, without its sockets: `cargo run --release -p plane --example relay_cost`.
//!
//! Prints nanoseconds a packet for relay and transcoding over few and many legs, for the hand-over to
//! another core, and for one beat of a leg. Not a test: nothing here asserts a time.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)] // It measures: it reads the clock.

use std::hint::black_box;
use std::net::SocketAddr;
use std::time;

use plane::srtp::SrtpSender;
use plane::{MeshFrame, Output, Plane, PlaneConfig, Received, SocketId, rtp};
use shared::{
    BySink, Codec, CoreId, Direction, Instant, Joined, LatchMode, LegId, LegPlan, MediaCommand,
    MediaEvent, MediaPort, NegotiatedMedia, Sink, SrtpKey, SrtpKeys, SrtpMaster, SrtpSuite,
    TapFrame,
};

fn main() {
    println!("{:<44} {:>8}", "one packet of 172 bytes", "ns");
    for legs in [2, 1_000, 4_000, 8_000] {
        print("relay", legs, relay(legs, Codec::Pcmu));
        print("relay, PCMU to PCMA", legs, relay(legs, Codec::Pcma));
    }
    for legs in [2, 1_000, 4_000] {
        print("SRTP to RTP", legs, srtp_relay(legs, [true, false]));
        print("RTP to SRTP", legs, srtp_relay(legs, [false, true]));
        print("SRTP to SRTP", legs, srtp_relay(legs, [true, true]));
    }
    print("to another core", 2, to_mesh());
    println!("{:<44} {:>8}", "one beat of a leg", "ns");
    for legs in [1_000, 8_000] {
        print("relayed to", legs, beats(legs, true));
        print("silence made here", legs, beats(legs, false));
    }
}

fn print(what: &str, legs: u16, nanos: f64) {
    println!("{:<44} {nanos:>8.1}", format!("  {what}, {legs} legs"));
}

/// Half the legs send to the other half, in turn.
fn relay(legs: u16, codec_b: Codec) -> f64 {
    let mut plane = plane(legs, codec_b, true);
    let mut packet = [0x55; 172];
    let rounds = 3_000_000 / u32::from(legs);
    let mut round = 0u32;
    best_of(5, || {
        let started = time::Instant::now();
        for _ in 0..rounds {
            round += 1;
            for slot in (0..legs).step_by(2) {
                write(&mut packet, round, slot);
                let received = receive(&mut plane, slot, &mut packet, round);
                assert!(matches!(black_box(received), Received::Forward { .. }));
            }
        }
        started.elapsed().as_nanos() as f64 / f64::from(rounds) / f64::from(legs / 2)
    })
}

/// As `relay`, with SRTP on the legs that send, on those that receive, or on both. What arrives was
/// protected before the clock runs.
fn srtp_relay(legs: u16, [sends, receives]: [bool; 2]) -> f64 {
    let mut plane = plane_with(legs, Codec::Pcmu, true, |slot| match slot % 2 {
        0 => sends,
        _ => receives,
    });
    let mut senders: Vec<SrtpSender> = (0..legs).map(|_| SrtpSender::new(key())).collect();
    let mut packets = vec![([0u8; 182], 0); usize::from(legs)];
    let rounds = 600_000 / u32::from(legs);
    let mut round = 0u32;
    best_of(5, || {
        let mut spent = time::Duration::ZERO;
        for _ in 0..rounds {
            round += 1;
            for slot in (0..legs).step_by(2) {
                let (packet, len) = &mut packets[usize::from(slot)];
                let Some(plain) = packet.first_chunk_mut() else { continue };
                write(plain, round, slot);
                let sender = &mut senders[usize::from(slot)];
                *len = if sends { sender.protect_rtp(packet, 172).unwrap_or(0) } else { 172 };
            }
            let started = time::Instant::now();
            for slot in (0..legs).step_by(2) {
                let (packet, len) = &mut packets[usize::from(slot)];
                let packet = packet.get_mut(..*len).unwrap_or_default();
                let received = receive(&mut plane, slot, packet, round);
                assert!(!matches!(black_box(received), Received::Dropped(_)), "{received:?}");
            }
            spent += started.elapsed();
        }
        spent.as_nanos() as f64 / f64::from(rounds) / f64::from(legs / 2)
    })
}

fn key() -> SrtpKey {
    let suite = SrtpSuite::AesCm128HmacSha1Tag80;
    SrtpKey { suite, master: SrtpMaster::new([7; 30]) }
}

fn to_mesh() -> f64 {
    let mut plane = plane(2, Codec::Pcmu, false);
    let peer = LegId { core: CoreId(1), slot: 0, generation: 0 };
    plane.command(
        Instant::ZERO,
        MediaCommand::Join { leg: leg(0), joined: Joined::Party(peer) },
        &mut Nothing,
    );
    let mut packet = [0x55; 172];
    const ROUNDS: u32 = 1_000_000;
    let mut round = 0u32;
    best_of(5, || {
        let started = time::Instant::now();
        for _ in 0..ROUNDS {
            round += 1;
            write(&mut packet, round, 0);
            assert_eq!(black_box(receive(&mut plane, 0, &mut packet, round)), Received::Consumed);
        }
        started.elapsed().as_nanos() as f64 / f64::from(ROUNDS)
    })
}

fn beats(legs: u16, relayed: bool) -> f64 {
    let mut plane = plane(legs, Codec::Pcmu, true);
    let mut now_ms = 0u64;
    let mut packet = [0x55; 172];
    let mut round = 0u32;
    best_of(5, || {
        let mut spent = time::Duration::ZERO;
        for _ in 0..50 {
            round += 1;
            for slot in 0..if relayed { legs } else { 0 } {
                write(&mut packet, round, slot);
                let _ = receive(&mut plane, slot, &mut packet, now_ms as u32);
            }
            now_ms += 20;
            let started = time::Instant::now();
            plane.tick(Instant::from_millis(now_ms), &mut Nothing);
            spent += started.elapsed();
        }
        spent.as_nanos() as f64 / 50.0 / f64::from(legs)
    })
}

/// The least of some runs, each of which prepares itself: others only add to it.
fn best_of(runs: u32, mut run: impl FnMut() -> f64) -> f64 {
    (0..runs).map(|_| run()).fold(f64::INFINITY, f64::min)
}

fn write(packet: &mut [u8; 172], round: u32, slot: u16) {
    if let Some(head) = packet.first_chunk_mut() {
        let timestamp = round.wrapping_mul(160);
        rtp::write_header(head, false, 0, round as u16, timestamp, u32::from(slot));
    }
}

fn receive(plane: &mut Plane, slot: u16, packet: &mut [u8], now_ms: u32) -> Received {
    let now = Instant::from_millis(u64::from(now_ms));
    let socket = SocketId::rtp(usize::from(slot));
    plane.receive(now, socket, address(slot), packet, &mut Nothing)
}

fn plane(legs: u16, codec_b: Codec, bridged: bool) -> Plane {
    plane_with(legs, codec_b, bridged, |_| false)
}

fn plane_with(legs: u16, codec_b: Codec, bridged: bool, srtp: impl Fn(u16) -> bool) -> Plane {
    let mut plane = Plane::new(PlaneConfig {
        core: CoreId(0),
        cores: 2,
        ports: (0..legs).map(port).collect(),
        own: std::sync::Arc::default(),
        legs_max: usize::from(legs),
        taps_max: BySink::default(),
        feeds_max: 0,
        room_members_max: 0,
        seed: 1,
        inband_digits: true,
        unix_ms_at_zero: 0,
        has_tier: false,
    });
    for slot in 0..legs {
        let codec = if slot % 2 == 0 { Codec::Pcmu } else { codec_b };
        let mut plan = Box::new(plan(slot, codec));
        plan.media.srtp = srtp(slot).then(|| SrtpKeys { send: key(), receive: key() });
        plane.command(Instant::ZERO, MediaCommand::StartLeg { leg: leg(slot), plan }, &mut Nothing);
    }
    for slot in 0..if bridged { legs } else { 0 } {
        let joined = Joined::Party(leg(slot ^ 1));
        let join = MediaCommand::Join { leg: leg(slot), joined };
        plane.command(Instant::ZERO, join, &mut Nothing);
    }
    plane
}

fn plan(slot: u16, codec: Codec) -> LegPlan {
    LegPlan {
        port: port(slot),
        media: NegotiatedMedia {
            remote_rtp: Some(address(slot)),
            remote_rtcp: None,
            rtcp_mux: false,
            codec,
            payload_type_send: codec.static_payload_type(),
            payload_type_receive: codec.static_payload_type(),
            event_payload_type_send: Some(101),
            event_payload_type_receive: Some(101),
            direction: Direction::SendRecv,
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
