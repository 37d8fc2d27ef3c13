//! A tier below relays ([`crate::SoftTier`]), beside a plane that does everything itself.
//!
//! Two worlds take the steps of one story. In the first the plane relays; in the second a tier takes
//! what the plane gives it. Parties, reports and figures must not differ.

use std::net::SocketAddr;

use proptest::prelude::*;

use super::*;
use crate::relay_rule::RelayedCounts;

/// Two bridged parties of a world, with or without a tier below the plane.
struct Story {
    world: World,
    /// Packets of each party that are under way.
    under_way: [Vec<Vec<u8>>; 2],
}

impl Story {
    /// Mu-law on one side, A-law on the other.
    fn new(has_tier: bool) -> Self {
        let mut world = if has_tier { World::with_tier() } else { World::new(1) };
        world.start(|_| ());
        world.start(alaw);
        world.bridge(0, 1);
        Self { world, under_way: [vec![], vec![]] }
    }

    fn arrive(&mut self, party: usize, source: SocketAddr, packet: &[u8]) {
        self.world.arrive(party, source, packet);
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Say { party, value } => {
                let packet = self.packet(party, value);
                self.arrive_from_party(party, &packet);
            }
            Step::Lose { party } => drop(self.packet(party, 0)),
            Step::Double { party } => {
                let packet = self.packet(party, 3);
                self.arrive_from_party(party, &packet);
                self.arrive_from_party(party, &packet);
            }
            Step::Delay { party } => {
                let packet = self.packet(party, 4);
                self.under_way[party].push(packet);
            }
            Step::Deliver { party } => {
                for packet in std::mem::take(&mut self.under_way[party]) {
                    self.arrive_from_party(party, &packet);
                }
            }
            Step::Alter { party, byte, mask } => {
                let mut packet = self.packet(party, 5);
                packet[byte] ^= mask;
                self.arrive_from_party(party, &packet);
            }
            Step::KeepAlive { party } => {
                let packet = self.world.next_packet(party, &[]);
                self.arrive_from_party(party, &packet);
            }
            Step::Forge { party } => {
                let mut packet = self.packet(party, 6);
                packet.truncate(100);
                self.arrive(party, ([198, 51, 100, 1], 7).into(), &packet);
            }
            Step::Press { party } => {
                let timestamp = self.world.party(party).timestamp;
                let _ = self.world.press(party, timestamp, [5, 0x8A, 0, 160]);
            }
            Step::Jump { party, samples } => {
                let timestamp = &mut self.world.party(party).timestamp;
                *timestamp = timestamp.wrapping_add(samples);
            }
            Step::Run { ms } => self.world.run(ms),
            Step::Play { party } => play(&mut self.world, party, 700, 1),
            Step::Hold { party, direction } => {
                self.world.update(party, |plan| {
                    if party == 1 {
                        alaw(plan);
                    }
                    plan.media.direction = direction;
                });
            }
            Step::Bridge => self.world.bridge(0, 1),
            Step::Part { party } => self.world.unbridge(party),
            Step::Echo { party } => self.world.echo(party),
            Step::Tap { party } => {
                tap(
                    &mut self.world,
                    party,
                    5,
                    TapTracks::Both,
                    TapLimits { silence_ms: 0, max_ms: 40 },
                );
            }
        }
    }

    fn packet(&mut self, party: usize, value: u8) -> Vec<u8> {
        self.world.next_packet(party, &[value; 160])
    }

    fn arrive_from_party(&mut self, party: usize, packet: &[u8]) {
        let source = self.world.party(party).address;
        self.arrive(party, source, packet);
    }

    /// Everything that must not differ.
    fn end(mut self) -> Outcome {
        self.world.run(10_000);
        let events = self.world.events();
        let heard = [0, 1].map(|party| self.world.heard(party));
        let reports = [0, 1].map(|party| self.world.reports(party));
        let qualities = [0, 1].map(|party| {
            let quality = stop(&mut self.world, party);
            // The places of losses are not known to a tier.
            let losses = LossPattern { lost: quality.losses.lost, ..LossPattern::default() };
            assert_eq!(losses.lost, quality.lost);
            LegQuality {
                losses,
                jitter_max_rtp_units: 0,
                intervals_bad: 0,
                worst_r_tenths: None,
                ..quality
            }
        });
        let meters = *self.world.cores[0].0.meters();
        assert_eq!(meters.legs_below, 0);
        // A plane whose legs rest serves fewer milliseconds.
        let (packets_below, packets_dropped_below, ticks) = (0, 0, 0);
        let meters = crate::PlaneMeters { packets_below, packets_dropped_below, ticks, ..meters };
        Outcome { heard, reports, figures: (digits_of(&events), qualities, meters) }
    }
}

