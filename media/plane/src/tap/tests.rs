//! One tap by itself: order, gaps, limits and pauses.

use super::*;

const LEG: TapOwner = TapOwner::Leg(LegId { core: shared::CoreId(0), slot: 0, generation: 0 });

fn tap(tracks: TapTracks, limits: TapLimits) -> Tap {
    let mut tap = Tap::vacant();
    tap.start(TapId(9), LEG, Sink::Recorder, tracks, limits, Codec::Pcmu);
    tap
}

/// The last sample of a frame: what is faded in behind a hole has its own codes there again.
fn last(frame: Option<[u8; 160]>) -> u8 {
    frame.unwrap()[159]
}

/// Runs the tap over the packets of each period and returns the inbound audio.
fn inbound(tap: &mut Tap, periods: &[&[(u32, u8)]]) -> Vec<u8> {
    let mut audio = Vec::new();
    let mut deliver = |frame: TapFrame| {
        audio.push(last(frame.inbound));
        true
    };
    for packets in periods {
        for (index, value) in *packets {
            tap.hear(2, index * 160, &[*value; 160]);
        }
        tap.period(&mut deliver);
    }
    tap.finish(TapEnd::Stopped, &mut deliver);
    audio
}

#[test]
fn the_memory_of_a_tap_counts_the_samples_of_both_tracks() {
    let tap = Tap::vacant();
    let samples = size_of_val(&*tap.inbound.samples) + size_of_val(&*tap.outbound.samples);
    assert_eq!(crate::TAP_BYTES, size_of_val(&tap) + samples + 2 * size_of::<u16>());
}

#[test]
fn a_recording_is_as_long_as_the_tap_was_up() {
    let mut tap = tap(TapTracks::Inbound, TapLimits::default());
    assert_eq!(inbound(&mut tap, &[&[(0, 1)], &[(1, 2)], &[(2, 3)]]), [1, 2, 3]);
    assert_eq!(tap.last_frame().index, 3);
}

#[test]
fn overtaken_packets_lie_in_order_and_what_precedes_a_lost_one_goes_on_in_its_place() {
    let mut tap = tap(TapTracks::Inbound, TapLimits::default());
    let periods: [&[(u32, u8)]; 6] = [&[(0, 1)], &[(2, 3)], &[(1, 2)], &[(3, 4)], &[], &[(5, 6)]];
    // The level falls to 86 % within 20 ms: from 28,028, which is code 4, to code 8.
    assert_eq!(inbound(&mut tap, &periods), [1, 2, 3, 4, 8, 6]);
}

/// The last inbound sample of each frame that a stream's tap gives in each period.
fn streamed(periods: &[&[(u32, u8)]]) -> Vec<Vec<u8>> {
    let mut tap = Tap::vacant();
    tap.start(TapId(9), LEG, Sink::Stream, TapTracks::Inbound, TapLimits::default(), Codec::Pcmu);
    let mut all = Vec::new();
    for packets in periods {
        for (index, value) in *packets {
            tap.hear(2, index * 160, &[*value; 160]);
        }
        let mut audio = Vec::new();
        tap.period(&mut |frame| {
            audio.push(last(frame.inbound));
            true
        });
        all.push(audio);
    }
    all
}

#[test]
fn a_stream_gives_what_is_in_order_at_the_next_beat() {
    let given = streamed(&[&[(0, 1)], &[(1, 2)], &[(2, 3)], &[(3, 4)]]);
    assert_eq!(given, [[1], [2], [3], [4]]);
}

#[test]
fn a_stream_waits_for_a_missing_packet_40_ms_and_catches_up() {
    let late = streamed(&[&[(0, 1)], &[], &[(2, 3), (1, 2)], &[(3, 4)]]);
    assert_eq!(late, [vec![1], vec![], vec![2, 3], vec![4]]);
    let lost = streamed(&[&[(0, 1)], &[], &[(2, 3)], &[(3, 4)], &[(4, 5)]]);
    // Code 1 at 86 % of its level is code 5.
    assert_eq!(lost, [vec![1], vec![], vec![], vec![5, 3, 4], vec![5]]);
}

