//! Rooms: who hears whom, on one core and on three, with every role, packet time and end. SRTP is in `secure.rs`.

use std::f32::consts::TAU;

use shared::{CoreId, FRAME_SAMPLES, Member, Playout, RoomCommand, RoomEvent, Voice};

use shared::media::TapPause;

use super::*;

const ROOM: RoomId = RoomId(13);
const TALKS: Member = Member { voice: Voice::Room, hears: true, playout: Playout::Off };

/// A world of parties that are in the room and speak in turn of 20 ms, each its own tone.
struct Conference {
    world: World,
    tick: usize,
    speaks: Vec<bool>,
}

impl Conference {
    fn new(cores: u8, parties: usize, member: impl Fn(usize) -> Member) -> Self {
        Self::with(cores, parties, member, |_, _| {})
    }

    fn with(
        cores: u8,
        parties: usize,
        member: impl Fn(usize) -> Member,
        change: impl Fn(usize, &mut LegPlan),
    ) -> Self {
        let mut world = World::new(cores);
        world.open_room(ROOM);
        for party in 0..parties {
            world.start(|plan| change(party, plan));
            world.enter(party, ROOM, member(party));
        }
        Self { world, tick: 0, speaks: vec![true; parties] }
    }

    /// Each party speaks 20 ms, in the middle of the ticks of the room.
    fn run(&mut self, ticks: usize) {
        for _ in 0..ticks {
            for party in 0..self.speaks.len() {
                let codes = tone(party, self.tick * FRAME_SAMPLES, FRAME_SAMPLES);
                if self.speaks[party] {
                    let _ = self.world.speak(party, &codes);
                } else {
                    self.world.lose(party, &codes);
                }
            }
            self.tick += 1;
            self.world.run(20);
        }
    }

    /// The power of each party's tone in what a party hears from now on, in percent of that tone alone.
    fn hears(&mut self, party: usize, codec: Codec) -> Vec<u32> {
        self.world.heard(party);
        self.run(50);
        let heard = self.world.heard(party);
        assert_continuous_within(&heard, 400);
        let codes: Vec<u8> = heard.iter().flat_map(|sent| sent.payload().to_vec()).collect();
        let samples: Vec<f32> =
            codes.iter().map(|code| f32::from(g711::decode(codec, *code))).collect();
        (0..self.speaks.len()).map(|of| power(&samples, hertz(of))).collect()
    }
}

fn hertz(party: usize) -> f32 {
    350.0 + 250.0 * party as f32
}

/// A tone in mu-law with a peak of 4,000.
fn tone(party: usize, from: usize, samples: usize) -> Vec<u8> {
    let sample = |at: usize| (TAU * hertz(party) * at as f32 / 8_000.0).sin() * 4_000.0;
    (from..from + samples).map(|at| g711::encode(Codec::Pcmu, sample(at) as i16)).collect()
}

/// Goertzel's measure of one frequency, in percent of a tone with a peak of 4,000.
fn power(samples: &[f32], hertz: f32) -> u32 {
    let turn = TAU * hertz / 8_000.0;
    let (mut sine, mut cosine) = (0.0, 0.0);
    for (at, sample) in samples.iter().enumerate() {
        sine += sample * (turn * at as f32).sin();
        cosine += sample * (turn * at as f32).cos();
    }
    let peak = 2.0 * f32::hypot(sine, cosine) / samples.len() as f32;
    (peak / 40.0).round() as u32
}

fn assert_hears(conference: &mut Conference, party: usize, others: &[usize]) {
    assert_hears_in(conference, party, others, Codec::Pcmu);
}

fn assert_hears_in(conference: &mut Conference, party: usize, others: &[usize], codec: Codec) {
    let heard = conference.hears(party, codec);
    for (of, percent) in heard.iter().enumerate() {
        let expected = if others.contains(&of) { 85..=115 } else { 0..=3 };
        assert!(expected.contains(percent), "{party} hears {heard:?} instead of {others:?}");
    }
}

#[test]
fn each_member_hears_exactly_the_others_on_one_core_and_on_three() {
    for cores in [1, 3] {
        let mut conference = Conference::new(cores, 7, |_| TALKS);
        conference.run(10);
        for party in 0..7 {
            let others: Vec<usize> = (0..7).filter(|other| *other != party).collect();
            assert_hears(&mut conference, party, &others);
        }
    }
}

