//! Calls through real cores with real planes and real sockets, on each backend that works here.

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use common::{PATIENCE, Site, backends, config, event_when, payload, when};
use io::{FastPathChoice, IoConfig};
use shared::media::{PlayEnd, TapEnd, TapLimits, TapTracks};
use shared::{
    BySink, Joined, LegQuality, MediaCommand, MediaEvent, PlayId, Prompt, Sink, TapFrame, TapId,
};

#[test]
fn a_bridge_carries_every_byte_both_ways_in_order() {
    const PACKETS: u32 = 2_000;
    for backend in backends() {
        let mut site = Site::open(&config(backend, 1));
        let (mut alice, mut bob) = (site.join(0, 0), site.join(0, 1));
        site.bridge(&alice, &bob);
        site.settle();
        for number in 0..PACKETS {
            alice.say(&payload(number));
            bob.say(&payload(number + 1));
            assert_eq!(bob.hear(), payload(number));
            assert_eq!(alice.hear(), payload(number + 1));
        }
        let received = u64::from(PACKETS) * 2;
        let figures = when(&site.media.cores[0], |figures| figures.packets_received == received);
        assert_eq!(figures.packets_forwarded, received, "{figures:#?}");
        assert_eq!((figures.received_balance(), figures.send_failed), (0, 0));
    }
}

#[test]
fn a_bridge_across_two_cores_carries_every_byte_both_ways() {
    const PACKETS: u32 = 60;
    for backend in backends() {
        let mut site = Site::open(&config(backend, 2));
        let (mut alice, mut bob) = (site.join(0, 0), site.join(1, 0));
        site.bridge(&alice, &bob);
        site.settle();
        for number in 0..PACKETS {
            alice.say(&payload(number));
            bob.say(&payload(number + 1));
            assert_eq!(bob.hear(), payload(number));
            assert_eq!(alice.hear(), payload(number + 1));
        }
        for core in &site.media.cores {
            let figures = when(core, |figures| figures.mesh_received == u64::from(PACKETS));
            assert_eq!(figures.packets_to_mesh, u64::from(PACKETS));
            assert_eq!(figures.mesh_forwarded, u64::from(PACKETS));
            assert_eq!(figures.received_balance(), 0);
        }
    }
}

#[test]
fn the_kernel_carries_a_bridge_and_every_packet_is_counted_once() {
    const PACKETS: u32 = 500;
    let is_there = io::kernel::probe();
    for backend in backends() {
        let mut config = config(backend, 1);
        config.fast_path = FastPathChoice::Tc;
        if let Err(missing) = &is_there {
            let nobody = || Arc::new(|| {}) as io::Wake;
            let refused = io::start(&config, nobody(), &BySink::from_fn(|_| nobody()));
            let refused = refused.expect_err("the kernel refuses").to_string();
            assert!(refused.contains(&missing.to_string()), "{refused}");
            continue;
        }
        let mut site = Site::open(&config);
        let (mut alice, mut bob) = (site.join(0, 0), site.join(0, 1));
        site.bridge(&alice, &bob);
        site.settle();
        let mut said = 0;
        let mut talk = |packets: u32, said: &mut u32| {
            for _ in 0..packets {
                alice.say(&payload(*said));
                bob.say(&payload(*said + 1));
                assert_eq!(bob.hear(), payload(*said));
                assert_eq!(alice.hear(), payload(*said + 1));
                *said += 1;
            }
        };
        let deadline = std::time::Instant::now() + PATIENCE;
        while site.media.cores[0].meters.figures().legs_below < 2 {
            assert!(std::time::Instant::now() < deadline, "no leg was given to the kernel");
            talk(1, &mut said);
        }
        talk(PACKETS, &mut said);
        for leg in [alice.leg, bob.leg] {
            site.send(0, MediaCommand::Join { leg, joined: Joined::Nobody });
        }
        let received = u64::from(said) * 2;
        let figures = when(&site.media.cores[0], |figures| figures.packets_received == received);
        assert_eq!(figures.packets_forwarded, received, "{figures:#?}");
        assert!(figures.packets_below >= u64::from(PACKETS) * 2, "{figures:#?}");
        assert_eq!((figures.received_balance(), figures.legs_below), (0, 0));
    }
}