#[test]
fn a_stream_of_a_silent_party_gives_one_frame_a_beat_and_no_delay_stays() {
    let none: &[(u32, u8)] = &[];
    let mut periods = vec![none; 10];
    periods.extend([&[(50, 1)][..], &[(51, 2)], &[(52, 3)], &[(53, 4)]]);
    let given = streamed(&periods);
    assert!(given[2..10].iter().all(|frames| *frames == [0xFF]), "{given:?}");
    assert_eq!(given[10..], [vec![0xFF], vec![0xFF, 1, 2], vec![3], vec![4]]);
}

#[test]
fn a_sender_with_a_fast_clock_is_never_more_than_60_ms_ahead_in_a_stream() {
    let periods: Vec<Vec<(u32, u8)>> = (0..200u32)
        .map(|period| {
            let ahead = period / 10;
            let first = period + ahead;
            let count = if period % 10 == 9 { 2 } else { 1 };
            (first..first + count).map(|index| (index, index as u8)).collect()
        })
        .collect();
    let periods: Vec<&[(u32, u8)]> = periods.iter().map(Vec::as_slice).collect();
    let given = streamed(&periods);
    for (period, frames) in given.iter().enumerate() {
        let newest = (period + (period + 1) / 10) as u8;
        let voices = frames.iter().filter(|frame| **frame != 0xFF);
        for voice in voices {
            assert!(newest.wrapping_sub(*voice) <= 3, "{period}: {voice} of {newest}");
        }
    }
}

#[test]
fn a_new_epoch_is_placed_at_now() {
    let mut tap = tap(TapTracks::Inbound, TapLimits::default());
    let mut audio = Vec::new();
    let mut deliver = |frame: TapFrame| {
        audio.push(frame.inbound.unwrap()[0]);
        true
    };
    tap.hear(2, 0, &[1; 160]);
    tap.period(&mut deliver);
    tap.hear(3, 3_000_000_000, &[2; 160]);
    tap.period(&mut deliver);
    tap.finish(TapEnd::Stopped, &mut deliver);
    assert_eq!(audio, [1, 2]);
}

#[test]
fn long_packets_fill_several_frames() {
    let mut tap = tap(TapTracks::Outbound, TapLimits::default());
    let mut audio = Vec::new();
    let mut deliver = |frame: TapFrame| {
        audio.push(frame.outbound.unwrap()[0]);
        true
    };
    for round in 0..3u32 {
        tap.say(round * 480, &[round as u8; 480]);
        for _ in 0..3 {
            tap.period(&mut deliver);
        }
    }
    tap.finish(TapEnd::Stopped, &mut deliver);
    assert_eq!(audio, [0, 0, 0, 1, 1, 1, 2, 2, 2]);
}

#[test]
fn only_received_silence_counts_as_silence() {
    let limits = TapLimits { silence_ms: 100, max_ms: 0 };
    let mut tap = tap(TapTracks::Inbound, limits);
    let mut deliver = |_| true;
    for _ in 0..50 {
        assert_eq!(tap.period(&mut deliver).1, None);
    }
    for index in 0..4u32 {
        tap.hear(2, index * 160, &[0xFF; 160]);
        assert_eq!(tap.period(&mut deliver).1, None);
    }
    tap.hear(2, 4 * 160, &[0xFF; 160]);
    assert_eq!(tap.period(&mut deliver).1, Some(TapEnd::Silence));
}

#[test]
fn speech_begins_the_silence_anew_and_comfort_noise_counts() {
    let limits = TapLimits { silence_ms: 60, max_ms: 0 };
    let mut tap = tap(TapTracks::Inbound, limits);
    let mut deliver = |_| true;
    tap.hear(2, 0, &[0xFF; 320]);
    tap.hear(2, 320, &[0x80; 160]);
    assert_eq!(tap.period(&mut deliver).1, None);
    tap.hear_comfort_noise();
    assert_eq!(tap.period(&mut deliver).1, None);
    assert_eq!(tap.period(&mut deliver).1, None);
    assert_eq!(tap.period(&mut deliver).1, Some(TapEnd::Silence));
}

#[test]
fn the_length_limit_is_exact() {
    let mut tap = tap(TapTracks::Both, TapLimits { silence_ms: 0, max_ms: 200 });
    let mut frames = 0;
    let mut deliver = |_| {
        frames += 1;
        true
    };
    let periods = (1..).find(|_| tap.period(&mut deliver).1.is_some()).unwrap();
    tap.finish(TapEnd::MaxLength, &mut deliver);
    assert_eq!((periods, frames), (10, 10));
}

