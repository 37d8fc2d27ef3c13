//! Feeds: audio of threads, its clears and ends.

use shared::feed::FeedEnd;
use shared::{FeedId, FeedPart};

use super::*;

const FEED: FeedId = FeedId(40);

fn start_feed(world: &mut World, party: usize, feed: FeedId) {
    let (leg, codec) = (world.leg(party), Codec::Pcmu);
    world.command(MediaCommand::StartFeed { leg, feed, codec });
}

fn feed(world: &mut World, party: usize, values: impl IntoIterator<Item = u8>) {
    for value in values {
        world.feed(party, FEED, FeedPart::Audio([value; 160]));
    }
}

/// The ends that were reported since the last call.
fn ends(world: &mut World) -> Vec<FeedEnd> {
    let end = |event: &MediaEvent| match event {
        MediaEvent::FeedEnded { cause, .. } => Some(*cause),
        _ => None,
    };
    world.events().iter().filter_map(end).collect()
}

fn values(sent: &[Sent]) -> Vec<u8> {
    sent.iter().map(|sent| sent.payload()[0]).collect()
}

#[test]
fn numbers_continue_from_relay_to_feed_and_back() {
    let mut world = World::new(1);
    let (a, b) = (world.start(|_| ()), world.start(|_| ()));
    world.bridge(a, b);
    let speak = |world: &mut World, count| {
        for _ in 0..count {
            let _ = world.speak(a, &[0x11; 160]);
            world.run(20);
        }
    };
    speak(&mut world, 5);
    start_feed(&mut world, b, FEED);
    for value in 1..=20 {
        feed(&mut world, b, [value]);
        speak(&mut world, 1);
    }
    world.command(MediaCommand::StopFeed { leg: world.leg(b), feed: FEED });
    speak(&mut world, 5);
    let heard = world.heard(b);
    assert_continuous(&heard);
    let fed = values(&heard).into_iter().filter(|value| *value < 0x11).collect::<Vec<_>>();
    assert_eq!(fed, (1..0x11).collect::<Vec<_>>());
    // What the other party said meanwhile was used here, not relayed.
    let relayed = heard.iter().filter(|sent| sent.payload() == [0x11; 160]).count();
    assert_eq!(relayed, 5 + 1 + 5, "one of them is the feed's own");
    assert_eq!(ends(&mut world), [FeedEnd::Stopped]);
}

#[test]
fn a_feed_without_audio_is_silence() {
    let mut world = World::new(1);
    let a = world.start(|_| ());
    start_feed(&mut world, a, FEED);
    world.run(200);
    let heard = world.heard(a);
    assert_eq!(values(&heard), [0xFF; 10]);
    assert_continuous(&heard);
    let meters = world.cores[0].0.meters();
    assert_eq!((meters.sent_silence, meters.sent_feed, meters.feed_underruns), (10, 0, 0));
}

#[test]
fn the_frames_of_a_tap_say_how_much_of_the_feed_has_passed() {
    let mut world = World::new(1);
    let a = world.start(|_| ());
    let (tap, tracks) = (TapId(7), TapTracks::Inbound);
    let (sink, limits) = (Sink::Stream, TapLimits::default());
    world.command(MediaCommand::StartTap { leg: world.leg(a), tap, sink, tracks, limits });
    start_feed(&mut world, a, FEED);
    // Ten fit; two more are dropped, and their writer must not wait for them.
    feed(&mut world, a, 1..=12);
    world.run(60);
    world.feed(a, FEED, FeedPart::Clear);
    world.run(60);
    feed(&mut world, a, 1..=2);
    world.run(100);
    let frames = std::mem::take(&mut world.cores[0].1.stream_frames);
    let passed: Vec<u32> = frames.iter().map(|frame| frame.feed_passed).collect();
    assert!(passed.is_sorted(), "{passed:?}");
    let meters = world.cores[0].0.meters();
    let all = meters.feed_frames_played + meters.feed_frames_cleared + meters.feed_frames_full;
    assert_eq!(passed.last().map(|passed| u64::from(*passed)), Some(all));
    assert_eq!(all, 14);
    assert!(passed.contains(&12), "after the clear: {passed:?}");
}

#[test]
fn a_clear_silences_the_next_packet() {
    let mut world = World::new(1);
    let a = world.start(|_| ());
    start_feed(&mut world, a, FEED);
    feed(&mut world, a, 1..=8);
    world.run(40);
    world.feed(a, FEED, FeedPart::Clear);
    world.run(40);
    assert_eq!(values(&world.heard(a)), [1, 2, 0xFF, 0xFF]);
    let meters = world.cores[0].0.meters();
    assert_eq!((meters.feed_frames_played, meters.feed_frames_cleared), (2, 6));
}