/// What the parties get, and what is counted.
struct Outcome {
    heard: [Vec<Sent>; 2],
    reports: [Vec<Sent>; 2],
    figures: (String, [LegQuality; 2], crate::PlaneMeters),
}

/// The first packet that differs, without its payload.
fn difference(without: &[Sent], with: &[Sent]) -> Option<String> {
    let show = |sent: Option<&Sent>| {
        sent.map(|sent| format!("{:?} {:?}", sent.at, &sent.packet[..sent.packet.len().min(24)]))
    };
    let index =
        (0..without.len().max(with.len())).find(|index| without.get(*index) != with.get(*index))?;
    Some(format!("{index}: {:?} {:?}", show(without.get(index)), show(with.get(index))))
}

#[derive(Clone, Debug)]
enum Step {
    Say { party: usize, value: u8 },
    Lose { party: usize },
    Double { party: usize },
    Delay { party: usize },
    Deliver { party: usize },
    Alter { party: usize, byte: usize, mask: u8 },
    KeepAlive { party: usize },
    Forge { party: usize },
    Press { party: usize },
    Jump { party: usize, samples: u32 },
    Run { ms: u64 },
    Play { party: usize },
    Hold { party: usize, direction: Direction },
    Bridge,
    Part { party: usize },
    Echo { party: usize },
    Tap { party: usize },
}

/// Holes or copies, not both: where packets are missing, RFC 3550 A.3 takes a copy for one of them.
fn step(has_holes: bool) -> BoxedStrategy<Step> {
    let party = || 0..2usize;
    let direction = prop::sample::select(vec![Direction::SendRecv, Direction::SendOnly]);
    let common = prop_oneof![
        24 => (party(), any::<u8>()).prop_map(|(party, value)| Step::Say { party, value }),
        1 => party().prop_map(|party| Step::KeepAlive { party }),
        1 => party().prop_map(|party| Step::Press { party }),
        12 => (1u64..60).prop_map(|ms| Step::Run { ms }),
        1 => (0u64..900).prop_map(|ms| Step::Run { ms }),
        1 => party().prop_map(|party| Step::Play { party }),
        1 => (party(), direction).prop_map(|(party, direction)| Step::Hold { party, direction }),
        1 => Just(Step::Bridge),
        1 => party().prop_map(|party| Step::Part { party }),
        1 => party().prop_map(|party| Step::Echo { party }),
        1 => party().prop_map(|party| Step::Tap { party }),
    ];
    if !has_holes {
        let copies = party().prop_map(|party| Step::Double { party });
        return prop_oneof![8 => common, 1 => copies].boxed();
    }
    // Version, extension, payload type and SSRC; numbers have steps of their own.
    let byte = prop::sample::select(vec![0usize, 1, 8, 11]);
    let holes = prop_oneof![
        4 => party().prop_map(|party| Step::Lose { party }),
        2 => party().prop_map(|party| Step::Delay { party }),
        3 => party().prop_map(|party| Step::Deliver { party }),
        2 => (party(), byte, any::<u8>())
            .prop_map(|(party, byte, mask)| Step::Alter { party, byte, mask }),
        1 => party().prop_map(|party| Step::Forge { party }),
        1 => (party(), any::<u32>()).prop_map(|(party, samples)| Step::Jump { party, samples }),
    ];
    prop_oneof![4 => common, 1 => holes].boxed()
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    any::<bool>().prop_flat_map(|has_holes| prop::collection::vec(step(has_holes), 1..150))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    /// Bytes, reports, figures and counters are those of a plane without a tier.
    #[test]
    fn nobody_notices_a_tier(steps in steps()) {
        let [mut without, mut with] = [Story::new(false), Story::new(true)];
        for step in steps {
            without.take(step.clone());
            with.take(step);
        }
        let (without, with) = (without.end(), with.end());
        for party in 0..2 {
            prop_assert_eq!(difference(&without.heard[party], &with.heard[party]), None);
            prop_assert_eq!(difference(&without.reports[party], &with.reports[party]), None);
        }
        prop_assert_eq!(without.figures, with.figures);
    }
}