#[test]
fn a_skipped_pause_gives_no_frames_and_a_silent_one_gives_silence_of_its_length() {
    for (pause, wanted) in [
        (TapPause::Skip, vec![(0, 1), (1, 3)]),
        (TapPause::Silence, vec![(0, 1), (1, 0xFF), (2, 3)]),
    ] {
        let mut tap = tap(TapTracks::Inbound, TapLimits::default());
        let mut audio = Vec::new();
        let mut deliver = |frame: TapFrame| {
            audio.push((frame.index, frame.inbound.unwrap()[0]));
            true
        };
        tap.hear(2, 0, &[1; 160]);
        tap.period(&mut deliver);
        tap.pause(Some(pause));
        tap.hear(2, 160, &[2; 160]);
        tap.period(&mut deliver);
        tap.pause(None);
        tap.hear(2, 320, &[3; 160]);
        tap.period(&mut deliver);
        tap.finish(TapEnd::Stopped, &mut deliver);
        assert_eq!(audio, wanted, "{pause:?}");
    }
}

#[test]
fn a_pause_is_not_the_silence_that_ends_a_tap() {
    let mut tap = tap(TapTracks::Inbound, TapLimits { silence_ms: 60, max_ms: 0 });
    let mut deliver = |_| true;
    tap.hear_comfort_noise();
    tap.pause(Some(TapPause::Silence));
    for index in 0..20u32 {
        tap.hear(2, index * 160, &[0xFF; 160]);
        assert_eq!(tap.period(&mut deliver).1, None);
    }
}

#[test]
fn a_stall_is_a_gap_in_the_index() {
    let mut tap = tap(TapTracks::Inbound, TapLimits::default());
    let mut indices = Vec::new();
    let mut deliver = |frame: TapFrame| {
        indices.push(frame.index);
        true
    };
    tap.period(&mut deliver);
    assert_eq!(tap.skip(50), 50);
    tap.period(&mut deliver);
    tap.finish(TapEnd::Stopped, &mut deliver);
    assert_eq!(indices, [50, 51]);
}

#[test]
fn a_drifting_clock_never_leaves_the_window() {
    for drift in [-1i64, 1] {
        let mut tap = tap(TapTracks::Inbound, TapLimits::default());
        let mut heard = 0;
        let mut deliver = |frame: TapFrame| {
            // Samples behind a hole are faded into, so that their codes differ.
            let is_loud = |code: &u8| g711::decode(Codec::Pcmu, *code).abs() > 16_000;
            heard += u32::from(frame.inbound.unwrap().iter().any(is_loud));
            true
        };
        for index in 0..5_000i64 {
            let timestamp = (index * (160 + drift)) as u32;
            tap.hear(2, timestamp, &[1; 160]);
            tap.period(&mut deliver);
        }
        assert!(heard > 4_900, "{drift}: {heard}");
    }
}

/// A voice: a period of 61 samples with overtones.
fn voice(at: usize) -> i16 {
    let turn = std::f32::consts::TAU * at as f32 / 61.0;
    (3_000.0 * turn.sin() + 1_500.0 * (2.0 * turn).sin() + 800.0 * (3.0 * turn).cos()) as i16
}

/// What a stream's tap gives of a voice of whose packets these are lost, in samples; and what it should give.
fn conceal(lost: impl Fn(u32) -> bool, act: impl Fn(&mut Tap, u32)) -> (Vec<i32>, Vec<i32>) {
    let mut tap = Tap::vacant();
    let (tracks, limits) = (TapTracks::Both, TapLimits::default());
    tap.start(TapId(9), LEG, Sink::Stream, tracks, limits, Codec::Pcma);
    let linear = |code: u8| i32::from(g711::decode(Codec::Pcma, code));
    let (mut heard, mut said) = (Vec::new(), Vec::new());
    let mut reference = Vec::new();
    let mut deliver = |frame: TapFrame| {
        heard.extend(frame.inbound.unwrap().map(linear));
        said.extend(frame.outbound.unwrap().map(linear));
        true
    };
    for index in 0..60u32 {
        let start = index as usize * 160;
        let codes: [u8; 160] =
            std::array::from_fn(|at| g711::encode(Codec::Pcma, voice(start + at)));
        reference.extend(codes.map(linear));
        if !lost(index) {
            tap.hear(2, 7_000 + start as u32, &codes);
            tap.say(start as u32, &codes);
        }
        act(&mut tap, index);
        tap.period(&mut deliver);
    }
    tap.finish(TapEnd::Stopped, &mut deliver);
    assert_eq!(heard, said, "both directions are alike");
    assert_eq!(heard.len(), reference.len(), "no frame more or less, and no delay");
    (heard, reference)
}

