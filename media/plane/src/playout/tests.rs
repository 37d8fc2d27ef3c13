//! Delay, order, loss and bursts of one party.

use super::*;

fn buffer(mode: Playout) -> PlayoutBuffer {
    let mut buffer = PlayoutBuffer::new(Codec::Pcmu);
    buffer.set_mode(mode);
    buffer
}

/// The last code of each frame; `None` where nothing of it was received.
fn frames(buffer: &mut PlayoutBuffer, count: usize) -> Vec<Option<u8>> {
    let frame = |_| {
        let mut frame = [0; FRAME_SAMPLES];
        match buffer.pull(&mut frame).0 {
            Pulled::Nothing | Pulled::Gap => None,
            Pulled::Whole => Some(frame[159]),
        }
    };
    (0..count).map(frame).collect()
}

fn push(buffer: &mut PlayoutBuffer, index: u32) -> Pushed {
    buffer.push(2, index * 160, &[index as u8; 160], 10)
}

#[test]
fn a_packet_waits_as_long_as_the_mode_says() {
    for (mode, silent) in [
        (Playout::Off, 0),
        (Playout::Fixed(20), 0),
        (Playout::Fixed(40), 1),
        (Playout::Fixed(60), 2),
    ] {
        let mut buffer = buffer(mode);
        push(&mut buffer, 1);
        let heard = frames(&mut buffer, 4);
        let first = heard.iter().position(Option::is_some);
        assert_eq!(first, Some(silent), "{mode:?}");
    }
}

#[test]
fn packets_that_overtook_each_other_lie_in_order() {
    let mut buffer = buffer(Playout::Fixed(40));
    for index in [1, 3, 2, 2, 4] {
        assert_eq!(push(&mut buffer, index), Pushed::Waits);
    }
    let heard = frames(&mut buffer, 6);
    assert_eq!(heard, [None, Some(1), Some(2), Some(3), Some(4), None]);
}

#[test]
fn a_packet_whose_frame_was_read_is_late() {
    let mut buffer = buffer(Playout::Off);
    push(&mut buffer, 1);
    push(&mut buffer, 3);
    assert_eq!(frames(&mut buffer, 3), [Some(1), None, Some(3)]);
    assert_eq!(push(&mut buffer, 2), Pushed::Late);
    push(&mut buffer, 4);
    assert_eq!(frames(&mut buffer, 1), [Some(4)]);
}

#[test]
fn a_path_that_became_longer_is_followed_after_three_late_packets() {
    let mut buffer = buffer(Playout::Off);
    push(&mut buffer, 1);
    frames(&mut buffer, 2);
    let fates = [2, 2, 2].map(|index| push(&mut buffer, index));
    assert_eq!(fates, [Pushed::Late; 3]);
    assert_eq!(frames(&mut buffer, 1), [Some(2)]);
}

#[test]
fn a_silent_party_is_anchored_anew() {
    let mut buffer = buffer(Playout::Fixed(40));
    push(&mut buffer, 1);
    frames(&mut buffer, 10);
    assert_eq!(buffer.waiting(), 0);
    push(&mut buffer, 1_000);
    assert_eq!(frames(&mut buffer, 3), [None, Some(232), None]);
}

#[test]
fn a_burst_after_an_outage_is_shortened_and_its_end_is_heard() {
    let mut buffer = buffer(Playout::Fixed(20));
    for index in 1..=9 {
        push(&mut buffer, index);
    }
    let mut frame = [0; FRAME_SAMPLES];
    let (_, left_out) = buffer.pull(&mut frame);
    assert!(left_out >= 2 * 160 && buffer.waiting() <= 4 * 160, "{left_out}");
    assert_eq!(frames(&mut buffer, 8).iter().flatten().last(), Some(&9));
}

