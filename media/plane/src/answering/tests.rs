//! Decisions on synthetic sounds. The set of voices is in `signaling/speech/tests/answering`.

use std::f32::consts::TAU;

use super::*;
use crate::dtmf::material as dtmf;

#[test]
fn short_speech_and_silence_is_a_human_soon_after() {
    for codec in [Codec::Pcmu, Codec::Pcma] {
        let (found, at_ms) = run(Detection::default(), codec, &[speech(900), quiet(3_000)]);
        assert_eq!(found, Some(AnsweredBy::Human));
        assert!((2_100..=2_160).contains(&at_ms), "{at_ms}");
    }
}

#[test]
fn the_pauses_of_a_greeting_do_not_make_it_human() {
    let greeting = [speech(1_000), quiet(600), speech(1_000), quiet(700), speech(900)];
    let (found, at_ms) = run(Detection::default(), Codec::Pcmu, &greeting);
    assert_eq!(found, Some(AnsweredBy::MachineStart));
    assert!((2_400..=2_700).contains(&at_ms), "{at_ms}");
}

#[test]
fn the_end_of_a_greeting_is_a_beep_or_silence_or_the_time() {
    let to_end = Detection { to_end: true, ..Detection::default() };
    let beep = [speech(3_000), quiet(400), tone(1_000.0, 300), quiet(2_000)];
    let (found, at_ms) = run(to_end, Codec::Pcmu, &beep);
    assert_eq!(found, Some(AnsweredBy::MachineEndBeep));
    assert!((3_700..=3_800).contains(&at_ms), "{at_ms}");
    let (found, _) = run(to_end, Codec::Pcmu, &[speech(4_000), quiet(3_000)]);
    assert_eq!(found, Some(AnsweredBy::MachineEndSilence));
    let (found, at_ms) = run(to_end, Codec::Pcmu, &[speech(31_000)]);
    assert_eq!((found, at_ms), (Some(AnsweredBy::MachineEndOther), 30_000));
}

#[test]
fn a_beep_after_a_short_greeting_is_a_machine() {
    let beep = [speech(1_500), quiet(300), tone(440.0, 200), quiet(2_000)];
    assert_eq!(run(Detection::default(), Codec::Pcma, &beep).0, Some(AnsweredBy::MachineStart));
}

#[test]
fn fax_tones_before_any_speech_are_a_fax_and_other_tones_are_not() {
    for hertz in [1_100.0, 2_100.0] {
        let found = run(Detection::default(), Codec::Pcmu, &[quiet(500), tone(hertz, 500)]).0;
        assert_eq!(found, Some(AnsweredBy::Fax), "{hertz}");
    }
    let ringing = [tone(440.0, 1_000), quiet(6_000)];
    assert_eq!(run(Detection::default(), Codec::Pcmu, &ringing).0, Some(AnsweredBy::Unknown));
}

#[test]
fn silence_is_unknown_and_clicks_are_silence() {
    let (found, at_ms) = run(Detection::default(), Codec::Pcmu, &[quiet(9_000)]);
    assert_eq!((found, at_ms), (Some(AnsweredBy::Unknown), 5_000));
    let clicks = [quiet(1_000), speech(20), quiet(1_000), speech(20), quiet(6_000)];
    assert_eq!(run(Detection::default(), Codec::Pcmu, &clicks).0, Some(AnsweredBy::Unknown));
}

#[test]
fn a_party_that_sends_nothing_is_unknown() {
    let mut answering = Answering::new(Detection::default(), 7);
    assert_eq!(answering.at(5_006), None);
    assert_eq!(answering.at(5_007), Some(AnsweredBy::Unknown));
}

#[test]
fn noise_is_no_speech() {
    let noise = dtmf::noise(3, -45.0, 48_000);
    let found = run(Detection::default(), Codec::Pcmu, &[noise]).0;
    assert_eq!(found, Some(AnsweredBy::Unknown));
}

/// The decision, and when it was made.
fn run(terms: Detection, codec: Codec, parts: &[Vec<i16>]) -> (Option<AnsweredBy>, u32) {
    let mut answering = Answering::new(terms, 0);
    let samples = parts.concat();
    for (index, frame) in samples.chunks(FRAME_SAMPLES).enumerate() {
        let codes: Vec<u8> = frame.iter().map(|sample| g711::encode(codec, *sample)).collect();
        // A frame arrives when its 20 ms are over.
        let now_ms = (index as u32 + 1) * FRAME_MS;
        if let Some(found) = answering.hear(now_ms, codec, &codes) {
            return (Some(found), now_ms);
        }
    }
    (None, 0)
}

/// Voiced sound with a pitch that moves and five syllables a second, at about -20 dBFS.
fn speech(ms: usize) -> Vec<i16> {
    let mut phase = 0.0_f32;
    let sample = |at: usize| {
        let seconds = at as f32 / 8_000.0;
        phase += TAU * (140.0 + 30.0 * (TAU * 2.0 * seconds).sin()) / 8_000.0;
        let harmonics = (1..=9).map(|n| (phase * n as f32).sin() / n as f32);
        // The first syllable begins with the sound.
        let syllable = 0.55 + 0.45 * (TAU * 5.0 * seconds).cos();
        (harmonics.sum::<f32>() * 2_500.0 * syllable) as i16
    };
    (0..ms * 8).map(sample).collect()
}

fn tone(hertz: f32, ms: usize) -> Vec<i16> {
    let sample = |at: usize| ((TAU * hertz * at as f32 / 8_000.0).sin() * 6_000.0) as i16;
    (0..ms * 8).map(sample).collect()
}

fn quiet(ms: usize) -> Vec<i16> {
    dtmf::noise(1, -60.0, ms * 8)
}
