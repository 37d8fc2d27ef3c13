//! Sessions by their acts: what goes to the engine, and what the call hears.

use std::collections::BTreeMap;

use super::*;
use crate::ids::RecognitionId;
use crate::recognition::Endpointing;

/// Notes what a session does.
#[derive(Default)]
struct Noted {
    next: u32,
    acts: Vec<String>,
    samples: BTreeMap<u32, usize>,
    has_engine: bool,
}

impl RecognitionPort for Noted {
    fn begin(&mut self, _: &RecognitionPlan) -> Result<UtteranceId, (RecognitionFault, String)> {
        if !self.has_engine {
            return Err((RecognitionFault::NoEngine, "none".to_owned()));
        }
        self.next += 1;
        self.acts.push(format!("begin {}", self.next));
        Ok(UtteranceId(self.next))
    }

    fn audio(&mut self, utterance: UtteranceId, samples: &[i16]) {
        *self.samples.entry(utterance.0).or_default() += samples.len();
    }

    fn end(&mut self, _: Instant, utterance: UtteranceId) {
        self.acts.push(format!("end {}", utterance.0));
    }

    fn cancel(&mut self, utterance: UtteranceId) {
        self.acts.push(format!("cancel {}", utterance.0));
    }

    fn report(&mut self, event: RecognitionEvent) {
        self.acts.push(match event {
            RecognitionEvent::SpeechStarted { .. } => "started".to_owned(),
            RecognitionEvent::Partial { text, .. } => format!("partial {text}"),
            RecognitionEvent::Final { text, .. } => format!("final {text}"),
            RecognitionEvent::Ended(RecognitionEnd::Stopped) => "ended".to_owned(),
            RecognitionEvent::Ended(RecognitionEnd::Failed { fault, .. }) => {
                format!("failed {fault:?}")
            }
        });
    }
}

struct Rig {
    session: RecognitionSession,
    noted: Noted,
    now: Instant,
}

impl Rig {
    fn new(is_single: bool) -> Self {
        Self::of(Lane::Live, is_single)
    }

    fn of(lane: Lane, is_single: bool) -> Self {
        let plan = RecognitionPlan {
            recognition: RecognitionId(1),
            tracks: TapTracks::Inbound,
            language: "en-US".to_owned(),
            hints: [].into(),
            is_grammar: false,
            wants_partials: true,
            is_single,
            endpointing: Endpointing { silence_ms: 600, longest_ms: 60_000 },
            lane,
        };
        let noted = Noted { has_engine: true, ..Noted::default() };
        Self { session: RecognitionSession::new(plan), noted, now: Instant::default() }
    }

    fn hear(&mut self, amplitude: i16, ms: u64) {
        let frame = std::array::from_fn(|at| if at % 16 < 8 { amplitude } else { -amplitude });
        for _ in 0..ms / 20 {
            self.now = self.now + Duration::from_millis(20);
            self.session.frame(self.now, Track::Inbound, &frame, &mut self.noted);
        }
    }

    /// A second of speech, and silence.
    fn speak(&mut self) {
        self.hear(10, 400);
        self.hear(4_000, 1_000);
        self.hear(10, 1_000);
    }

    fn answer(&mut self, utterance: u32, text: &str) {
        let answer = Answer::Final { text: text.to_owned(), confidence: None };
        self.session.answer(UtteranceId(utterance), answer, &mut self.noted);
    }

    fn acts(&mut self) -> Vec<String> {
        std::mem::take(&mut self.noted.acts)
    }
}

#[test]
fn an_utterance_goes_to_the_engine_with_its_beginning_and_its_answer_to_the_call() {
    let mut rig = Rig::new(true);
    rig.speak();
    assert_eq!(rig.acts(), ["begin 1", "started", "end 1"]);
    // 280 ms before the onset, the second of speech, 580 ms of the silence.
    assert_eq!(rig.noted.samples[&1], (280 + 1_000 + 580) * 8);
    let (text, stability) = ("yes".to_owned(), Share::of(0.5));
    rig.session.answer(UtteranceId(1), Answer::Partial { text, stability }, &mut rig.noted);
    rig.answer(1, "yes");
    assert_eq!(rig.acts(), ["partial yes", "final yes"]);
}

