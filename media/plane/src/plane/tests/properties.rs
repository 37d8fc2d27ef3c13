//! Properties over arbitrary steps and datagrams: conservation (I4), continuity (I8), one core or two.

use proptest::prelude::*;
use shared::{FeedId, FeedPart};

use super::*;

const FEED: FeedId = FeedId(3);

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
    Echo { party: usize },
    Renumber { party: usize },
    Tap { party: usize },
    StartFeed { party: usize },
    StopFeed { party: usize },
    Feed { party: usize, frames: u8 },
    Clear { party: usize },
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
        1 => party.clone().prop_map(|party| Step::Echo { party }),
        1 => party.clone().prop_map(|party| Step::Renumber { party }),
        1 => party.clone().prop_map(|party| Step::Tap { party }),
        1 => party.clone().prop_map(|party| Step::StartFeed { party }),
        1 => party.clone().prop_map(|party| Step::StopFeed { party }),
        3 => (party.clone(), 0u8..14).prop_map(|(party, frames)| Step::Feed { party, frames }),
        1 => party.clone().prop_map(|party| Step::Clear { party }),
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
        Step::Unbridge { party } => world.unbridge(party),
        Step::Echo { party } => world.echo(party),
        Step::Renumber { party } => {
            let party = world.party(party);
            party.ssrc = party.ssrc.wrapping_mul(31);
            party.sequence = party.sequence.wrapping_mul(7);
            party.timestamp = party.timestamp.wrapping_mul(13);
        }
        Step::Tap { party } => tap(world, party, 5, TapTracks::Both, TapLimits::default()),
        Step::StartFeed { party } => {
            let (leg, codec) = (world.leg(party), Codec::Pcma);
            world.command(MediaCommand::StartFeed { leg, feed: FEED, codec });
        }
        Step::StopFeed { party } => {
            world.command(MediaCommand::StopFeed { leg: world.leg(party), feed: FEED });
        }
        Step::Feed { party, frames } => {
            (0..frames).for_each(|value| world.feed(party, FEED, FeedPart::Audio([value; 160])));
        }
        Step::Clear { party } => world.feed(party, FEED, FeedPart::Clear),
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
        MediaEvent::FeedEnded { cause, .. } => format!("{cause:?}"),
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
