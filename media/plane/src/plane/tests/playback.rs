//! Digits and prompts, and the heap values that return.

use shared::FeedId;
use shared::feed::FeedEnd;
use shared::media::TapPause;

use super::*;

#[test]
fn digits_are_reported_on_a_bridged_leg_and_pass_with_the_peers_payload_type() {
    let mut world = World::new(1);
    let a = world.start(|_| ());
    let b = world.start(|plan| plan.media.event_payload_type_send = Some(96));
    world.bridge(a, b);
    for (flags, duration) in [(10, 160u16), (10, 320), (10, 480), (0x8A, 480), (0x8A, 480)] {
        let [high, low] = duration.to_be_bytes();
        let _ = world.press(a, 5_000, [11, flags, high, low]);
    }
    assert_eq!(digits_of(&world.events()), "#");
    let heard = world.heard(b);
    assert_eq!(heard.len(), 5);
    assert!(heard.iter().all(|sent| sent.header().payload_type == 96));
    assert!(heard.iter().all(|sent| sent.header().timestamp == heard[0].header().timestamp));
}

#[test]
fn a_key_whose_end_never_comes_is_reported_after_120_ms() {
    let mut world = World::new(1);
    let a = world.start(|_| ());
    let _ = world.press(a, 5_000, [5, 10, 3, 0x20]);
    world.run(100);
    assert_eq!(digits_of(&world.events()), "");
    world.run(60);
    assert_eq!(digits_of(&world.events()), "5");
}

#[test]
fn digits_sent_are_heard_by_another_core_of_ours() {
    let mut world = World::new(1);
    let a = world.start(|_| ());
    let b = world.start(|_| ());
    send_digits(&mut world, a, "1w2#");
    world.run(1_300);
    let ended = world.events();
    assert!(matches!(
        &ended[..],
        [MediaEvent::PlayEnded { cause: PlayEnd::Finished, value: PlayedValue::Digits(_), .. }]
    ));
    let heard = world.heard(a);
    let (events, audio): (Vec<Sent>, Vec<Sent>) =
        heard.iter().cloned().partition(|sent| sent.header().payload_type == 101);
    assert_eq!((events.len(), audio.len()), (21, 65 - 21));
    let sequences: Vec<u16> = heard.iter().map(|sent| sent.header().sequence).collect();
    assert!(sequences.windows(2).all(|pair| pair[1] == pair[0].wrapping_add(1)));
    let markers: Vec<bool> = events.iter().map(|sent| sent.header().marker).collect();
    assert_eq!(markers[..8], [true, false, false, false, false, false, false, true]);
    let last = (heard.last().unwrap().header(), heard[0].header());
    assert_eq!(last.0.timestamp.wrapping_sub(last.1.timestamp), 64 * 160);
    for sent in events {
        let header = sent.header();
        let payload = *sent.payload().first_chunk().unwrap();
        let _ = world.press(b, header.timestamp, payload);
    }
    assert_eq!(digits_of(&world.events()), "12#");
}

#[test]
fn a_second_prompt_replaces_the_first_and_stop_stops_it() {
    let mut world = World::new(1);
    let a = world.start(|_| ());
    play(&mut world, a, 8_000, 0);
    world.run(100);
    play(&mut world, a, 8_000, 0);
    world.run(5_000);
    world.command(MediaCommand::StopPlay { leg: world.leg(a) });
    world.command(MediaCommand::StopPlay { leg: world.leg(a) });
    play(&mut world, a, 160, 1);
    let _ = stop(&mut world, a);
    let causes: Vec<PlayEnd> = world
        .cores
        .iter_mut()
        .flat_map(|(_, hands)| hands.events.drain(..))
        .filter_map(|event| match event {
            MediaEvent::PlayEnded { cause, .. } => Some(cause),
            _ => None,
        })
        .collect();
    // The events before the stop were taken by `stop`; none may be missing in the counters.
    assert_eq!(causes, []);
    assert_eq!(world.cores[0].0.meters().legs, 0);
    assert_continuous(&world.heard(a));
}

