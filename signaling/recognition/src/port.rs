//! What one session acts on: the engines, and its call.

use std::collections::HashMap;

use call::recognition::{RecognitionPort, UtteranceId};
use call::{RecognitionEvent, RecognitionFault, RecognitionPlan};

use crate::engine::{self, Engine};

/// Utterances at the engines: which session and which engine.
#[derive(Default)]
pub(crate) struct Utterances {
    known: HashMap<UtteranceId, Place>,
    last: u32,
}

#[derive(Clone, Copy)]
pub(crate) struct Place {
    pub session: usize,
    pub engine: usize,
}

impl Utterances {
    pub fn place(&self, utterance: UtteranceId) -> Option<Place> {
        self.known.get(&utterance).copied()
    }

    pub fn remove(&mut self, utterance: UtteranceId) {
        self.known.remove(&utterance);
    }

    fn mint(&mut self, place: Place) -> UtteranceId {
        // One of 2^32 that is outstanding after all others were used: never with the bounds of sessions.
        self.last = self.last.wrapping_add(1);
        let utterance = UtteranceId(self.last);
        self.known.insert(utterance, place);
        utterance
    }
}

/// The port of one session during one input.
pub(crate) struct Port<'a> {
    pub session: usize,
    pub engines: &'a mut [Box<dyn Engine>],
    pub utterances: &'a mut Utterances,
    pub events: &'a mut Vec<RecognitionEvent>,
}

impl Port<'_> {
    fn engine(&mut self, utterance: UtteranceId) -> Option<&mut Box<dyn Engine>> {
        let place = self.utterances.place(utterance)?;
        self.engines.get_mut(place.engine)
    }
}

impl RecognitionPort for Port<'_> {
    fn begin(&mut self, plan: &RecognitionPlan) -> Result<UtteranceId, (RecognitionFault, String)> {
        let engine = engine::choose(self.engines, plan)?;
        let utterance = self.utterances.mint(Place { session: self.session, engine });
        self.engines[engine].begin(utterance, plan);
        Ok(utterance)
    }

    fn audio(&mut self, utterance: UtteranceId, samples: &[i16]) {
        if let Some(engine) = self.engine(utterance) {
            engine.audio(utterance, samples);
        }
    }

    fn end(&mut self, utterance: UtteranceId) {
        if let Some(engine) = self.engine(utterance) {
            engine.end(utterance);
        }
    }

    fn cancel(&mut self, utterance: UtteranceId) {
        if let Some(engine) = self.engine(utterance) {
            engine.cancel(utterance);
        }
        self.utterances.remove(utterance);
    }

    fn report(&mut self, event: RecognitionEvent) {
        self.events.push(event);
    }
}
