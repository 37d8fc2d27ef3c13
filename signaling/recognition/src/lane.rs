//! The batch lane: utterances of recorded messages, until an engine has a place that no live one needs (recognition.md 6).
//! Sans-IO.
//!
//! ```text
//!   Spoken ──end──> Waiting ──a place is free──> Running ──answer──> gone
//!     │                │  ^                         │
//!     │                │  └─────── taken back ──────┤
//!     │                └──10 min──> failed <──30 s──┘
//!     └──the lane is full──> failed
//! ```
//!
//! The lane holds the audio until the answer, so that a live utterance may have the place at any moment: the engine drops its
//! copy, and the utterance goes again, before all others. Each time it has another name at the engine, so a late answer to
//! an earlier name finds nothing. Audio is held as mu-law, in which most calls have it anyway: half the memory of
//! linear samples.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use call::RecognitionPlan;
use call::recognition::{Answer, UtteranceId};
use plane::g711;
use shared::{Codec, Instant, limits};

/// All utterances of recorded messages that have no answer.
#[derive(Default)]
pub(crate) struct BatchLane {
    held: HashMap<UtteranceId, Held>,
    /// Whole utterances without a place, the next one first. One queue for each kind: all of a kind go to one engine, so only
    /// the first is looked at.
    waiting: HashMap<Kind, VecDeque<UtteranceId>>,
    /// Utterances at engines, oldest first.
    running: Vec<Running>,
    bytes: usize,
    counts: LaneCounts,
}

/// What decides which engine takes an utterance.
#[derive(PartialEq, Eq, Hash)]
struct Kind {
    language: String,
    is_grammar: bool,
}

struct Held {
    plan: RecognitionPlan,
    /// Mu-law.
    audio: Vec<u8>,
    /// When it was whole; `None` while it is spoken.
    whole_at: Option<Instant>,
}

#[derive(Clone, Copy)]
struct Running {
    utterance: UtteranceId,
    seat: Seat,
    since: Instant,
}

/// An utterance at an engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seat {
    pub engine: usize,
    /// Its name there.
    pub name: UtteranceId,
}

/// What one engine can take now.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Places {
    /// Utterances that it works on at once.
    pub slots: usize,
    /// Slots that live utterances hold.
    pub live: usize,
    /// Whether a cancel gives the slot free at once.
    pub stops: bool,
    /// Samples of audio that it takes without being late for a live utterance.
    pub room: usize,
}

/// An utterance that was held for too long.
pub(crate) struct Overdue {
    pub utterance: UtteranceId,
    pub plan: RecognitionPlan,
    /// Where it is; `None`: it waited for a place.
    pub seat: Option<Seat>,
}

/// Figures of the lane.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct LaneCounts {
    pub waiting: u64,
    pub bytes: u64,
    pub refused: u64,
    pub taken_back: u64,
    pub overdue: u64,
}

impl BatchLane {
    /// Begins an utterance.
    ///
    /// # Errors
    /// The lane is full.
    pub fn open(&mut self, utterance: UtteranceId, plan: &RecognitionPlan) -> Result<(), String> {
        if self.held.len() >= limits::RECOGNITION_BATCH_UTTERANCES_MAX {
            self.counts.refused += 1;
            let most = limits::RECOGNITION_BATCH_UTTERANCES_MAX;
            return Err(format!("{most} utterances of recorded messages wait for an engine"));
        }
        let held = Held { plan: plan.clone(), audio: Vec::new(), whole_at: None };
        let before = self.held.insert(utterance, held);
        debug_assert!(before.is_none(), "a name is used once");
        Ok(())
    }

    /// Adds audio to an utterance.
    ///
    /// # Errors
    /// The lane is full: the utterance is gone.
    pub fn audio(&mut self, utterance: UtteranceId, samples: &[i16]) -> Result<(), String> {
        let Some(held) = self.held.get_mut(&utterance) else { return Ok(()) };
        let missing = (held.audio.len() + samples.len()).saturating_sub(held.audio.capacity());
        let more = missing.next_multiple_of(PIECE_SAMPLES);
        if self.bytes + more > limits::RECOGNITION_BATCH_BYTES_MAX {
            self.counts.refused += 1;
            self.forget(utterance);
            let most = limits::RECOGNITION_BATCH_BYTES_MAX >> 20;
            return Err(format!("{most} MiB of recorded messages wait for an engine"));
        }
        if missing > 0 {
            // By the second: an array that doubles would hold twice what the bound counts.
            let before = held.audio.capacity();
            held.audio.reserve_exact(more + held.audio.capacity() - held.audio.len());
            self.bytes += held.audio.capacity() - before;
        }
        held.audio.extend(samples.iter().map(|sample| g711::encode(Codec::Pcmu, *sample)));
        Ok(())
    }

    /// The utterance is whole: it waits for a place.
    pub fn end(&mut self, now: Instant, utterance: UtteranceId) {
        let Some(held) = self.held.get_mut(&utterance) else { return };
        debug_assert!(held.whole_at.is_none(), "an utterance ends once");
        held.whole_at = Some(now);
        self.waiting.entry(Kind::of(&held.plan)).or_default().push_back(utterance);
    }

    /// Nobody wants the answer. Where the utterance is at an engine, for its cancel there.
    pub fn cancel(&mut self, utterance: UtteranceId) -> Option<Seat> {
        self.forget(utterance)
    }

