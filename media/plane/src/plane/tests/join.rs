//! What legs are joined to: an echo (a leg joined to itself), and a room, which is refused.

use proptest::prelude::*;

use super::*;

#[test]
fn a_room_is_refused_by_name_and_the_leg_keeps_its_other_end() {
    let mut world = World::new(1);
    let (a, b) = (world.start(|_| ()), world.start(|_| ()));
    world.bridge(a, b);
    let _ = world.events();
    let leg = world.leg(a);
    world.command(MediaCommand::Join { leg, joined: Joined::Room(RoomId(1)) });
    let events = world.events();
    let [MediaEvent::Refused { leg: refused, reason }] = events[..] else { panic!("{events:?}") };
    assert_eq!((refused, reason), (leg, CommandRefusal::NoRoom));
    assert_eq!(world.cores[0].0.meters().commands_refused, 1);
    for (from, to) in [(a, b), (b, a)] {
        assert!(matches!(world.speak(from, &[9; 160]), Received::Forward { .. }));
        assert_eq!(world.heard(to).len(), 1);
    }
}

#[test]
fn a_refusal_names_its_reason() {
    let mut world = World::new(1);
    let a = world.start(|_| ());
    let gone = LegId { generation: 9, ..world.leg(a) };
    let _ = world.events();
    world.command(MediaCommand::Join { leg: gone, joined: Joined::Nobody });
    world.command(MediaCommand::StartLeg { leg: gone, plan: Box::new(plan(1)) });
    let reason = |event: &MediaEvent| match event {
        MediaEvent::Refused { reason, .. } => Some(*reason),
        _ => None,
    };
    let reasons: Vec<CommandRefusal> = world.events().iter().filter_map(reason).collect();
    assert_eq!(reasons, [CommandRefusal::NoLeg, CommandRefusal::Taken]);
}

#[test]
fn an_echo_sends_the_party_its_own_audio_as_our_stream() {
    let mut world = World::new(2);
    let _ = world.start(|_| ());
    // On the second core, with numbers of its own for the codec, each way.
    let a = world.start(|plan| {
        plan.media.payload_type_receive = 96;
        plan.media.payload_type_send = 97;
    });
    world.echo(a);
    for value in 0..5u8 {
        assert!(matches!(world.speak(a, &[value; 160]), Received::Forward { len: 172, .. }));
        world.run(20);
    }
    let heard = world.heard(a);
    let values: Vec<u8> = heard.iter().map(|sent| sent.payload()[0]).collect();
    assert_eq!(values, [0, 1, 2, 3, 4]);
    assert_continuous(&heard);
    let first = heard[0].header();
    assert_eq!((first.ssrc, first.sequence), (plan(1).ssrc, plan(1).first_sequence));
    assert!(first.marker && heard.iter().all(|sent| sent.header().payload_type == 97));
    assert!(heard.iter().all(|sent| sent.to == plan(1).media.remote_rtp.unwrap()));
    assert_eq!(world.cores[1].0.meters().packets_to_mesh, 0);
}

#[test]
fn an_echo_returns_keys_as_the_party_takes_them() {
    let press = |world: &mut World, a| {
        for (flags, duration) in [(10, 160u16), (10, 800), (0x8A, 800), (0x8A, 800), (0x8A, 800)] {
            let [high, low] = duration.to_be_bytes();
            let _ = world.press(a, 5_000, [11, flags, high, low]);
            world.run(20);
        }
        assert_eq!(digits_of(&world.events()), "#");
        world.heard(a)
    };
    let mut world = World::new(1);
    let a = world.start(|plan| plan.media.event_payload_type_send = Some(96));
    world.echo(a);
    let heard = press(&mut world, a);
    assert_eq!(heard.len(), 5);
    assert!(heard.iter().all(|sent| sent.header().payload_type == 96));
    let one_timestamp = heard[0].header().timestamp;
    assert!(heard.iter().all(|sent| sent.header().timestamp == one_timestamp));

    // A party that sends events and takes none hears the tone.
    let mut world = World::new(1);
    let a = world.start(|plan| plan.media.event_payload_type_send = None);
    world.echo(a);
    let heard = press(&mut world, a);
    assert!(world.cores[0].0.meters().sent_tones >= 5);
    assert!(heard.iter().all(|sent| sent.header().payload_type == 0));
}

