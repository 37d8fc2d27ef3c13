//! Rooms under loss and jitter, on one core and on three, compared with a table: who hears whom.
//!
//! Six parties speak a tone each, or are silent. Every 3 s some come and go, are muted, stop to listen or coach one
//! member. Once that has settled, each listener's audio is split into the tones by Goertzel's sums: exactly the
//! others that the roles name must be in it. Where one talker is left, listeners of its codec must hear its very
//! bytes; on a network that loses, most of them.

use std::collections::{BTreeMap, BTreeSet};
use std::f32::consts::TAU;
use std::net::SocketAddr;
use std::sync::Arc;

use plane::{Plane, PlaneConfig, Received, SocketId, g711, rtp};
use shared::{
    BySink, Codec, CoreId, Direction, FRAME_SAMPLES, Instant, Joined, LegId, MediaCommand,
    MediaEvent, Member, Playout, RoomCommand, RoomId, Voice,
};

use crate::network::Network;
use crate::rng::Rng;

use super::{Hands, leg_plan, payload_type, port};

/// Plays the story of a seed on one core and on three; the findings.
pub fn run(seed: u64) -> Vec<String> {
    let story = |cores: u8| {
        let wrong = Story::new(seed, cores).play().into_iter();
        wrong.map(move |line| format!("{cores} cores, {line}"))
    };
    story(1).chain(story(3)).collect()
}

struct Story {
    rng: Rng,
    network: Network,
    cores: Vec<(Plane, Hands)>,
    parties: Vec<Party>,
    /// Packets on their way: by arrival, then in order of sending.
    flights: BTreeMap<(u64, u64), (usize, Vec<u8>)>,
    flown: u64,
    now_ms: u64,
    wrong: Vec<String>,
}

struct Party {
    codec: Codec,
    frames: u32,
    /// Whether it sends its tone; else silence.
    speaks: bool,
    /// What it is in the room; `None` outside.
    member: Option<Member>,
    /// Payloads that it heard in the part of the phase that counts.
    heard: Vec<Vec<u8>>,
    last_sequence: Option<u16>,
}

impl Story {
    fn new(seed: u64, cores: u8) -> Self {
        let mut rng = Rng::new(seed ^ 0x726F_6F6D);
        let network = match rng.below(3) {
            0 => Network::PERFECT,
            1 => Network { loss: 20, duplicates: 10, delay_ms: 10, jitter_ms: 15 },
            _ => Network { loss: 60, duplicates: 20, delay_ms: 20, jitter_ms: 30 },
        };
        let core = |core| {
            Plane::new(PlaneConfig {
                core: CoreId(core),
                cores,
                ports: (0..PARTIES).map(port).collect(),
                own: Arc::default(),
                legs_max: PARTIES,
                taps_max: BySink::default(),
                feeds_max: 0,
                room_members_max: PARTIES,
                inband_digits: false,
                seed,
                unix_ms_at_zero: 1_700_000_000_000,
                has_tier: false,
            })
        };
        let party = |index: usize| Party {
            codec: if index % 3 == 1 { Codec::Pcma } else { Codec::Pcmu },
            frames: 0,
            speaks: false,
            member: None,
            heard: Vec::new(),
            last_sequence: None,
        };
        Self {
            rng,
            network,
            cores: (0..cores).map(|index| (core(index), Hands::default())).collect(),
            parties: (0..PARTIES).map(party).collect(),
            flights: BTreeMap::new(),
            flown: 0,
            now_ms: START_MS,
            wrong: Vec::new(),
        }
    }

