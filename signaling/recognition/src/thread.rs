//! The thread of the recognition: frames by the rings of the cores, engines by mio.
//!
//! A turn: commands, frames, engines, answers, and twice a second the timers. The engines have their turn after the frames,
//! so that the audio of one turn leaves with it. Places that an answer frees go to the batch lane within the turn.

use std::collections::HashMap;
use std::io;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use ::io::Sleeper;
use call::recognition::{Answer, Lane, RecognitionSession, Track, UtteranceId};
use call::{
    RecognitionEnd, RecognitionEvent, RecognitionFault, RecognitionId, RecognitionPlan,
    RecognitionStop,
};
use mio::{Events, Poll, Token};
use plane::g711;
use rtrb::Consumer;
use shared::config::RecognitionEngine;
use shared::{CallSid, Codec, FRAME_SAMPLES, Instant, TapFrame, TapId, limits};
use shell::{Clock, Doorbell, Sender, bounded};
use slab::Slab;

use crate::engine::service::Services;
use crate::engine::{self, Engine};
use crate::lane::BatchLane;
use crate::meters::{RecognitionMeters, add};
use crate::order::{Command, RecognitionReport, StartRecognition};
use crate::port::{Port, Utterances};
use crate::share::{self, share};

/// What the thread is made of.
pub struct RecognitionParts {
    /// The rings of the cores' taps for recognition.
    pub rings: Vec<Consumer<TapFrame>>,
    /// Shows the cores whether the thread sleeps.
    pub sleeper: Arc<Sleeper>,
    /// What engines on the network are reached with.
    pub services: Services,
    /// Takes the reports; called on the thread.
    pub on_report: Arc<dyn Fn(RecognitionReport) + Send + Sync>,
}

/// The handle of the thread. Dropping it ends all recognitions and all engines.
pub struct Recognition {
    commands: Sender<Command>,
    doorbell: Doorbell,
    meters: Arc<RecognitionMeters>,
    engines: Vec<RecognitionEngine>,
    poll: Option<(Poll, Receiver<Command>)>,
    thread: Option<JoinHandle<()>>,
}

impl Recognition {
    /// The thread's queue and doorbell, before the cores that ring it are started.
    ///
    /// # Errors
    /// The system gives no epoll.
    pub fn prepare(engines: &[RecognitionEngine]) -> io::Result<Self> {
        let poll = Poll::new()?;
        let doorbell = Doorbell::new(&poll, DOORBELL)?;
        let (commands, queue) = bounded(COMMANDS_MAX, &doorbell);
        let names = engines.iter().map(|engine| engine.name.as_str());
        Ok(Self {
            commands,
            doorbell,
            meters: Arc::new(RecognitionMeters::of(names)),
            engines: engines.to_vec(),
            poll: Some((poll, queue)),
            thread: None,
        })
    }

    /// Wakes the thread: for the cores.
    pub fn doorbell(&self) -> Doorbell {
        self.doorbell.clone()
    }

    /// Starts the thread. Without an engine there is none: nothing is started on it.
    ///
    /// # Errors
    /// It cannot be started, or the settings of a service cannot be used.
    pub fn start(&mut self, parts: RecognitionParts) -> io::Result<()> {
        let Some((poll, commands)) = self.poll.take().filter(|_| !self.engines.is_empty()) else {
            return Ok(());
        };
        let mut engines = Vec::new();
        for (index, settings) in self.engines.iter().enumerate() {
            let registry = poll.registry().try_clone()?;
            let reach = (&parts.services, &self.doorbell);
            let opened = engine::open(settings, index, registry, reach, Arc::clone(&self.meters));
            let name = &settings.name;
            engines.push(opened.map_err(|reason| {
                io::Error::other(format!("the recognition engine `{name}`: {reason}"))
            })?);
        }
        let desk = Desk {
            poll,
            commands,
            doorbell: self.doorbell.clone(),
            parts,
            meters: Arc::clone(&self.meters),
            engines,
            sessions: Slab::new(),
            by_name: HashMap::new(),
            by_tap: HashMap::new(),
            utterances: Utterances::default(),
            lane: BatchLane::default(),
            failed: Vec::new(),
            stopping: false,
        };
        let thread = thread::Builder::new().name("recognition".to_owned());
        self.thread = Some(thread.spawn(move || desk.run())?);
        Ok(())
    }

    /// Starts a recognition. Its tap starts after this.
    ///
    /// # Errors
    /// Gives it back where the thread is behind by its whole queue, or does not run.
    pub fn recognise(&self, order: Box<StartRecognition>) -> Result<(), Box<StartRecognition>> {
        if self.thread.is_none() {
            return Err(order);
        }
        self.commands.send(Command::Start(order)).map_err(|command| match command {
            Command::Start(order) => order,
            Command::Stop(..) | Command::End => unreachable!("a queue gives back what it got"),
        })
    }