#[test]
fn one_talker_is_heard_bit_by_bit_in_order_and_without_a_gap() {
    for cores in [1, 3] {
        let mut conference = Conference::new(cores, 3, |_| TALKS);
        conference.speaks = vec![true, false, false];
        conference.run(100);
        let said: Vec<u8> = tone(0, 0, 100 * FRAME_SAMPLES);
        for party in [1, 2] {
            let heard = conference.world.heard(party);
            let codes: Vec<u8> = heard.iter().flat_map(|sent| sent.payload().to_vec()).collect();
            let start = codes.windows(400).position(|window| *window == said[..400]);
            let start = start.expect("the beginning of the tone");
            assert!(codes.len() - start >= 96 * FRAME_SAMPLES, "{cores}: {start}");
            assert_eq!(codes[start..], said[..codes.len() - start], "{cores}");
        }
    }
}

#[test]
fn roles_say_who_hears_whom() {
    let mut conference = Conference::new(1, 5, |party| match party {
        1 => Member { voice: Voice::Nobody, ..TALKS },
        2 => Member { hears: false, ..TALKS },
        3 => Member::default(),
        _ => TALKS,
    });
    conference.run(10);
    assert_hears(&mut conference, 0, &[2, 4]);
    assert_hears(&mut conference, 1, &[0, 2, 4]);
    assert_hears(&mut conference, 2, &[]);
    assert_hears(&mut conference, 3, &[]);
    let leg = conference.world.leg(3);
    conference.world.command(MediaCommand::SetMember { leg, member: TALKS });
    conference.run(5);
    assert_hears(&mut conference, 0, &[2, 3, 4]);
    assert_hears(&mut conference, 3, &[0, 2, 4]);
}

#[test]
fn a_coach_is_heard_by_one_member_on_any_core() {
    for cores in [1, 3] {
        let mut conference = Conference::new(cores, 4, |_| TALKS);
        let (coach, coached) = (conference.world.leg(3), conference.world.leg(1));
        let member = Member { voice: Voice::Member(coached), ..TALKS };
        conference.world.command(MediaCommand::SetMember { leg: coach, member });
        conference.run(10);
        assert_hears(&mut conference, 0, &[1, 2]);
        assert_hears(&mut conference, 1, &[0, 2, 3]);
        assert_hears(&mut conference, 2, &[0, 1]);
        assert_hears(&mut conference, 3, &[0, 1, 2]);
    }
}

#[test]
fn every_packet_time_and_codec_hears_the_room() {
    let change = |party: usize, plan: &mut LegPlan| match party {
        1 => plan.media.ptime_ms = 10,
        2 => plan.media.ptime_ms = 30,
        3 => plan.media.ptime_ms = 60,
        4 => {
            plan.media.codec = Codec::Pcma;
            plan.media.payload_type_send = 8;
        }
        _ => {}
    };
    let mut conference = Conference::with(1, 6, |_| TALKS, change);
    // What a party says is in mu-law in these tests.
    conference.speaks[4] = false;
    conference.run(10);
    for (party, samples) in [(0, 160), (1, 80), (2, 240), (3, 480), (4, 160)] {
        let others: Vec<usize> = (0..6).filter(|other| *other != party && *other != 4).collect();
        let codec = if party == 4 { Codec::Pcma } else { Codec::Pcmu };
        assert_hears_in(&mut conference, party, &others, codec);
        conference.run(20);
        let heard = conference.world.heard(party);
        assert!(heard.iter().all(|sent| sent.payload().len() == samples), "{party}");
        assert!(heard.len().abs_diff(20 * 160 / samples) <= 1, "{party}: {}", heard.len());
    }
}

#[test]
fn a_prompt_takes_the_place_of_the_room_for_its_party_alone() {
    let mut conference = Conference::new(1, 3, |_| TALKS);
    conference.run(10);
    play(&mut conference.world, 1, 60 * FRAME_SAMPLES, 1);
    assert_hears(&mut conference, 1, &[]);
    conference.run(12);
    assert_hears(&mut conference, 1, &[0, 2]);
    assert_hears(&mut conference, 0, &[1, 2]);
}

