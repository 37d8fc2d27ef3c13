//! `<Dial>`: children, ringback, bridge. Sans-IO.
//!
//! The verb owns its children by SID only: each is a [`Call`] of its own, and Control carries the words
//! between them. A child runs through `ringing → answered (it wins) → ready (screened) → bridged`. The
//! first that is answered wins, and the others are cancelled at once, before the winner is screened: two
//! parties must never both wait for the caller. When the winner's screening document fails, the next
//! sequential target is tried; when it hangs up, the verb ends without a bridge.
//!
//! The verb is over when its last child has ended or left. Then `DialCallStatus` is computed
//! (`parting.rs`) and the action or the next verb follows. When our own leg ends first, the call waits in
//! [`Parting`] until the children have reported their end, because the action reports it.

mod children;
mod parting;
mod transfers;

use std::collections::{BTreeMap, VecDeque};
use std::mem;
use std::time::Duration;

use shared::{CallSid, Code, Instant, Now, PlayId, RecordingSid, limits};

pub(crate) use self::parting::Parting;
use super::{Activity, Still, Waits};
use crate::call::Call;
use crate::call::state::Leg;
use crate::effect::{CallEffect, PromptSource, RecordingPlan, RecordingSource};
use crate::finding::{Finding, Position};
use crate::ids::PromptId;
use crate::input::{ChildEnd, ChildEvent, ParentCommand, PromptFailure};
use crate::status::CallStatus;
use crate::tone::{DEFAULT_RING_TONE, Tone};
use crate::twiml::verb::Dial;
use crate::twiml::verb::dial::DialRecord;
use crate::twiml::verb::noun::{Noun, NounKind};

/// A `<Dial>` that runs.
#[derive(Debug)]
pub(crate) struct Dialing {
    spec: Dial,
    /// Targets that have not been tried yet; empty unless `sequential`.
    waiting: VecDeque<Noun>,
    /// Children that have not ended.
    children: BTreeMap<CallSid, Child>,
    /// The child that answered first.
    winner: Option<CallSid>,
    /// The winner has been bridged. Stays set when it has ended.
    connected: bool,
    /// The child whose early media the caller gets.
    early: Option<CallSid>,
    ringback: Ringback,
    recording: Option<RecordingSid>,
    /// When `timeLimit` is over; `None` until the bridge.
    limit_at: Option<Instant>,
    /// The statuses that children ended with, for the outcome of several.
    outcomes: Vec<CallStatus>,
    /// The child that is transferred because this call's phone asked for it.
    referred: Option<CallSid>,
    /// The child that the action reports, with its end when it has ended.
    last: Option<(CallSid, NounKind, Option<ChildEnd>)>,
}

#[derive(Clone, Copy, Debug)]
struct Child {
    kind: NounKind,
    answered: bool,
}

/// The ringback for this leg while the children ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ringback {
    Off,
    Loading(PromptId),
    Playing(PlayId),
    /// It could not be loaded: the caller gets silence, and it is not loaded again.
    Failed,
}

impl Call {
    pub(crate) fn dial(&mut self, now: Now, mut spec: Dial, position: Position) {
        // The document of a transfer may run on a child and dial: that is how it finds a new party.
        if self.is_tied_child() && self.transfer.is_none() {
            let message = "<Dial> is not allowed in a screening document";
            return self.fatal(now, Finding::error(Code::DIAL_IN_SCREENING, message).at(position));
        }
        // Checked before anybody rings: the result has to have a receiver.
        if let Some(Err(fault)) = spec.action.as_ref().map(|action| self.resolve(&action.url)) {
            return self.fatal(now, Finding::from(fault).at(position));
        }
        if let Some(noun) = spec.conference.take() {
            return self.enter_conference(now, spec, *noun);
        }
        if let Some(noun) = spec.queue.take() {
            return self.serve_queue(now, spec, *noun);
        }
        // Ringback is media, and only an answered caller has media.
        if !spec.answer_on_bridge {
            self.answer(now);
        }
        let mut targets: VecDeque<Noun> = mem::take(&mut spec.targets).into();
        let first = if spec.sequential { targets.len().min(1) } else { targets.len() };
        let first: Vec<Noun> = targets.drain(..first).collect();
        let mut dialing = Box::new(Dialing {
            spec,
            waiting: targets,
            children: BTreeMap::new(),
            winner: None,
            connected: false,
            early: None,
            ringback: Ringback::Off,
            recording: None,
            limit_at: None,
            outcomes: Vec::new(),
            referred: None,
            last: None,
        });
        // Without a target the verb fails like any other, with its action.
        if first.is_empty() {
            return self.dial_ended(now, dialing, CallStatus::Failed);
        }
        // An unanswered caller has no media to record: the recording then starts at the bridge.
        if self.leg == Leg::Up && dialing.spec.record.as_ref().is_some_and(|r| r.from_ringing) {
            self.record_dial(now, &mut dialing);
        }
        // `ringTone` replaces early media, so it need not wait for a child to ring.
        if dialing.spec.ring_tone.is_some() {
            self.ring_back(&mut dialing);
        }
        self.launch(now, &mut dialing, first);
        self.activity = Activity::Dialing(dialing);
    }