#[test]
fn a_tier_relays_from_the_first_beat_on() {
    let mut story = Story::new(true);
    for value in 0..50 {
        for party in 0..2 {
            story.take(Step::Say { party, value });
        }
        story.take(Step::Run { ms: 20 });
    }
    story.world.unbridge(0);
    assert_eq!(story.world.cores[0].0.meters().packets_below, 98);
    let heard = story.world.heard(1);
    assert_eq!(heard.len(), 50);
    assert_continuous(&heard);
    let meters = *story.world.cores[0].0.meters();
    assert_eq!((meters.packets_received, meters.packets_forwarded), (100, 100));
}

#[test]
fn a_leg_below_rests_and_its_counts_are_read_twice_a_second() {
    let mut story = Story::new(true);
    for value in 0..250 {
        for party in 0..2 {
            story.take(Step::Say { party, value });
        }
        story.take(Step::Run { ms: 20 });
    }
    // In 5 s of two directions: each time at the end of a rest, and for a report.
    let hands = &story.world.cores[0].1;
    let figures = (hands.readings, hands.glances);
    assert!((14..=26).contains(&figures.0) && (50..=150).contains(&figures.1), "{figures:?}");
    assert_eq!(hands.gifts, 2);
}

/// However many legs rest, they take one wake-up of the core in 20 ms. Beating, these eight would take eight.
#[test]
fn a_core_whose_legs_all_rest_wakes_50_times_a_second() {
    let mut world = World::with_tier();
    let parties: Vec<usize> = (0..8).map(|_| world.start(|_| ())).collect();
    for pair in parties.chunks(2) {
        world.bridge(pair[0], pair[1]);
    }
    let speak = |world: &mut World, speakers: &[usize], frames: u32| {
        for _ in 0..frames {
            for party in speakers {
                let packet = world.next_packet(*party, &[7; 160]);
                let source = world.party(*party).address;
                world.arrive(*party, source, &packet);
            }
            world.run(20);
        }
    };
    speak(&mut world, &parties, 10);
    assert_eq!(world.cores[0].0.meters().legs_below, 8);
    let wakes_before = world.wakes;
    speak(&mut world, &parties, 250);
    // In 5 s each leg reports once or twice, at its own beat.
    let wakes = world.wakes - wakes_before;
    assert!((250..=300).contains(&wakes), "{wakes} wake-ups in 5 s");
    assert_eq!(world.cores[0].0.meters().ticks_skipped, 0, "a rest is no stall");
    // One party falls silent: its peer hears silence after 200 ms, and the others rest on.
    let _ = world.heard(1);
    speak(&mut world, &parties[1..], 20);
    let silence = world.heard(1).len();
    assert!((9..=11).contains(&silence), "{silence} packets of silence in 200 ms");
}

#[test]
fn a_tier_that_does_not_see_the_packets_is_given_a_leg_once_a_beat_at_most() {
    let mut world = World::with_tier();
    let (a, b) = (world.start(|_| ()), world.start(|_| ()));
    world.bridge(a, b);
    for value in 0..200u8 {
        let _ = world.speak(a, &[value; 32]);
        world.run(4);
    }
    let gifts = world.cores[0].1.gifts;
    assert!((10..=41).contains(&gifts), "{gifts} gifts in 40 beats");
    assert_eq!(world.heard(b).len(), 200);
}

#[test]
fn the_address_of_the_sdp_wins_over_a_source_that_a_tier_relays() {
    let mut world = World::with_tier();
    let (a, b) = (world.start(|_| ()), world.start(|_| ()));
    world.bridge(a, b);
    let named = world.party(a).address;
    let stray = SocketAddr::new(named.ip(), named.port() + 100);
    for value in 0..20 {
        let packet = world.next_packet(a, &[value; 160]);
        world.arrive(a, stray, &packet);
        world.run(20);
    }
    assert_eq!(world.cores[0].0.meters().legs_below, 1, "the stray source is locked and relayed");
    let _ = world.heard(b);
    let packet = world.next_packet(a, &[0x77; 160]);
    world.arrive(a, named, &packet);
    assert_eq!(world.heard(b).last().expect("it is relayed").payload(), [0x77; 160]);
    let rule = world.cores[0].0.relay_rule(world.leg(a)).expect("locked to the address of the SDP");
    assert!(rule.source == named && !rule.others_go_up);
}

/// Parties 0 and 1 after a packet each way, changed by `change`; why the packets of the first are not relayed.
fn reason_after(change: impl FnOnce(&mut World)) -> Result<(), NotRelayable> {
    let mut world = World::new(2);
    world.start(|_| ());
    world.start(|_| ());
    world.start(|_| ());
    world.bridge(0, 2);
    for party in [0, 2] {
        let _ = world.speak(party, &[1; 160]);
    }
    change(&mut world);
    world.cores[0].0.relay_rule(world.leg(0)).map(drop)
}

