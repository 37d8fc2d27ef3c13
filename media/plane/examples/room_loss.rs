//! What a listener of a room hears of a party whose packets are lost: the material of
//! `bench/load/concealment.py`, which rates it.
//!
//! `room_loss SPEECH LOST OUT`: SPEECH is mu-law, 8,000 samples a second; LOST has one character for each 20 ms of
//! it, `1` where the packet is lost; OUT gets what a listener hears, in mu-law, of equal length.
#![allow(clippy::disallowed_methods, clippy::disallowed_types)] // It reads and writes files.

use std::error::Error;
use std::fs;
use std::net::SocketAddr;

use plane::{MeshFrame, Output, Plane, PlaneConfig, SocketId, rtp};
use shared::{
    BySink, Codec, CoreId, Direction, Instant, Joined, LatchMode, LegId, LegPlan, MediaCommand,
    MediaEvent, MediaPort, Member, NegotiatedMedia, Playout, RoomCommand, RoomId, Sink, TapFrame,
    Voice,
};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [speech, lost, out] = arguments.as_slice() else {
        return Err("usage: room_loss SPEECH LOST OUT".into());
    };
    fs::write(out, heard(&fs::read(speech)?, &fs::read(lost)?))?;
    Ok(())
}

fn heard(speech: &[u8], lost: &[u8]) -> Vec<u8> {
    let mut plane = plane();
    let mut listener = Listener(Vec::new());
    let frames = speech.as_chunks::<160>().0;
    for (index, (codes, lost)) in frames.iter().zip(lost).enumerate() {
        let now = Instant::from_millis(index as u64 * 20 + 30);
        if *lost != b'1' {
            let mut packet = [0; 172];
            packet[12..].copy_from_slice(codes);
            if let Some(head) = packet.first_chunk_mut() {
                let timestamp = index as u32 * 160;
                rtp::write_header(head, false, 0, index as u16, timestamp, 7);
            }
            let socket = SocketId::rtp(0);
            let _ = plane.receive(now, socket, address(0), &mut packet, &mut listener);
        }
        plane.tick(Instant::from_millis(now.as_millis() + 10), &mut listener);
    }
    listener.0
}

fn plane() -> Plane {
    let mut plane = Plane::new(PlaneConfig {
        core: CoreId(0),
        cores: 1,
        ports: (0..2).map(port).collect(),
        own: std::sync::Arc::default(),
        legs_max: 2,
        taps_max: BySink::default(),
        feeds_max: 0,
        room_members_max: 2,
        seed: 1,
        inband_digits: false,
        unix_ms_at_zero: 0,
        has_tier: false,
    });
    let mut command = |command| {
        plane.command(Instant::from_millis(20), command, &mut Listener(Vec::new()));
    };
    let (room, cores) = (RoomId(0), [CoreId(0)].into_iter().collect());
    command(MediaCommand::Room { core: CoreId(0), room, command: RoomCommand::Span { cores } });
    for slot in 0..2 {
        let leg = LegId { core: CoreId(0), slot, generation: 0 };
        command(MediaCommand::StartLeg { leg, plan: Box::new(plan(slot)) });
        command(MediaCommand::Join { leg, joined: Joined::Room(room) });
        let member = Member { voice: Voice::Room, hears: slot == 1, playout: Playout::Off };
        command(MediaCommand::SetMember { leg, member });
    }
    plane
}

fn plan(slot: u16) -> LegPlan {
    LegPlan {
        port: port(slot),
        media: NegotiatedMedia {
            remote_rtp: Some(address(slot)),
            remote_rtcp: None,
            rtcp_mux: true,
            codec: Codec::Pcmu,
            payload_type_send: 0,
            payload_type_receive: 0,
            event_payload_type_send: None,
            event_payload_type_receive: None,
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

fn address(slot: u16) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1], 20_000 + slot))
}

/// Keeps what the second party hears.
struct Listener(Vec<u8>);

impl Output for Listener {
    fn send(&mut self, socket: SocketId, _: SocketAddr, packet: &[u8]) {
        if socket == SocketId::rtp(1) && !rtp::is_rtcp(packet) {
            self.0.extend_from_slice(&packet[12..]);
        }
    }

    fn event(&mut self, _: MediaEvent) {}

    fn deliver(&mut self, _: Sink, _: TapFrame) -> bool {
        true
    }

    fn mesh(&mut self, _: CoreId, _: &MeshFrame) -> bool {
        true
    }
}