#[test]
fn a_fast_path_that_no_packet_would_pass_is_refused_by_name() {
    let mut config = config(io::BackendChoice::Portable, 1);
    // An address that no interface can have (RFC 5737).
    config.addresses = vec![std::net::IpAddr::from([192, 0, 2, 77])];
    config.fast_path = FastPathChoice::Tc;
    let nobody = || Arc::new(|| {}) as io::Wake;
    let refused = io::start(&config, nobody(), &BySink::from_fn(|_| nobody()));
    let refused = refused.expect_err("nowhere to attach").to_string();
    let is_there = io::kernel::probe().is_ok();
    assert!(refused.contains("media.fast_path is tc"), "{refused}");
    assert!(refused.contains("media.addresses") || !is_there, "{refused}");
}

#[test]
fn packets_for_no_leg_are_counted_as_such() {
    for backend in backends() {
        let mut site = Site::open(&config(backend, 1));
        let mut party = site.join(0, 0);
        party.port = site.media.cores[0].ports[5];
        for number in 0..100 {
            party.say(&payload(number));
        }
        let figures = when(&site.media.cores[0], |figures| figures.packets_received == 100);
        assert_eq!(figures.dropped(plane::DropReason::NoLeg), 100);
    }
}

#[test]
fn a_prompt_is_heard_and_a_tap_records_it() {
    let audio: Box<[u8]> = (0..800).map(|i| (i % 120) as u8).collect();
    let prompt = Arc::new(Prompt { mulaw: audio.clone().into(), alaw: audio.clone().into() });
    for backend in backends() {
        let mut site = Site::open(&config(backend, 1));
        let mut frames = site.core(0).take_frames(Sink::Recorder).expect("taken once");
        let party = site.join(0, 0);
        let (tracks, limits) = (TapTracks::Outbound, TapLimits::default());
        let (leg, tap, play) = (party.leg, TapId(9), PlayId(1));
        site.send(0, MediaCommand::StartTap { leg, tap, sink: Sink::Recorder, tracks, limits });
        let play = MediaCommand::Play { leg, play, prompt: Arc::clone(&prompt), repeat: 1 };
        site.send(0, play);
        let mut heard = Vec::new();
        while heard.len() < audio.len() {
            heard.extend(party.hear());
        }
        assert_eq!(heard[..], audio[..]);
        let ended = event_when(site.core(0), |e| matches!(e, MediaEvent::PlayEnded { .. }));
        assert!(matches!(ended, MediaEvent::PlayEnded { cause: PlayEnd::Finished, .. }));
        site.send(0, MediaCommand::StopTap { leg, tap });
        event_when(site.core(0), |event| matches!(event, MediaEvent::TapEnded { .. }));
        let mut recorded = Vec::new();
        while let Ok(frame) = frames.pop() {
            recorded.extend(frame.outbound.into_iter().flatten());
        }
        let found = recorded.windows(audio.len()).any(|window| window == &audio[..]);
        assert!(found, "the prompt is not in the {} recorded bytes", recorded.len());
    }
}

/// The next frame of a sink.
fn next(frames: &mut rtrb::Consumer<TapFrame>) -> TapFrame {
    let started = std::time::Instant::now();
    loop {
        if let Ok(frame) = frames.pop() {
            return frame;
        }
        assert!(started.elapsed() < PATIENCE, "the frame never came");
        std::thread::yield_now();
    }
}