    fn play(mut self) -> Vec<String> {
        let cores: Vec<CoreId> = (0..self.cores.len()).map(|core| CoreId(core as u8)).collect();
        for core in cores.clone() {
            let command = RoomCommand::Span { cores: cores.iter().copied().collect() };
            self.command(MediaCommand::Room { core, room: ROOM, command });
        }
        for index in 0..PARTIES {
            let codec = self.parties[index].codec;
            let plan = leg_plan(index, address(index), codec, Direction::SendRecv, (7, 7));
            let leg = self.leg(index);
            self.command(MediaCommand::StartLeg { leg, plan: Box::new(plan) });
        }
        for phase in 0..PHASES {
            self.change_roles();
            self.pass(SETTLE_MS);
            self.parties.iter_mut().for_each(|party| party.heard.clear());
            self.pass(HEAR_MS);
            for listener in 0..PARTIES {
                self.compare(phase, listener);
            }
        }
        self.end(&cores);
        self.wrong
    }

    /// Draws what each party does in the next phase. Now and then only one of them speaks.
    fn change_roles(&mut self) {
        let alone = self.rng.permille(350).then(|| self.rng.below(PARTIES as u64) as usize);
        for index in 0..PARTIES {
            self.parties[index].speaks =
                alone.map_or_else(|| self.rng.permille(700), |alone| alone == index);
            let is_inside = self.rng.permille(850);
            let member = Member {
                voice: match self.rng.below(10) {
                    0 => Voice::Nobody,
                    1 => Voice::Member(self.leg((index + 1) % PARTIES)),
                    _ => Voice::Room,
                },
                hears: self.rng.permille(850),
                playout: Playout::Fixed(60),
            };
            self.put(index, is_inside.then_some(member));
        }
    }

    fn put(&mut self, index: usize, member: Option<Member>) {
        let leg = self.leg(index);
        let was = std::mem::replace(&mut self.parties[index].member, member);
        match member {
            Some(_) if was.is_none() => {
                self.command(MediaCommand::Join { leg, joined: Joined::Room(ROOM) });
            }
            None if was.is_some() => {
                self.command(MediaCommand::Join { leg, joined: Joined::Nobody });
            }
            _ => {}
        }
        if let Some(member) = member {
            self.command(MediaCommand::SetMember { leg, member });
        }
    }

    /// Whether a listener hears the tone of a talker.
    fn is_heard(&self, listener: usize, talker: usize) -> bool {
        let (Some(ears), Some(mouth)) =
            (self.parties[listener].member, self.parties[talker].member)
        else {
            return false;
        };
        let reaches = match mouth.voice {
            Voice::Nobody => false,
            Voice::Room => true,
            Voice::Member(leg) => leg == self.leg(listener),
        };
        listener != talker && self.parties[talker].speaks && ears.hears && reaches
    }

    /// Compares what a listener heard with the table.
    fn compare(&mut self, phase: u32, listener: usize) {
        let talkers: Vec<usize> =
            (0..PARTIES).filter(|talker| self.is_heard(listener, *talker)).collect();
        let party = &self.parties[listener];
        let codes = party.heard.iter().flatten();
        let samples: Vec<f32> =
            codes.map(|code| f32::from(g711::decode(party.codec, *code))).collect();
        let levels: Vec<u32> = (0..PARTIES).map(|of| level(&samples, hertz(of))).collect();
        for (of, percent) in levels.iter().enumerate() {
            let expected = if talkers.contains(&of) { 70..=130 } else { 0..=6 };
            if !expected.contains(percent) {
                self.wrong.push(format!(
                    "phase {phase}: party {listener} hears {levels:?} % of each tone, not exactly {talkers:?}"
                ));
                return;
            }
        }
        if let [alone] = talkers[..]
            && self.parties[alone].codec == self.parties[listener].codec
        {
            self.compare_bytes(phase, listener, alone);
        }
    }