    fn launch(&mut self, now: Now, dialing: &mut Dialing, nouns: Vec<Noun>) {
        debug_assert!(dialing.winner.is_none(), "nobody is rung once a target has answered");
        let mut children = Vec::new();
        for noun in nouns {
            let kind = noun.kind;
            let setup = self.child_setup(now, &dialing.spec, noun);
            dialing.children.insert(setup.sid, Child { kind, answered: false });
            // Until a child is answered or ends, the action names the one that was started last.
            dialing.last = Some((setup.sid, kind, None));
            self.timeline("child", format_args!("dialling {} as {}", setup.to, setup.sid));
            children.push(setup);
        }
        // One effect: all targets start together (twiml.md 2.6, rule 1).
        self.effect(CallEffect::Dial { children });
    }

    pub(crate) fn child_event(&mut self, now: Now, sid: CallSid, event: ChildEvent) {
        match mem::take(&mut self.activity) {
            Activity::Dialing(dialing) if dialing.children.contains_key(&sid) => {
                self.dial_event(now, dialing, sid, event);
            }
            Activity::Parting(parting) => self.parting_child(now, parting, sid, event),
            other => {
                self.activity = other;
                // A child that left its `<Dial>` for a transfer is still known to it as the
                // transferor.
                if matches!(event, ChildEvent::Ended(_) | ChildEvent::Left) {
                    self.transferor_gone(now, sid);
                }
            }
        }
    }

    fn dial_event(&mut self, now: Now, mut dialing: Box<Dialing>, sid: CallSid, event: ChildEvent) {
        match event {
            ChildEvent::Ringing { early_media } => {
                self.child_rings(&mut dialing, sid, early_media);
                self.activity = Activity::Dialing(dialing);
            }
            ChildEvent::Answered => {
                self.child_answered(&mut dialing, sid);
                self.activity = Activity::Dialing(dialing);
            }
            ChildEvent::Ready => {
                self.connect(now, &mut dialing, sid);
                self.activity = Activity::Dialing(dialing);
            }
            ChildEvent::Left => {
                self.timeline("child", format_args!("{sid} was redirected away"));
                self.cut(&mut dialing, sid);
                dialing.forget(sid, None);
                self.cancel_children(&mut dialing);
                self.dial_ended(now, dialing, CallStatus::Completed);
            }
            ChildEvent::Ended(end) => self.child_ended(now, dialing, sid, end),
        }
    }

    fn child_rings(&mut self, dialing: &mut Dialing, sid: CallSid, early_media: bool) {
        // The winner is being screened: the caller's ringing goes on unchanged (twiml.md 2.6, rule
        // 4).
        if dialing.winner.is_some() {
            return;
        }
        // The caller can hear the early media of one phone, not of several; `ringTone` replaces it.
        let alone = dialing.children.len() == 1 && dialing.spec.ring_tone.is_none();
        if early_media && alone {
            self.stop_ringback(dialing);
            dialing.early = Some(sid);
            self.effect(CallEffect::EarlyMedia { child: sid });
        } else if dialing.early.is_none() {
            self.ring_back(dialing);
        }
    }

    fn child_answered(&mut self, dialing: &mut Dialing, sid: CallSid) {
        if dialing.winner.is_some() {
            return;
        }
        dialing.winner = Some(sid);
        if let Some(child) = dialing.children.get_mut(&sid) {
            child.answered = true;
            dialing.last = Some((sid, child.kind, None));
        }
        // Forgotten at once: the winner alone decides the outcome, however the others end.
        let losers: Vec<CallSid> =
            dialing.children.keys().copied().filter(|child| *child != sid).collect();
        for loser in losers {
            self.cut(dialing, loser);
            dialing.children.remove(&loser);
            self.effect(CallEffect::ToChild { sid: loser, command: ParentCommand::Cancel });
        }
    }

