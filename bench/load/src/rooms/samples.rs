//! The cost of mixing, of a member's packets and of a lost frame: a `Plane` without sockets. Shell.

use std::hint::black_box;
use std::net::SocketAddr;
use std::sync::Arc;

use plane::{MeshFrame, Output, Plane, PlaneConfig, Received, SocketId, g711, rtp};
use shared::{BySink, Codec, CoreId, Instant, MediaEvent, Playout, Sink, TapFrame};

use super::plan::{Plan, party, port};
use crate::report::Section;
use crate::rounds::Rounds;
use crate::schedstat::own_cpu_ns;

/// Measures rooms of several sizes.
pub(super) fn section(rounds: usize) -> Section {
    let columns = ["ns a member and 20 ms", "mix", "mix and packets", "packet in", "% of a core"];
    let mut section = Section::new("Rooms, without sockets", &columns);
    for (what, rooms, members, talkers) in [
        ("one room of 1,000, 3 speak", 1, 1_000, 3),
        ("one room of 1,000, all speak", 1, 1_000, 1_000),
        ("one room of 250, 3 speak", 1, 250, 3),
        ("250 rooms of 4, one speaks in each", 250, 4, 1),
        ("250 rooms of 4, all speak", 250, 4, 4),
    ] {
        let plan = |hears| Plan { rooms, members, playout: Playout::Fixed(40), hears };
        let mix = Site::new(plan(false), talkers).cost(false, rounds);
        let tick = Site::new(plan(true), talkers).cost(false, rounds);
        let core = f64::from(rooms * members) * (tick.tick + tick.packet) / 20e6 * 100.0;
        section.row([
            what.to_owned(),
            format!("{:.1}", mix.tick),
            format!("{:.1}", tick.tick),
            format!("{:.1}", tick.packet),
            format!("{core:.2}"),
        ]);
    }
    let plan = Plan { rooms: 1, members: 200, playout: Playout::Fixed(40), hears: false };
    let [whole, lossy] = [false, true].map(|loses| Site::new(plan, 200).cost(loses, rounds).tick);
    section.note(format!(
        "A lost frame costs {:.0} ns, with the search for its pitch and the fading into the next one.",
        (lossy - whole) * f64::from(LOSS_EVERY)
    ));
    section.note(
        "\"Mix\" reads, chooses and adds the members' frames. CPU time, medians; sockets are not in it.",
    );
    section
}

/// A core with rooms whose members send every 20 ms.
struct Site {
    plane: Plane,
    plan: Plan,
    talkers: u16,
    round: u32,
}

/// Nanoseconds a member and frame.
struct Cost {
    tick: f64,
    packet: f64,
}

impl Site {
    fn new(plan: Plan, talkers: u16) -> Self {
        let legs = usize::from(plan.legs());
        let mut plane = Plane::new(PlaneConfig {
            core: CoreId(0),
            cores: 1,
            ports: (0..plan.legs()).map(port).collect(),
            own: Arc::default(),
            legs_max: legs,
            taps_max: BySink::default(),
            feeds_max: 0,
            room_members_max: legs,
            seed: 1,
            inband_digits: true,
            unix_ms_at_zero: 0,
            has_tier: false,
        });
        for command in plan.commands(port, party) {
            plane.command(Instant::ZERO, command, &mut Nothing);
        }
        Self { plane, plan, talkers, round: 0 }
    }

    /// Where a member loses, it loses one frame of five.
    fn cost(&mut self, loses: bool, rounds: usize) -> Cost {
        let voice = voice();
        let (mut ticks, mut packets) = (Rounds::default(), Rounds::default());
        for _ in 0..rounds {
            let (mut tick_ns, mut packet_ns) = (0, 0);
            for _ in 0..TICKS {
                self.round += 1;
                let now = Instant::from_millis(u64::from(self.round) * 20 + 10);
                let start = own_cpu_ns();
                for slot in 0..self.plan.legs() {
                    let turn = self.round + u32::from(slot);
                    if !loses || !turn.is_multiple_of(LOSS_EVERY) {
                        self.speak(now, slot, &voice);
                    }
                }
                let middle = own_cpu_ns();
                self.plane.tick(Instant::from_millis(now.as_millis() + 20), &mut Nothing);
                packet_ns += middle - start;
                tick_ns += own_cpu_ns() - middle;
            }
            let frames = f64::from(TICKS) * f64::from(self.plan.legs());
            ticks.push(tick_ns as f64 / frames);
            packets.push(packet_ns as f64 / frames);
        }
        let median = |rounds: Rounds| rounds.median().unwrap_or_default();
        Cost { tick: median(ticks), packet: median(packets) }
    }

    fn speak(&mut self, now: Instant, slot: u16, voice: &[u8; 1_600]) {
        let mut packet = [0xFE; 172];
        if let Some(head) = packet.first_chunk_mut() {
            let timestamp = self.round.wrapping_mul(160);
            rtp::write_header(head, false, 0, self.round as u16, timestamp, slot.into());
        }
        if slot % self.plan.members < self.talkers {
            let from = self.round as usize % 10 * 160;
            packet[12..].copy_from_slice(&voice[from..from + 160]);
        }
        let socket = SocketId::rtp(usize::from(slot));
        let received = self.plane.receive(now, socket, party(slot), &mut packet, &mut Nothing);
        assert_eq!(black_box(received), Received::Consumed);
    }
}

/// 200 ms of a tone with overtones.
pub(super) fn voice() -> [u8; 1_600] {
    std::array::from_fn(|at| {
        let turn = std::f32::consts::TAU * at as f32 / 64.0;
        let sample = 4_000.0 * turn.sin() + 2_000.0 * (3.0 * turn).cos();
        g711::encode(Codec::Pcmu, sample as i16)
    })
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

/// Ticks of a round: 2 s of audio.
const TICKS: u32 = 100;
const LOSS_EVERY: u32 = 5;
