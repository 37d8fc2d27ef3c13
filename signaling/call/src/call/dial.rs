//! `<Dial>`: children, ringback, bridge, outcome (contract twiml.md 2.6, webhooks.md 5.3). Sans-IO.

use std::collections::{BTreeMap, VecDeque};
use std::mem;
use std::time::Duration;

use shared::{CallSid, Instant, Now, PlayId, RecordingSid, limits};

use super::leg::Leg;
use super::script::{Flow, url_error};
use super::webhooks::{push_headers, warning};
use super::{Activity, Call};
use crate::effect::{CallEffect, PromptSource, RecordingPlan, RecordingSource};
use crate::form::Form;
use crate::ids::PromptId;
use crate::input::{ChildEnd, ChildEvent, ParentCommand, PromptFailure};
use crate::setup::{CallSetup, DocumentSource, OutboundLeg, StatusCallback, Target, Webhook};
use crate::status::{CallDirection, CallStatus};
use crate::tone::{DEFAULT_RING_TONE, Tone};
use crate::twiml::Position;
use crate::twiml::verb::noun::{Noun, NounKind};
use crate::twiml::verb::{Dial, Link};

/// A `<Dial>` that runs.
#[derive(Debug)]
pub(super) struct Dialing {
    spec: Dial,
    /// Targets that are not tried yet (sequential).
    waiting: VecDeque<Noun>,
    /// Children that live, with whether they were answered.
    children: BTreeMap<CallSid, Child>,
    /// The child that answered first.
    winner: Option<CallSid>,
    /// Both parties were really connected.
    connected: bool,
    /// The child whose audio is heard before the bridge.
    early: Option<CallSid>,
    ringback: Ringback,
    recording: Option<RecordingSid>,
    /// When the longest connection is over.
    pub(super) limit_at: Option<Instant>,
    /// How children ended, for the outcome of several.
    outcomes: Vec<CallStatus>,
    /// The child that is transferred because our own phone asked for it.
    referred: Option<CallSid>,
    /// The child that the action reports.
    last: Option<(CallSid, NounKind, Option<ChildEnd>)>,
}

#[derive(Clone, Copy, Debug)]
struct Child {
    kind: NounKind,
    answered: bool,
}

/// What we let the parent hear while it rings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ringback {
    Off,
    Loading(PromptId),
    Playing(PlayId),
    /// It could not be made: silence, and not asked for again.
    Failed,
}

/// Our leg is over: what the action needs when the children have ended.
#[derive(Debug)]
pub(super) struct Parting {
    dialing: Dialing,
    action: Link,
    /// Then they are not waited for any more.
    pub(super) until: Instant,
}

/// How long the children's last words are awaited. They come at once; this only bounds it.
const PARTING: Duration = Duration::from_secs(2);

impl Call {
    pub(super) fn dial(&mut self, now: Now, mut spec: Dial, position: Position) -> Flow {
        if self.is_tied_child() && self.transfer.is_none() {
            let message = "<Dial> is not allowed in a screening document".to_owned();
            let mut finding = super::leg::error(13201, message);
            finding.position = Some(position);
            self.fatal(now, finding);
            return Flow::Waits;
        }
        if let Some(Err(fault)) = spec.action.as_ref().map(|action| self.resolve(&action.url)) {
            self.fatal(now, url_error(fault, Some(position)));
            return Flow::Waits;
        }
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
        if first.is_empty() {
            self.dial_ended(now, dialing, CallStatus::Failed);
            return Flow::Waits;
        }
        if self.leg == Leg::Up && dialing.spec.record.as_ref().is_some_and(|r| r.from_ringing) {
            self.record_dial(now, &mut dialing);
        }
        if dialing.spec.ring_tone.is_some() {
            self.ring_back(&mut dialing);
        }
        self.launch(now, &mut dialing, first);
        self.activity = Activity::Dialing(dialing);
        Flow::Waits
    }