/// The greatest difference over packets `from..to`.
fn difference((heard, wanted): &(Vec<i32>, Vec<i32>), from: usize, to: usize) -> i32 {
    let pairs = heard.iter().zip(wanted).skip(from * 160).take((to - from) * 160);
    pairs.map(|(heard, wanted)| (heard - wanted).abs()).max().unwrap()
}

#[test]
fn a_lost_packet_of_a_voice_sounds_as_if_it_had_come_and_the_others_stay_as_they_came() {
    let both = conceal(|index| index % 10 == 5, |_, _| {});
    for lost in (5..60).step_by(10) {
        assert_eq!(difference(&both, lost - 4, lost), 0, "packets before {lost}");
        let heard = &both.0[lost * 160..(lost + 1) * 160];
        let energy = |samples: &[i32]| samples.iter().map(|s| i64::from(*s).pow(2)).sum::<i64>();
        let wanted = energy(&both.1[lost * 160..(lost + 1) * 160]);
        let error: Vec<i32> =
            heard.iter().zip(&both.1[lost * 160..]).map(|(heard, wanted)| heard - wanted).collect();
        assert!(energy(&error) * 30 < wanted, "{lost}: {} of {wanted}", energy(&error));
        assert_eq!(difference(&both, lost + 1 + 1, (lost + 5).min(60)), 0, "packets after {lost}");
    }
}

#[test]
fn a_long_loss_fades_for_80_ms_and_is_silence_then() {
    let both = conceal(|index| (20..40).contains(&index), |_, _| {});
    let peak = |packet: usize| {
        both.0[packet * 160..(packet + 1) * 160].iter().map(|sample| sample.abs()).max().unwrap()
    };
    let peaks: Vec<i32> = (20..40).map(peak).collect();
    assert!(peaks[0] > 3_000 && peaks[..4].is_sorted_by(|a, b| a >= b), "{peaks:?}");
    // The quietest code of the A-law is 8.
    assert!(peaks[4..].iter().all(|peak| *peak <= 8), "{peaks:?}");
    assert_eq!(difference(&both, 40, 60), 0, "nothing is faded in behind silence");
}

#[test]
fn what_a_sender_leaves_out_is_silence_at_once() {
    let rests: [fn(&mut Tap, u32); 3] = [
        |tap, index| {
            if index == 20 {
                tap.hear_comfort_noise();
                tap.we_rest();
            }
        },
        |tap, index| {
            if (20..25).contains(&index) {
                tap.party_rests();
                tap.we_rest();
            }
        },
        |tap, index| match index {
            20 => tap.pause(Some(TapPause::Silence)),
            39 => tap.pause(None),
            _ => {}
        },
    ];
    for (number, rest) in rests.into_iter().enumerate() {
        let both = conceal(|index| (20..40).contains(&index), rest);
        let heard = &both.0[20 * 160..40 * 160];
        assert!(heard.iter().all(|sample| sample.abs() <= 8), "{number}: {heard:?}");
        assert_eq!(difference(&both, 0, 20), 0);
        assert_eq!(difference(&both, 40, 60), 0);
    }
}

#[test]
fn a_loss_behind_a_rest_is_concealed() {
    let lost = |index: u32| (20..25).contains(&index) || index == 30;
    let both = conceal(lost, |tap, index| {
        if index == 20 {
            tap.hear_comfort_noise();
            tap.we_rest();
        }
    });
    let peak = both.0[30 * 160..31 * 160].iter().map(|sample| sample.abs()).max();
    assert!(peak > Some(3_000));
}
