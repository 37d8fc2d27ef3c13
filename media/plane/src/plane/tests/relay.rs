//! Relay: packets of one party, as the other receives them.

use super::*;

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
    // The prompt plays to its end over the bridge; then a receives the audio of b.
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
    world.unbridge(a);
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
fn nothing_is_relayed_before_both_sides_are_bridged_nor_after_one_is_not() {
    let mut world = World::new(1);
    let (a, b) = (world.start(|_| ()), world.start(|_| ()));
    let (leg_a, leg_b) = (world.leg(a), world.leg(b));
    world.command(MediaCommand::Join { leg: leg_a, joined: Joined::Party(leg_b) });
    assert_eq!(world.speak(a, &[1; 160]), Received::Consumed);
    world.command(MediaCommand::Join { leg: leg_b, joined: Joined::Party(leg_a) });
    assert!(matches!(world.speak(a, &[1; 160]), Received::Forward { .. }));
    world.unbridge(b);
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