    fn launch(&mut self, now: Now, dialing: &mut Dialing, nouns: Vec<Noun>) {
        let mut children = Vec::new();
        for noun in nouns {
            let kind = noun.kind;
            let setup = self.child_setup(now, &dialing.spec, noun);
            dialing.children.insert(setup.sid, Child { kind, answered: false });
            dialing.last = Some((setup.sid, kind, None));
            self.timeline("child", format!("dialling {} as {}", setup.to, setup.sid));
            children.push(setup);
        }
        self.effect(CallEffect::Dial { children });
    }

    fn child_setup(&mut self, now: Now, spec: &Dial, noun: Noun) -> CallSetup {
        let screening = noun.screening.as_ref().map(|link| self.resolve_link(link));
        let (document, target) = match screening {
            None => (DocumentSource::None, noun.target),
            Some(Ok(webhook)) => (DocumentSource::Url(webhook), noun.target),
            Some(Err(sentence)) => {
                (DocumentSource::None, impossible(&noun.target, 11100, None, sentence))
            }
        };
        let hops_left = self.setup.max_forwards.checked_sub(1);
        let target = match hops_left {
            Some(_) => target,
            None => impossible(&target, TOO_MANY_HOPS, Some(483), LOOP.to_owned()),
        };
        let caller_id = self.caller_id(spec.caller_id.as_deref(), noun.kind);
        CallSetup {
            sid: CallSid::mint(now.unix_ms, self.setup.origin, self.random.bits()),
            account: self.setup.account,
            parent: Some(self.setup.sid),
            direction: CallDirection::OutboundDial,
            from: caller_id.clone().unwrap_or_else(|| self.setup.from.clone()),
            to: reported(&target),
            forwarded_from: None,
            caller_name: None,
            application: None,
            warnings: Vec::new(),
            sip: None,
            leg: Some(OutboundLeg {
                target,
                caller_id: caller_id.unwrap_or_else(|| user_of(&self.setup.from)),
                ring_s: spec.timeout_s,
                send_digits: noun.send_digits,
            }),
            document,
            fallback: None,
            status_callback: noun.status_callback.and_then(|(link, events)| {
                match self.resolve_link(&link) {
                    Ok(webhook) => Some(StatusCallback { webhook, events }),
                    Err(sentence) => {
                        self.notify(warning(11100, sentence), None);
                        None
                    }
                }
            }),
            max_forwards: hops_left.unwrap_or_default(),
            time_limit_s: self.setup.settings.call_s_max,
            record: None,
            settings: self.setup.settings.clone(),
            origin: self.setup.origin,
            seed: self.random.block(),
        }
    }

    fn resolve_link(&self, link: &Link) -> Result<Webhook, String> {
        match self.resolve(&link.url) {
            Ok(url) => Ok(Webhook { url: url.configured(), method: link.method }),
            Err(fault) => Err(fault.sentence),
        }
    }

    /// The caller id a document asks for, where the noun allows it (contract twiml.md 2.6).
    fn caller_id(&mut self, asked: Option<&str>, kind: NounKind) -> Option<String> {
        let asked = asked?;
        let (fits, code) = match kind {
            NounKind::Number => (is_number(asked), 13214),
            NounKind::Sip if asked.len() > CALLER_ID_MAX => (false, 13248),
            NounKind::Sip => (asked.bytes().all(is_caller_id_byte), 13214),
            NounKind::Other => (true, 13214),
        };
        if fits {
            return Some(asked.to_owned());
        }
        let shown = crate::finding::brief(asked);
        let message =
            format!("callerId `{shown}` is not allowed for this target: the caller's is used");
        self.notify(warning(code, message), None);
        None
    }