    /// Stops a recognition.
    pub fn stop(&self, call: CallSid, recognition: RecognitionId, how: RecognitionStop) {
        if let Err(command) = self.commands.send(Command::Stop(call, recognition, how)) {
            tracing::error!(?command, "the thread of the recognition is behind: an order is lost");
        }
    }

    /// The counters.
    pub fn meters(&self) -> Arc<RecognitionMeters> {
        Arc::clone(&self.meters)
    }
}

impl Drop for Recognition {
    fn drop(&mut self) {
        let Some(thread) = self.thread.take() else { return };
        self.commands.send_patiently(Command::End);
        if thread.join().is_err() {
            tracing::error!("the thread of the recognition has panicked");
        }
    }
}

struct Desk {
    poll: Poll,
    commands: Receiver<Command>,
    doorbell: Doorbell,
    parts: RecognitionParts,
    meters: Arc<RecognitionMeters>,
    engines: Vec<Box<dyn Engine>>,
    sessions: Slab<Entry>,
    by_name: HashMap<(CallSid, RecognitionId), usize>,
    by_tap: HashMap<TapId, usize>,
    utterances: Utterances,
    lane: BatchLane,
    /// Failures that the sessions of these utterances do not know yet.
    failed: Vec<(UtteranceId, Answer)>,
    stopping: bool,
}

struct Entry {
    call: CallSid,
    tap: TapId,
    session: RecognitionSession,
}

impl Desk {
    fn run(mut self) {
        let mut events = Events::with_capacity(EVENTS_A_TURN);
        let mut tick_at = Clock.mono();
        while !self.stopping {
            self.wait(&mut events, tick_at);
            self.parts.sleeper.awake();
            self.doorbell.answer();
            let now = Clock.mono();
            self.take_commands(now);
            self.take_frames(now);
            if now >= tick_at {
                self.each_session(|session, port| session.tick(now, port));
                self.failed.extend(share::overdue(now, &mut self.lane, &mut self.engines));
                tick_at = now + TICK;
            }
            self.share_engines(now);
            self.turn_engines(now);
            while self.share_engines(now) {
                self.turn_engines(now);
            }
            self.meters.lane(self.lane.counts());
            self.meters.open.store(self.sessions.len() as u64, Ordering::Relaxed);
        }
        self.each_session(|session, port| session.cancel(port));
    }

