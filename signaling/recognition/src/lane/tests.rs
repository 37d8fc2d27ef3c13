//! The lane beside engines that are numbers: slots, live utterances, answers.

use std::collections::BTreeSet;

use call::RecognitionId;
use call::recognition::{Endpointing, Lane};
use shared::Random;
use shared::media::TapTracks;

use super::*;

const SECOND: &[i16] = &[0; 8_000];

pub(crate) fn plan(language: &str) -> RecognitionPlan {
    RecognitionPlan {
        recognition: RecognitionId(1),
        tracks: TapTracks::Inbound,
        language: language.to_owned(),
        hints: [].into(),
        is_grammar: false,
        wants_partials: false,
        is_single: false,
        endpointing: Endpointing { silence_ms: 700, longest_ms: 30_000 },
        lane: Lane::Batch,
    }
}

fn at(seconds: u64) -> Instant {
    Instant::default() + Duration::from_secs(seconds)
}

fn answer() -> Answer {
    Answer::Final { text: "one".to_owned(), confidence: None }
}

/// One engine, which takes every language but `none`.
struct Rig {
    lane: BatchLane,
    places: Places,
    now: Instant,
    last_name: u32,
}

impl Rig {
    fn new(slots: usize, stops: bool) -> Self {
        let places = Places { slots, live: 0, stops, room: 1_000_000 };
        Self { lane: BatchLane::default(), places, now: at(0), last_name: 1_000 }
    }

    /// An utterance of a second, whole.
    fn hold(&mut self, utterance: u32, language: &str) {
        let utterance = UtteranceId(utterance);
        self.lane.open(utterance, &plan(language)).expect("room");
        self.lane.audio(utterance, SECOND).expect("room");
        self.lane.end(self.now, utterance);
    }

    /// What `share` does: takes back, then fills. Answers the utterances that begin, with their names.
    fn share(&mut self) -> Vec<(u32, u32)> {
        while self.lane.take_back(0, self.places).is_some() {}
        let mut begun = Vec::new();
        loop {
            let place =
                |plan: &RecognitionPlan| (plan.language != "none").then_some((0, self.places));
            let Some((utterance, engine)) = self.lane.next(place) else { return begun };
            self.last_name += 1;
            let seat = Seat { engine, name: UtteranceId(self.last_name) };
            let (_, audio) = self.lane.begin(self.now, utterance, seat).expect("it waits");
            assert!(!audio.is_empty());
            begun.push((utterance.0, self.last_name));
        }
    }

    fn answered(&mut self, name: u32) -> Option<u32> {
        self.lane.answered(UtteranceId(name), &answer()).map(|utterance| utterance.0)
    }
}

#[test]
fn a_live_utterance_takes_the_place_of_a_recorded_one_which_is_next_afterwards() {
    let mut rig = Rig::new(1, true);
    for utterance in 1..=3 {
        rig.hold(utterance, "en-US");
    }
    assert_eq!(rig.share(), [(1, 1_001)]);
    rig.places.live = 1;
    assert_eq!(rig.share(), []);
    assert_eq!(rig.lane.counts().taken_back, 1);
    assert_eq!(rig.lane.counts().waiting, 3);
    rig.places.live = 0;
    assert_eq!(rig.share(), [(1, 1_002)]);
    assert_eq!(rig.answered(1_001), None, "the place that was taken back");
    assert_eq!(rig.answered(1_002), Some(1));
    assert_eq!(rig.share(), [(2, 1_003)]);
    assert_eq!(rig.answered(1_003), Some(2));
    assert_eq!(rig.share(), [(3, 1_004)]);
}

#[test]
fn an_engine_that_cannot_stop_finishes_the_recorded_one_and_gets_no_other() {
    let mut rig = Rig::new(1, false);
    rig.hold(1, "en-US");
    rig.hold(2, "en-US");
    assert_eq!(rig.share(), [(1, 1_001)]);
    rig.places.live = 1;
    assert_eq!(rig.share(), []);
    assert_eq!(rig.answered(1_001), Some(1));
    assert_eq!(rig.share(), [], "the live utterance is before the second");
    rig.places.live = 0;
    assert_eq!(rig.share(), [(2, 1_002)]);
}

#[test]
fn one_slot_of_several_stays_free() {
    let mut rig = Rig::new(4, true);
    for utterance in 1..=5 {
        rig.hold(utterance, "en-US");
    }
    assert_eq!(rig.share(), [(1, 1_001), (2, 1_002), (3, 1_003)]);
    rig.places.live = 1;
    assert_eq!(rig.share(), [], "it is for the next live one");
    rig.places.live = 3;
    rig.share();
    assert_eq!(rig.lane.counts().taken_back, 2);
    assert_eq!(
        (rig.answered(1_001), rig.answered(1_002), rig.answered(1_003)),
        (Some(1), None, None)
    );
    rig.places.live = 0;
    let begun: Vec<u32> = rig.share().iter().map(|(utterance, _)| *utterance).collect();
    assert_eq!(begun, [2, 3, 4]);
}

