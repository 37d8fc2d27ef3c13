//! The party of a case and the core that hears it: packets over a path that loses 3 % of them, in bursts of 1.5.

use std::net::SocketAddr;
use std::sync::Arc;

use plane::{MeshFrame, Output, Plane, PlaneConfig, SocketId, g711, rtp};
use shared::{
    AnsweredBy, BySink, Codec, CoreId, Direction, FRAME_SAMPLES, Instant, LatchMode, LegId,
    LegPlan, MediaCommand, MediaEvent, MediaPort, NegotiatedMedia, Sink, SplitMix, TapFrame,
};

use crate::set::Case;
use crate::sounds::unit;

/// The decision of the core.
#[derive(Debug, PartialEq, Eq)]
pub struct Heard {
    /// [`AnsweredBy::MachineEndOther`] where the samples ended before a decision.
    pub found: AnsweredBy,
    /// Milliseconds from the answer; `None` where there was no decision.
    pub at_ms: Option<u32>,
}

/// Plays a case to a core.
pub fn hear(case: &Case) -> Heard {
    let mut core = Core::new(case);
    let mut path = Path { random: SplitMix::new(case.seed ^ 0x10_55), is_losing: false };
    for (index, frame) in case.samples.chunks_exact(FRAME_SAMPLES).enumerate() {
        // A packet leaves when its 20 ms are over, and arrives up to 10 ms later.
        let at_ms = (index as u64 + 1) * 20 + path.random.below(10);
        let is_lost = path.loses();
        core.pass_until(at_ms);
        if !is_lost {
            core.receive(at_ms, index, frame);
        }
        if let Some((found, after_ms)) = core.found.0 {
            return Heard { found, at_ms: Some(after_ms) };
        }
    }
    Heard { found: AnsweredBy::MachineEndOther, at_ms: None }
}

/// Losses of a Gilbert model.
struct Path {
    random: SplitMix,
    is_losing: bool,
}

impl Path {
    fn loses(&mut self) -> bool {
        let to_good = 1.0 / BURST;
        let to_bad = to_good * LOSS / (1.0 - LOSS);
        let drawn = unit(&mut self.random);
        self.is_losing = if self.is_losing { drawn >= to_good } else { drawn < to_bad };
        self.is_losing
    }
}

const LOSS: f32 = 0.03;
const BURST: f32 = 1.5;

/// A plane with one leg that listens for a machine.
struct Core {
    plane: Plane,
    codec: Codec,
    found: Found,
}

/// The decision that the core reports.
struct Found(Option<(AnsweredBy, u32)>);

impl Core {
    fn new(case: &Case) -> Self {
        let plane = Plane::new(PlaneConfig {
            core: CoreId(0),
            cores: 1,
            ports: vec![PORT],
            own: Arc::default(),
            legs_max: 1,
            taps_max: BySink::default(),
            feeds_max: 0,
            room_members_max: 0,
            seed: case.seed,
            inband_digits: true,
            unix_ms_at_zero: 0,
            has_tier: false,
        });
        let mut core = Self { plane, codec: case.codec, found: Found(None) };
        core.command(MediaCommand::StartLeg { leg: LEG, plan: Box::new(plan(case.codec)) });
        core.command(MediaCommand::StartDetection { leg: LEG, detection: case.terms });
        core
    }

    fn command(&mut self, command: MediaCommand) {
        self.plane.command(Instant::from_millis(ANSWERED_MS), command, &mut self.found);
    }

    /// Lets the time pass to this many milliseconds after the answer.
    fn pass_until(&mut self, at_ms: u64) {
        let until = Instant::from_millis(ANSWERED_MS + at_ms);
        while let Some((due, _)) = self.plane.poll_timeout().filter(|(due, _)| *due <= until) {
            self.plane.tick(due, &mut self.found);
        }
    }

    fn receive(&mut self, at_ms: u64, index: usize, frame: &[i16]) {
        let mut packet = [0; 12 + FRAME_SAMPLES];
        if let Some(head) = packet.first_chunk_mut() {
            let payload_type = if self.codec == Codec::Pcmu { 0 } else { 8 };
            let timestamp = (index * FRAME_SAMPLES) as u32;
            rtp::write_header(head, false, payload_type, index as u16, timestamp, 7);
        }
        for (code, sample) in packet[12..].iter_mut().zip(frame) {
            *code = g711::encode(self.codec, *sample);
        }
        let now = Instant::from_millis(ANSWERED_MS + at_ms);
        let received =
            self.plane.receive(now, SocketId::rtp(0), party(), &mut packet, &mut self.found);
        assert_eq!(received, plane::Received::Consumed, "packet {index}");
    }
}

impl Output for Found {
    fn send(&mut self, _: SocketId, _: SocketAddr, _: &[u8]) {}

    fn event(&mut self, event: MediaEvent) {
        if let MediaEvent::Detected { answered_by, after_ms, .. } = event {
            self.0 = Some((answered_by, after_ms));
        }
    }

    fn deliver(&mut self, _: Sink, _: TapFrame) -> bool {
        true
    }

    fn mesh(&mut self, _: CoreId, _: &MeshFrame) -> bool {
        true
    }
}

fn plan(codec: Codec) -> LegPlan {
    let payload_type = if codec == Codec::Pcmu { 0 } else { 8 };
    LegPlan {
        port: PORT,
        media: NegotiatedMedia {
            remote_rtp: Some(party()),
            remote_rtcp: None,
            rtcp_mux: true,
            codec,
            payload_type_send: payload_type,
            payload_type_receive: payload_type,
            event_payload_type_send: Some(101),
            event_payload_type_receive: Some(101),
            direction: Direction::SendRecv,
            ptime_ms: 20,
            srtp: None,
        },
        latch: LatchMode::Sdp,
        signaling_peer: None,
        ssrc: 1,
        first_sequence: 0,
        first_timestamp: 0,
        media_timeout_ms: 0,
    }
}

fn party() -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1], 20_000))
}

const ANSWERED_MS: u64 = 1_000;
const PORT: MediaPort = MediaPort { address: 0, rtp: 10_000 };
const LEG: LegId = LegId { core: CoreId(0), slot: 0, generation: 0 };
