//! Taps: frames, limits, a full recorder.

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
    assert_eq!(world.cores[0].0.meters().taps, 0);
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
    assert_eq!(world.cores[0].0.meters().taps, 0);
}