#[test]
fn each_sink_has_a_ring_of_its_own_and_only_its_reader_is_woken() {
    for backend in backends() {
        let woken: BySink<Arc<AtomicU64>> = BySink::from_fn(|_| Arc::default());
        let wakes = BySink::from_fn(|sink| {
            let woken = Arc::clone(&woken[sink]);
            Arc::new(move || {
                woken.fetch_add(1, Ordering::Relaxed);
            }) as io::Wake
        });
        let mut site = Site::open_with_sinks(&config(backend, 1), Arc::new(|| {}), &wakes);
        let mut frames = site.core(0).take_frames(Sink::Stream).expect("taken once");
        assert!(site.core(0).take_frames(Sink::Stream).is_none());
        let mut party = site.join(0, 0);
        let (leg, tracks, limits) = (party.leg, TapTracks::Inbound, TapLimits::default());
        let (tap, sink) = (TapId(4), Sink::Stream);
        site.send(0, MediaCommand::StartTap { leg, tap, sink, tracks, limits });
        // The party speaks at the pace of the frames, so that a core without CPU for a while loses a part only.
        let mut heard = None;
        while heard != Some(payload(1)) {
            party.say(&payload(1));
            let frame = next(&mut frames);
            assert_eq!(frame.tap, tap);
            heard = frame.inbound;
        }
        site.send(0, MediaCommand::StopTap { leg, tap });
        event_when(site.core(0), |event| matches!(event, MediaEvent::TapEnded { .. }));
        while !next(&mut frames).last {}
        assert_ne!(woken[Sink::Stream].load(Ordering::Relaxed), 0);
        assert_eq!(woken[Sink::Recorder].load(Ordering::Relaxed), 0);
    }
}

#[test]
fn a_sink_without_a_ring_gets_no_tap() {
    for backend in backends() {
        let taps_max = BySink::only(Sink::Recorder, 4);
        let mut site = Site::open(&IoConfig { taps_max, ..config(backend, 1) });
        assert!(site.core(0).take_frames(Sink::Stream).is_none());
        let leg = site.join(0, 0).leg;
        let (tap, tracks, limits) = (TapId(1), TapTracks::Both, TapLimits::default());
        site.send(0, MediaCommand::StartTap { leg, tap, sink: Sink::Stream, tracks, limits });
        let ended = event_when(site.core(0), |event| matches!(event, MediaEvent::TapEnded { .. }));
        assert!(matches!(ended, MediaEvent::TapEnded { cause: TapEnd::Refused, .. }));
    }
}

#[test]
fn a_stopped_leg_tells_its_figures_and_its_slot_serves_again() {
    for backend in backends() {
        let mut site = Site::open(&config(backend, 1));
        for generation in 0..3 {
            let mut party = site.join(0, 3);
            assert_eq!(party.leg.generation, 0);
            party.say(&payload(generation));
            let before = u64::from(generation) + 1;
            when(&site.media.cores[0], |figures| figures.packets_received == before);
            let (leg, quality) = (party.leg, Box::new(LegQuality::default()));
            site.send(0, MediaCommand::StopLeg { leg, quality });
            let stopped =
                event_when(site.core(0), |event| matches!(event, MediaEvent::LegStopped { .. }));
            let MediaEvent::LegStopped { quality, .. } = stopped else { unreachable!() };
            assert_eq!(quality.received, 1);
        }
        when(&site.media.cores[0], |figures| figures.legs == 0);
    }
}

#[test]
fn ticks_are_on_time_while_a_leg_is_up() {
    for backend in backends() {
        let mut site = Site::open(&config(backend, 1));
        let _party = site.join(0, 0);
        let started = std::time::Instant::now();
        let figures = when(&site.media.cores[0], |figures| figures.sent_silence >= 60);
        let elapsed = started.elapsed();
        assert!(elapsed < PATIENCE, "60 packets of 20 ms took {elapsed:?}");
        assert_eq!(figures.packets_sent, figures.sent_silence + figures.sent_rtcp);
    }
}
