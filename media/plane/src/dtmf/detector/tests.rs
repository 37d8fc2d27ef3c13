//! The detector against ITU-T Q.24: levels, twist, frequencies, times, noise and speech.

use super::super::material::{keys, noise, pair, silence, sum};
use super::super::tables::HERTZ;
use super::*;

fn heard(samples: &[i16]) -> Vec<(u8, u32)> {
    heard_by(Codec::Pcmu, 160, samples)
}

fn heard_by(codec: Codec, packet: usize, samples: &[i16]) -> Vec<(u8, u32)> {
    let codes: Vec<u8> = samples.iter().map(|sample| g711::encode(codec, *sample)).collect();
    let mut detector = Detector::default();
    let mut heard = Vec::new();
    for packet in codes.chunks(packet) {
        detector.hear(codec, packet, |event, length| heard.push((event, length)));
    }
    heard.extend(detector.reset());
    heard
}

fn events(samples: &[i16]) -> Vec<u8> {
    heard(samples).into_iter().map(|(event, _)| event).collect()
}

/// A tone of this many samples somewhere in silence.
fn tone(at: usize, low: usize, high: usize, dbm0: [f64; 2], detune: f64, len: usize) -> Vec<i16> {
    let hertz = [HERTZ[low] * detune, HERTZ[GROUP + high] * detune];
    [vec![0; 200 + at], pair(hertz, dbm0, len), vec![0; 400]].concat()
}

fn each_key(mut check: impl FnMut(usize, usize)) {
    for low in 0..GROUP {
        for high in 0..GROUP {
            check(low, high);
        }
    }
}

#[test]
fn all_keys_are_heard_in_both_laws_and_every_packet_time() {
    let samples = [silence(50), keys("0123456789*#ABCD", 50, 50), silence(50)].concat();
    for codec in [Codec::Pcmu, Codec::Pcma] {
        for packet in [1, 37, 80, 160, 240, 480] {
            let heard = heard_by(codec, packet, &samples);
            let events: Vec<u8> = heard.iter().map(|(event, _)| *event).collect();
            assert_eq!(events, (0..16).collect::<Vec<u8>>(), "{codec:?} {packet}");
        }
    }
}

#[test]
fn levels_from_0_to_minus_36_are_heard_and_minus_46_is_not() {
    each_key(|low, high| {
        for level in 0..=36 {
            let level = -f64::from(level);
            // At 0 dBm0 each, the sum clips: as on a line.
            let samples = tone(13, low, high, [level; 2], 1.0, 400);
            assert_eq!(events(&samples), [EVENTS[low][high]], "{level} dBm0");
        }
        assert_eq!(events(&tone(13, low, high, [-46.0; 2], 1.0, 400)), []);
    });
}

#[test]
fn forty_milliseconds_are_heard_and_24_are_not_wherever_they_begin() {
    each_key(|low, high| {
        for at in 0..40 {
            for level in [-3.0, -10.0, -25.0] {
                let long = tone(at, low, high, [level; 2], 1.0, 320);
                assert_eq!(events(&long), [EVENTS[low][high]], "{at} {level}");
                for len in [80, 120, 160, 184, 192] {
                    let short = tone(at, low, high, [level; 2], 1.0, len);
                    assert_eq!(events(&short), [], "{len} samples from {at} at {level}");
                }
            }
        }
    });
}

#[test]
fn lengths_are_reported_within_five_milliseconds() {
    for len in (320..2_000).step_by(13) {
        let heard = heard(&tone(len % 40, 1, 2, [-10.0; 2], 1.0, len));
        assert_eq!(heard.len(), 1);
        assert!(heard[0].1.abs_diff(len as u32) <= 40, "{} for {len}", heard[0].1);
    }
}

#[test]
fn ten_milliseconds_of_interruption_are_bridged_and_forty_are_a_pause() {
    for at in 0..40 {
        for (gap, expected) in [(40, 1), (80, 1), (320, 2), (480, 2)] {
            let half = pair([HERTZ[2], HERTZ[5]], [-10.0; 2], 400);
            let samples = [vec![0; 200 + at], half.clone(), vec![0; gap], half, vec![0; 400]];
            assert_eq!(events(&samples.concat()), vec![8; expected], "{gap} samples at {at}");
        }
    }
}

#[test]
fn twist_of_4_and_minus_8_decibels_is_taken_and_far_more_is_not() {
    each_key(|low, high| {
        for [low_level, high_level] in [[-14.0, -10.0], [-10.0, -18.0]] {
            let samples = tone(7, low, high, [low_level, high_level], 1.0, 400);
            assert_eq!(events(&samples), [EVENTS[low][high]], "{low_level} {high_level}");
        }
        for [low_level, high_level] in [[-20.0, -10.0], [-10.0, -24.0]] {
            let samples = tone(7, low, high, [low_level, high_level], 1.0, 400);
            assert_eq!(events(&samples), [], "{low_level} {high_level}");
        }
    });
}

#[test]
fn frequencies_within_one_and_a_half_percent_are_taken_and_beyond_three_and_a_half_are_not() {
    each_key(|low, high| {
        for detune in [0.983, 0.985, 0.99, 1.01, 1.015, 1.017] {
            let samples = tone(7, low, high, [-10.0; 2], detune, 400);
            assert_eq!(events(&samples), [EVENTS[low][high]], "times {detune}");
        }
        for detune in [0.962, 1.038] {
            let samples = tone(7, low, high, [-10.0; 2], detune, 400);
            assert_eq!(events(&samples), [], "times {detune} of {low} {high}");
        }
    });
}

#[test]
fn one_tone_alone_or_two_of_one_group_are_no_key() {
    for hertz in HERTZ {
        let alone = pair([hertz; 2], [-13.0; 2], 2_000);
        assert_eq!(events(&alone), []);
    }
    assert_eq!(events(&pair([697.0, 941.0], [-10.0; 2], 2_000)), []);
    assert_eq!(events(&pair([1_209.0, 1_633.0], [-10.0; 2], 2_000)), []);
    // Dial tones and ring-back of North America and Europe.
    for hertz in [[350.0, 440.0], [440.0, 480.0], [425.0, 425.0], [480.0, 620.0]] {
        assert_eq!(events(&pair(hertz, [-13.0; 2], 8_000)), []);
    }
}

#[test]
fn keys_are_heard_through_noise_15_decibels_below() {
    let digits = "1234567890*#ABCD".repeat(8);
    let tones = [silence(40), keys(&digits, 50, 50)].concat();
    // Two tones of -10 dBm0 are -7 together.
    let samples = sum(&tones, &noise(5, -22.0, tones.len()));
    assert_eq!(events(&samples).len(), digits.len());
}

#[test]
fn noise_of_any_level_is_no_key() {
    for seed in 0..4 {
        let level = -5.0 - 8.0 * seed as f64;
        assert_eq!(events(&noise(seed, level, 30 * 8_000)), [], "{level} dBm0");
    }
}