#[test]
fn numbers_continue_through_any_number_of_rooms() {
    let rooms = [RoomId(3), RoomId(11), RoomId(17)];
    let mut world = World::new(1);
    rooms.into_iter().for_each(|room| world.open_room(room));
    let party = world.start(|_| {});
    world.run(200);
    for round in 0..60u64 {
        world.run(1 + round * 7 % 43);
        match round % 4 {
            3 => world.unbridge(party),
            at => world.enter(party, rooms[at as usize], TALKS),
        }
    }
    world.unbridge(party);
    world.run(200);
    let heard = world.heard(party);
    for pair in heard.windows(2) {
        let (a, b) = (pair[0].header(), pair[1].header());
        assert_eq!((a.ssrc, a.sequence.wrapping_add(1)), (b.ssrc, b.sequence));
        let step = b.timestamp.wrapping_sub(a.timestamp);
        // A leg that changes rooms faster than they beat leaves out what it could not send.
        assert!(step.is_multiple_of(160) && (160..=480).contains(&step), "{step}");
    }
    // Media time and the clock agree again once the leg beats in its own phase.
    let (first, last) = (&heard[0], &heard[heard.len() - 1]);
    let media = last.header().timestamp.wrapping_sub(first.header().timestamp);
    let clock = last.at.since(first.at).as_millis() as u32 * 8;
    assert!(media.abs_diff(clock) <= 160, "{media} for {clock}");
}

#[test]
fn a_full_core_and_a_closed_room_refuse_and_the_leg_stays_as_it_was() {
    let mut world = World::new(1);
    world.open_room(ROOM);
    for party in 0..8 {
        world.start(|_| {});
        world.enter(party, ROOM, TALKS);
    }
    let refusals = |world: &mut World| -> Vec<CommandRefusal> {
        let reason = |event| match event {
            MediaEvent::Refused { reason, .. } => Some(reason),
            _ => None,
        };
        world.events().into_iter().filter_map(reason).collect()
    };
    // Seven members are the most; the eighth is none.
    assert_eq!(refusals(&mut world), [CommandRefusal::RoomsFull, CommandRefusal::NoRoom]);
    let leg = world.leg(0);
    world.command(MediaCommand::Join { leg, joined: Joined::Room(RoomId(99)) });
    assert_eq!(refusals(&mut world), [CommandRefusal::NoRoom]);
    assert_eq!(world.cores[0].0.meters().room_members, 7);
    world.command(MediaCommand::Join { leg, joined: Joined::Room(ROOM) });
    assert_eq!(refusals(&mut world), []);
    world.room(CoreId(0), ROOM, RoomCommand::Close);
    let meters = *world.cores[0].0.meters();
    assert_eq!((meters.rooms, meters.room_members, meters.legs), (0, 0, 8));
    world.heard(0);
    world.run(40);
    assert_eq!(world.heard(0).len(), 2);
}

#[test]
fn prompts_of_a_room_are_mixed_up_to_four_and_return() {
    let mut conference = Conference::new(1, 2, |_| TALKS);
    conference.run(5);
    let tone: Vec<i16> = tone(1, 0, 40 * FRAME_SAMPLES)
        .iter()
        .map(|code| g711::decode(Codec::Pcmu, *code))
        .collect();
    let prompt = Arc::new(g711::prompt(&tone));
    for play in 0..5 {
        let (play, repeat) = (PlayId(play), u32::from(play < 2));
        let command = RoomCommand::Play { play, prompt: Arc::clone(&prompt), repeat };
        conference.world.room(CoreId(0), ROOM, command);
    }
    let ends = |world: &mut World| -> Vec<(u32, PlayEnd)> {
        let end = |event| match event {
            MediaEvent::Room { event: RoomEvent::PlayEnded { play, cause, .. }, .. } => {
                Some((play.0, cause))
            }
            _ => None,
        };
        world.events().into_iter().filter_map(end).collect()
    };
    assert_eq!(ends(&mut conference.world), [(4, PlayEnd::Stopped)]);
    conference.run(45);
    let finished = [(0, PlayEnd::Finished), (1, PlayEnd::Finished)];
    assert_eq!(ends(&mut conference.world), finished);
    conference.world.room(CoreId(0), ROOM, RoomCommand::StopPlay { play: PlayId(3) });
    assert_eq!(ends(&mut conference.world), [(3, PlayEnd::Stopped)]);
    conference.speaks = vec![false; 2];
    conference.run(50);
    // The tone of party 1 still plays, to both.
    assert_hears(&mut conference, 0, &[1]);
    assert_hears(&mut conference, 1, &[1]);
    conference.world.room(CoreId(0), ROOM, RoomCommand::Close);
    assert_eq!(ends(&mut conference.world), [(2, PlayEnd::Stopped)]);
    assert_eq!(Arc::strong_count(&prompt), 1);
}