    pub(super) fn child_event(&mut self, now: Now, sid: CallSid, event: ChildEvent) {
        match mem::replace(&mut self.activity, Activity::Idle) {
            Activity::Dialing(dialing) if dialing.children.contains_key(&sid) => {
                self.dial_event(now, dialing, sid, event);
            }
            Activity::Parting(mut parting) => {
                if let ChildEvent::Ended(end) = event {
                    parting.dialing.forget(sid, Some(end));
                }
                match parting.dialing.children.is_empty() {
                    true => self.part(now, *parting),
                    false => self.activity = Activity::Parting(parting),
                }
            }
            other => {
                self.activity = other;
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
                self.timeline("child", format!("{sid} was redirected away"));
                self.cut(&mut dialing, sid);
                dialing.forget(sid, None);
                self.cancel_children(&mut dialing);
                self.dial_ended(now, dialing, CallStatus::Completed);
            }
            ChildEvent::Ended(end) => self.child_ended(now, dialing, sid, end),
        }
    }

    fn child_rings(&mut self, dialing: &mut Dialing, sid: CallSid, early_media: bool) {
        if dialing.winner.is_some() {
            return;
        }
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
        self.stop_ringback(dialing);
        self.answer(now);
        dialing.connected = true;
        dialing.early = None;
        self.effect(CallEffect::Bridge { child: sid });
        self.timeline("child", format!("bridged with {sid}"));
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
        self.release_transferor(now);
    }

    fn record_dial(&mut self, now: Now, dialing: &mut Dialing) {
        let Some(record) = dialing.spec.record.clone() else { return };
        let callback = self.recording_callback(record.callback.as_ref());
        let plan = RecordingPlan {
            recording: self.mint_recording(now),
            source: RecordingSource::DialVerb,
            track: record.track,
            channels: record.channels,
            silence_ms: 0,
            max_ms: limits::RECORDING_S_MAX.saturating_mul(1_000),
            trim: record.trim,
        };
        dialing.recording = Some(plan.recording);
        self.start_recording(now, plan, callback);
    }