#[test]
fn an_echo_gives_way_to_a_prompt_and_to_hold_and_ends_with_its_join() {
    let mut world = World::new(1);
    let a = world.start(|_| ());
    world.echo(a);
    let talk = |world: &mut World, frames: usize| {
        for _ in 0..frames {
            let _ = world.speak(a, &[0x42; 160]);
            world.run(20);
        }
    };
    talk(&mut world, 5);
    play(&mut world, a, 800, 1);
    assert_eq!(world.speak(a, &[0x42; 160]), Received::Consumed);
    world.run(20);
    talk(&mut world, 10);
    let heard = world.heard(a);
    assert_continuous(&heard);
    assert_eq!(heard.iter().filter(|sent| sent.payload() == [0x42; 160]).count(), 11);
    world.update(a, |plan| plan.media.direction = Direction::RecvOnly);
    assert_eq!(world.speak(a, &[0x42; 160]), Received::Dropped(DropReason::PeerHeld));
    world.update(a, |_| ());
    world.unbridge(a);
    assert_eq!(world.speak(a, &[0x42; 160]), Received::Consumed);
    world.run(100);
    let silence = world.heard(a);
    assert_eq!(silence.last().unwrap().payload(), [0xFF; 160]);
    world.echo(a);
    assert_eq!(stop(&mut world, a).received, 18);
}

/// One packet of a party that is joined to itself.
#[derive(Clone, Copy, Debug)]
enum Spoken {
    Audio(u8),
    Lost,
    Swapped,
    Key,
}

fn spoken() -> impl Strategy<Value = Spoken> {
    prop_oneof![
        6 => any::<u8>().prop_map(Spoken::Audio),
        1 => Just(Spoken::Lost),
        1 => Just(Spoken::Swapped),
        1 => Just(Spoken::Key),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// Whatever the party sends, and whatever is lost or swapped on its way, it hears each packet that
    /// arrived once, and our numbers are the party's plus two constants (I8). The world asserts I4 after each step.
    #[test]
    fn an_echo_is_affine_and_loses_nothing(
        packets in prop::collection::vec(spoken(), 1..60), is_alaw: bool, taps: bool,
    ) {
        let mut world = World::new(1);
        let a = world.start(|plan| if is_alaw { alaw(plan) });
        world.echo(a);
        if taps {
            tap(&mut world, a, 1, TapTracks::Both, TapLimits::default());
        }
        let mut arrived = vec![world.party(a).sequence];
        let _ = world.speak(a, &[7; 160]);
        for packet in packets {
            world.run(20);
            let next = world.party(a).sequence;
            match packet {
                Spoken::Audio(value) => {
                    arrived.push(next);
                    let _ = world.speak(a, &[value; 160]);
                }
                Spoken::Lost => world.lose(a, &[0; 160]),
                Spoken::Swapped => {
                    arrived.extend([next.wrapping_add(1), next]);
                    world.speak_swapped(a, [&[1; 160], &[2; 160]]);
                }
                Spoken::Key => {
                    arrived.push(next);
                    let timestamp = world.party(a).timestamp;
                    let _ = world.press(a, timestamp, [5, 0x8A, 0, 160]);
                }
            }
        }
        let heard = world.heard(a);
        let our = |sequence: u16| sequence.wrapping_sub(arrived[0]).wrapping_add(65_530);
        let expected: Vec<u16> = arrived.iter().map(|sequence| our(*sequence)).collect();
        let sequences: Vec<u16> = heard.iter().map(|sent| sent.header().sequence).collect();
        prop_assert_eq!(sequences, expected);
        prop_assert!(heard.iter().all(|sent| sent.header().ssrc == plan(0).ssrc));
        let meters = world.cores[0].0.meters();
        prop_assert_eq!(meters.packets_forwarded, arrived.len() as u64);
        prop_assert_eq!(meters.packets_received, arrived.len() as u64);
    }
}