#[test]
fn packets_of_any_length_give_frames_of_20_ms() {
    for len in [80u32, 240, 480, 331] {
        let mut buffer = buffer(Playout::Fixed(60));
        let mut heard = Vec::new();
        let mut sent = 0u32;
        for tick in 0..40 {
            while sent < (tick + 1) * 160 {
                let codes: Vec<u8> = (sent..sent + len).map(|at| (at % 251) as u8).collect();
                assert_eq!(buffer.push(2, sent, &codes, 10), Pushed::Waits, "{len}");
                sent += len;
            }
            let mut frame = [0; FRAME_SAMPLES];
            if buffer.pull(&mut frame).0 == Pulled::Whole {
                heard.extend(frame);
            }
        }
        assert!(heard.len() >= 37 * 160, "{len}: {}", heard.len());
        assert!(heard.iter().enumerate().all(|(at, code)| *code == (at % 251) as u8), "{len}");
    }
}

#[test]
fn a_stream_whose_numbers_restart_goes_on() {
    let mut buffer = buffer(Playout::Off);
    push(&mut buffer, 1);
    buffer.push(3, 4_000_000_000, &[7; 160], 10);
    assert_eq!(frames(&mut buffer, 1), [Some(7)]);
}

/// A window of a voice of 61 samples, as codes.
fn voice(from: u32, samples: u32) -> Vec<u8> {
    let sample = |at: u32| {
        let turn = std::f32::consts::TAU * at as f32 / 61.0;
        5_000.0 * turn.sin() + 2_000.0 * (2.0 * turn).cos()
    };
    (from..from + samples).map(|at| g711::encode(Codec::Pcmu, sample(at) as i16)).collect()
}

fn linear(codes: &[u8]) -> Vec<i32> {
    codes.iter().map(|code| i32::from(g711::decode(Codec::Pcmu, *code))).collect()
}

/// The greatest step between two samples.
fn steepest(codes: &[u8]) -> i32 {
    linear(codes).windows(2).map(|pair| (pair[1] - pair[0]).abs()).max().unwrap_or(0)
}

#[test]
fn a_lost_frame_is_concealed_and_what_follows_is_faded_in() {
    let mut buffer = buffer(Playout::Off);
    let mut heard = Vec::new();
    for index in 0..20u32 {
        if index != 10 {
            buffer.push(2, index * 160, &voice(index * 160, 160), 10);
        }
        let mut frame = [0; FRAME_SAMPLES];
        let (pulled, _) = buffer.pull(&mut frame);
        assert_eq!(pulled == Pulled::Gap, index == 10, "{index}");
        heard.extend(frame);
    }
    let whole = voice(0, 20 * 160);
    assert_eq!(heard[..1_600], whole[..1_600]);
    assert_eq!(heard[1_920..], whole[1_920..]);
    let most = linear(&heard).iter().zip(linear(&whole)).map(|(a, b)| (a - b).abs()).max();
    assert!(most < Some(1_500), "{most:?}");
    assert!(steepest(&heard) <= steepest(&whole) + 300);
}

#[test]
fn a_party_that_stops_fades_away_and_is_silent() {
    let mut buffer = buffer(Playout::Off);
    for index in 0..5 {
        buffer.push(2, index * 160, &voice(index * 160, 160), 10);
        buffer.pull(&mut [0; FRAME_SAMPLES]);
    }
    let pulled: Vec<Pulled> = (0..10).map(|_| buffer.pull(&mut [0; FRAME_SAMPLES]).0).collect();
    let gaps = pulled.iter().filter(|pulled| **pulled == Pulled::Gap).count();
    assert_eq!(gaps, usize::from(STARVED_TICKS));
    assert_eq!(pulled[9], Pulled::Nothing);
    let mut stopped = self::buffer(Playout::Off);
    stopped.push(2, 0, &voice(0, 160), 10);
    stopped.pull(&mut [0; FRAME_SAMPLES]);
    stopped.stop();
    assert_eq!(stopped.pull(&mut [0; FRAME_SAMPLES]).0, Pulled::Nothing);
}