#[test]
fn what_needs_the_plane_is_named() {
    use NotRelayable::*;
    let hold = |party, direction| {
        move |world: &mut World| world.update(party, |plan| plan.media.direction = direction)
    };
    let ends = |world: &mut World, party| {
        let _ = stop(world, party);
    };
    assert_eq!(reason_after(|_| ()), Ok(()));
    assert_eq!(reason_after(|world| ends(world, 0)), Err(NoLeg));
    assert_eq!(reason_after(|world| ends(world, 2)), Err(NotJoined));
    assert_eq!(reason_after(|world| world.unbridge(2)), Err(NotJoined));
    assert_eq!(reason_after(|world| world.bridge(0, 1)), Err(OtherCore));
    let moved = SocketAddr::from(([192, 0, 2, 77], 5_000));
    let moves = |party| {
        move |world: &mut World| world.update(party, |plan| plan.media.remote_rtp = Some(moved))
    };
    assert_eq!(reason_after(moves(0)), Err(NotLatched));
    assert_eq!(reason_after(moves(2)), Ok(()));
    assert_eq!(reason_after(hold(0, Direction::SendOnly)), Err(Held));
    assert_eq!(reason_after(hold(2, Direction::RecvOnly)), Err(Held));
    let nowhere = |world: &mut World| world.update(2, |plan| plan.media.remote_rtp = None);
    assert_eq!(reason_after(nowhere), Err(NoDestination));
    for party in [0, 2] {
        let links = |world: &mut World| {
            world.update(party, |plan| plan.latch = LatchMode::Link);
        };
        assert_eq!(reason_after(links), Err(Linked));
    }
    let suite = shared::SrtpSuite::AesCm128HmacSha1Tag80;
    let key = |byte| shared::SrtpKey { suite, master: shared::SrtpMaster::new([byte; 30]) };
    let keys = shared::SrtpKeys { send: key(1), receive: key(2) };
    for party in [0, 2] {
        let secures = |world: &mut World| world.update(party, |plan| plan.media.srtp = Some(keys));
        assert_eq!(reason_after(secures), Err(Secured));
        let records =
            |world: &mut World| tap(world, party, 1, TapTracks::Both, TapLimits::default());
        assert_eq!(reason_after(records), Err(Tapped));
    }
    let without_events =
        |world: &mut World| world.update(0, |plan| plan.media.event_payload_type_receive = None);
    assert_eq!(reason_after(without_events), Err(DigitsInAudio));
    assert_eq!(reason_after(|world| play(world, 2, 800, 1)), Err(Playing));
    assert_eq!(reason_after(|world| play(world, 0, 800, 1)), Ok(()));
    assert_eq!(reason_after(|world| world.bridge(0, 2)), Err(NotBegun));
    assert_eq!(reason_after(|world| world.run(400)), Err(NotBegun));
}

#[test]
fn counts_for_a_leg_that_is_gone_are_still_conserved() {
    let mut world = World::new(1);
    let a = world.start(|_| ());
    let leg = world.leg(a);
    let _ = stop(&mut world, a);
    let plane = &mut world.cores[0].0;
    let counts = RelayedCounts { packets: 3, octets: 480, ..RelayedCounts::default() };
    assert!(!plane.absorb_relayed(leg, &counts));
    assert_eq!((plane.meters().packets_received, plane.meters().packets_forwarded), (3, 3));
    assert_eq!(plane.meters().received_balance(), 0);
}

/// A key, then a jump to the farthest timestamp, which is neither ahead nor behind.
#[test]
fn a_jump_by_half_of_all_timestamps_after_a_key_is_the_same_with_a_tier() {
    let say = || Step::Say { party: 0, value: 0 };
    let steps = [
        Step::Press { party: 0 },
        Step::Jump { party: 0, samples: 1 << 31 },
        say(),
        say(),
        say(),
        say(),
        Step::Run { ms: 20 },
        say(),
        Step::Run { ms: 1 },
    ];
    let [mut without, mut with] = [Story::new(false), Story::new(true)];
    for step in steps {
        without.take(step.clone());
        with.take(step);
    }
    let (without, with) = (without.end(), with.end());
    for party in 0..2 {
        assert_eq!(difference(&without.heard[party], &with.heard[party]), None, "{party}");
    }
    assert_eq!(without.figures, with.figures);
}