#[test]
fn a_tap_hears_the_whole_room_without_its_coach() {
    let mut conference = Conference::new(1, 3, |_| TALKS);
    let coached = conference.world.leg(1);
    let leg = conference.world.leg(2);
    let member = Member { voice: Voice::Member(coached), ..TALKS };
    conference.world.command(MediaCommand::SetMember { leg, member });
    let (tap, limits) = (TapId(5), TapLimits::default());
    let start = RoomCommand::StartTap { tap, sink: Sink::Recorder, limits };
    conference.world.room(CoreId(0), ROOM, start);
    conference.run(60);
    let pause = Some(TapPause::Skip);
    conference.world.room(CoreId(0), ROOM, RoomCommand::PauseTap { tap, pause });
    conference.run(10);
    conference.world.room(CoreId(0), ROOM, RoomCommand::StopTap { tap });
    let frames = std::mem::take(&mut conference.world.cores[0].1.frames);
    assert_eq!(frames.len(), 61);
    assert!(frames[60].last);
    let codes = frames[5..60].iter().flat_map(|frame| frame.inbound.expect("a mono track"));
    let samples: Vec<f32> = codes.map(|code| f32::from(g711::decode(Codec::Pcmu, code))).collect();
    let heard: Vec<u32> = (0..3).map(|of| power(&samples, hertz(of))).collect();
    assert!(heard[0] > 85 && heard[1] > 85 && heard[2] <= 3, "{heard:?}");
    let ended = |event: &MediaEvent| {
        matches!(event, MediaEvent::Room { event: RoomEvent::TapEnded { .. }, .. })
    };
    assert_eq!(conference.world.events().iter().filter(|event| ended(event)).count(), 1);
}

#[test]
fn talking_is_reported_for_members_that_somebody_hears() {
    let mut conference = Conference::new(1, 3, |party| match party {
        2 => Member { voice: Voice::Nobody, ..TALKS },
        _ => TALKS,
    });
    conference.speaks[1] = false;
    conference.run(20);
    let leg = conference.world.leg(0);
    let talking = |world: &mut World| -> Vec<(LegId, bool)> {
        let talking = |event| match event {
            MediaEvent::Talking { leg, is_talking } => Some((leg, is_talking)),
            _ => None,
        };
        world.events().into_iter().filter_map(talking).collect()
    };
    assert_eq!(talking(&mut conference.world), [(leg, true)]);
    let member = Member { voice: Voice::Nobody, ..TALKS };
    conference.world.command(MediaCommand::SetMember { leg, member });
    conference.run(20);
    assert_eq!(talking(&mut conference.world), [(leg, false)]);
}

#[test]
fn a_lost_sum_of_another_core_is_silence_and_counted() {
    let mut conference = Conference::new(3, 3, |_| TALKS);
    conference.run(10);
    conference.world.cores[1].1.mesh_is_full = true;
    conference.run(10);
    assert_hears(&mut conference, 0, &[2]);
    let unsent = conference.world.cores[1].0.meters().room_sums_unsent;
    let lost = conference.world.cores[0].0.meters().room_sums_lost;
    assert!(unsent >= 2 * 59 && lost >= 58, "{unsent} {lost}");
    conference.world.cores[1].1.mesh_is_full = false;
    conference.run(5);
    assert_hears(&mut conference, 0, &[1, 2]);
}

#[test]
fn a_tone_of_an_hour_has_no_break_in_its_phase() {
    let mut conference = Conference::new(1, 2, |_| Member { playout: Playout::Adaptive, ..TALKS });
    conference.speaks[1] = false;
    conference.run(50);
    let mut heard: Vec<u8> = Vec::new();
    let mut checked = 0;
    // 1,000 Hz repeat every 8 samples, so that each sample equals the one 8 before, and one break would show.
    let cycle: Vec<u8> = (0..8)
        .map(|at| g711::encode(Codec::Pcmu, ((TAU * at as f32 / 8.0).sin() * 4_000.0) as i16))
        .collect();
    let packet: Vec<u8> = cycle.repeat(20);
    conference.world.heard(1);
    for second in 0..3_600 {
        for _ in 0..50 {
            let _ = conference.world.speak(0, &packet);
            conference.world.run(20);
        }
        conference.world.heard(0);
        heard.extend(conference.world.heard(1).iter().flat_map(|sent| sent.payload().to_vec()));
        let begun = if second == 0 { 4_000 } else { 0 };
        assert!(heard[begun..].windows(9).all(|nine| nine[0] == nine[8]), "second {second}");
        checked += heard.len() - begun;
        heard.drain(..heard.len() - 8);
    }
    assert!(checked >= 3_599 * 8_000, "{checked}");
}

