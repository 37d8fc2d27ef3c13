//! Digits through whole cores: heard, sent, and from one way to the other, with loss.

use shared::media::PlayEnd;
use shared::{Codec, LegPlan, MediaCommand, MediaEvent, PlayId, SplitMix};

use crate::dtmf::Detector;
use crate::dtmf::material::{keys, silence};
use crate::g711;
use crate::meters::DropReason;
use crate::output::Received;
use crate::testing::{Sent, World};

fn without_events(plan: &mut LegPlan) {
    plan.media.event_payload_type_send = None;
    plan.media.event_payload_type_receive = None;
}

fn digits_of(events: &[MediaEvent]) -> String {
    let digit = |event: &MediaEvent| match event {
        MediaEvent::Digit { digit, .. } => Some(char::from(*digit)),
        _ => None,
    };
    events.iter().filter_map(digit).collect()
}

/// The party says these samples, 20 ms a packet, while time goes by; packets for which `lost` says so
/// never arrive.
fn say(world: &mut World, party: usize, samples: &[i16], mut lost: impl FnMut() -> bool) {
    for frame in samples.chunks(160) {
        let codes: Vec<u8> = frame.iter().map(|s| g711::encode(Codec::Pcmu, *s)).collect();
        if lost() {
            world.lose(party, &codes);
        } else {
            let _ = world.speak(party, &codes);
        }
        world.run(20);
    }
}

/// Keys that a detector finds in the audio sent to a party; other packets count as silence.
fn detected(heard: &[Sent]) -> Vec<(u8, u32)> {
    let mut detector = Detector::default();
    let mut found = Vec::new();
    for sent in heard {
        let silent = [0xFF; 160];
        let samples = if sent.header().payload_type == 0 { sent.payload() } else { &silent[..] };
        detector.hear(Codec::Pcmu, samples, |event, length| found.push((event, length)));
    }
    found.extend(detector.reset());
    found
}

/// Digits that another core would read from the event packets sent to a party.
fn reported(
    world: &mut World,
    party: usize,
    heard: &[Sent],
    mut lost: impl FnMut() -> bool,
) -> String {
    world.events();
    for sent in heard.iter().filter(|sent| sent.header().payload_type == 101) {
        if lost() {
            continue;
        }
        let payload = *sent.payload().first_chunk().unwrap();
        let _ = world.press(party, sent.header().timestamp, payload);
    }
    world.run(200);
    digits_of(&world.events())
}

fn assert_in_sequence(sent: &[Sent]) {
    for pair in sent.windows(2) {
        let (a, b) = (pair[0].header().sequence, pair[1].header().sequence);
        assert_eq!(b, a.wrapping_add(1), "at {:?}", pair[1].at);
    }
}

#[test]
fn tones_of_a_party_without_events_are_digits() {
    let mut world = World::new(1);
    let a = world.start(without_events);
    let spoken = [silence(100), keys("0123456789*#ABCD", 60, 60), silence(100)].concat();
    say(&mut world, a, &spoken, || false);
    assert_eq!(digits_of(&world.events()), "0123456789*#ABCD");
}

#[test]
fn tones_of_a_party_with_events_are_never_digits() {
    let mut world = World::new(1);
    let a = world.start(|_| ());
    let b = world.start(|_| ());
    world.bridge(a, b);
    say(&mut world, a, &[keys("123", 100, 100), silence(100)].concat(), || false);
    assert_eq!(digits_of(&world.events()), "");
    // A gateway passes the tones of such a party on as they are.
    assert_eq!(detected(&world.heard(b)).len(), 3);
}

#[test]
fn a_key_that_is_held_when_packets_stop_or_the_leg_stops_is_reported() {
    let mut world = World::new(1);
    let a = world.start(without_events);
    say(&mut world, a, &keys("1", 100, 0), || false);
    assert_eq!(digits_of(&world.events()), "");
    world.run(200);
    assert_eq!(digits_of(&world.events()), "1");
    say(&mut world, a, &keys("2", 100, 0), || false);
    let leg = world.leg(a);
    world.command(MediaCommand::StopLeg { leg, quality: Box::default() });
    assert_eq!(digits_of(&world.events()), "2");
}

#[test]
fn digits_for_a_party_without_events_are_tones() {
    let mut world = World::new(1);
    let a = world.start(without_events);
    let digits = "0123456789*#ABCDw1";
    world.command(MediaCommand::SendDigits {
        leg: world.leg(a),
        play: PlayId(2),
        digits: digits.into(),
    });
    world.run(5_000);
    let ended = world.events();
    assert!(matches!(ended[..], [MediaEvent::PlayEnded { cause: PlayEnd::Finished, .. }]));
    let heard = world.heard(a);
    assert!(heard.iter().all(|sent| sent.header().payload_type == 0));
    assert_in_sequence(&heard);
    let tones = detected(&heard);
    let events: Vec<u8> = tones.iter().map(|(event, _)| *event).collect();
    assert_eq!(events, (0..16).chain([1]).collect::<Vec<u8>>());
    assert!(tones.iter().all(|(_, length)| length.abs_diff(800) <= 60), "{tones:?}");
}