    /// The next utterance for which there is a place, and the engine.
    pub fn next(
        &self,
        place: impl Fn(&RecognitionPlan) -> Option<(usize, Places)>,
    ) -> Option<(UtteranceId, usize)> {
        let found = self.waiting.values().filter_map(|queue| {
            let utterance = *queue.front()?;
            let held = self.held.get(&utterance)?;
            let (engine, places) = place(&held.plan)?;
            let fits = held.audio.len() <= places.room;
            let has_place = fits && places.takes_another(self.running_at(engine));
            has_place.then_some((held.whole_at, utterance, engine))
        });
        found.min().map(|(_, utterance, engine)| (utterance, engine))
    }

    /// Takes a place for an utterance: its plan, and its audio in mu-law.
    pub fn begin(
        &mut self,
        now: Instant,
        utterance: UtteranceId,
        seat: Seat,
    ) -> Option<(&RecognitionPlan, &[u8])> {
        self.leave_queue(utterance)?;
        let held = self.held.get(&utterance)?;
        self.running.push(Running { utterance, seat, since: now });
        Some((&held.plan, &held.audio))
    }

    /// The name at the engine of an utterance whose place a live one needs. It waits again, before all others.
    pub fn take_back(&mut self, engine: usize, places: Places) -> Option<UtteranceId> {
        if !places.stops || places.live + self.running_at(engine) <= places.slots {
            return None;
        }
        // The newest has lost the least work.
        let index = self.running.iter().rposition(|running| running.seat.engine == engine)?;
        let running = self.running.remove(index);
        if let Some(held) = self.held.get(&running.utterance) {
            self.waiting.entry(Kind::of(&held.plan)).or_default().push_front(running.utterance);
        }
        self.counts.taken_back += 1;
        Some(running.seat.name)
    }

    /// The utterance to which an engine answers under this name; `None`: it is of no recorded message.
    pub fn answered(&mut self, name: UtteranceId, answer: &Answer) -> Option<UtteranceId> {
        let running = self.running.iter().find(|running| running.seat.name == name)?;
        let utterance = running.utterance;
        if !matches!(answer, Answer::Partial { .. }) {
            self.forget(utterance);
        }
        Some(utterance)
    }

    /// Forgets the utterances that wait or run for too long, and answers them.
    pub fn overdue(&mut self, now: Instant) -> Vec<Overdue> {
        let is_late =
            |since: Instant, most: u32| now.since(since) >= Duration::from_secs(most.into());
        let at_engine = self.running.iter();
        let at_engine = at_engine.filter(|it| is_late(it.since, limits::RECOGNITION_RESULT_S));
        let waits = |utterance: &&UtteranceId| {
            let whole_at = self.held.get(*utterance).and_then(|held| held.whole_at);
            whole_at.is_some_and(|since| is_late(since, limits::RECOGNITION_BATCH_WAIT_S))
        };
        let waited = self.waiting.values().flatten().filter(waits).copied();
        let late: Vec<UtteranceId> = at_engine.map(|it| it.utterance).chain(waited).collect();
        let late = late.into_iter().filter_map(|utterance| {
            let plan = self.held.get(&utterance)?.plan.clone();
            self.counts.overdue += 1;
            Some(Overdue { utterance, plan, seat: self.forget(utterance) })
        });
        late.collect()
    }

    /// The figures now.
    pub fn counts(&self) -> LaneCounts {
        let waiting = self.waiting.values().map(VecDeque::len).sum::<usize>() as u64;
        LaneCounts { waiting, bytes: self.bytes as u64, ..self.counts }
    }

    fn running_at(&self, engine: usize) -> usize {
        self.running.iter().filter(|running| running.seat.engine == engine).count()
    }

    /// Drops an utterance, wherever it is; its seat, where it has one.
    fn forget(&mut self, utterance: UtteranceId) -> Option<Seat> {
        self.leave_queue(utterance);
        let held = self.held.remove(&utterance)?;
        self.bytes -= held.audio.capacity();
        let running = self.running.iter().position(|running| running.utterance == utterance);
        running.map(|index| self.running.remove(index).seat)
    }

    /// Takes an utterance out of the queue of its kind; `None`: it does not wait.
    fn leave_queue(&mut self, utterance: UtteranceId) -> Option<()> {
        let kind = Kind::of(&self.held.get(&utterance)?.plan);
        let queue = self.waiting.get_mut(&kind)?;
        let index = queue.iter().position(|waiting| *waiting == utterance)?;
        queue.remove(index);
        if queue.is_empty() {
            self.waiting.remove(&kind);
        }
        Some(())
    }
}

impl Kind {
    fn of(plan: &RecognitionPlan) -> Self {
        Self { language: plan.language.clone(), is_grammar: plan.is_grammar }
    }
}

impl Places {
    /// Whether a recorded message may have a slot: where there are several, one stays free for the next live utterance.
    const fn takes_another(self, batch: usize) -> bool {
        let kept = if self.slots > 1 { 1 } else { 0 };
        self.live + batch + kept < self.slots
    }
}

/// Samples by which the audio of an utterance grows: a second.
const PIECE_SAMPLES: usize = 8_000;

#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) use tests::plan;
