//! Drop reasons of odd packets, and the latch.

use super::*;

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
    // Until it speaks, its audio still goes to its old address.
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
    // The SDP of this peer changed and its source did not: its packets are taken again after a second.
    world.run(1_000);
    assert!(matches!(world.speak(a, &[1; 160]), Received::Forward { .. }));
}