#[test]
fn heap_values_for_legs_that_are_not_there_come_home() {
    let mut world = World::new(1);
    let _ = world.start(|_| ());
    let gone = LegId { generation: 9, ..world.leg(0) };
    let prompt = Arc::new(g711::prompt(&[0; 10]));
    let digits: Arc<str> = "1".into();
    let commands = [
        MediaCommand::StartLeg { leg: world.leg(0), plan: Box::new(plan(1)) },
        MediaCommand::StartLeg { leg: LegId { slot: 800, ..gone }, plan: Box::new(plan(1)) },
        MediaCommand::StartLeg { leg: LegId { slot: 1, ..gone }, plan: Box::new(plan(0)) },
        MediaCommand::StartLeg { leg: LegId { slot: 1, ..gone }, plan: Box::new(plan(99)) },
        MediaCommand::UpdateLeg { leg: gone, plan: Box::new(plan(0)) },
        MediaCommand::StopLeg { leg: gone, quality: Box::default() },
        MediaCommand::Join { leg: gone, joined: Joined::Party(gone) },
        MediaCommand::Join { leg: gone, joined: Joined::Nobody },
        MediaCommand::Play { leg: gone, play: PlayId(1), prompt: prompt.clone(), repeat: 1 },
        MediaCommand::SendDigits { leg: gone, play: PlayId(1), digits: digits.clone() },
        MediaCommand::StopPlay { leg: gone },
        MediaCommand::StartTap {
            leg: gone,
            tap: TapId(1),
            sink: Sink::Recorder,
            tracks: TapTracks::Both,
            limits: TapLimits::default(),
        },
        MediaCommand::PauseTap { leg: gone, tap: TapId(1), pause: Some(TapPause::Skip) },
        MediaCommand::StopTap { leg: gone, tap: TapId(1) },
        MediaCommand::StartFeed { leg: gone, feed: FeedId(1), codec: Codec::Pcmu },
        MediaCommand::StopFeed { leg: gone, feed: FeedId(1) },
    ];
    world.cores[0].1.events.clear();
    commands.into_iter().for_each(|command| world.command(command));
    let events = std::mem::take(&mut world.cores[0].1.events);
    let count = |is: fn(&MediaEvent) -> bool| events.iter().filter(|event| is(event)).count();
    assert_eq!(count(|event| matches!(event, MediaEvent::PlanReturned(_))), 5);
    assert_eq!(count(|event| matches!(event, MediaEvent::LegStopped { .. })), 1);
    assert_eq!(count(|event| matches!(event, MediaEvent::PlayEnded { .. })), 2);
    assert_eq!(count(|event| matches!(event, MediaEvent::Refused { .. })), 13);
    let refused_tap =
        |event: &MediaEvent| matches!(event, MediaEvent::TapEnded { cause: TapEnd::Refused, .. });
    assert_eq!(count(refused_tap), 1);
    let refused_feed =
        |event: &MediaEvent| matches!(event, MediaEvent::FeedEnded { cause: FeedEnd::Refused, .. });
    assert_eq!(count(refused_feed), 1);
    drop(events);
    assert_eq!((Arc::strong_count(&prompt), Arc::strong_count(&digits)), (1, 1));
}

#[test]
fn a_slot_and_its_port_are_used_again_after_a_stop() {
    let mut world = World::new(1);
    let a = world.start(|_| ());
    let old = world.leg(a);
    let _ = world.speak(a, &[1; 160]);
    assert_eq!(stop(&mut world, a).received, 1);
    assert_eq!(world.cores[0].0.poll_timeout(), None);
    let leg = LegId { generation: 2, ..old };
    world.command(MediaCommand::StartLeg { leg, plan: Box::new(plan(0)) });
    assert!(world.events().is_empty());
    world.command(MediaCommand::Join { leg: old, joined: Joined::Nobody });
    assert!(matches!(world.events()[..], [MediaEvent::Refused { .. }]));
    world.run(40);
    assert_eq!(world.heard(a).last().map(|sent| sent.header().sequence), Some(65_531));
}

/// RFC 4733 §2.3: the timestamp is the time at which the event began, also where its first packets could
/// not be sent because the party held.
#[test]
fn an_event_that_begins_on_hold_keeps_the_time_of_its_beginning() {
    let mut world = World::new(1);
    let a = world.start(|_| ());
    world.run(100);
    world.run(200);
    let before = world.heard(a).last().expect("silence").header().timestamp;
    world.update(a, |plan| plan.media.direction = Direction::RecvOnly);
    send_digits(&mut world, a, "1");
    world.run(40);
    world.update(a, |plan| plan.media.direction = Direction::SendRecv);
    world.run(200);
    let heard = world.heard(a);
    let is_event = |sent: &&Sent| sent.header().payload_type == 101;
    let events: Vec<u32> =
        heard.iter().filter(is_event).map(|sent| sent.header().timestamp).collect();
    assert!(
        events.len() > 1 && events.iter().all(|timestamp| *timestamp == events[0]),
        "{events:?}"
    );
    assert!((160..=640).contains(&events[0].wrapping_sub(before)), "{before} {events:?}");
}
