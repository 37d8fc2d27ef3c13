//! Delay, order, loss and bursts of one party.

use super::*;

fn buffer(mode: Playout) -> PlayoutBuffer {
    let mut buffer = PlayoutBuffer::new(Codec::Pcmu);
    buffer.set_mode(mode);
    buffer
}

/// The first code of each frame; `None` where there is nothing.
fn frames(buffer: &mut PlayoutBuffer, count: usize) -> Vec<Option<u8>> {
    let frame = |_| {
        let mut frame = [0; FRAME_SAMPLES];
        match buffer.pull(&mut frame).0 {
            Pulled::Nothing => None,
            Pulled::Whole | Pulled::Gap => Some(frame[0]),
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
    frames(&mut buffer, 5);
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
