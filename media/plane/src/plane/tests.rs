//! Behaviours of whole cores, with peers that speak RTP to them.

use std::collections::BTreeSet;
use std::sync::Arc;

use proptest::prelude::*;
use shared::leg::LegQuality;
use shared::media::{PlayEnd, PlayedValue, TapEnd, TapLimits, TapTracks};
use shared::{
    Codec, Direction, LatchMode, LegId, LegPlan, MediaCommand, MediaEvent, PlayId, TapId,
};

use crate::g711;
use crate::meters::DropReason;
use crate::output::{Received, SocketId};
use crate::testing::{Sent, World, plan};

fn numbers(sent: &[Sent]) -> Vec<(u16, u32)> {
    sent.iter().map(|sent| (sent.header().sequence, sent.header().timestamp)).collect()
}

/// Sequence numbers without a gap, timestamps that follow the clock within 20 ms.
fn assert_continuous(sent: &[Sent]) {
    for pair in sent.windows(2) {
        let (a, b) = (pair[0].header(), pair[1].header());
        assert_eq!(a.ssrc, b.ssrc);
        assert_eq!(b.sequence, a.sequence.wrapping_add(1), "at {:?}", pair[1].at);
        let step = i64::from(b.timestamp.wrapping_sub(a.timestamp) as i32);
        let elapsed = (pair[1].at.since(pair[0].at).as_micros() / 125) as i64;
        assert!((step - elapsed).abs() <= 160, "{step} for {elapsed} at {:?}", pair[1].at);
    }
}

fn play(world: &mut World, party: usize, samples: usize, repeat: u32) {
    let prompt = Arc::new(g711::prompt(&vec![4_000; samples]));
    let leg = world.leg(party);
    world.command(MediaCommand::Play { leg, play: PlayId(1), prompt, repeat });
}

fn send_digits(world: &mut World, party: usize, digits: &str) {
    let leg = world.leg(party);
    world.command(MediaCommand::SendDigits { leg, play: PlayId(2), digits: digits.into() });
}

fn stop(world: &mut World, party: usize) -> LegQuality {
    let leg = world.leg(party);
    world.command(MediaCommand::StopLeg { leg, quality: Box::default() });
    let stopped = world.events().into_iter().find_map(|event| match event {
        MediaEvent::LegStopped { quality, .. } => Some(*quality),
        _ => None,
    });
    stopped.expect("a stop is always answered")
}

fn digits_of(events: &[MediaEvent]) -> String {
    let digit = |event: &MediaEvent| match event {
        MediaEvent::Digit { digit, .. } => Some(char::from(*digit)),
        _ => None,
    };
    events.iter().filter_map(digit).collect()
}

fn tap(world: &mut World, party: usize, tap: u64, tracks: TapTracks, limits: TapLimits) {
    let leg = world.leg(party);
    world.command(MediaCommand::StartTap { leg, tap: TapId(tap), tracks, limits });
}

fn alaw(plan: &mut LegPlan) {
    plan.media.codec = Codec::Pcma;
    plan.media.payload_type_send = 8;
    plan.media.payload_type_receive = 8;
}

#[test]
fn a_leg_sends_silence_every_20_ms_from_its_planned_numbers() {
    let mut world = World::new(1);
    let a = world.start(|_| ());
    world.run(200);
    let heard = world.heard(a);
    assert_eq!(heard.len(), 10);
    assert_continuous(&heard);
    let first = heard[0].header();
    assert_eq!((first.sequence, first.ssrc, first.marker), (65_530, 0x5000_0000, true));
    assert!(heard.iter().all(|sent| sent.payload() == [0xFF; 160]));
    assert!(heard[1..].iter().all(|sent| !sent.header().marker));
}

#[test]
fn other_packet_times_are_honoured() {
    for ptime_ms in [10u8, 30, 40, 60] {
        let mut world = World::new(1);
        let a = world.start(|plan| plan.media.ptime_ms = ptime_ms);
        world.run(1_200);
        let heard = world.heard(a);
        assert_eq!(heard.len(), 1_200 / usize::from(ptime_ms), "{ptime_ms}");
        assert!(heard.iter().all(|sent| sent.payload().len() == usize::from(ptime_ms) * 8));
        let steps = numbers(&heard);
        for pair in steps.windows(2) {
            assert_eq!(pair[1].1.wrapping_sub(pair[0].1), u32::from(ptime_ms) * 8);
        }
    }
}

#[test]
fn a_bridge_relays_both_ways_in_place() {
    let mut world = World::new(1);
    let (a, b) = (world.start(|_| ()), world.start(|_| ()));
    world.bridge(a, b);
    for (from, to) in [(a, b), (b, a)] {
        let received = world.speak(from, &[0x31; 160]);
        let Received::Forward { socket, len, .. } = received else { panic!("{received:?}") };
        assert_eq!((socket, len), (SocketId::rtp(to), 172));
        let heard = world.heard(to);
        assert_eq!(heard[0].payload(), [0x31; 160]);
        assert_eq!(heard[0].to, plan(to as u16).media.remote_rtp.unwrap());
        assert_eq!(heard[0].header().ssrc, plan(to as u16).ssrc);
    }
}

#[test]
fn another_codec_is_the_table_of_g711() {
    let mut world = World::new(1);
    let (a, b) = (world.start(|_| ()), world.start(alaw));
    world.bridge(a, b);
    let all: Vec<u8> = (0..=255).collect();
    let _ = world.speak(a, &all);
    let _ = world.speak(b, &all);
    let heard = world.heard(b);
    assert_eq!((heard[0].payload(), heard[0].header().payload_type), (&g711::MULAW_TO_ALAW[..], 8));
    let heard = world.heard(a);
    assert_eq!((heard[0].payload(), heard[0].header().payload_type), (&g711::ALAW_TO_MULAW[..], 0));
}

