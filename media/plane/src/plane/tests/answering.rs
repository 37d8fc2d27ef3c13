//! Detection of what answered, through the plane: packets in, one event out.

use shared::{AnsweredBy, Detection};

use super::*;

#[test]
fn a_party_that_sends_nothing_is_unknown_after_the_silence_timeout() {
    let mut world = World::new(1);
    let party = world.start(|_| ());
    begin(&mut world, party);
    world.run(5_100);
    let [(answered_by, after_ms)] = found(&mut world)[..] else { panic!("one result") };
    assert_eq!(answered_by, AnsweredBy::Unknown);
    assert!((5_000..=5_040).contains(&after_ms), "{after_ms}");
    world.run(30_000);
    assert!(found(&mut world).is_empty(), "once");
}

#[test]
fn speech_and_then_silence_is_a_human_while_a_prompt_plays() {
    let mut world = World::new(1);
    let party = world.start(|_| ());
    begin(&mut world, party);
    let loud: Vec<u8> = (0..160).map(|n| if n % 57 < 20 { 0x90 } else { 0x25 }).collect();
    for tick in 0..150 {
        let silence = [0xFF; 160];
        let _ = world.speak(party, if tick < 40 { &loud } else { &silence });
        world.run(20);
    }
    let [(answered_by, after_ms)] = found(&mut world)[..] else { panic!("one result") };
    assert_eq!(answered_by, AnsweredBy::Human);
    assert!((1_960..=2_060).contains(&after_ms), "{after_ms}");
}

#[test]
fn a_detection_that_is_stopped_or_whose_leg_stops_says_nothing() {
    let mut world = World::new(1);
    let party = world.start(|_| ());
    let leg = begin(&mut world, party);
    world.command(MediaCommand::StopDetection { leg });
    begin(&mut world, party);
    begin(&mut world, party);
    world.command(MediaCommand::StopLeg { leg, quality: Box::default() });
    world.run(6_000);
    assert!(found(&mut world).is_empty());
    world.command(MediaCommand::StartDetection { leg, detection: Detection::default() });
    assert!(matches!(world.events()[..], [MediaEvent::Refused { .. }]), "the leg is gone");
}

fn begin(world: &mut World, party: usize) -> LegId {
    let leg = world.leg(party);
    world.command(MediaCommand::StartDetection { leg, detection: Detection::default() });
    leg
}

fn found(world: &mut World) -> Vec<(AnsweredBy, u32)> {
    let events = world.events().into_iter();
    let found = events.filter_map(|event| match event {
        MediaEvent::Detected { answered_by, after_ms, .. } => Some((answered_by, after_ms)),
        _ => None,
    });
    found.collect()
}