#[test]
fn events_for_a_party_without_events_are_tones_of_their_length() {
    for cores in [1, 2] {
        let mut world = World::new(cores);
        let a = world.start(|_| ());
        let b = world.start(without_events);
        world.bridge(a, b);
        for (press, packets) in [(0, 3), (1, 10)] {
            for index in 0..packets + 2u16 {
                let [high, low] = ((index + 1).min(packets) * 160).to_be_bytes();
                let end = if index + 1 >= packets { 0x8A } else { 10 };
                let _ = world.press(a, 5_000 + press * 9_000, [4, end, high, low]);
                world.run(20);
            }
            world.run(400);
        }
        assert_eq!(digits_of(&world.events()), "44");
        let heard = world.heard(b);
        assert_in_sequence(&heard);
        let tones = detected(&heard);
        assert_eq!(tones.len(), 2, "{tones:?}");
        for ((event, length), expected) in tones.into_iter().zip([480u32, 1_600]) {
            assert!(event == 4 && length.abs_diff(expected) <= 60, "{length} for {expected}");
        }
    }
}

#[test]
fn an_event_that_is_no_key_is_dropped_towards_a_party_without_events() {
    let mut world = World::new(1);
    let a = world.start(|_| ());
    let b = world.start(without_events);
    world.bridge(a, b);
    let received = world.press(a, 5_000, [16, 0x8A, 3, 0x20]);
    assert_eq!(received, Received::Dropped(DropReason::NoTelephoneEvents));
}

#[test]
fn tones_for_a_party_with_events_are_events_and_the_rest_of_the_tone_is_silence() {
    for cores in [1, 2] {
        let mut world = World::new(cores);
        let a = world.start(|_| ());
        let b = world.start(without_events);
        world.bridge(a, b);
        let spoken = [silence(110), keys("0123456789*#ABCD", 100, 100), silence(200)].concat();
        say(&mut world, b, &spoken, || false);
        assert_eq!(digits_of(&world.events()), "0123456789*#ABCD");
        let heard = world.heard(a);
        assert_in_sequence(&heard);
        assert_eq!(detected(&heard), [], "the other party hears no tone");
        let ends = heard
            .iter()
            .filter(|sent| sent.header().payload_type == 101 && sent.payload()[1] & 0x80 != 0);
        assert_eq!(ends.count(), 48, "three ends a press");
        assert_eq!(reported(&mut world, a, &heard, || false), "0123456789*#ABCD");
    }
}

#[test]
fn what_we_play_as_tones_and_comes_back_is_no_digit() {
    let mut world = World::new(1);
    let a = world.start(without_events);
    world.command(MediaCommand::SendDigits {
        leg: world.leg(a),
        play: PlayId(2),
        digits: "123".into(),
    });
    for _ in 0..40 {
        world.run(20);
        let echo = world.heard(a);
        for sent in echo {
            let _ = world.speak(a, sent.payload());
        }
    }
    assert_eq!(digits_of(&world.events()), "");
}

/// One in five packets is lost, each independently.
fn one_in_five(seed: u64) -> impl FnMut() -> bool {
    let mut random = SplitMix::new(seed);
    move || random.below(100) < 20
}

/// A hundred digits, none like the one before it.
fn hundred_digits() -> String {
    (0..100usize).map(|at| char::from(b"0123456789*#ABCD"[(at * 7 + at / 16) % 16])).collect()
}

#[test]
fn a_hundred_digits_of_a_hundred_come_through_one_packet_lost_in_five() {
    let digits = hundred_digits();
    for seed in 0..20 {
        let mut world = World::new(1);
        let a = world.start(|_| ());
        let b = world.start(|_| ());
        world.command(MediaCommand::SendDigits {
            leg: world.leg(a),
            play: PlayId(2),
            digits: digits.as_str().into(),
        });
        world.run(21_000);
        let sent = world.heard(a);
        assert_eq!(reported(&mut world, b, &sent, one_in_five(seed)), digits, "seed {seed}");
    }
}

#[test]
fn a_hundred_events_with_loss_are_a_hundred_tones() {
    let digits = hundred_digits();
    for seed in 0..5 {
        let mut world = World::new(1);
        let sender = world.start(|_| ());
        let a = world.start(|_| ());
        let b = world.start(without_events);
        world.bridge(a, b);
        world.command(MediaCommand::SendDigits {
            leg: world.leg(sender),
            play: PlayId(2),
            digits: digits.as_str().into(),
        });
        let mut lost = one_in_five(seed);
        for _ in 0..1_050 {
            world.run(20);
            for sent in world.heard(sender) {
                if sent.header().payload_type == 101 && !lost() {
                    let payload = *sent.payload().first_chunk().unwrap();
                    let _ = world.press(a, sent.header().timestamp, payload);
                }
            }
        }
        let tones = detected(&world.heard(b));
        assert_eq!(tones.len(), 100, "seed {seed}");
        assert_eq!(digits_of(&world.events()), digits, "seed {seed}");
    }
}
