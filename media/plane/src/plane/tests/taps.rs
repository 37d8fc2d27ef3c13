//! Taps: frames, limits, sinks, a full recorder.

use shared::BySink;

use super::*;

#[test]
fn a_tap_records_both_tracks_and_ends_with_a_last_frame() {
    let mut world = World::new(1);
    let (a, b) = (world.start(|_| ()), world.start(alaw));
    world.bridge(a, b);
    tap(&mut world, a, 7, TapTracks::Both, TapLimits::default());
    for _ in 0..50 {
        let _ = world.speak(a, &[0x11; 160]);
        let _ = world.speak(b, &[0x22; 160]);
        world.run(20);
    }
    world.command(MediaCommand::StopTap { leg: world.leg(a), tap: TapId(7) });
    let frames = std::mem::take(&mut world.cores[0].1.frames);
    assert_eq!(frames.len(), 51);
    let indices: Vec<u32> = frames.iter().map(|frame| frame.index).collect();
    assert_eq!(indices, (0..51).collect::<Vec<u32>>());
    let heard = g711::ALAW_TO_MULAW[0x22];
    for frame in &frames[1..50] {
        assert_eq!((frame.inbound, frame.outbound), (Some([0x11; 160]), Some([heard; 160])));
    }
    assert!(frames[50].last && frames[50].inbound.is_none());
    let events = world.events();
    let stopped = |event: &MediaEvent| {
        matches!(event, MediaEvent::TapEnded { tap: TapId(7), cause: TapEnd::Stopped, .. })
    };
    assert!(events.iter().any(stopped), "{events:?}");
    assert_eq!(world.cores[0].0.meters().taps, BySink::default());
}

#[test]
fn silence_and_length_end_a_tap_by_themselves() {
    let mut world = World::new(1);
    let a = world.start(|_| ());
    tap(&mut world, a, 1, TapTracks::Inbound, TapLimits { silence_ms: 1_000, max_ms: 0 });
    tap(&mut world, a, 2, TapTracks::Inbound, TapLimits { silence_ms: 0, max_ms: 1_500 });
    for _ in 0..100 {
        let _ = world.speak(a, &[0xFF; 160]);
        world.run(20);
    }
    let causes: Vec<(TapId, TapEnd)> = world
        .events()
        .iter()
        .filter_map(|event| match event {
            MediaEvent::TapEnded { tap, cause, .. } => Some((*tap, *cause)),
            _ => None,
        })
        .collect();
    assert_eq!(causes, [(TapId(1), TapEnd::Silence), (TapId(2), TapEnd::MaxLength)]);
    let frames = &world.cores[0].1.frames;
    let count = |tap| frames.iter().filter(|frame| frame.tap == tap && !frame.last).count();
    assert_eq!((count(TapId(1)), count(TapId(2))), (50, 75));
}

#[test]
fn the_last_frame_waits_for_a_full_recorder_even_when_the_leg_is_gone() {
    let mut world = World::new(1);
    let a = world.start(|_| ());
    tap(&mut world, a, 1, TapTracks::Both, TapLimits::default());
    world.run(200);
    world.cores[0].1.recorder_is_full = true;
    let _ = stop(&mut world, a);
    world.run(100);
    assert!(world.events().is_empty());
    assert!(world.cores[0].0.poll_timeout().is_some());
    world.cores[0].1.recorder_is_full = false;
    world.run(40);
    assert!(world.cores[0].1.frames.last().is_some_and(|frame| frame.last));
    let events = world.events();
    assert!(matches!(events[..], [MediaEvent::TapEnded { cause: TapEnd::LegStopped, .. }]));
    assert_eq!(world.cores[0].0.poll_timeout(), None);
}

#[test]
fn taps_without_room_are_refused() {
    let mut world = World::new(1);
    let a = world.start(|_| ());
    for id in 0..65 {
        tap(&mut world, a, id, TapTracks::Both, TapLimits::default());
    }
    let events = world.events();
    assert!(matches!(
        events[..],
        [MediaEvent::TapEnded { tap: TapId(64), cause: TapEnd::Refused, .. }]
    ));
    let _ = stop(&mut world, a);
    assert_eq!(world.cores[0].0.meters().taps, BySink::default());
}

#[test]
fn each_sink_gets_its_taps_alone_and_a_full_one_costs_the_other_no_frame() {
    let mut world = World::new(1);
    let a = world.start(|_| ());
    tap(&mut world, a, 1, TapTracks::Both, TapLimits::default());
    tap_for(&mut world, a, 2, Sink::Stream, TapTracks::Inbound, TapLimits::default());
    world.cores[0].1.recorder_is_full = true;
    for _ in 0..50 {
        let _ = world.speak(a, &[0x11; 160]);
        world.run(20);
    }
    for id in [1, 2] {
        world.command(MediaCommand::StopTap { leg: world.leg(a), tap: TapId(id) });
    }
    let (plane, hands) = &world.cores[0];
    assert!(hands.frames.is_empty());
    assert!(hands.stream_frames.iter().all(|frame| frame.tap == TapId(2)));
    let heard = hands.stream_frames.iter().filter(|frame| frame.inbound == Some([0x11; 160]));
    assert_eq!((heard.count(), hands.stream_frames.len()), (50, 51));
    let meters = plane.meters();
    assert_eq!(
        (meters.tap_frames[Sink::Recorder], meters.tap_frames_lost[Sink::Recorder]),
        (0, 51)
    );
    assert_eq!((meters.tap_frames[Sink::Stream], meters.tap_frames_lost[Sink::Stream]), (51, 0));
    // The last frame of the recorder's tap still waits for room.
    assert_eq!(meters.taps, BySink::only(Sink::Recorder, 1));
}

#[test]
fn a_sink_never_takes_the_room_of_another() {
    let mut world = World::new(1);
    let a = world.start(|_| ());
    for id in 0..65 {
        tap_for(&mut world, a, id, Sink::Stream, TapTracks::Inbound, TapLimits::default());
    }
    tap(&mut world, a, 65, TapTracks::Inbound, TapLimits::default());
    let events = world.events();
    assert!(matches!(
        events[..],
        [MediaEvent::TapEnded { tap: TapId(64), cause: TapEnd::Refused, .. }]
    ));
    let taps = world.cores[0].0.meters().taps;
    assert_eq!((taps[Sink::Stream], taps[Sink::Recorder]), (64, 1));
}