    fn connect(&mut self, now: Now, dialing: &mut Dialing, sid: CallSid) {
        if dialing.winner != Some(sid) || dialing.connected {
            return;
        }
        debug_assert_eq!(dialing.children.len(), 1, "the winner is the only child left");
        // Before the bridge, or the tone would sound over the party's voice.
        self.stop_ringback(dialing);
        // Before the bridge, which needs both legs: that of an unanswered caller comes up with the
        // answer.
        self.answer(now);
        dialing.connected = true;
        dialing.early = None;
        self.effect(CallEffect::Bridge { child: sid });
        self.timeline("child", format_args!("bridged with {sid}"));
        // `timeLimit` counts from the bridge, which is now (twiml.md 2.6, rule 6).
        let limit_s = dialing.spec.time_limit_s.min(self.setup.settings.call_s_max);
        dialing.limit_at = Some(now.mono + Duration::from_secs(u64::from(limit_s)));
        if dialing.recording.is_none() {
            self.record_dial(now, dialing);
        }
        let recording = dialing
            .recording
            .and_then(|recording| Some((recording, self.recordings.get(&recording)?.started.mono)));
        let command = ParentCommand::Bridged { recording };
        self.effect(CallEffect::ToChild { sid, command });
        // With `answerOnBridge` the transferor of this call has stayed until here (twiml.md 2.12).
        self.release_transferor(now);
    }

    fn record_dial(&mut self, now: Now, dialing: &mut Dialing) {
        // Moved out of the verb: it makes one recording, from ringing or from the bridge.
        if let Some(record) = dialing.spec.record.take() {
            dialing.recording = Some(self.record_dial_leg(now, record));
        }
    }

    /// Starts the recording of a `<Dial>`.
    pub(crate) fn record_dial_leg(&mut self, now: Now, record: DialRecord) -> RecordingSid {
        let callback = self.recording_callback(record.callback);
        let plan = RecordingPlan {
            recording: self.mint_recording(now),
            source: RecordingSource::DialVerb,
            track: record.track,
            channels: record.channels,
            silence_ms: 0,
            max_ms: limits::RECORDING_S_MAX.saturating_mul(1_000),
            trim: record.trim,
        };
        self.start_recording(now, plan, callback);
        plan.recording
    }

    fn child_ended(&mut self, now: Now, mut dialing: Box<Dialing>, sid: CallSid, end: ChildEnd) {
        self.timeline("child", format_args!("{sid} ended: {}", end.status));
        self.cut(&mut dialing, sid);
        let status = end.status;
        let screened_out = dialing.winner == Some(sid) && !dialing.connected;
        dialing.forget(sid, Some(end));
        if !dialing.children.is_empty() {
            self.activity = Activity::Dialing(dialing);
            return;
        }
        // Its screening document failed, which is not a decision of the callee: the next target may be
        // tried.
        if screened_out && status == CallStatus::Failed {
            dialing.winner = None;
        }
        // A target that answered ends the search, even if its callee then declined.
        match dialing.waiting.pop_front().filter(|_| dialing.winner.is_none()) {
            Some(next) => {
                self.launch(now, &mut dialing, vec![next]);
                self.activity = Activity::Dialing(dialing);
            }
            None => {
                let outcome = dialing.outcome(status);
                self.dial_ended(now, dialing, outcome);
            }
        }
    }

    /// Disconnects this leg from a child, if they are bridged or share early media.
    fn cut(&mut self, dialing: &mut Dialing, sid: CallSid) {
        let bridged = dialing.connected && dialing.winner == Some(sid);
        if bridged || dialing.early == Some(sid) {
            dialing.early = None;
            self.effect(CallEffect::Unbridge { child: sid });
        }
    }

    fn cancel_children(&mut self, dialing: &mut Dialing) {
        for (sid, child) in mem::take(&mut dialing.children) {
            self.cut(dialing, sid);
            self.effect(CallEffect::ToChild { sid, command: child.stop() });
        }
    }