    fn wait(&mut self, events: &mut Events, tick_at: Instant) {
        self.parts.sleeper.announce();
        let has_frames = self.parts.rings.iter().any(|ring| !ring.is_empty());
        let until = tick_at.since(Clock.mono());
        let timeout = if has_frames { Duration::ZERO } else { until };
        match self.poll.poll(events, Some(timeout)) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => events.clear(),
            Err(error) => {
                tracing::error!(%error, "the engines of the recognition cannot be waited for");
                events.clear();
            }
        }
    }

    fn take_commands(&mut self, now: Instant) {
        loop {
            match self.commands.try_recv() {
                Ok(Command::Start(order)) => self.start(*order),
                Ok(Command::Stop(call, recognition, how)) => {
                    let Some(index) = self.by_name.get(&(call, recognition)).copied() else {
                        continue;
                    };
                    self.act(index, |session, port| match how {
                        RecognitionStop::Finish => session.finish(now, port),
                        RecognitionStop::Cancel => session.cancel(port),
                    });
                }
                Ok(Command::End) | Err(TryRecvError::Disconnected) => {
                    self.stopping = true;
                    return;
                }
                Err(TryRecvError::Empty) => return,
            }
        }
    }

    fn start(&mut self, order: StartRecognition) {
        let StartRecognition { call, tap, plan } = order;
        let recognition = plan.recognition;
        add(&self.meters.started, 1);
        if let Some((fault, sentence)) = self.refusal(&plan) {
            let event = RecognitionEvent::Ended(RecognitionEnd::Failed { fault, sentence });
            return self.report(call, recognition, event);
        }
        let session = RecognitionSession::new(plan);
        let index = self.sessions.insert(Entry { call, tap, session });
        self.by_name.insert((call, recognition), index);
        self.by_tap.insert(tap, index);
    }

    /// Why a recognition cannot start. While an engine starts for the first time nobody knows what it offers.
    fn refusal(&self, plan: &RecognitionPlan) -> Option<(RecognitionFault, String)> {
        let most = match plan.lane {
            Lane::Live => limits::RECOGNITIONS_MAX,
            Lane::Batch => limits::RECOGNITIONS_BATCH_MAX,
        };
        let of_lane = self.sessions.iter().filter(|(_, it)| it.session.plan().lane == plan.lane);
        if of_lane.count() >= most {
            add(&self.meters.refused, 1);
            let sentence = format!("the gateway has {most} recognitions at once already");
            return Some((RecognitionFault::Gateway, sentence));
        }
        if self.engines.iter().any(|engine| engine.is_starting()) {
            return None;
        }
        engine::choose(&self.engines, plan).err()
    }

    fn take_frames(&mut self, now: Instant) {
        for ring in 0..self.parts.rings.len() {
            for _ in 0..FRAMES_A_TURN {
                let Some(frame) = self.parts.rings.get_mut(ring).and_then(|ring| ring.pop().ok())
                else {
                    break;
                };
                self.take_frame(now, &frame);
            }
        }
    }

    fn take_frame(&mut self, now: Instant, frame: &TapFrame) {
        if !self.by_tap.contains_key(&frame.tap) {
            // The order to start precedes the tap, so its command is in the queue by now.
            self.take_commands(now);
        }
        let Some(index) = self.by_tap.get(&frame.tap).copied() else {
            add(&self.meters.unknown_frames, 1);
            return;
        };
        // Control stops the recognition of a tap that ends.
        if frame.last {
            return;
        }
        let tracks = [(Track::Inbound, frame.inbound), (Track::Outbound, frame.outbound)];
        for (track, samples) in tracks {
            let Some(samples) = samples else { continue };
            let samples = linear(frame.codec, &samples);
            self.act(index, |session, port| session.frame(now, track, &samples, port));
        }
    }

    fn turn_engines(&mut self, now: Instant) {
        for engine in 0..self.engines.len() {
            self.engines[engine].turn(now);
            while let Some((name, answer)) = self.engines[engine].poll_answer() {
                let utterance = self.lane.answered(name, &answer).unwrap_or(name);
                self.answer(utterance, answer);
            }
        }
        // An answer may end a session, which makes nothing fail.
        for (utterance, answer) in mem::take(&mut self.failed) {
            self.answer(utterance, answer);
        }
    }

    fn answer(&mut self, utterance: UtteranceId, answer: Answer) {
        let Some(place) = self.utterances.place(utterance) else { return };
        if !matches!(answer, Answer::Partial { .. }) {
            self.utterances.remove(utterance);
        }
        self.act(place.session, |session, port| session.answer(utterance, answer, port));
    }

    fn share_engines(&mut self, now: Instant) -> bool {
        share(now, &mut self.lane, &mut self.engines, &mut self.utterances)
    }

    fn each_session(&mut self, act: impl Fn(&mut RecognitionSession, &mut Port<'_>)) {
        let all: Vec<usize> = self.sessions.iter().map(|(index, _)| index).collect();
        for index in all {
            self.act(index, &act);
        }
    }

    /// One step of one session, and what follows from it.
    fn act(&mut self, index: usize, step: impl FnOnce(&mut RecognitionSession, &mut Port<'_>)) {
        let Some(entry) = self.sessions.get_mut(index) else { return };
        let mut events = Vec::new();
        let mut port = Port {
            session: index,
            engines: &mut self.engines,
            utterances: &mut self.utterances,
            lane: &mut self.lane,
            failed: &mut self.failed,
            events: &mut events,
        };
        // A fault in one session ends that session and no other.
        let stepped = catch_unwind(AssertUnwindSafe(|| step(&mut entry.session, &mut port)));
        if stepped.is_err() && !entry.session.is_over() {
            tracing::error!("a recognition panicked and is ended: please report it with the log");
            let sentence = "the recognition failed inside the gateway".to_owned();
            entry.session.fail(RecognitionFault::Gateway, sentence, &mut port);
        }
        let (call, tap) = (entry.call, entry.tap);
        let recognition = entry.session.plan().recognition;
        if entry.session.is_over() {
            self.sessions.remove(index);
            self.by_name.remove(&(call, recognition));
            self.by_tap.remove(&tap);
        }
        for event in events {
            self.report(call, recognition, event);
        }
    }

    fn report(&self, call: CallSid, recognition: RecognitionId, event: RecognitionEvent) {
        match &event {
            RecognitionEvent::SpeechStarted { .. } => add(&self.meters.utterances, 1),
            RecognitionEvent::Ended(RecognitionEnd::Failed { .. }) => add(&self.meters.failed, 1),
            _ => {}
        }
        (self.parts.on_report)(RecognitionReport { call, recognition, event });
    }
}

fn linear(codec: Codec, samples: &[u8; FRAME_SAMPLES]) -> [i16; FRAME_SAMPLES] {
    samples.map(|code| g711::decode(codec, code))
}

const DOORBELL: Token = Token(usize::MAX);
const COMMANDS_MAX: usize = 8_192;
const EVENTS_A_TURN: usize = 256;
/// Frames of one core before the engines' turn.
const FRAMES_A_TURN: usize = 2_048;
/// Time between two looks at the timers.
const TICK: Duration = Duration::from_millis(500);