#[test]
fn csrcs_extensions_and_padding_are_not_passed_on() {
    let mut world = World::new(1);
    let (a, b) = (world.start(|_| ()), world.start(|_| ()));
    world.bridge(a, b);
    let mut packet = vec![0xB1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 7];
    packet.extend_from_slice(&[9, 9, 9, 9, 0xBE, 0xDE, 0, 1, 1, 2, 3, 4]);
    packet.extend_from_slice(b"audio\0\0\x03");
    assert!(matches!(world.receive(a, &packet), Received::Forward { len: 17, .. }));
    let heard = world.heard(b);
    assert_eq!((heard[0].packet[0], heard[0].payload()), (0x80, &b"audio"[..]));
}

#[test]
fn numbers_go_on_over_prompt_bridge_hold_and_bridge() {
    let mut world = World::new(1);
    let (a, b) = (world.start(|_| ()), world.start(|_| ()));
    play(&mut world, a, 8_000, 1);
    world.run(400);
    world.bridge(a, b);
    let talk = |world: &mut World, frames: usize| {
        for _ in 0..frames {
            let _ = world.speak(b, &[0x55; 160]);
            world.run(20);
        }
    };
    // The prompt goes on over the bridge, then b is heard.
    talk(&mut world, 60);
    world.update(a, |plan| plan.media.direction = Direction::Inactive);
    let before_hold = world.heard(a);
    assert_continuous(&before_hold);
    talk(&mut world, 50);
    assert_eq!(world.heard(a), []);
    world.update(a, |_| ());
    talk(&mut world, 50);
    let after_hold = world.heard(a);
    assert!(after_hold[0].header().marker);
    assert_continuous(&[before_hold.last().unwrap().clone(), after_hold[0].clone()]);
    assert_continuous(&after_hold);
    world.command(MediaCommand::Unbridge { leg: world.leg(a) });
    world.run(100);
    let silence = world.heard(a);
    assert_continuous(&[after_hold.last().unwrap().clone(), silence[0].clone()]);
    assert_eq!(silence.last().unwrap().payload(), [0xFF; 160]);
}

#[test]
fn a_prompt_takes_precedence_over_the_bridged_party() {
    let mut world = World::new(1);
    let (a, b) = (world.start(|_| ()), world.start(|_| ()));
    world.bridge(a, b);
    let _ = world.speak(b, &[0x55; 160]);
    play(&mut world, a, 480, 1);
    assert_eq!(world.speak(b, &[0x55; 160]), Received::Consumed);
    world.run(60);
    let ended = world.events();
    let finished = |event: &MediaEvent| {
        matches!(event, MediaEvent::PlayEnded { cause: PlayEnd::Finished, .. })
    };
    assert!(ended.iter().any(finished), "{ended:?}");
    assert!(matches!(world.speak(b, &[0x55; 160]), Received::Forward { .. }));
    let heard = world.heard(a);
    let prompt = g711::encode(Codec::Pcmu, 4_000);
    let first_bytes: Vec<u8> = heard.iter().map(|sent| sent.payload()[0]).collect();
    assert_eq!(first_bytes, [0x55, prompt, prompt, prompt, 0x55]);
    let sequences: Vec<u16> = numbers(&heard).iter().map(|(sequence, _)| *sequence).collect();
    assert!(sequences.windows(2).all(|pair| pair[1] == pair[0].wrapping_add(1)));
}

#[test]
fn a_party_that_falls_silent_is_replaced_by_silence() {
    let mut world = World::new(1);
    let (a, b) = (world.start(|_| ()), world.start(|_| ()));
    world.bridge(a, b);
    let _ = world.speak(b, &[0x55; 160]);
    world.run(180);
    assert_eq!(world.heard(a).len(), 1);
    world.run(200);
    let silence = world.heard(a);
    assert!(silence.len() >= 8 && silence[0].header().marker);
    let _ = world.speak(b, &[0x55; 160]);
    let again = world.heard(a);
    assert!(again[0].header().marker);
    assert_continuous(&[silence.last().unwrap().clone(), again[0].clone()]);
}

#[test]
fn a_new_ssrc_of_the_party_does_not_show_at_the_other_end() {
    let mut world = World::new(1);
    let (a, b) = (world.start(|_| ()), world.start(|_| ()));
    world.bridge(a, b);
    for round in 0..3u32 {
        let party = world.party(b);
        party.ssrc += round;
        party.sequence = party.sequence.wrapping_add(20_000);
        party.timestamp = party.timestamp.wrapping_add(123_456_789);
        for _ in 0..3 {
            let _ = world.speak(b, &[0x55; 160]);
            world.run(20);
        }
    }
    let heard = world.heard(a);
    assert_eq!(heard.len(), 9);
    assert_continuous(&heard);
}

#[test]
fn a_leg_bridged_to_itself_is_an_echo() {
    let mut world = World::new(1);
    let a = world.start(|_| ());
    world.bridge(a, a);
    let _ = world.speak(a, &[0x42; 160]);
    assert_eq!(world.heard(a)[0].payload(), [0x42; 160]);
}

#[test]
fn nothing_is_relayed_before_both_sides_are_bridged_nor_after_one_is_not() {
    let mut world = World::new(1);
    let (a, b) = (world.start(|_| ()), world.start(|_| ()));
    let (leg_a, leg_b) = (world.leg(a), world.leg(b));
    world.command(MediaCommand::Bridge { leg: leg_a, peer: leg_b });
    assert_eq!(world.speak(a, &[1; 160]), Received::Consumed);
    world.command(MediaCommand::Bridge { leg: leg_b, peer: leg_a });
    assert!(matches!(world.speak(a, &[1; 160]), Received::Forward { .. }));
    world.command(MediaCommand::Unbridge { leg: leg_b });
    assert_eq!(world.speak(a, &[1; 160]), Received::Consumed);
    world.bridge(a, b);
    stop(&mut world, b);
    assert_eq!(world.speak(a, &[1; 160]), Received::Consumed);
}