    /// A lone talker is copied code by code.
    fn compare_bytes(&mut self, phase: u32, listener: usize, talker: usize) {
        let said = &self.parties[talker];
        let from = said.frames.saturating_sub((SETTLE_MS + HEAR_MS) as u32 / 20);
        let said: BTreeSet<Vec<u8>> =
            (from..said.frames).map(|frame| tone(talker, frame, said.codec)).collect();
        let heard = &self.parties[listener].heard;
        let others = heard.iter().filter(|payload| !said.contains(*payload)).count();
        let allowed = if self.network == Network::PERFECT { 0 } else { heard.len() * 2 / 5 };
        if heard.len() < HEARD_MIN || others > allowed {
            self.wrong.push(format!(
                "phase {phase}: of {} frames that party {listener} hears of {talker} alone, {others} are not its own",
                heard.len()
            ));
        }
    }

    fn pass(&mut self, ms: u64) {
        for _ in 0..ms {
            self.now_ms += 1;
            while let Some(flight) = self.flights.first_entry().filter(|e| e.key().0 <= self.now_ms)
            {
                let (index, packet) = flight.remove();
                self.arrive(index, packet);
            }
            let now = Instant::from_millis(self.now_ms);
            for (plane, hands) in &mut self.cores {
                if plane.poll_timeout().is_some_and(|(at, _)| at <= now) {
                    plane.tick(now, hands);
                }
            }
            self.settle();
            for index in 0..PARTIES {
                if (self.now_ms + index as u64 * 7).is_multiple_of(20) {
                    self.speak(index);
                }
            }
        }
    }

    fn speak(&mut self, index: usize) {
        let party = &mut self.parties[index];
        let (frame, codec) = (party.frames, party.codec);
        party.frames += 1;
        let payload =
            if party.speaks { tone(index, frame, codec) } else { vec![codec.silence(); 160] };
        let mut packet = vec![0; 12];
        if let Some(head) = packet.first_chunk_mut() {
            let timestamp = frame.wrapping_mul(160);
            rtp::write_header(head, false, payload_type(codec), frame as u16, timestamp, 7);
        }
        packet.extend_from_slice(&payload);
        for delay in self.network.deliveries(&mut self.rng) {
            self.flown += 1;
            let at = self.now_ms + delay.as_millis() as u64;
            self.flights.insert((at, self.flown), (index, packet.clone()));
        }
    }

    fn arrive(&mut self, index: usize, mut packet: Vec<u8>) {
        let now = Instant::from_millis(self.now_ms);
        let core = index % self.cores.len();
        let (plane, hands) = &mut self.cores[core];
        let received = plane.receive(now, SocketId::rtp(index), address(index), &mut packet, hands);
        if received != Received::Consumed {
            self.wrong.push(format!("a packet of party {index} was {received:?}"));
        }
        self.settle();
    }

    /// Carries frames between cores, and packets to the parties.
    fn settle(&mut self) {
        let now = Instant::from_millis(self.now_ms);
        for from in 0..self.cores.len() {
            while let Some((to, frame)) = self.cores[from].1.mesh.pop_front() {
                let (plane, hands) = &mut self.cores[usize::from(to.0)];
                plane.mesh_receive(now, &frame, hands);
            }
        }
        for (_, hands) in &mut self.cores {
            for (socket, _, packet) in hands.sent.drain(..).filter(|sent| !rtp::is_rtcp(&sent.2)) {
                let index = socket.port_index();
                let party = &mut self.parties[index];
                let sequence = u16::from_be_bytes([packet[2], packet[3]]);
                if party.last_sequence.is_some_and(|last| last.wrapping_add(1) != sequence) {
                    self.wrong.push(format!("party {index} gets packet {sequence} out of turn"));
                }
                party.last_sequence = Some(sequence);
                party.heard.push(packet[12..].to_vec());
            }
            for event in hands.events.drain(..) {
                if let MediaEvent::Refused { .. } = event {
                    self.wrong.push(format!("{event:?}"));
                }
            }
        }
    }

    fn end(&mut self, cores: &[CoreId]) {
        for index in 0..PARTIES {
            let leg = self.leg(index);
            self.command(MediaCommand::StopLeg { leg, quality: Box::default() });
        }
        for core in cores {
            let command = RoomCommand::Close;
            self.command(MediaCommand::Room { core: *core, room: ROOM, command });
        }
        for (plane, _) in &self.cores {
            let meters = plane.meters();
            let left = (meters.received_balance(), meters.mesh_balance(), meters.legs);
            if left != (0, 0, 0) {
                self.wrong.push(format!("received, mesh, legs left over: {left:?}"));
            }
        }
    }

