//! What legs are joined to: a room is refused.

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
    assert_eq!((refused, reason), (leg, CommandRefusal::NoMixer));
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