#[test]
fn a_held_peer_gets_nothing_and_a_held_party_is_not_listened_to() {
    let mut world = World::new(1);
    let (a, b) = (world.start(|_| ()), world.start(|_| ()));
    world.bridge(a, b);
    world.update(b, |plan| plan.media.direction = Direction::RecvOnly);
    assert_eq!(world.speak(a, &[1; 160]), Received::Dropped(DropReason::PeerHeld));
    world.update(b, |plan| plan.media.remote_rtp = None);
    assert_eq!(world.speak(a, &[1; 160]), Received::Dropped(DropReason::NoDestination));
    world.update(a, |plan| plan.media.direction = Direction::SendOnly);
    assert_eq!(world.speak(a, &[1; 160]), Received::Dropped(DropReason::NotReceiving));
    world.update(a, |_| ());
    world.update(b, |_| ());
    assert!(matches!(world.speak(a, &[1; 160]), Received::Forward { .. }));
}

#[test]
fn every_protocol_and_defect_has_its_own_reason() {
    let mut world = World::new(1);
    let a = world.start(|_| ());
    let mut reason = |packet: &[u8]| match world.receive(a, packet) {
        Received::Dropped(reason) => reason,
        other => panic!("{other:?}"),
    };
    assert_eq!(reason(&[]), DropReason::TooShort);
    assert_eq!(reason(&[0, 1, 0, 0]), DropReason::Stun);
    assert_eq!(reason(&[22, 254, 253]), DropReason::Dtls);
    assert_eq!(reason(&[0xC0; 20]), DropReason::NotRtp);
    assert_eq!(reason(&[0x80; 5]), DropReason::TooShort);
    assert_eq!(reason(&[0x80, 201, 0, 1, 0, 0, 0, 9]), DropReason::WrongPort);
    assert_eq!(reason(&[0x8F, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]), DropReason::Malformed);
    assert_eq!(reason(&[0x80, 18, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]), DropReason::PayloadType);
    let long = [&[0x80, 0][..], &[0; 2_100]].concat();
    assert_eq!(reason(&long), DropReason::TooLong);
    let report = [&[0x80, 201][..], &[0; 1_600]].concat();
    assert_eq!(reason(&report), DropReason::RtcpTooLong);
    let plain = [0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
    let source = plan(0).media.remote_rtp.unwrap();
    let nobody = world.receive_at(a, SocketId::rtp(5), source, &plain);
    assert_eq!(nobody, Received::Dropped(DropReason::NoLeg));
    let beyond = world.receive_at(a, SocketId(4_000), source, &plain);
    assert_eq!(beyond, Received::Dropped(DropReason::NoLeg));
    let wrong_port = world.receive_at(a, SocketId::rtcp(0), source, &plain);
    assert_eq!(wrong_port, Received::Dropped(DropReason::WrongPort));
    assert_eq!(stop(&mut world, a).dropped, 11);
}

#[test]
fn the_latch_locks_tells_and_is_released_by_a_new_remote() {
    let mut world = World::new(1);
    let (a, b) = (world.start(|plan| plan.latch = LatchMode::Any), world.start(|_| ()));
    world.bridge(a, b);
    world.party(a).address = "198.51.100.1:7000".parse().unwrap();
    for _ in 0..5 {
        let _ = world.speak(a, &[1; 160]);
    }
    let latched = world.events();
    let source = "198.51.100.1:7000".parse().unwrap();
    assert!(
        matches!(latched[..], [MediaEvent::Latched { source: at, .. }] if at == source),
        "{latched:?}"
    );
    let _ = world.speak(b, &[2; 160]);
    assert_eq!(world.heard(a).last().unwrap().to, source);
    world.party(a).address = "198.51.100.2:7000".parse().unwrap();
    assert_eq!(world.speak(a, &[1; 160]), Received::Dropped(DropReason::Stranger));
    // The same remote again (a session refresh) keeps the lock.
    world.update(a, |plan| plan.latch = LatchMode::Any);
    assert_eq!(world.speak(a, &[1; 160]), Received::Dropped(DropReason::Stranger));
    let remote = "203.0.113.9:5000".parse().unwrap();
    world.update(a, |plan| {
        plan.latch = LatchMode::Any;
        plan.media.remote_rtp = Some(remote);
    });
    let _ = world.speak(b, &[2; 160]);
    assert_eq!(world.heard(a).last().unwrap().to, remote);
    world.party(a).address = remote;
    assert!(matches!(world.speak(a, &[1; 160]), Received::Forward { .. }));
}

/// A phone behind NAT that got another port says so by an offer with the private address that it
/// had before.
#[test]
fn an_offer_with_the_same_address_lets_a_source_that_fell_silent_move() {
    let mut world = World::new(1);
    let nat = |plan: &mut LegPlan| plan.signaling_peer = Some([198, 51, 100, 1].into());
    let (a, b) = (world.start(nat), world.start(|_| ()));
    world.bridge(a, b);
    world.party(a).address = "198.51.100.1:7000".parse().unwrap();
    for _ in 0..5 {
        let _ = world.speak(a, &[1; 160]);
    }
    let (moved, stranger) =
        ("198.51.100.1:9000".parse().unwrap(), "198.51.100.2:9000".parse().unwrap());
    world.party(a).address = moved;
    world.run(1_000);
    assert_eq!(world.speak(a, &[1; 160]), Received::Dropped(DropReason::Stranger));
    world.update(a, nat);
    world.party(a).address = stranger;
    assert_eq!(world.speak(a, &[1; 160]), Received::Dropped(DropReason::Stranger));
    // Until it is heard, what it hears goes where it was.
    let _ = world.speak(b, &[2; 160]);
    assert_eq!(world.heard(a).last().unwrap().to, "198.51.100.1:7000".parse().unwrap());
    world.party(a).address = moved;
    assert!(matches!(world.speak(a, &[1; 160]), Received::Forward { .. }));
    let _ = world.speak(b, &[2; 160]);
    assert_eq!(world.heard(a).last().unwrap().to, moved);
    // Who still speaks has not moved, and two seconds later the offer counts no more.
    world.party(a).address = "198.51.100.1:9002".parse().unwrap();
    assert_eq!(world.speak(a, &[1; 160]), Received::Dropped(DropReason::Stranger));
    world.run(2_000);
    assert_eq!(world.speak(a, &[1; 160]), Received::Dropped(DropReason::Stranger));
}

#[test]
fn leftovers_of_the_old_source_do_not_capture_a_moved_remote() {
    let mut world = World::new(1);
    let (a, b) = (world.start(|_| ()), world.start(|_| ()));
    world.bridge(a, b);
    let _ = world.speak(a, &[1; 160]);
    let mut remote = plan(0).media.remote_rtp.unwrap();
    remote.set_port(9_000);
    world.update(a, |plan| plan.media.remote_rtp = Some(remote));
    assert_eq!(world.speak(a, &[1; 160]), Received::Dropped(DropReason::Stranger));
    let _ = world.speak(b, &[2; 160]);
    assert_eq!(world.heard(a).last().unwrap().to, remote);
    // A peer whose SDP changed although its source did not is heard again after a second.
    world.run(1_000);
    assert!(matches!(world.speak(a, &[1; 160]), Received::Forward { .. }));
}

#[test]
fn digits_are_reported_on_a_bridged_leg_and_pass_with_the_peers_payload_type() {
    let mut world = World::new(1);
    let a = world.start(|_| ());
    let b = world.start(|plan| plan.media.event_payload_type_send = Some(96));
    world.bridge(a, b);
    for (flags, duration) in [(10, 160u16), (10, 320), (10, 480), (0x8A, 480), (0x8A, 480)] {
        let [high, low] = duration.to_be_bytes();
        let _ = world.press(a, 5_000, [11, flags, high, low]);
    }
    assert_eq!(digits_of(&world.events()), "#");
    let heard = world.heard(b);
    assert_eq!(heard.len(), 5);
    assert!(heard.iter().all(|sent| sent.header().payload_type == 96));
    assert!(heard.iter().all(|sent| sent.header().timestamp == heard[0].header().timestamp));
}

#[test]
fn a_key_whose_end_never_comes_is_reported_after_120_ms() {
    let mut world = World::new(1);
    let a = world.start(|_| ());
    let _ = world.press(a, 5_000, [5, 10, 3, 0x20]);
    world.run(100);
    assert_eq!(digits_of(&world.events()), "");
    world.run(60);
    assert_eq!(digits_of(&world.events()), "5");
}

#[test]
fn digits_sent_are_heard_by_another_core_of_ours() {
    let mut world = World::new(1);
    let a = world.start(|_| ());
    let b = world.start(|_| ());
    send_digits(&mut world, a, "1w2#");
    world.run(1_300);
    let ended = world.events();
    assert!(matches!(
        &ended[..],
        [MediaEvent::PlayEnded { cause: PlayEnd::Finished, value: PlayedValue::Digits(_), .. }]
    ));
    let heard = world.heard(a);
    let (events, audio): (Vec<Sent>, Vec<Sent>) =
        heard.iter().cloned().partition(|sent| sent.header().payload_type == 101);
    assert_eq!((events.len(), audio.len()), (21, 65 - 21));
    let sequences: Vec<u16> = heard.iter().map(|sent| sent.header().sequence).collect();
    assert!(sequences.windows(2).all(|pair| pair[1] == pair[0].wrapping_add(1)));
    let markers: Vec<bool> = events.iter().map(|sent| sent.header().marker).collect();
    assert_eq!(markers[..8], [true, false, false, false, false, false, false, true]);
    let last = (heard.last().unwrap().header(), heard[0].header());
    assert_eq!(last.0.timestamp.wrapping_sub(last.1.timestamp), 64 * 160);
    for sent in events {
        let header = sent.header();
        let payload = *sent.payload().first_chunk().unwrap();
        let _ = world.press(b, header.timestamp, payload);
    }
    assert_eq!(digits_of(&world.events()), "12#");
}

#[test]
fn a_second_prompt_replaces_the_first_and_stop_stops_it() {
    let mut world = World::new(1);
    let a = world.start(|_| ());
    play(&mut world, a, 8_000, 0);
    world.run(100);
    play(&mut world, a, 8_000, 0);
    world.run(5_000);
    world.command(MediaCommand::StopPlay { leg: world.leg(a) });
    world.command(MediaCommand::StopPlay { leg: world.leg(a) });
    play(&mut world, a, 160, 1);
    let _ = stop(&mut world, a);
    let causes: Vec<PlayEnd> = world
        .cores
        .iter_mut()
        .flat_map(|(_, hands)| hands.events.drain(..))
        .filter_map(|event| match event {
            MediaEvent::PlayEnded { cause, .. } => Some(cause),
            _ => None,
        })
        .collect();
    // The events before the stop were taken by `stop`; none may be missing in the counters.
    assert_eq!(causes, []);
    assert_eq!(world.cores[0].0.meters().legs, 0);
    assert_continuous(&world.heard(a));
}

#[test]
fn heap_values_for_legs_that_are_not_there_come_home() {
    let mut world = World::new(1);
    let _ = world.start(|_| ());
    let gone = LegId { generation: 9, ..world.leg(0) };
    let prompt = Arc::new(g711::prompt(&[0; 10]));
    let digits: Arc<str> = "1".into();
    let commands = [
        MediaCommand::StartLeg { leg: world.leg(0), plan: Box::new(plan(1)) },
        MediaCommand::StartLeg { leg: LegId { slot: 800, ..gone }, plan: Box::new(plan(1)) },
        MediaCommand::StartLeg { leg: LegId { slot: 1, ..gone }, plan: Box::new(plan(0)) },
        MediaCommand::StartLeg { leg: LegId { slot: 1, ..gone }, plan: Box::new(plan(99)) },
        MediaCommand::UpdateLeg { leg: gone, plan: Box::new(plan(0)) },
        MediaCommand::StopLeg { leg: gone, quality: Box::default() },
        MediaCommand::Bridge { leg: gone, peer: gone },
        MediaCommand::Unbridge { leg: gone },
        MediaCommand::Play { leg: gone, play: PlayId(1), prompt: prompt.clone(), repeat: 1 },
        MediaCommand::SendDigits { leg: gone, play: PlayId(1), digits: digits.clone() },
        MediaCommand::StopPlay { leg: gone },
        MediaCommand::StartTap {
            leg: gone,
            tap: TapId(1),
            tracks: TapTracks::Both,
            limits: TapLimits::default(),
        },
        MediaCommand::PauseTap { leg: gone, tap: TapId(1), paused: true },
        MediaCommand::StopTap { leg: gone, tap: TapId(1) },
    ];
    world.cores[0].1.events.clear();
    commands.into_iter().for_each(|command| world.command(command));
    let events = std::mem::take(&mut world.cores[0].1.events);
    let count = |is: fn(&MediaEvent) -> bool| events.iter().filter(|event| is(event)).count();
    assert_eq!(count(|event| matches!(event, MediaEvent::PlanReturned(_))), 5);
    assert_eq!(count(|event| matches!(event, MediaEvent::LegStopped { .. })), 1);
    assert_eq!(count(|event| matches!(event, MediaEvent::PlayEnded { .. })), 2);
    assert_eq!(count(|event| matches!(event, MediaEvent::Refused { .. })), 12);
    let refused_tap =
        |event: &MediaEvent| matches!(event, MediaEvent::TapEnded { cause: TapEnd::Refused, .. });
    assert_eq!(count(refused_tap), 1);
    drop(events);
    assert_eq!((Arc::strong_count(&prompt), Arc::strong_count(&digits)), (1, 1));
}

#[test]
fn a_slot_and_its_port_are_used_again_after_a_stop() {
    let mut world = World::new(1);
    let a = world.start(|_| ());
    let old = world.leg(a);
    let _ = world.speak(a, &[1; 160]);
    assert_eq!(stop(&mut world, a).received, 1);
    assert_eq!(world.cores[0].0.poll_timeout(), None);
    let leg = LegId { generation: 2, ..old };
    world.command(MediaCommand::StartLeg { leg, plan: Box::new(plan(0)) });
    assert!(world.events().is_empty());
    world.command(MediaCommand::Unbridge { leg: old });
    assert!(matches!(world.events()[..], [MediaEvent::Refused { .. }]));
    world.run(40);
    assert_eq!(world.heard(a).last().map(|sent| sent.header().sequence), Some(65_531));
}

#[test]
fn missing_media_is_reported_once_a_silence() {
    let mut world = World::new(1);
    let a = world.start(|plan| plan.media_timeout_ms = 2_000);
    let timeouts = |world: &mut World| {
        let is_timeout = |event: &MediaEvent| matches!(event, MediaEvent::MediaTimeout { .. });
        world.events().iter().filter(|event| is_timeout(event)).count()
    };
    world.run(1_900);
    assert_eq!(timeouts(&mut world), 0);
    world.run(10_000);
    assert_eq!(timeouts(&mut world), 1);
    let _ = world.speak(a, &[1; 160]);
    world.run(1_900);
    assert_eq!(timeouts(&mut world), 0);
    world.run(2_000);
    assert_eq!(timeouts(&mut world), 1);
}

#[test]
fn reports_go_out_every_five_seconds_or_so_and_say_goodbye() {
    let mut world = World::new(1);
    let a = world.start(|_| ());
    let _ = world.speak(a, &[1; 160]);
    world.run(60_000);
    let reports = world.reports(a);
    assert!((8..=24).contains(&reports.len()), "{}", reports.len());
    let remote = plan(0).media.remote_rtcp.unwrap();
    assert!(reports.iter().all(|sent| sent.socket == SocketId::rtcp(a) && sent.to == remote));
    assert!(reports.iter().all(|sent| sent.packet[1] == 200));
    let packets = |sent: &Sent| u32::from_be_bytes(*sent.packet[20..].first_chunk().unwrap());
    assert!(packets(&reports[1]) > packets(&reports[0]));
    let quality = stop(&mut world, a);
    let goodbye = world.reports(a);
    assert_eq!(goodbye.len(), 1);
    assert_eq!(goodbye[0].packet[goodbye[0].packet.len() - 7], 203);
    assert_eq!(quality.rtcp_sent as usize, reports.len() + 1);
}

#[test]
fn multiplexed_reports_share_the_port_both_ways() {
    let mut world = World::new(1);
    let a = world.start(|plan| {
        plan.media.rtcp_mux = true;
        plan.media.remote_rtcp = plan.media.remote_rtp;
    });
    let _ = world.speak(a, &[1; 160]);
    world.run(10_000);
    let reports = world.reports(a);
    assert!(!reports.is_empty() && reports.iter().all(|sent| sent.socket == SocketId::rtp(a)));
    let goodbye = [0x80, 201, 0, 1, 0, 0, 0, 9, 0x81, 203, 0, 1, 0, 0, 0, 9];
    assert_eq!(world.receive(a, &goodbye), Received::Consumed);
    let events = world.events();
    assert!(matches!(events.last(), Some(MediaEvent::RtcpBye { .. })));
    assert_eq!(stop(&mut world, a).rtcp_received, 1);
}

#[test]
fn only_a_leg_that_does_not_multiplex_has_an_rtcp_socket() {
    let mut world = World::new(1);
    let (a, b) = (world.start(|_| ()), world.start(|plan| plan.media.rtcp_mux = true));
    assert_eq!(std::mem::take(&mut world.cores[0].1.rtcp), [(a, true)]);
    for (party, rtcp_mux) in [(a, true), (a, true), (b, false)] {
        let mut plan = plan(party as u16);
        plan.media.rtcp_mux = rtcp_mux;
        world.command(MediaCommand::UpdateLeg { leg: world.leg(party), plan: Box::new(plan) });
    }
    assert_eq!(std::mem::take(&mut world.cores[0].1.rtcp), [(a, false), (b, true)]);
    let _ = (stop(&mut world, a), stop(&mut world, b));
    assert_eq!(world.cores[0].1.rtcp, [(b, false)]);
}

#[test]
fn the_round_trip_comes_from_the_peers_report() {
    let mut world = World::new(1);
    let a = world.start(|_| ());
    world.run(8_000);
    let report = world.reports(a).pop().unwrap();
    let ntp_middle = &report.packet[10..14];
    world.run(50 - (world.now.since(report.at).as_millis() as u64).min(50));
    let mut answer = vec![0x81, 201, 0, 7, 0, 0, 0, 9];
    answer.extend_from_slice(&report.packet[4..8]);
    answer.extend_from_slice(&[0; 12]);
    answer.extend_from_slice(ntp_middle);
    answer.extend_from_slice(&[0; 4]);
    let expected_us = world.now.since(report.at).as_micros() as i64;
    let remote = plan(0).media.remote_rtcp.unwrap();
    let received = world.receive_at(a, SocketId::rtcp(a), remote, &answer);
    assert_eq!(received, Received::Consumed);
    let measured = i64::from(stop(&mut world, a).round_trip_us.unwrap());
    assert!((measured - expected_us).abs() < 100, "{measured} {expected_us}");
}

#[test]
fn reports_of_strangers_malformed_ones_and_floods_are_dropped() {
    let mut world = World::new(1);
    let a = world.start(|_| ());
    let remote = plan(0).media.remote_rtcp.unwrap();
    let report = [0x80, 201, 0, 1, 0, 0, 0, 9];
    let mut receive =
        |source, packet: &[u8]| world.receive_at(a, SocketId::rtcp(a), source, packet);
    let stranger = receive("198.51.100.1:1".parse().unwrap(), &report);
    assert_eq!(stranger, Received::Dropped(DropReason::RtcpStranger));
    let malformed = receive(remote, &report[..7]);
    assert_eq!(malformed, Received::Dropped(DropReason::RtcpMalformed));
    for _ in 0..9 {
        assert_eq!(receive(remote, &report), Received::Consumed);
    }
    assert_eq!(receive(remote, &report), Received::Dropped(DropReason::RtcpRate));
}

#[test]
fn a_tap_records_both_tracks_and_ends_with_a_last_frame() {
    let mut world = World::new(1);
    let (a, b) = (world.start(|_| ()), world.start(alaw));
    world.bridge(a, b);
    tap(&mut world, a, 7, TapTracks::Both, TapLimits::default());
    for _ in 0..50 {
        let _ = world.speak(a, &[0x11; 160]);
        let _ = world.speak(b, &[0x22; 160]);
        world.run(20);
    }
    world.command(MediaCommand::StopTap { leg: world.leg(a), tap: TapId(7) });
    let frames = std::mem::take(&mut world.cores[0].1.frames);
    assert_eq!(frames.len(), 51);
    let indices: Vec<u32> = frames.iter().map(|frame| frame.index).collect();
    assert_eq!(indices, (0..51).collect::<Vec<u32>>());
    let heard = g711::ALAW_TO_MULAW[0x22];
    for frame in &frames[1..50] {
        assert_eq!((frame.inbound, frame.outbound), (Some([0x11; 160]), Some([heard; 160])));
    }
    assert!(frames[50].last && frames[50].inbound.is_none());
    let events = world.events();
    let stopped = |event: &MediaEvent| {
        matches!(event, MediaEvent::TapEnded { tap: TapId(7), cause: TapEnd::Stopped, .. })
    };
    assert!(events.iter().any(stopped), "{events:?}");
    assert_eq!(world.cores[0].0.meters().taps, 0);
}

#[test]
fn silence_and_length_end_a_tap_by_themselves() {
    let mut world = World::new(1);
    let a = world.start(|_| ());
    tap(&mut world, a, 1, TapTracks::Inbound, TapLimits { silence_ms: 1_000, max_ms: 0 });
    tap(&mut world, a, 2, TapTracks::Inbound, TapLimits { silence_ms: 0, max_ms: 1_500 });
    for _ in 0..100 {
        let _ = world.speak(a, &[0xFF; 160]);
        world.run(20);
    }
    let causes: Vec<(TapId, TapEnd)> = world
        .events()
        .iter()
        .filter_map(|event| match event {
            MediaEvent::TapEnded { tap, cause, .. } => Some((*tap, *cause)),
            _ => None,
        })
        .collect();
    assert_eq!(causes, [(TapId(1), TapEnd::Silence), (TapId(2), TapEnd::MaxLength)]);
    let frames = &world.cores[0].1.frames;
    let count = |tap| frames.iter().filter(|frame| frame.tap == tap && !frame.last).count();
    assert_eq!((count(TapId(1)), count(TapId(2))), (50, 75));
}

#[test]
fn the_last_frame_waits_for_a_full_recorder_even_when_the_leg_is_gone() {
    let mut world = World::new(1);
    let a = world.start(|_| ());
    tap(&mut world, a, 1, TapTracks::Both, TapLimits::default());
    world.run(200);
    world.cores[0].1.recorder_is_full = true;
    let _ = stop(&mut world, a);
    world.run(100);
    assert!(world.events().is_empty());
    assert!(world.cores[0].0.poll_timeout().is_some());
    world.cores[0].1.recorder_is_full = false;
    world.run(40);
    assert!(world.cores[0].1.frames.last().is_some_and(|frame| frame.last));
    let events = world.events();
    assert!(matches!(events[..], [MediaEvent::TapEnded { cause: TapEnd::LegStopped, .. }]));
    assert_eq!(world.cores[0].0.poll_timeout(), None);
}

#[test]
fn taps_without_room_are_refused() {
    let mut world = World::new(1);
    let a = world.start(|_| ());
    for id in 0..65 {
        tap(&mut world, a, id, TapTracks::Both, TapLimits::default());
    }
    let events = world.events();
    assert!(matches!(
        events[..],
        [MediaEvent::TapEnded { tap: TapId(64), cause: TapEnd::Refused, .. }]
    ));
    let _ = stop(&mut world, a);
    assert_eq!(world.cores[0].0.meters().taps, 0);
}

#[test]
fn a_core_that_comes_late_catches_up_40_ms_and_counts_the_rest() {
    let mut world = World::new(1);
    let a = world.start(|_| ());
    world.run(20);
    let before = world.heard(a);
    world.now = world.now + std::time::Duration::from_millis(1_000);
    world.run(1);
    let after = world.heard(a);
    assert!((2..=3).contains(&after.len()), "{}", after.len());
    assert!(world.cores[0].0.meters().ticks_skipped >= 960);
    let elapsed = after[0].header().timestamp.wrapping_sub(before[0].header().timestamp);
    assert!((7_600..=8_200).contains(&elapsed), "{elapsed}");
}

#[test]
fn a_long_packet_crosses_cores_whole_and_a_full_mesh_is_counted() {
    let mut world = World::new(2);
    let (a, b) = (world.start(|_| ()), world.start(|_| ()));
    world.bridge(a, b);
    let long: Vec<u8> = (0..960).map(|at| at as u8).collect();
    let _ = world.speak(a, &long);
    assert_eq!(world.heard(b)[0].payload(), long);
    world.cores[0].1.mesh_is_full = true;
    assert_eq!(world.speak(a, &long), Received::Dropped(DropReason::MeshFull));
    world.cores[0].1.mesh_is_full = false;
    let leg = world.leg(b);
    world.command(MediaCommand::Unbridge { leg });
    let _ = world.speak(a, &long);
    let meters = world.cores[1].0.meters();
    assert_eq!(meters.mesh_dropped.count(DropReason::NotBridged), 1);
}

/// One thing that happens to two bridged parties.
#[derive(Clone, Debug)]
enum Step {
    Speak { party: usize, value: u8 },
    Lose { party: usize },
    Swap { party: usize },
    Press { party: usize, event: u8, flags: u8, duration: u16 },
    Run { ms: u64 },
    Play { party: usize, samples: usize },
    Digits { party: usize },
    Hold { party: usize, direction: Direction },
    Bridge,
    Unbridge { party: usize },
    Renumber { party: usize },
    Tap { party: usize },
    Garbage { party: usize, bytes: Vec<u8> },
}

fn step() -> impl Strategy<Value = Step> {
    let party = 0..2usize;
    let direction = prop::sample::select(vec![
        Direction::SendRecv,
        Direction::SendOnly,
        Direction::RecvOnly,
        Direction::Inactive,
    ]);
    prop_oneof![
        8 => (party.clone(), any::<u8>()).prop_map(|(party, value)| Step::Speak { party, value }),
        2 => party.clone().prop_map(|party| Step::Lose { party }),
        2 => party.clone().prop_map(|party| Step::Swap { party }),
        2 => (party.clone(), 0u8..18, any::<u8>(), any::<u16>()).prop_map(
            |(party, event, flags, duration)| Step::Press { party, event, flags, duration }
        ),
        6 => (0u64..60).prop_map(|ms| Step::Run { ms }),
        1 => (0u64..900).prop_map(|ms| Step::Run { ms }),
        1 => (party.clone(), 0usize..2_000)
            .prop_map(|(party, samples)| Step::Play { party, samples }),
        1 => party.clone().prop_map(|party| Step::Digits { party }),
        1 => (party.clone(), direction)
            .prop_map(|(party, direction)| Step::Hold { party, direction }),
        2 => Just(Step::Bridge),
        1 => party.clone().prop_map(|party| Step::Unbridge { party }),
        1 => party.clone().prop_map(|party| Step::Renumber { party }),
        1 => party.clone().prop_map(|party| Step::Tap { party }),
        1 => (party, prop::collection::vec(any::<u8>(), 0..40))
            .prop_map(|(party, bytes)| Step::Garbage { party, bytes }),
    ]
}

fn take_step(world: &mut World, step: Step) {
    match step {
        Step::Speak { party, value } => {
            let _ = world.speak(party, &[value; 160]);
        }
        Step::Lose { party } => world.lose(party, &[0; 160]),
        Step::Swap { party } => {
            world.speak_swapped(party, [&[1; 160], &[2; 160]]);
        }
        Step::Press { party, event, flags, duration } => {
            let [high, low] = duration.to_be_bytes();
            let timestamp = world.party(party).timestamp;
            let _ = world.press(party, timestamp, [event, flags, high, low]);
        }
        Step::Run { ms } => world.run(ms),
        Step::Play { party, samples } => play(world, party, samples, 1),
        Step::Digits { party } => send_digits(world, party, "1w#"),
        Step::Hold { party, direction } => {
            world.update(party, |plan| {
                world_plan(party)(plan);
                plan.media.direction = direction;
            });
        }
        Step::Bridge => world.bridge(0, 1),
        Step::Unbridge { party } => {
            let leg = world.leg(party);
            world.command(MediaCommand::Unbridge { leg });
        }
        Step::Renumber { party } => {
            let party = world.party(party);
            party.ssrc = party.ssrc.wrapping_mul(31);
            party.sequence = party.sequence.wrapping_mul(7);
            party.timestamp = party.timestamp.wrapping_mul(13);
        }
        Step::Tap { party } => tap(world, party, 5, TapTracks::Both, TapLimits::default()),
        Step::Garbage { party, bytes } => {
            let _ = world.receive(party, &bytes);
        }
    }
}

/// The second party speaks A-law in packets of 30 ms.
fn world_plan(party: usize) -> fn(&mut LegPlan) {
    if party == 0 {
        |_| ()
    } else {
        |plan| {
            alaw(plan);
            plan.media.ptime_ms = 30;
        }
    }
}

/// Everything both parties hear and everything that is reported, on this many cores.
fn outcome(cores: u8, steps: &[Step]) -> (Vec<Sent>, Vec<Sent>, Vec<String>, [u64; 3]) {
    let mut world = World::new(cores);
    world.start(world_plan(0));
    world.start(world_plan(1));
    for step in steps {
        take_step(&mut world, step.clone());
    }
    let reported = |event: &MediaEvent| match event {
        MediaEvent::Digit { digit, duration_ms, .. } => format!("{digit} {duration_ms}"),
        MediaEvent::PlayEnded { cause, play, .. } => format!("{cause:?} {play:?}"),
        MediaEvent::Latched { source, .. } => format!("{source}"),
        MediaEvent::TapEnded { cause, .. } => format!("{cause:?}"),
        _ => String::new(),
    };
    let mut events: Vec<String> = world.events().iter().map(reported).collect();
    events.sort_unstable();
    let sum = |count: fn(&crate::PlaneMeters) -> u64| {
        world.cores.iter().map(|(plane, _)| count(plane.meters())).sum()
    };
    let counts = [
        sum(|meters| meters.packets_received),
        sum(|meters| meters.packets_sent()),
        sum(|meters| meters.digits_received),
    ];
    let strip = |mut sent: Vec<Sent>| {
        // Leg numbers differ between one core and two; reports carry a CNAME made from them.
        sent.iter_mut().for_each(|sent| sent.socket = SocketId(0));
        sent
    };
    (strip(world.heard(0)), strip(world.heard(1)), events, counts)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// Whatever happens nothing panics, every packet is in one counter (the world asserts it after
    /// each step), and no sequence number towards a party is ever used twice.
    #[test]
    fn anything_may_happen_to_two_parties(steps in prop::collection::vec(step(), 1..120)) {
        let (a, b, _, [_, sent, _]) = outcome(1, &steps);
        prop_assert!(sent as usize >= a.len() + b.len());
        for heard in [a, b] {
            let count = heard.len();
            let used: BTreeSet<u16> =
                heard.iter().map(|sent| sent.header().sequence).collect();
            prop_assert_eq!(used.len(), count);
        }
    }

    #[test]
    fn two_cores_do_what_one_core_does(steps in prop::collection::vec(step(), 1..80)) {
        prop_assert_eq!(outcome(1, &steps), outcome(2, &steps));
    }

    /// Loss apart, what is relayed is the input plus two constants.
    #[test]
    fn relay_through_a_core_is_affine(
        fates in prop::collection::vec((any::<bool>(), any::<u8>()), 2..80),
    ) {
        let mut world = World::new(1);
        let (a, b) = (world.start(|_| ()), world.start(alaw));
        world.bridge(a, b);
        let _ = world.speak(a, &[0; 160]);
        let mut expected = Vec::new();
        let (mut index, mut lost_in_a_row) = (1u16, 0);
        for (comes, value) in fates {
            world.run(20);
            if comes || lost_in_a_row == 8 {
                lost_in_a_row = 0;
                let _ = world.speak(a, &[value; 160]);
                expected.push((index, g711::MULAW_TO_ALAW[usize::from(value)]));
            } else {
                lost_in_a_row += 1;
                world.lose(a, &[value; 160]);
            }
            index += 1;
        }
        let heard = world.heard(b);
        let first = heard[0].header();
        prop_assert_eq!(heard.len(), expected.len() + 1);
        for (sent, (index, value)) in heard[1..].iter().zip(expected) {
            let header = sent.header();
            prop_assert_eq!(header.sequence, first.sequence.wrapping_add(index));
            let timestamp = first.timestamp.wrapping_add(u32::from(index) * 160);
            prop_assert_eq!(header.timestamp, timestamp);
            prop_assert_eq!(sent.payload(), [value; 160]);
        }
    }

    #[test]
    fn any_datagram_on_any_socket_is_survived(
        packets in prop::collection::vec(
            (0u32..6, prop::collection::vec(any::<u8>(), 0..60), any::<bool>()), 1..60),
    ) {
        let mut world = World::new(1);
        let (a, b) = (world.start(|plan| plan.media.rtcp_mux = true), world.start(|_| ()));
        world.bridge(a, b);
        let source = plan(0).media.remote_rtp.unwrap();
        for (socket, mut packet, is_rtp) in packets {
            if let (true, Some(first)) = (is_rtp, packet.first_mut()) {
                *first = *first & 0x3F | 0x80;
            }
            let _ = world.receive_at(a, SocketId(socket), source, &packet);
            world.run(3);
        }
    }
}