#[test]
fn a_single_recognition_hears_nothing_until_the_result() {
    let mut rig = Rig::new(true);
    rig.speak();
    rig.speak();
    assert_eq!(rig.acts(), ["begin 1", "started", "end 1"]);
    rig.answer(1, "");
    rig.speak();
    assert_eq!(rig.acts(), ["final ", "begin 2", "started", "end 2"]);
}

#[test]
fn results_leave_in_the_order_of_their_utterances() {
    let mut rig = Rig::new(false);
    rig.speak();
    rig.speak();
    rig.acts();
    rig.answer(2, "second");
    assert!(rig.acts().is_empty());
    rig.answer(1, "first");
    assert_eq!(rig.acts(), ["final first", "final second"]);
}

#[test]
fn a_finish_waits_for_the_last_result_and_a_cancel_does_not() {
    let mut rig = Rig::new(false);
    rig.hear(4_000, 500);
    rig.session.finish(rig.now, &mut rig.noted);
    assert_eq!(rig.acts(), ["begin 1", "started", "end 1"]);
    rig.answer(1, "late");
    assert_eq!(rig.acts(), ["final late", "ended"]);
    assert!(rig.session.is_over());
    let mut rig = Rig::new(false);
    rig.hear(4_000, 500);
    rig.session.cancel(&mut rig.noted);
    assert_eq!(rig.acts(), ["begin 1", "started", "cancel 1", "ended"]);
    rig.answer(1, "too late");
    assert!(rig.acts().is_empty());
}

#[test]
fn an_engine_that_does_not_answer_or_is_behind_fails_the_recognition() {
    let mut rig = Rig::new(true);
    rig.speak();
    rig.acts();
    rig.session.tick(rig.now + Duration::from_secs(20), &mut rig.noted);
    assert!(rig.acts().is_empty());
    rig.session.tick(rig.now + Duration::from_secs(31), &mut rig.noted);
    assert_eq!(rig.acts(), ["cancel 1", "failed Engine"]);
    let mut rig = Rig::new(false);
    for _ in 0..=limits::RECOGNITION_OUTSTANDING_MAX {
        rig.speak();
    }
    assert_eq!(rig.acts().last().map(String::as_str), Some("failed Engine"));
}

/// What bounds its time is the lane that holds the utterances.
#[test]
fn a_recorded_message_waits_for_an_engine_that_is_behind() {
    let mut rig = Rig::of(Lane::Batch, false);
    for _ in 0..limits::RECOGNITION_BATCH_OUTSTANDING_MAX {
        rig.speak();
    }
    rig.session.finish(rig.now, &mut rig.noted);
    rig.acts();
    rig.session.tick(rig.now + Duration::from_secs(3_600), &mut rig.noted);
    assert!(rig.acts().is_empty());
    for utterance in 1..=limits::RECOGNITION_BATCH_OUTSTANDING_MAX {
        rig.answer(utterance as u32, "text");
    }
    assert_eq!(rig.acts().last().map(String::as_str), Some("ended"));
    let mut rig = Rig::of(Lane::Batch, false);
    for _ in 0..=limits::RECOGNITION_BATCH_OUTSTANDING_MAX {
        rig.speak();
    }
    assert_eq!(rig.acts().last().map(String::as_str), Some("failed Engine"));
}

#[test]
fn without_an_engine_the_first_utterance_fails_it() {
    let mut rig = Rig::new(true);
    rig.noted.has_engine = false;
    rig.speak();
    assert_eq!(rig.acts(), ["failed NoEngine"]);
}