#[test]
fn a_frame_too_many_and_one_without_its_feed_are_dropped_and_counted() {
    let mut world = World::new(1);
    let a = world.start(|_| ());
    feed(&mut world, a, 1..=3);
    start_feed(&mut world, a, FEED);
    feed(&mut world, a, 1..=12);
    world.feed(a, FeedId(41), FeedPart::Audio([1; 160]));
    let meters = world.cores[0].0.meters();
    assert_eq!((meters.feed_frames_unknown, meters.feed_frames_full), (4, 2));
    assert_eq!(meters.feed_frames_waiting, 10);
    world.run(220);
    assert_eq!(values(&world.heard(a))[..], [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 0xFF]);
    assert_eq!(world.cores[0].0.meters().feed_underruns, 1);
}

#[test]
fn a_prompt_plays_over_a_feed_whose_time_passes() {
    let mut world = World::new(1);
    let a = world.start(|_| ());
    start_feed(&mut world, a, FEED);
    feed(&mut world, a, 1..=9);
    world.run(40);
    play(&mut world, a, 3 * 160, 1);
    world.run(140);
    let prompt = g711::encode(Codec::Pcmu, 4_000);
    let heard = world.heard(a);
    assert_eq!(values(&heard), [1, 2, prompt, prompt, prompt, 5, 6, 7, 8]);
    assert_continuous(&heard);
}

#[test]
fn the_time_of_a_feed_passes_while_the_party_is_held() {
    let mut world = World::new(1);
    let a = world.start(|_| ());
    start_feed(&mut world, a, FEED);
    feed(&mut world, a, 1..=6);
    world.run(40);
    world.update(a, |plan| plan.media.direction = Direction::Inactive);
    world.run(40);
    world.update(a, |_| ());
    world.run(40);
    let heard = world.heard(a);
    assert_eq!(values(&heard), [1, 2, 5, 6]);
    assert_continuous(&heard);
}

#[test]
fn another_codec_and_packet_time_hear_the_feed_without_a_gap() {
    let mut world = World::new(1);
    let a = world.start(|plan| {
        alaw(plan);
        plan.media.ptime_ms = 30;
    });
    start_feed(&mut world, a, FEED);
    for value in 1..=30 {
        feed(&mut world, a, [value]);
        world.run(20);
    }
    let heard = world.heard(a);
    assert_continuous_within(&heard, 240);
    let samples: Vec<u8> = heard.iter().flat_map(|sent| sent.payload().to_vec()).collect();
    let begin = samples.iter().position(|sample| *sample != Codec::Pcma.silence()).unwrap();
    let audio = &samples[begin..];
    assert!(audio.len() > 25 * 160, "{}", audio.len());
    for (frame, value) in audio.chunks_exact(160).zip(1u8..) {
        assert_eq!(frame, [g711::MULAW_TO_ALAW[usize::from(value)]; 160], "frame {value}");
    }
}

#[test]
fn a_feed_ends_once_and_says_why() {
    let mut world = World::new(1);
    let legs = [world.start(|_| ()), world.start(|_| ()), world.start(|_| ())];
    let [a, b, c] = legs;
    start_feed(&mut world, a, FEED);
    start_feed(&mut world, a, FeedId(41));
    assert_eq!(ends(&mut world), [FeedEnd::Replaced]);
    start_feed(&mut world, b, FeedId(42));
    // Two are open, which is all that this core may have.
    start_feed(&mut world, c, FeedId(43));
    let gone = LegId { generation: 9, ..world.leg(c) };
    let codec = Codec::Pcmu;
    world.command(MediaCommand::StartFeed { leg: gone, feed: FeedId(44), codec });
    assert_eq!(ends(&mut world), [FeedEnd::Refused; 2]);
    for feed in [FEED, FeedId(41), FeedId(41)] {
        world.command(MediaCommand::StopFeed { leg: world.leg(a), feed });
    }
    assert_eq!(ends(&mut world), [FeedEnd::Stopped]);
    world.feed(b, FeedId(42), FeedPart::Audio([1; 160]));
    let leg = world.leg(b);
    world.command(MediaCommand::StopLeg { leg, quality: Box::default() });
    assert_eq!(ends(&mut world), [FeedEnd::LegStopped]);
    let meters = world.cores[0].0.meters();
    assert_eq!((meters.feeds, meters.feed_frames_waiting, meters.feed_frames_cleared), (0, 0, 1));
}

#[test]
fn digits_of_the_other_party_are_not_played_into_a_feed() {
    let mut world = World::new(1);
    let a = world.start(|_| ());
    let b = world.start(|plan| plan.media.event_payload_type_send = None);
    world.bridge(a, b);
    start_feed(&mut world, b, FEED);
    for duration in 1..=10 {
        feed(&mut world, b, [1]);
        let _ = world.press(a, 1_000, [5, 10, duration, 0]);
        world.run(20);
    }
    assert_eq!(world.cores[0].0.meters().sent_tones, 0);
    assert_eq!(values(&world.heard(b))[1..], [1; 9]);
}