#[test]
fn a_kind_without_an_engine_holds_up_no_other_and_large_audio_waits_for_room() {
    let mut rig = Rig::new(1, true);
    rig.hold(1, "none");
    rig.hold(2, "en-US");
    rig.places.room = 7_999;
    assert_eq!(rig.share(), []);
    rig.places.room = 8_000;
    assert_eq!(rig.share(), [(2, 1_001)]);
    assert_eq!(rig.lane.cancel(UtteranceId(1)), None);
    let seat = Some(Seat { engine: 0, name: UtteranceId(1_001) });
    assert_eq!(rig.lane.cancel(UtteranceId(2)), seat);
    assert_eq!(rig.lane.counts(), LaneCounts::default());
}

#[test]
fn a_full_lane_refuses_what_is_new_and_keeps_what_it_has() {
    let mut rig = Rig::new(1, true);
    for utterance in 0..limits::RECOGNITION_BATCH_UTTERANCES_MAX as u32 {
        rig.lane.open(UtteranceId(utterance), &plan("en-US")).expect("room");
    }
    let refused = rig.lane.open(UtteranceId(9_999), &plan("en-US"));
    assert_eq!(refused, Err("4096 utterances of recorded messages wait for an engine".to_owned()));

    // The audio of utterances that are spoken counts, too: by whole seconds.
    let seconds = limits::RECOGNITION_BATCH_BYTES_MAX / 8_000;
    for second in 0..seconds {
        rig.lane.audio(UtteranceId(second as u32 % 1_000), SECOND).expect("room");
    }
    let bytes = rig.lane.counts().bytes;
    assert!(bytes <= limits::RECOGNITION_BATCH_BYTES_MAX as u64);
    let full = Err("64 MiB of recorded messages wait for an engine".to_owned());
    assert_eq!(rig.lane.audio(UtteranceId(0), SECOND), full);
    assert_eq!(rig.lane.counts().refused, 2);
    // The refused one is gone with its audio, so the next one fits.
    assert!(rig.lane.counts().bytes < bytes);
    assert_eq!(rig.lane.audio(UtteranceId(1), SECOND), Ok(()));
    assert_eq!(rig.lane.open(UtteranceId(9_999), &plan("en-US")), Ok(()));
}

#[test]
fn an_utterance_waits_ten_minutes_for_a_place_and_thirty_seconds_for_its_answer() {
    let mut rig = Rig::new(1, true);
    rig.hold(1, "en-US");
    rig.hold(2, "en-US");
    rig.now = at(100);
    assert_eq!(rig.share(), [(1, 1_001)]);
    let overdue = |rig: &mut Rig, seconds| {
        let overdue = rig.lane.overdue(at(seconds));
        overdue.iter().map(|it| (it.utterance.0, it.seat.is_some())).collect::<Vec<_>>()
    };
    assert_eq!(overdue(&mut rig, 129), []);
    assert_eq!(overdue(&mut rig, 130), [(1, true)]);
    assert_eq!(overdue(&mut rig, 599), []);
    assert_eq!(overdue(&mut rig, 600), [(2, false)]);
    assert_eq!(rig.lane.counts(), LaneCounts { overdue: 2, ..LaneCounts::default() });
}

/// Live speech comes and goes, messages come, engines answer in any order: no live utterance is without a place for which
/// a recorded one could make way, each recorded one is answered once, and nothing stays.
#[test]
fn whatever_comes_live_utterances_are_first_and_nothing_is_lost() {
    for seed in 1..=200 {
        let mut random = Random::new([seed; 32]);
        let stops = random.below(2) == 1;
        let mut rig = Rig::new(1 + random.below(4) as usize, stops);
        let mut names: Vec<u32> = Vec::new();
        let (mut next, mut open) = (0, BTreeSet::new());
        for step in 0..400 {
            let has_ended = step >= 300;
            match random.below(4) {
                0 if !has_ended => {
                    next += 1;
                    rig.hold(next, ["en-US", "de-DE"][random.below(2) as usize]);
                    open.insert(next);
                }
                1 if !has_ended => rig.places.live = random.below(4) as usize,
                2 if !has_ended && random.below(8) == 0 => {
                    let utterance = 1 + random.below(next.max(1));
                    let seat = rig.lane.cancel(UtteranceId(utterance));
                    names.retain(|name| seat.is_none_or(|seat| seat.name.0 != *name));
                    open.remove(&utterance);
                }
                _ if !names.is_empty() => {
                    let name = names.swap_remove(random.below(names.len() as u32) as usize);
                    if let Some(utterance) = rig.answered(name) {
                        assert!(open.remove(&utterance), "one answer each");
                    }
                }
                _ => {}
            }
            if has_ended {
                rig.places.live = 0;
            }
            names.extend(rig.share().iter().map(|(_, name)| *name));
            let running = rig.lane.running_at(0);
            let over = (rig.places.live + running).saturating_sub(rig.places.slots);
            assert!(!stops || over == 0 || running == 0, "seed {seed}: {running} are in the way");
            assert!(running <= rig.places.slots);
            let waiting = rig.lane.counts().waiting as usize;
            assert_eq!(waiting + running, open.len(), "seed {seed}, step {step}");
            assert_eq!(rig.lane.counts().bytes as usize, open.len() * 8_000);
        }
        while let Some(name) = names.pop() {
            if let Some(utterance) = rig.answered(name) {
                assert!(open.remove(&utterance));
            }
            names.extend(rig.share().iter().map(|(_, name)| *name));
        }
        assert!(open.is_empty(), "seed {seed}: {open:?}");
        assert_eq!(rig.lane.counts().bytes, 0);
    }
}
