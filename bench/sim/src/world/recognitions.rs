//! The recognitions of a world: real [`RecognitionSession`]s, and an engine on the virtual clock.
//!
//! ```text
//!   StartRecognition ──frames──> utterances ──by the engine's manner──> answers ──> events ──> one Ended
//! ```
//!
//! The first hint of a recognition says how the engine behaves with it. Answers come some time later; an answer to an
//! utterance that was cancelled meanwhile has no effect, as with a process that answers too late.

use std::collections::BTreeMap;
use std::time::Duration;

use call::recognition::{Answer, RecognitionPort, RecognitionSession, Share, Track, UtteranceId};
use call::{RecognitionEvent, RecognitionFault, RecognitionId, RecognitionPlan, RecognitionStop};
use plane::g711;
use shared::{CallSid, Instant, TapFrame, TapId};

/// What the engine does with an utterance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    /// A partial result at once, the final 300 ms after the end.
    Quick,
    /// The final 6 s after the end.
    Slow,
    /// It fails after the end.
    Failing,
    /// Its process dies while somebody speaks.
    Dying,
    /// There is none.
    Absent,
}

impl Manner {
    fn of(plan: &RecognitionPlan) -> Self {
        match plan.hints.first().map(String::as_str) {
            Some("slow") => Self::Slow,
            Some("failing") => Self::Failing,
            Some("dying") => Self::Dying,
            Some("absent") => Self::Absent,
            _ => Self::Quick,
        }
    }
}

type Key = (CallSid, RecognitionId);

struct Live {
    session: RecognitionSession,
    tap: TapId,
}

/// All recognitions that have not ended.
#[derive(Default)]
pub struct Recognitions {
    live: BTreeMap<Key, Live>,
    utterances: BTreeMap<UtteranceId, Key>,
    last: u32,
    /// Finals with words, of all recognitions.
    pub finals: usize,
}

/// What a step of a session leads to.
#[derive(Default)]
pub struct Outcome {
    /// For `Control`.
    pub events: Vec<(CallSid, RecognitionId, RecognitionEvent)>,
    /// For the engine's clock.
    pub answers: Vec<(Duration, UtteranceId, Answer)>,
}

impl Recognitions {
    pub fn start(&mut self, call: CallSid, tap: TapId, plan: RecognitionPlan) {
        let key = (call, plan.recognition);
        self.live.insert(key, Live { session: RecognitionSession::new(plan), tap });
    }

    pub fn stop(
        &mut self,
        now: Instant,
        call: CallSid,
        recognition: RecognitionId,
        how: RecognitionStop,
    ) -> Outcome {
        self.act((call, recognition), |session, port| match how {
            RecognitionStop::Finish => session.finish(now, port),
            RecognitionStop::Cancel => session.cancel(port),
        })
    }

    /// A frame of a tap; frames of recognitions that are over are dropped.
    pub fn frame(&mut self, now: Instant, frame: &TapFrame) -> Outcome {
        let found = self.live.iter().find(|(_, live)| live.tap == frame.tap);
        let Some(key) = found.map(|(key, _)| *key).filter(|_| !frame.last) else {
            return Outcome::default();
        };
        let tracks = [(Track::Inbound, frame.inbound), (Track::Outbound, frame.outbound)];
        let mut all = Outcome::default();
        for (track, samples) in tracks {
            let Some(samples) = samples else { continue };
            let samples = samples.map(|code| g711::decode(frame.codec, code));
            let outcome = self.act(key, |session, port| session.frame(now, track, &samples, port));
            all.events.extend(outcome.events);
            all.answers.extend(outcome.answers);
        }
        all
    }

    /// The engine answers.
    pub fn answer(&mut self, utterance: UtteranceId, answer: Answer) -> Outcome {
        let Some(key) = self.utterances.get(&utterance).copied() else {
            return Outcome::default();
        };
        if !matches!(answer, Answer::Partial { .. }) {
            self.utterances.remove(&utterance);
        }
        self.act(key, |session, port| session.answer(utterance, answer, port))
    }

    pub fn len(&self) -> usize {
        self.live.len()
    }

    fn act(&mut self, key: Key, step: impl FnOnce(&mut RecognitionSession, &mut Port)) -> Outcome {
        let Some(live) = self.live.get_mut(&key) else { return Outcome::default() };
        let manner = Manner::of(live.session.plan());
        let mut port = Port { manner, last: self.last, ..Port::default() };
        step(&mut live.session, &mut port);
        self.last = port.last;
        self.utterances.extend(port.begun.iter().map(|utterance| (*utterance, key)));
        for utterance in &port.cancelled {
            self.utterances.remove(utterance);
        }
        if live.session.is_over() {
            self.live.remove(&key);
        }
        let has_words = |event: &&RecognitionEvent| matches!(event, RecognitionEvent::Final { text, .. } if !text.is_empty());
        self.finals += port.events.iter().filter(has_words).count();
        let events = port.events.into_iter().map(|event| (key.0, key.1, event));
        Outcome { events: events.collect(), answers: port.answers }
    }
}

/// The engine, and the call's ear.
struct Port {
    manner: Manner,
    last: u32,
    begun: Vec<UtteranceId>,
    cancelled: Vec<UtteranceId>,
    events: Vec<RecognitionEvent>,
    answers: Vec<(Duration, UtteranceId, Answer)>,
}

impl Default for Port {
    fn default() -> Self {
        Self {
            manner: Manner::Quick,
            last: 0,
            begun: Vec::new(),
            cancelled: Vec::new(),
            events: Vec::new(),
            answers: Vec::new(),
        }
    }
}

impl Port {
    fn later(&mut self, ms: u64, utterance: UtteranceId, answer: Answer) {
        self.answers.push((Duration::from_millis(ms), utterance, answer));
    }
}

impl RecognitionPort for Port {
    fn begin(&mut self, _: &RecognitionPlan) -> Result<UtteranceId, (RecognitionFault, String)> {
        if self.manner == Manner::Absent {
            return Err((RecognitionFault::NoEngine, "no engine speaks it".to_owned()));
        }
        self.last += 1;
        let utterance = UtteranceId(self.last);
        self.begun.push(utterance);
        match self.manner {
            Manner::Dying => self.later(100, utterance, failed("the process died")),
            Manner::Quick => {
                let (text, stability) = ("one".to_owned(), Share::of(0.5));
                self.later(200, utterance, Answer::Partial { text, stability });
            }
            Manner::Slow | Manner::Failing | Manner::Absent => {}
        }
        Ok(utterance)
    }

    fn audio(&mut self, _: UtteranceId, _: &[i16]) {}

    fn end(&mut self, _: Instant, utterance: UtteranceId) {
        let (text, confidence) = ("one two".to_owned(), Some(Share::of(0.93)));
        match self.manner {
            Manner::Quick => self.later(300, utterance, Answer::Final { text, confidence }),
            Manner::Slow => self.later(6_000, utterance, Answer::Final { text, confidence }),
            Manner::Failing => self.later(300, utterance, failed("it did not understand")),
            Manner::Dying | Manner::Absent => {}
        }
    }

    fn cancel(&mut self, utterance: UtteranceId) {
        self.cancelled.push(utterance);
    }

    fn report(&mut self, event: RecognitionEvent) {
        self.events.push(event);
    }
}

fn failed(sentence: &str) -> Answer {
    Answer::Failed { fault: RecognitionFault::Engine, sentence: sentence.to_owned() }
}