#[test]
fn losses_are_concealed_for_all_who_listen() {
    let mut conference = Conference::new(3, 3, |_| Member { playout: Playout::Fixed(40), ..TALKS });
    conference.speaks = vec![true, false, false];
    conference.run(20);
    conference.world.heard(1);
    conference.world.heard(2);
    for round in 0..100 {
        conference.speaks[0] = round % 10 != 5;
        conference.run(1);
    }
    let lost = conference.world.cores[0].0.meters().room_frames_lost;
    assert!((9..=11).contains(&lost), "{lost}");
    for party in [1, 2] {
        let heard = conference.world.heard(party);
        let codes: Vec<u8> = heard.iter().flat_map(|sent| sent.payload().to_vec()).collect();
        let samples: Vec<i32> =
            codes.iter().map(|code| i32::from(g711::decode(Codec::Pcmu, *code))).collect();
        let quiet = samples.chunks(40).filter(|part| part.iter().all(|it| it.abs() < 1_000));
        assert_eq!(quiet.count(), 0, "{party} hears holes");
    }
}

#[test]
fn members_come_and_go_and_nobody_else_notices() {
    let mut conference = Conference::new(1, 3, |_| TALKS);
    conference.speaks = vec![true, false, false];
    conference.run(20);
    conference.world.heard(1);
    let before = conference.world.heard(1).len();
    assert_eq!(before, 0);
    let said_from = conference.tick * FRAME_SAMPLES;
    // Party 2 leaves and enters 50 times a second, at every phase.
    for round in 0..500u64 {
        let codes = tone(0, conference.tick * FRAME_SAMPLES, FRAME_SAMPLES);
        let _ = conference.world.speak(0, &codes);
        conference.tick += 1;
        conference.world.run(round % 20);
        match round % 2 {
            0 => conference.world.unbridge(2),
            _ => conference.world.enter(2, ROOM, TALKS),
        }
        conference.world.run(20 - round % 20);
    }
    let heard = conference.world.heard(1);
    assert_continuous_within(&heard, 0);
    let codes: Vec<u8> = heard.iter().flat_map(|sent| sent.payload().to_vec()).collect();
    let said = tone(0, said_from - 2 * FRAME_SAMPLES, 502 * FRAME_SAMPLES);
    let at = said.windows(800).position(|window| *window == codes[..800]);
    let at = at.expect("what was said");
    assert_eq!(codes, said[at..at + codes.len()]);
    assert_eq!(conference.world.cores[0].0.meters().room_members, 3);
}

#[test]
fn the_packets_of_a_member_are_consumed_and_no_tier_relays_them() {
    let mut conference = Conference::new(1, 2, |_| TALKS);
    conference.run(20);
    let (plane, _) = &conference.world.cores[0];
    assert_eq!(plane.meters().packets_consumed, 40);
    assert_eq!(plane.relay_rule(conference.world.leg(0)).err(), Some(NotRelayable::InRoom));
    let stopped = stop(&mut conference.world, 0);
    assert_eq!(stopped.received, 20);
    assert_eq!(conference.world.cores[0].0.meters().room_members, 1);
    conference.speaks[0] = false;
    assert_hears(&mut conference, 1, &[]);
}

/// Who hears whom, from the roles alone.
fn heard_by(roles: &[Option<Member>], legs: &[LegId], listener: usize) -> Vec<usize> {
    if !roles[listener].is_some_and(|role| role.hears) {
        return Vec::new();
    }
    let speaks_to = |role: Option<Member>| match role.map(|role| role.voice) {
        Some(Voice::Room) => true,
        Some(Voice::Member(leg)) => leg == legs[listener],
        Some(Voice::Nobody) | None => false,
    };
    (0..roles.len()).filter(|other| *other != listener && speaks_to(roles[*other])).collect()
}

