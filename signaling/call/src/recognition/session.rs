//! One recognition: tracks, utterances and their results. Sans-IO.
//!
//! ```text
//!   Listening ──stop──> Finishing (the results of utterances that have ended) ──last result──> over
//!       └────────────────────── a failure, or a cancel ──────────────────────────────────────> over
//! ```
//!
//! An utterance exists from its begin until its result. A track may begin the next one while results are outstanding,
//! and an engine may answer in any order; the finals of a track leave in the order of its utterances. Where the plan is
//! for a single utterance, the track does not listen until its result is known: if nothing was understood, the call may
//! want to listen on.

use std::collections::VecDeque;
use std::time::Duration;

use shared::media::TapTracks;
use shared::{Instant, limits};

use super::endpointer::{Endpointer, Frame, Heard};
use super::event::{RecognitionEnd, RecognitionEvent, RecognitionFault, Share};
use super::plan::{Lane, RecognitionPlan, Track};

/// Names an utterance. Unique among all that go to the engines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UtteranceId(pub u32);

/// What an engine says about an utterance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The words so far.
    Partial {
        /// May change.
        text: String,
        /// How likely they stay.
        stability: Share,
    },
    /// The result: no other answer follows.
    Final {
        /// Empty: nothing was understood.
        text: String,
        /// `None`: the engine does not say.
        confidence: Option<Share>,
    },
    /// There is no result.
    Failed {
        /// The kind of failure.
        fault: RecognitionFault,
        /// What happened, for the operator.
        sentence: String,
    },
}

/// What a session acts on: the engine of its choice, and its call.
pub trait RecognitionPort {
    /// Opens an utterance at an engine.
    ///
    /// # Errors
    /// No engine takes it.
    fn begin(&mut self, plan: &RecognitionPlan) -> Result<UtteranceId, (RecognitionFault, String)>;

    /// Audio of an utterance, linear at 8,000 Hz.
    fn audio(&mut self, utterance: UtteranceId, samples: &[i16]);

    /// The utterance is whole: an answer is expected. Of the batch lane the port itself sees to it that one comes.
    fn end(&mut self, now: Instant, utterance: UtteranceId);

    /// No answer is wanted any more.
    fn cancel(&mut self, utterance: UtteranceId);

    /// An event for the call.
    fn report(&mut self, event: RecognitionEvent);
}

/// The machine of one recognition.
#[derive(Debug)]
pub struct RecognitionSession {
    plan: RecognitionPlan,
    /// By the number of [`Track`]; `None`: not listened to.
    tracks: [Option<Listening>; 2],
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Listening,
    Finishing,
    Over,
}

/// One track.
#[derive(Debug)]
struct Listening {
    gate: Endpointer,
    /// The utterance that is being spoken.
    open: Option<UtteranceId>,
    /// Utterances without a reported result, oldest first; the open one is the last.
    outstanding: VecDeque<Utterance>,
}

#[derive(Debug)]
struct Utterance {
    id: UtteranceId,
    /// When its result is late; `None` while it is spoken, and in the batch lane.
    due: Option<Instant>,
    result: Option<(String, Option<Share>)>,
}

impl RecognitionSession {
    /// A session that listens.
    pub fn new(plan: RecognitionPlan) -> Self {
        let track = |is_tapped: bool| {
            let gate = Endpointer::new(plan.endpointing);
            is_tapped.then(|| Listening { gate, open: None, outstanding: VecDeque::new() })
        };
        let tracks =
            [track(plan.tracks != TapTracks::Outbound), track(plan.tracks != TapTracks::Inbound)];
        Self { plan, tracks, state: State::Listening }
    }

    /// What it was started with.
    pub const fn plan(&self) -> &RecognitionPlan {
        &self.plan
    }

    /// Whether its end is reported: it takes nothing more.
    pub fn is_over(&self) -> bool {
        self.state == State::Over
    }

    /// 20 ms of a track.
    pub fn frame(
        &mut self,
        now: Instant,
        track: Track,
        frame: &Frame,
        port: &mut impl RecognitionPort,
    ) {
        if self.state != State::Listening {
            return;
        }
        let Some(listening) = &mut self.tracks[track as usize] else { return };
        if self.plan.is_single && listening.open.is_none() && !listening.outstanding.is_empty() {
            return;
        }
        match listening.gate.hear(frame) {
            Heard::Nothing => {}
            Heard::Begins(audio) => self.begin(track, &audio, port),
            Heard::GoesOn { is_sent } => {
                if let Some(id) = listening.open
                    && is_sent
                {
                    port.audio(id, frame);
                }
            }
            Heard::Ends => listening.end(now, self.plan.lane, port),
        }
    }