    fn child_ended(&mut self, now: Now, mut dialing: Box<Dialing>, sid: CallSid, end: ChildEnd) {
        self.timeline("child", format!("{sid} ended: {}", end.status));
        self.cut(&mut dialing, sid);
        let status = end.status;
        let screened_out = dialing.winner == Some(sid) && !dialing.connected;
        dialing.forget(sid, Some(end));
        if !dialing.children.is_empty() {
            self.activity = Activity::Dialing(dialing);
            return;
        }
        if screened_out && status == CallStatus::Failed {
            dialing.winner = None;
        }
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

    /// Ends what connects this leg with a child, if anything does.
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

    /// The verb is over and our leg is not: action or next verb.
    pub(super) fn dial_ended(&mut self, now: Now, mut dialing: Box<Dialing>, status: CallStatus) {
        self.stop_ringback(&mut dialing);
        self.note_transfer_outcome(status);
        if let Some(recording) = dialing.recording {
            self.stop_recording(now, recording);
        }
        if self.leg == Leg::Ringing {
            // A child that was answered and went away unbridged is no answer to our caller.
            let is_answer = status == CallStatus::Completed;
            self.script.unanswered_dial =
                Some(if is_answer { CallStatus::NoAnswer } else { status });
        }
        self.timeline("verb", format!("<Dial> ended: {status}"));
        match &dialing.spec.action {
            Some(action) => {
                let form = self.dial_result(now, &dialing, status);
                self.follow(now, action, form);
            }
            None => self.next_verb(now),
        }
    }

    fn dial_result(&self, now: Now, dialing: &Dialing, status: CallStatus) -> Form {
        let mut form = Form::new();
        form.push("DialCallStatus", status.as_str());
        form.push("DialBridged", if dialing.connected { "true" } else { "false" });
        if let Some((sid, kind, end)) = &dialing.last {
            form.push("DialCallSid", sid.to_string());
            if let Some(end) = end {
                child_parameters(*kind, end, &mut form);
            }
        }
        if let Some(recording) = dialing.recording {
            self.recording_parameters(now, recording, &mut form);
        }
        form
    }

    /// Our leg ended: the children are told. Their last words are awaited if there is an action.
    pub(super) fn leave_children(&mut self, now: Now, mut dialing: Dialing) -> Option<Parting> {
        let told: Vec<(CallSid, Child)> =
            dialing.children.iter().map(|(sid, child)| (*sid, *child)).collect();
        for (sid, child) in told {
            self.cut(&mut dialing, sid);
            let command = match dialing.referred == Some(sid) {
                true => ParentCommand::Release,
                false => child.stop(),
            };
            self.effect(CallEffect::ToChild { sid, command });
        }
        if let Some(referred) = dialing.referred {
            dialing.part_with(referred);
        }
        let action = dialing.spec.action.clone()?;
        Some(Parting { dialing, action, until: now.mono + PARTING })
    }

    /// Requests the action after our leg is over; its answer is not executed.
    pub(super) fn dial_aftermath(&mut self, now: Now, parting: Parting) {
        let status = match parting.dialing.connected {
            true => CallStatus::Completed,
            false => CallStatus::Canceled,
        };
        let form = self.dial_result(now, &parting.dialing, status);
        if let Ok(url) = self.resolve(&parting.action.url) {
            self.report_action(url, parting.action.method, form);
        }
    }

    /// REST redirected this call: the children end, nothing is reported.
    pub(super) fn abort_dial(&mut self, now: Now, mut dialing: Dialing) {
        self.stop_ringback(&mut dialing);
        self.cancel_children(&mut dialing);
        if let Some(recording) = dialing.recording {
            self.stop_recording(now, recording);
        }
    }

    /// `timeLimit` is over: the child is hung up, its end goes on.
    pub(super) fn dial_limit(&mut self, mut dialing: Box<Dialing>) {
        dialing.limit_at = None;
        self.hang_up_winner(&dialing);
        self.activity = Activity::Dialing(dialing);
    }

    pub(super) fn dial_digit(&mut self, dialing: Box<Dialing>, digit: u8) {
        if digit == b'*' && dialing.spec.hangup_on_star && dialing.connected {
            self.hang_up_winner(&dialing);
        }
        self.activity = Activity::Dialing(dialing);
    }

    fn hang_up_winner(&mut self, dialing: &Dialing) {
        if let Some(sid) = dialing.winner {
            self.effect(CallEffect::ToChild { sid, command: ParentCommand::Hangup });
        }
    }

    /// Lets the parent hear a tone, where it is answered and hears nothing yet.
    fn ring_back(&mut self, dialing: &mut Dialing) {
        if self.leg == Leg::Up && dialing.ringback == Ringback::Off {
            let tone = Tone::Ring(dialing.spec.ring_tone.unwrap_or(DEFAULT_RING_TONE));
            dialing.ringback = Ringback::Loading(self.load(PromptSource::Tone(tone)));
        }
    }

    pub(super) fn ringback_ready(
        &mut self,
        mut dialing: Box<Dialing>,
        prompt: PromptId,
        result: &Result<(), PromptFailure>,
    ) {
        if dialing.ringback == Ringback::Loading(prompt) {
            dialing.ringback = match result {
                Ok(()) => Ringback::Playing(self.play(prompt, 0)),
                Err(failure) => {
                    self.timeline("error", format!("no ringback: {}", failure.sentence));
                    Ringback::Failed
                }
            };
        }
        self.activity = Activity::Dialing(dialing);
    }

    fn stop_ringback(&mut self, dialing: &mut Dialing) {
        match mem::replace(&mut dialing.ringback, Ringback::Off) {
            Ringback::Playing(_) => self.effect(CallEffect::StopPlay),
            Ringback::Loading(prompt) => self.effect(CallEffect::ForgetPrompt { prompt }),
            Ringback::Off | Ringback::Failed => {}
        }
    }
}

impl Dialing {
    /// The party that a REFER of `from` transfers, and who is asked about it; `None` where `from` is
    /// not connected here, or a transfer is under way.
    pub(super) fn referral_to(
        &self,
        from: CallSid,
        is_own: bool,
    ) -> Option<(CallSid, Option<&Link>)> {
        let winner = self.winner.filter(|_| self.connected && self.referred.is_none())?;
        let is_party = is_own || winner == from;
        is_party.then_some((winner, self.spec.refer_url.as_ref()))
    }