#[test]
fn any_course_of_joins_roles_and_losses_ends_with_what_the_roles_say() {
    for (seed, cores) in [(1, 1), (2, 3), (3, 2), (4, 3)] {
        let mut random = shared::SplitMix::new(seed);
        let mut conference = Conference::new(cores, 7, |_| Member::default());
        let legs: Vec<LegId> = (0..7).map(|party| conference.world.leg(party)).collect();
        let mut roles = vec![Some(Member::default()); 7];
        for _ in 0..12 {
            for _ in 0..10 {
                let party = random.below(7) as usize;
                let voice = match random.below(8) {
                    0 => Voice::Nobody,
                    1 => Voice::Member(legs[(party + 1) % 7]),
                    _ => Voice::Room,
                };
                let playout = match random.below(3) {
                    0 => Playout::Adaptive,
                    1 => Playout::Fixed(40),
                    _ => Playout::Off,
                };
                let member = Member { voice, hears: random.below(6) > 0, playout };
                if random.below(5) == 0 {
                    conference.world.unbridge(party);
                    roles[party] = None;
                } else {
                    conference.world.enter(party, ROOM, member);
                    roles[party] = Some(member);
                }
                // Some of what is said meanwhile is lost, and no act waits for a tick.
                conference.speaks = (0..7).map(|_| random.below(20) > 0).collect();
                conference.run(1);
                conference.world.run(random.below(20));
            }
            conference.speaks = vec![true; 7];
            conference.run(40);
            for party in 0..7 {
                // A leg that is in no room hears silence, as any leg that is joined to nobody.
                let others = heard_by(&roles, &legs, party);
                assert_hears(&mut conference, party, &others);
            }
        }
        let up = conference.world.cores.iter().map(|(plane, _)| plane.meters().room_members);
        assert_eq!(up.sum::<u64>(), roles.iter().flatten().count() as u64);
    }
}

/// Noise of a quiet office in mu-law, with this peak.
fn hum(peak: i32, from: usize) -> Vec<u8> {
    let sample = |at: usize| {
        let hashed = (at as u32 + 1).wrapping_mul(2_654_435_761).rotate_left(13);
        ((hashed.wrapping_mul(40_503) >> 8) as i32 % (2 * peak + 1) - peak) as i16
    };
    (from..from + FRAME_SAMPLES).map(|at| g711::encode(Codec::Pcmu, sample(at))).collect()
}

/// A party with this hum falls silent without a packet; the effective value of what another party then
/// hears, the first 600 ms left out in which the gate stays open, and of what the silent one hears.
fn heard_after_hum(peak: i32, announces: Option<u8>) -> [f32; 2] {
    let mut conference = Conference::new(1, 2, |_| TALKS);
    conference.speaks = vec![false, false];
    for tick in 0..60 {
        let codes = hum(peak, tick * FRAME_SAMPLES);
        let _ = conference.world.speak(0, &codes);
        conference.world.lose(1, &codes);
        conference.world.run(20);
    }
    if let Some(level) = announces {
        let _ = conference.world.announce_silence(0, level);
    }
    conference.run(30);
    (0..2).for_each(|party| drop(conference.world.heard(party)));
    conference.run(40);
    [1, 0].map(|party| {
        let codes: Vec<u8> =
            conference.world.heard(party).iter().flat_map(|sent| sent.payload().to_vec()).collect();
        assert_eq!(codes.len(), 40 * FRAME_SAMPLES);
        let square = |code: &u8| f32::from(g711::decode(Codec::Pcmu, *code)).powi(2);
        (codes.iter().map(square).sum::<f32>() / codes.len() as f32).sqrt()
    })
}

#[test]
fn the_noise_of_a_party_that_leaves_its_silence_out_is_heard_on_by_the_others() {
    let [others, itself] = heard_after_hum(300, None);
    assert!((120.0..230.0).contains(&others), "{others}: the hum had 173");
    assert_eq!(itself, 0.0, "nobody hears itself");
    let [others, _] = heard_after_hum(300, Some(50));
    assert!((83.0..130.0).contains(&others), "{others}: 50 dB below overload are 104");
    let [others, _] = heard_after_hum(300, Some(70));
    assert_eq!(others, 0.0, "what the floor keeps out is in no mix");
    let [others, _] = heard_after_hum(20, None);
    assert_eq!(others, 0.0, "a quiet line was in no mix before");
}