    /// An answer of an engine. Answers to utterances that are not outstanding, and second results, have no effect.
    pub fn answer(
        &mut self,
        utterance: UtteranceId,
        answer: Answer,
        port: &mut impl RecognitionPort,
    ) {
        let of = |listening: &Listening| {
            let is_it = |known: &Utterance| known.id == utterance && known.result.is_none();
            listening.outstanding.iter().position(is_it)
        };
        let found = Track::ALL.into_iter().find_map(|track| {
            let listening = self.tracks[track as usize].as_ref()?;
            Some((track, of(listening)?))
        });
        let Some((track, index)) = found else { return };
        match answer {
            Answer::Partial { text, stability } => {
                // A partial result of a later utterance would come before the final of an earlier one.
                if index == 0 && self.plan.wants_partials && !text.is_empty() {
                    port.report(RecognitionEvent::Partial { track, text, stability });
                }
            }
            Answer::Final { text, confidence } => {
                let Some(listening) = &mut self.tracks[track as usize] else { return };
                listening.outstanding[index].result = Some((text, confidence));
                listening.report(track, port);
                self.finish_if_done(port);
            }
            Answer::Failed { fault, sentence } => self.fail(fault, sentence, port),
        }
    }

    /// Stops to listen. What is being spoken is its last utterance; the end follows the last result.
    pub fn finish(&mut self, now: Instant, port: &mut impl RecognitionPort) {
        if self.state != State::Listening {
            return;
        }
        self.state = State::Finishing;
        for listening in self.tracks.iter_mut().flatten() {
            listening.gate.rest();
            listening.end(now, self.plan.lane, port);
        }
        self.finish_if_done(port);
    }

    /// Ends at once; no result is wanted.
    pub fn cancel(&mut self, port: &mut impl RecognitionPort) {
        self.end(RecognitionEnd::Stopped, port);
    }

    /// It cannot go on.
    pub fn fail(
        &mut self,
        fault: RecognitionFault,
        sentence: String,
        port: &mut impl RecognitionPort,
    ) {
        self.end(RecognitionEnd::Failed { fault, sentence }, port);
    }

    /// Call it about once a second: an engine that does not answer fails the session.
    pub fn tick(&mut self, now: Instant, port: &mut impl RecognitionPort) {
        let mut waiting = self.tracks.iter().flatten().flat_map(|track| &track.outstanding);
        let is_late = |utterance: &Utterance| {
            utterance.result.is_none() && utterance.due.is_some_and(|due| due <= now)
        };
        if waiting.any(is_late) {
            let most = limits::RECOGNITION_RESULT_S;
            let sentence = format!("the engine gave no result within {most} s");
            self.fail(RecognitionFault::Engine, sentence, port);
        }
    }

    fn begin(&mut self, track: Track, audio: &[i16], port: &mut impl RecognitionPort) {
        let Some(listening) = &mut self.tracks[track as usize] else { return };
        let most = self.plan.lane.outstanding_max();
        if listening.outstanding.len() >= most {
            let sentence = format!("the engine is behind by {most} utterances");
            return self.fail(RecognitionFault::Engine, sentence, port);
        }
        match port.begin(&self.plan) {
            Ok(id) => {
                listening.open = Some(id);
                listening.outstanding.push_back(Utterance { id, due: None, result: None });
                port.report(RecognitionEvent::SpeechStarted { track });
                port.audio(id, audio);
            }
            Err((fault, sentence)) => self.fail(fault, sentence, port),
        }
    }

    fn finish_if_done(&mut self, port: &mut impl RecognitionPort) {
        let is_done = self.tracks.iter().flatten().all(|track| track.outstanding.is_empty());
        if self.state == State::Finishing && is_done {
            self.end(RecognitionEnd::Stopped, port);
        }
    }

    fn end(&mut self, end: RecognitionEnd, port: &mut impl RecognitionPort) {
        if self.is_over() {
            return;
        }
        self.state = State::Over;
        for listening in self.tracks.iter_mut().flatten() {
            listening.open = None;
            for utterance in listening.outstanding.drain(..) {
                if utterance.result.is_none() {
                    port.cancel(utterance.id);
                }
            }
        }
        port.report(RecognitionEvent::Ended(end));
    }
}

impl Listening {
    /// The utterance that is being spoken is whole.
    fn end(&mut self, now: Instant, lane: Lane, port: &mut impl RecognitionPort) {
        let Some(id) = self.open.take() else { return };
        if let Some(utterance) = self.outstanding.iter_mut().find(|known| known.id == id) {
            let due = now + Duration::from_secs(u64::from(limits::RECOGNITION_RESULT_S));
            utterance.due = (lane == Lane::Live).then_some(due);
            port.end(now, id);
        }
    }

    /// Reports the results that no earlier utterance holds up.
    fn report(&mut self, track: Track, port: &mut impl RecognitionPort) {
        while self.outstanding.front().is_some_and(|first| first.result.is_some()) {
            let Some(utterance) = self.outstanding.pop_front() else { return };
            let Some((text, confidence)) = utterance.result else { return };
            // An engine may answer before the end; what is said after that is the next utterance.
            if self.open == Some(utterance.id) {
                self.open = None;
                self.gate.rest();
            }
            port.report(RecognitionEvent::Final { track, text, confidence });
        }
    }
}

#[cfg(test)]
mod tests;