/// Plays a party whose packets arrive `delay_ms` after they were sent; answers the frames, the packets
/// that were late, and the margins in milliseconds.
fn jittered(
    mode: Playout,
    packets: u64,
    delay_ms: impl Fn(u64) -> u64,
    codes: impl Fn(u32) -> Vec<u8>,
) -> (Vec<u8>, usize, Vec<u32>) {
    let mut buffer = buffer(mode);
    let mut arrivals: Vec<(u64, u32)> =
        (0..packets).map(|index| (index * 20 + delay_ms(index), index as u32)).collect();
    arrivals.sort_unstable();
    let (mut heard, mut late, mut waits) = (Vec::new(), 0, Vec::new());
    let mut arrivals = arrivals.into_iter().peekable();
    for tick_ms in (7..packets * 20).step_by(20) {
        while let Some((at_ms, index)) = arrivals.next_if(|(at_ms, _)| *at_ms <= tick_ms) {
            let next_ms = (tick_ms - at_ms) as u32;
            let pushed = buffer.push(2, index * 160, &codes(index), next_ms);
            late += usize::from(pushed == Pushed::Late);
            let ahead = buffer.offset(index * 160).max(0) as u32;
            waits.push(next_ms + ahead / 8);
        }
        let mut frame = [0; FRAME_SAMPLES];
        buffer.pull(&mut frame);
        heard.extend(frame);
    }
    (heard, late, waits)
}

/// A number from an index, in 0..n; sums of four are close to a normal distribution.
fn spread(index: u64, n: u64) -> u64 {
    let mut random = shared::SplitMix::new(index);
    (0..4).map(|_| random.below(n)).sum()
}

#[test]
fn jitter_of_5_ms_costs_30_ms_at_most_and_few_packets() {
    // Four draws of 0..9 ms: a deviation of 5.2 ms, at each phase of the clock to the packets.
    let (mut late, mut waits) = (0, Vec::new());
    for phase in 0..10 {
        let delay = |index| 2 * phase + spread(index, 9);
        let (_, late_here, waits_here) =
            jittered(Playout::Adaptive, 5_000, delay, |_| voice(0, 160));
        late += late_here;
        waits.extend(waits_here);
    }
    waits.sort_unstable();
    assert!(waits[waits.len() / 2] <= 30, "{}", waits[waits.len() / 2]);
    assert!(late * 200 <= waits.len(), "{late}");
}

#[test]
fn a_delay_that_became_too_long_is_shortened_in_speech_and_in_silence() {
    for is_speech in [true, false] {
        let codes = |index: u32| match is_speech {
            true => voice(index * 160, 160),
            false => vec![Codec::Pcmu.silence(); 160],
        };
        // The path takes 100 ms longer for a second, and then 0 ms again.
        let delay = |index: u64| if (100..150).contains(&index) { 100 } else { 0 };
        let (heard, _, waits) = jittered(Playout::Adaptive, 2_000, delay, codes);
        let (before, after) = (waits[50], waits[waits.len() - 1]);
        assert!(before <= 30 && after <= 30, "{is_speech}: {before} {after}");
        let whole = voice(0, 1_600);
        assert!(steepest(&heard[320..]) <= steepest(&whole) * 3 / 2 + 600, "{is_speech}");
    }
}

#[test]
fn clocks_that_differ_by_100_ppm_cost_no_click_in_ten_minutes() {
    // A packet each 20 ms by a clock that is too slow by 2 us: 60 ms in ten minutes, either way.
    for direction in [1, -1i64] {
        let drift = |index: u64| (100 + direction * (index as i64 * 2 / 1_000)) as u64;
        let (heard, late, waits) =
            jittered(Playout::Adaptive, 30_000, drift, |index| voice(index * 160, 160));
        let most = waits[1_000..].iter().max();
        assert!(most <= Some(&45), "{direction}: {most:?}");
        assert!(late <= 12, "{direction}: {late}");
        let whole = voice(0, 1_600);
        assert!(steepest(&heard[1_600..]) <= steepest(&whole) * 3 / 2 + 600, "{direction}");
    }
}