    fn command(&mut self, command: MediaCommand) {
        let (plane, hands) = &mut self.cores[usize::from(command.core().0)];
        plane.command(Instant::from_millis(self.now_ms), command, hands);
        self.settle();
    }

    fn leg(&self, index: usize) -> LegId {
        let core = CoreId((index % self.cores.len()) as u8);
        LegId { core, slot: index as u16, generation: 0 }
    }
}

fn address(index: usize) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, index as u8 + 1], 4_000))
}

/// Whole periods in 20 ms, so that a frame which is left out leaves the phase.
fn hertz(index: usize) -> f32 {
    350.0 + 250.0 * index as f32
}

/// A frame of a party's tone. Some samples say which frame it is, 24 dB below the tone.
fn tone(index: usize, frame: u32, codec: Codec) -> Vec<u8> {
    let sample = |at: usize| {
        let sine = (TAU * hertz(index) * at as f32 / 8_000.0).sin() * PEAK;
        let mark = if at < 16 && frame >> at & 1 == 1 { PEAK / 16.0 } else { 0.0 };
        g711::encode(codec, (sine + mark) as i16)
    };
    (0..FRAME_SAMPLES).map(sample).collect()
}

/// The level of a tone, in percent of a party's: the median over 100 ms each, because a concealed loss disturbs all
/// frequencies for a moment.
fn level(samples: &[f32], hertz: f32) -> u32 {
    let turn = TAU * hertz / 8_000.0;
    let one = |part: &[f32]| {
        let (mut sine, mut cosine) = (0.0, 0.0);
        for (at, sample) in part.iter().enumerate() {
            let window = 1.0 - (TAU * (at as f32 + 0.5) / part.len() as f32).cos();
            sine += sample * window * (turn * at as f32).sin();
            cosine += sample * window * (turn * at as f32).cos();
        }
        2.0 * f32::hypot(sine, cosine) / part.len() as f32 / PEAK * 100.0
    };
    let mut levels: Vec<u32> =
        samples.chunks_exact(800).map(|part| one(part).round() as u32).collect();
    levels.sort_unstable();
    levels.get(levels.len() / 2).copied().unwrap_or(0)
}

const ROOM: RoomId = RoomId(13);
const PARTIES: usize = 6;
const PHASES: u32 = 5;
const START_MS: u64 = 1_000;
const SETTLE_MS: u64 = 1_500;
const HEAR_MS: u64 = 1_500;
/// Frames of [`HEAR_MS`], less two for the edges.
const HEARD_MIN: usize = HEAR_MS as usize / 20 - 2;
/// Of a party's tone; all of them together stay below full scale.
const PEAK: f32 = 4_000.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_thirty_seeds_each_member_hears_exactly_the_others_on_one_core_and_on_three() {
        for seed in 0..30 {
            let wrong = run(seed);
            assert!(wrong.is_empty(), "--rooms --seed {seed}: {:#?}", &wrong[..wrong.len().min(5)]);
        }
    }

    #[test]
    fn a_tone_is_measured_alone() {
        let codes: Vec<u8> = (0..50).flat_map(|frame| tone(2, frame, Codec::Pcmu)).collect();
        let samples: Vec<f32> =
            codes.iter().map(|code| f32::from(g711::decode(Codec::Pcmu, *code))).collect();
        let levels: Vec<u32> = (0..PARTIES).map(|of| level(&samples, hertz(of))).collect();
        assert!((98..=102).contains(&levels[2]), "{levels:?}");
        assert!(levels.iter().enumerate().all(|(of, level)| of == 2 || *level <= 1), "{levels:?}");
    }
}