    /// The verb is over and our leg is not: requests the action or runs the next verb.
    pub(crate) fn dial_ended(&mut self, now: Now, mut dialing: Box<Dialing>, status: CallStatus) {
        self.stop_ringback(&mut dialing);
        // In a transfer this is the result that the transferor's final NOTIFY reports.
        self.note_transfer_outcome(status);
        if let Some(recording) = dialing.recording {
            self.stop_recording(now, recording);
        }
        if self.leg == Leg::Ringing {
            // A child that answered and left unbridged was never connected with our caller.
            let is_answer = status == CallStatus::Completed;
            self.script.unanswered_dial =
                Some(if is_answer { CallStatus::NoAnswer } else { status });
        }
        self.timeline("verb", format_args!("<Dial> ended: {status}"));
        match &dialing.spec.action {
            Some(action) => {
                let form = self.dial_result(now, &dialing, status);
                self.follow(now, action, form);
            }
            None => self.next_verb(now),
        }
    }

    fn hang_up_winner(&mut self, dialing: &Dialing) {
        if let Some(sid) = dialing.winner {
            self.effect(CallEffect::ToChild { sid, command: ParentCommand::Hangup });
        }
    }

    /// Loads the ringback, if this leg is answered and has none yet.
    fn ring_back(&mut self, dialing: &mut Dialing) {
        // An unanswered caller needs none: the 180 lets the caller's own side ring.
        if self.leg == Leg::Up && dialing.ringback == Ringback::Off {
            let tone = Tone::Ring(dialing.spec.ring_tone.unwrap_or(DEFAULT_RING_TONE));
            dialing.ringback = Ringback::Loading(self.load(PromptSource::Tone(tone)));
        }
    }

    fn stop_ringback(&mut self, dialing: &mut Dialing) {
        match mem::replace(&mut dialing.ringback, Ringback::Off) {
            Ringback::Playing(_) => self.effect(CallEffect::StopPlay),
            Ringback::Loading(prompt) => self.effect(CallEffect::ForgetPrompt { prompt }),
            Ringback::Off | Ringback::Failed => {}
        }
    }
}

impl Waits for Dialing {
    fn deadline(&self) -> Option<(Instant, &'static str)> {
        self.limit_at.map(|at| (at, "call dial limit"))
    }

    /// `timeLimit` is over: hangs up the child. The verb ends when the child has ended.
    fn on_timeout(&mut self, call: &mut Call, _now: Now) -> Still {
        // Cleared, or the timer would be due again until the child has ended.
        self.limit_at = None;
        call.hang_up_winner(self);
        Still::Waiting
    }

    fn on_digit(&mut self, call: &mut Call, _now: Now, digit: u8) -> Still {
        // Before the bridge there is nobody that `*` could hang up.
        if digit == b'*' && self.spec.hangup_on_star && self.connected {
            call.hang_up_winner(self);
        }
        Still::Waiting
    }

    /// The ringback is ready.
    fn on_prompt(
        &mut self,
        call: &mut Call,
        _now: Now,
        prompt: PromptId,
        result: &Result<(), PromptFailure>,
    ) -> Still {
        if self.ringback == Ringback::Loading(prompt) {
            self.ringback = match result {
                // 0: until it is stopped.
                Ok(()) => Ringback::Playing(call.play(prompt, 0)),
                Err(failure) => {
                    call.timeline("error", format_args!("no ringback: {}", failure.sentence));
                    Ringback::Failed
                }
            };
        }
        Still::Waiting
    }

    fn abort(&mut self, call: &mut Call, now: Now) {
        call.stop_ringback(self);
        call.cancel_children(self);
        if let Some(recording) = self.recording {
            call.stop_recording(now, recording);
        }
    }

    fn on_leg_over(self, call: &mut Call, now: Now) -> Option<Activity> {
        let parting = call.leave_children(now, self)?;
        Some(Activity::Parting(Box::new(parting)))
    }
}

impl Dialing {
    /// A child is gone; its end is kept for the outcome and the action.
    fn forget(&mut self, sid: CallSid, end: Option<ChildEnd>) {
        let Some(child) = self.children.remove(&sid) else { return };
        // A child that REST took away has no end and counts for no outcome.
        self.outcomes.extend(end.as_ref().map(|end| end.status));
        // Once a child has answered, the action reports that one.
        let reported = self.winner.is_none_or(|winner| winner == sid);
        if reported {
            self.last = Some((sid, child.kind, end));
        }
    }
}

impl Child {
    const fn stop(self) -> ParentCommand {
        match self.answered {
            true => ParentCommand::Hangup,
            false => ParentCommand::Cancel,
        }
    }
}
