//! What one session acts on: the engines or the batch lane, and its call.

use std::collections::HashMap;

use call::recognition::{Answer, Lane, RecognitionPort, UtteranceId};
use call::{RecognitionEvent, RecognitionFault, RecognitionPlan};
use shared::Instant;

use crate::engine::{self, Engine};
use crate::lane::{BatchLane, Seat};

/// Utterances without their last answer: which session, and which engine.
#[derive(Default)]
pub(crate) struct Utterances {
    known: HashMap<UtteranceId, Place>,
    /// Slots that live utterances hold, by engine.
    live: Vec<usize>,
    last: u32,
}

#[derive(Clone, Copy)]
pub(crate) struct Place {
    pub session: usize,
    /// `None`: the batch lane has it.
    engine: Option<usize>,
    holds_slot: bool,
}

impl Utterances {
    pub fn place(&self, utterance: UtteranceId) -> Option<Place> {
        self.known.get(&utterance).copied()
    }

    /// Slots of an engine that live utterances hold.
    pub fn live_at(&self, engine: usize) -> usize {
        self.live.get(engine).copied().unwrap_or(0)
    }

    /// A name that no utterance has.
    pub fn name(&mut self) -> UtteranceId {
        // One of 2^32 that is outstanding after all others were used: never with the bounds of sessions.
        self.last = self.last.wrapping_add(1);
        UtteranceId(self.last)
    }

    pub fn remove(&mut self, utterance: UtteranceId) {
        if let Some(Place { engine: Some(engine), holds_slot: true, .. }) =
            self.known.remove(&utterance)
        {
            self.live[engine] -= 1;
        }
    }

    fn add(&mut self, session: usize, engine: Option<usize>) -> UtteranceId {
        let utterance = self.name();
        self.known.insert(utterance, Place { session, engine, holds_slot: false });
        utterance
    }

    /// The engine works on a live utterance from now on.
    fn hold_slot(&mut self, utterance: UtteranceId) {
        let Some(place) = self.known.get_mut(&utterance) else { return };
        let Some(engine) = place.engine.filter(|_| !place.holds_slot) else { return };
        place.holds_slot = true;
        if self.live.len() <= engine {
            self.live.resize(engine + 1, 0);
        }
        self.live[engine] += 1;
    }
}

/// The port of one session during one input.
pub(crate) struct Port<'a> {
    pub session: usize,
    pub engines: &'a mut [Box<dyn Engine>],
    pub utterances: &'a mut Utterances,
    pub lane: &'a mut BatchLane,
    /// Answers to utterances that this input made fail.
    pub failed: &'a mut Vec<(UtteranceId, Answer)>,
    pub events: &'a mut Vec<RecognitionEvent>,
}

impl Port<'_> {
    fn engine(&mut self, utterance: UtteranceId) -> Option<&mut Box<dyn Engine>> {
        let place = self.utterances.place(utterance)?;
        self.engines.get_mut(place.engine?)
    }

    /// An utterance of a recorded message. An engine that is down comes back while it waits, so only a language or a kind
    /// that none of them offers is an error.
    fn begin_batch(
        &mut self,
        plan: &RecognitionPlan,
    ) -> Result<UtteranceId, (RecognitionFault, String)> {
        if self.engines.iter().all(|engine| engine.offer().is_some()) {
            engine::choose(self.engines, plan)?;
        }
        let utterance = self.utterances.add(self.session, None);
        match self.lane.open(utterance, plan) {
            Ok(()) => Ok(utterance),
            Err(sentence) => {
                self.utterances.remove(utterance);
                Err((RecognitionFault::Gateway, sentence))
            }
        }
    }
}

impl RecognitionPort for Port<'_> {
    fn begin(&mut self, plan: &RecognitionPlan) -> Result<UtteranceId, (RecognitionFault, String)> {
        if plan.lane == Lane::Batch {
            return self.begin_batch(plan);
        }
        let engine = engine::choose(self.engines, plan)?;
        let utterance = self.utterances.add(self.session, Some(engine));
        self.engines[engine].begin(utterance, plan);
        if self.engines[engine].works_while_spoken() {
            self.utterances.hold_slot(utterance);
        }
        Ok(utterance)
    }

    fn audio(&mut self, utterance: UtteranceId, samples: &[i16]) {
        if let Some(engine) = self.engine(utterance) {
            engine.audio(utterance, samples);
        } else if let Err(sentence) = self.lane.audio(utterance, samples) {
            let fault = RecognitionFault::Gateway;
            self.failed.push((utterance, Answer::Failed { fault, sentence }));
        }
    }

    fn end(&mut self, now: Instant, utterance: UtteranceId) {
        if let Some(engine) = self.engine(utterance) {
            engine.end(utterance);
            self.utterances.hold_slot(utterance);
        } else {
            self.lane.end(now, utterance);
        }
    }

    fn cancel(&mut self, utterance: UtteranceId) {
        if let Some(engine) = self.engine(utterance) {
            engine.cancel(utterance);
        } else if let Some(Seat { engine, name }) = self.lane.cancel(utterance) {
            self.engines[engine].cancel(name);
        }
        self.utterances.remove(utterance);
    }

    fn report(&mut self, event: RecognitionEvent) {
        self.events.push(event);
    }
}