    /// Whether the phone that transfers stays until the new party is there.
    pub(super) const fn answers_on_bridge(&self) -> bool {
        self.spec.answer_on_bridge
    }

    /// Our own phone transfers this child.
    pub(super) fn let_transfer(&mut self, child: CallSid) {
        self.referred = Some(child);
    }

    /// The transfer of our own phone came to nothing.
    pub(super) fn let_stay(&mut self) {
        self.referred = None;
    }

    /// The children there are.
    pub(super) fn parties(&self) -> Vec<CallSid> {
        self.children.keys().copied().collect()
    }

    /// A child goes its own way.
    pub(super) fn part_with(&mut self, child: CallSid) {
        self.children.remove(&child);
    }

    /// The recording of the verb.
    pub(super) const fn recording(&self) -> Option<RecordingSid> {
        self.recording
    }

    /// A child is gone; what it came to is kept for the action.
    fn forget(&mut self, sid: CallSid, end: Option<ChildEnd>) {
        let Some(child) = self.children.remove(&sid) else { return };
        self.outcomes.extend(end.as_ref().map(|end| end.status));
        let reported = self.winner.is_none_or(|winner| winner == sid);
        if reported {
            self.last = Some((sid, child.kind, end));
        }
    }

    /// `DialCallStatus` when no child is left (contract twiml.md 2.6).
    fn outcome(&self, last: CallStatus) -> CallStatus {
        if self.winner.is_some() || self.outcomes.len() == 1 {
            return last;
        }
        let any = |status| self.outcomes.contains(&status);
        if any(CallStatus::NoAnswer) {
            CallStatus::NoAnswer
        } else if any(CallStatus::Busy) {
            CallStatus::Busy
        } else if self.outcomes.iter().all(|status| *status == CallStatus::Canceled) {
            CallStatus::Canceled
        } else {
            CallStatus::Failed
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

fn child_parameters(kind: NounKind, end: &ChildEnd, form: &mut Form) {
    if let Some(duration_s) = end.duration_s {
        form.push("DialCallDuration", duration_s.to_string());
    }
    if kind == NounKind::Sip {
        if let Some(call_id) = &end.sip_call_id {
            form.push("DialSipCallId", call_id.clone());
        }
        if let Some(status) = end.sip_status {
            form.push("DialSipResponseCode", status.to_string());
        }
        push_headers(form, "DialSipHeader_", &end.headers, |_| true);
    }
    if let Some((code, sentence)) = &end.error {
        form.push("ErrorCode", code.to_string());
        form.push("ErrorMessage", sentence.clone());
    }
}

/// A target that is not rung, reported as the one that was asked for.
fn impossible(target: &Target, code: u32, status: Option<u16>, sentence: String) -> Target {
    Target::Impossible { to: reported(target), code, status, sentence }
}

/// What `To` of a child reports.
fn reported(target: &Target) -> String {
    match target {
        Target::Sip(target) => target.reported.clone(),
        Target::Number(number) => number.clone(),
        Target::Impossible { to, .. } => to.clone(),
    }
}

/// The user part of a SIP URI, or the text itself.
fn user_of(from: &str) -> String {
    let rest = from.strip_prefix("sip:").unwrap_or(from);
    rest.split_once('@').map_or(rest, |(user, _)| user).to_owned()
}

fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix('+').unwrap_or(text);
    (3..=15).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// Letters, digits, `+ - _ .` (contract twiml.md 2.6).
const fn is_caller_id_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'_' | b'.')
}

/// Refused as the next hop would refuse it.
const TOO_MANY_HOPS: u32 = 32006;
const LOOP: &str = "The call has no hops left (Max-Forwards): somebody sends it back here again and \
                    again. Look for the route that leads back.";
/// Characters of a caller id on a SIP target.
const CALLER_ID_MAX: usize = 128;
