//! Descriptions of legs for the operator, beside the figures that the parties' packets give.

use shared::{LegDescription, NotInKernel, Tier};

use super::*;

fn describe(world: &mut World, party: usize) -> Option<LegDescription> {
    let leg = world.leg(party);
    world.command(MediaCommand::Describe { leg, description: Box::default() });
    let described = world.events().into_iter().find_map(|event| match event {
        MediaEvent::Described { leg: of, description } if of == leg => Some(*description),
        _ => None,
    });
    described.expect("a description is always answered")
}

fn tier(world: &mut World, party: usize) -> Tier {
    describe(world, party).expect("the leg is up").tier
}

/// Two bridged parties that have spoken until a tier below, where there is one, could take both directions.
fn bridged(mut world: World) -> World {
    world.start(|_| ());
    world.start(alaw);
    world.bridge(0, 1);
    for _ in 0..20 {
        converse(&mut world);
    }
    world
}

fn converse(world: &mut World) {
    for party in [0, 1] {
        let packet = world.next_packet(party, &[1; 160]);
        let source = world.party(party).address;
        world.arrive(party, source, &packet);
    }
    world.run(20);
}

#[test]
fn a_leg_below_is_described_there_with_the_packets_of_both_tiers() {
    let mut world = bridged(World::with_tier());
    world.lose(0, &[1; 160]);
    converse(&mut world);
    let leg = describe(&mut world, 0).expect("up");
    assert_eq!((leg.tier, leg.codec), (Tier::Kernel, Codec::Pcmu));
    assert_eq!(leg.remote, Some(world.party(0).address));
    assert_eq!(leg.joined, Some(world.leg(1)));
    assert_eq!((leg.received, leg.lost), (21, 1));
    let other = describe(&mut world, 1).expect("up");
    assert_eq!((other.tier, other.codec), (Tier::Kernel, Codec::Pcma));
    assert_eq!(other.sent_in_kernel, leg.received_in_kernel);
    assert_eq!(leg.sent_in_kernel, other.received_in_kernel);
    let meters = *world.cores[0].0.meters();
    assert_eq!(leg.received_in_kernel + other.received_in_kernel, meters.packets_below);
    assert!((10..21).contains(&leg.received_in_kernel), "{leg:?}");
    assert!(leg.sent >= leg.sent_in_kernel && other.sent >= other.sent_in_kernel);
    assert_eq!(meters.legs_below, 2, "a description takes nothing back");
    let last = stop(&mut world, 0);
    assert_eq!((last.received, last.sent, last.lost), (leg.received, leg.sent, leg.lost));
}

#[test]
fn a_leg_that_the_tier_refuses_says_so_until_the_tier_takes_it() {
    let mut world = World::with_tier();
    world.cores[0].1.tier_is_full = true;
    let mut world = bridged(world);
    assert_eq!(tier(&mut world, 0), Tier::UserSpace(NotInKernel::NotTaken));
    let leg = describe(&mut world, 0).expect("up");
    assert_eq!((leg.received, leg.received_in_kernel, leg.sent_in_kernel), (20, 0, 0));
    world.cores[0].1.tier_is_full = false;
    (0..10).for_each(|_| converse(&mut world));
    assert_eq!(tier(&mut world, 0), Tier::Kernel);
}

#[test]
fn a_command_that_changes_a_leg_leaves_no_old_reason() {
    let mut world = World::with_tier();
    world.cores[0].1.tier_is_full = true;
    let mut world = bridged(world);
    let leg = world.leg(0);
    world.command(MediaCommand::StopPlay { leg });
    assert_eq!(tier(&mut world, 0), Tier::UserSpace(NotInKernel::NotYet));
    tap(&mut world, 0, 1, TapTracks::Both, TapLimits::default());
    let tapped = Tier::UserSpace(NotInKernel::NotRelayable(NotRelayable::Tapped));
    assert_eq!([tier(&mut world, 0), tier(&mut world, 1)], [tapped; 2]);
}

#[test]
fn without_a_tier_every_leg_is_in_user_space() {
    let mut world = bridged(World::new(1));
    assert_eq!(tier(&mut world, 0), Tier::UserSpace(NotInKernel::NoTier));
    let _ = stop(&mut world, 0);
    assert_eq!(describe(&mut world, 0), None, "the leg has ended");
    assert_eq!(world.cores[0].0.meters().commands_refused, 0);
    assert_eq!(describe(&mut world, 1).map(|leg| leg.received), Some(20));
}
