//! A late core, and a full ring between cores.

use super::*;

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
    world.unbridge(b);
    let _ = world.speak(a, &long);
    let meters = world.cores[1].0.meters();
    assert_eq!(meters.mesh_dropped.count(DropReason::NotBridged), 1);
}
