//! The machine of one product call. Sans-IO.
//!
//! `leg.rs` is the SIP side (ringing, answer, end), `script.rs` documents and their failures, `speak.rs`,
//! `gather.rs`, `record.rs`, `dial.rs`, `refer.rs` the verbs that take time, `transfer.rs` REFERs of the
//! parties of a dial, `webhooks.rs` requests and callbacks.

mod dial;
mod gather;
mod leg;
mod record;
mod refer;
mod script;
mod speak;
mod transfer;
mod webhooks;

use std::collections::{BTreeMap, VecDeque};
use std::mem;

use shared::{CallSid, Instant, Now, PlayId, RecordingSid, time::soonest};

use self::dial::{Dialing, Parting};
use self::gather::Gathering;
use self::leg::Leg;
use self::record::{RecordVerb, RecordingState};
use self::refer::Referring;
use self::script::Script;
use self::speak::Speaking;
use self::transfer::Transferring;
use self::webhooks::Pending;
use crate::effect::{CallEffect, StatusChange, TimelineEntry};
use crate::ids::{HttpId, PromptId};
use crate::input::{AnswerFacts, ApiUpdate, CallInput};
use crate::random::Random;
use crate::setup::CallSetup;
use crate::status::{CallDirection, CallStatus};
use crate::webhook::WebUrl;

/// One product call: one leg, maybe a parent.
#[derive(Debug)]
pub struct Call {
    setup: CallSetup,
    random: Random,
    status: CallStatus,
    leg: Leg,
    /// Whether the `<Dial>` of the parent still counts on this call.
    tied: bool,
    script: Script,
    activity: Activity,
    /// The running document is that of a transfer whose outcome is open.
    transfer: Option<Box<Transferring>>,
    requests: BTreeMap<HttpId, Pending>,
    /// Files of the running document that were asked for: what failed is told by its own URL.
    files: BTreeMap<PromptId, WebUrl>,
    recordings: BTreeMap<RecordingSid, RecordingState>,
    facts: Facts,
    names: Names,
    effects: VecDeque<CallEffect>,
}

/// What the call waits for.
#[derive(Debug)]
enum Activity {
    /// Not started, or over and waiting for callbacks and recordings only.
    Idle,
    /// Our INVITE is out.
    Ringing,
    /// Digits after the answer, before the first document.
    SendingDigits { play: PlayId },
    /// A document was requested.
    Fetching { request: HttpId },
    /// A prompt: `<Say>`, `<Play>`, the error sentence.
    Speaking(Speaking),
    /// `<Play digits>`.
    PlayingDigits { play: PlayId },
    /// `<Pause>`.
    Pausing { until: Instant },
    /// `<Gather>`.
    Gathering(Box<Gathering>),
    /// `<Record>`.
    Recording(Box<RecordVerb>),
    /// `<Dial>`.
    Dialing(Box<Dialing>),
    /// `<Refer>`.
    Referring(Box<Referring>),
    /// A child that is ready for its parent, or bridged with it.
    WithParent,
    /// Bridged with a call that is neither child nor parent, by an attended transfer. A `<Dial>` of
    /// ours ends with it.
    Joined { peer: CallSid, dialing: Option<Box<Dialing>> },
    /// Our phone transferred the other party and is to hang up.
    Departing { until: Instant },
    /// Our leg is over; the children's last words are awaited for the action of `<Dial>`.
    Parting(Box<Parting>),
}

/// What happened so far, for records and parameters.
#[derive(Debug, Default)]
struct Facts {
    started: Now,
    answered: Option<Now>,
    ended: Option<Now>,
    /// Final record written; the value only lives on for callbacks and recordings.
    concluded: bool,
    finished: bool,
    /// When the longest call time is over.
    limit_at: Option<Instant>,
    /// Progress events so far, asked for or not.
    sequence: u32,
    sip_status: Option<u16>,
    error_code: Option<u32>,
    answer: AnswerFacts,
    /// `X-*` of the final response or of the BYE.
    last_headers: Vec<(String, String)>,
    early_media: bool,
    /// A failure that the parent's `<Dial>` is told instead of our status.
    failed: Option<(u32, String)>,
    /// Recording by REST (`Record=true`).
    api_recording: Option<RecordingSid>,
    /// Recording by the `<Dial>` that made this call, and when it began.
    dial_recording: Option<(RecordingSid, Instant)>,
    /// The warning of a voice that is mapped was given.
    voice_warned: bool,
    /// An edge that is not served was named.
    edge_warned: bool,
}

/// Local names, counted up.
#[derive(Debug, Default)]
struct Names {
    http: u32,
    prompt: u32,
    play: u32,
}

impl Names {
    fn http(&mut self) -> HttpId {
        self.http += 1;
        HttpId(self.http)
    }

    fn prompt(&mut self) -> PromptId {
        self.prompt += 1;
        PromptId(self.prompt)
    }

    fn play(&mut self) -> PlayId {
        self.play += 1;
        PlayId(self.play)
    }
}

impl Call {
    /// A call that does nothing before [`CallInput::Started`].
    pub fn new(setup: CallSetup) -> Self {
        let status = match setup.direction {
            CallDirection::Inbound => CallStatus::Ringing,
            CallDirection::OutboundApi => CallStatus::Queued,
            CallDirection::OutboundDial => CallStatus::Initiated,
        };
        Self {
            random: Random::new(setup.seed),
            status,
            leg: Leg::New,
            tied: setup.direction == CallDirection::OutboundDial,
            script: Script::default(),
            activity: Activity::Idle,
            transfer: None,
            requests: BTreeMap::new(),
            files: BTreeMap::new(),
            recordings: BTreeMap::new(),
            facts: Facts::default(),
            names: Names::default(),
            effects: VecDeque::new(),
            setup,
        }
    }

    /// Stands in for a call that broke, with the setup of that one and a fresh seed. It has done
    /// nothing yet; told its end by [`CallInput::Hungup`], it says what a failed call says: status
    /// callback, word to the parent, final record. `started` is when the broken one began.
    pub fn successor(setup: CallSetup, started: Now) -> Self {
        let mut call = Self::new(setup);
        call.facts.started = started;
        // Answers to requests of the other may still come: they must fit none of ours.
        call.names.http = u32::MAX / 2;
        call
    }

    /// Takes one input. Drain [`Call::poll_effect`] afterwards, before the next input.
    ///
    /// Inputs that come too late (for a verb that was aborted, a leg that is over) do nothing.
    pub fn handle(&mut self, now: Now, input: CallInput) {
        debug_assert!(self.effects.is_empty(), "drain the effects before the next input");
        if self.facts.finished {
            return;
        }
        match input {
            CallInput::Started => self.start(now),
            CallInput::InviteSent { call_id } => self.facts.answer.call_id = call_id,
            CallInput::SipProgress { status, early_media } => {
                self.progress(now, status, early_media)
            }
            CallInput::SipAnswered(facts) => self.answered(now, facts),
            CallInput::SipRejected { status, call_id, headers } => {
                self.rejected(now, status, call_id, headers);
            }
            CallInput::LegFailed { code, status, sentence } => {
                self.leg_failed(now, code, status, sentence);
            }
            CallInput::Confirmed => self.timeline("sip", "ACK received"),
            CallInput::Hungup { cause, headers } => self.hung_up(now, cause, headers),
            CallInput::Http { request, result } => self.http_ended(now, request, result),
            CallInput::PromptReady { prompt, result } => self.prompt_ready(now, prompt, result),
            CallInput::PlayEnded { play } => self.play_ended(now, play),
            CallInput::Digit(digit) => self.digit(now, digit),
            CallInput::RecordingEnded { recording, cause } => {
                self.recording_ended(now, recording, cause);
            }
            CallInput::RecordingDone { recording, outcome } => {
                self.recording_done(recording, &outcome);
            }
            CallInput::Child { sid, event } => self.child_event(now, sid, event),
            CallInput::Parent(command) => self.parent_command(now, command),
            CallInput::Api(update) => self.api(now, update),
            CallInput::MediaLost => self.media_lost(now),
            CallInput::Referred { from, referral } => self.referred(from, referral),
            CallInput::Transfer(transfer) => self.begin_transfer(*transfer),
            CallInput::TransferredAway { patience } => self.transferred_away(now, patience),
            CallInput::TransferFailed => self.transfer_undone(),
            CallInput::Joined { peer, instead_of } => self.joined(now, peer, instead_of),
            CallInput::PeerEnded { peer } => self.peer_ended(now, peer),
            CallInput::ReferAnswered { status } => self.refer_answered(now, status),
            CallInput::ReferProgress { status, is_over } => {
                self.refer_progress(now, status, is_over);
            }
        }
        self.finish_if_done();
    }

    /// Runs every timer that is due.
    pub fn handle_timeout(&mut self, now: Now) {
        debug_assert!(self.effects.is_empty(), "drain the effects before the next input");
        // Each timer that runs is gone or later afterwards; the count only bounds a mistake.
        for _ in 0..TIMERS_A_TURN_MAX {
            let due = self.poll_timeout().filter(|(at, _)| *at <= now.mono);
            let Some((_, what)) = due else { return };
            match what {
                LIMIT => self.end(now, CallStatus::Completed, leg::Ending::Bye),
                RING => self.ring_timeout(now),
                LINGER => self.give_up(),
                _ => self.activity_timeout(now),
            }
            self.finish_if_done();
        }
    }

    /// The next thing to do.
    pub fn poll_effect(&mut self) -> Option<CallEffect> {
        self.effects.pop_front()
    }

    /// When [`Call::handle_timeout`] wants to run next, and for what.
    pub fn poll_timeout(&self) -> Option<(Instant, &'static str)> {
        if self.facts.finished {
            return None;
        }
        let activity = match &self.activity {
            Activity::Pausing { until } => Some((*until, "call pause")),
            Activity::Gathering(gathering) => gathering.deadline().map(|at| (at, "call gather")),
            Activity::Dialing(dialing) => dialing.limit_at.map(|at| (at, "call dial limit")),
            Activity::Parting(parting) => Some((parting.until, "call parting")),
            Activity::Referring(referring) => Some((referring.until, "call refer")),
            Activity::Departing { until } => Some((*until, "call departing")),
            Activity::Idle
            | Activity::Ringing
            | Activity::SendingDigits { .. }
            | Activity::Fetching { .. }
            | Activity::Speaking(_)
            | Activity::PlayingDigits { .. }
            | Activity::Recording(_)
            | Activity::Joined { .. }
            | Activity::WithParent => None,
        };
        let ring = match self.leg {
            Leg::Inviting { until } => Some((until, RING)),
            Leg::New | Leg::Ringing | Leg::Up | Leg::Over => None,
        };
        let limit = self.facts.limit_at.map(|at| (at, LIMIT));
        let linger = self.facts.ended.map(|ended| (ended.mono + leg::LINGER, LINGER));
        soonest(soonest(activity, ring), soonest(limit, linger))
    }

    /// Its SID.
    pub const fn sid(&self) -> CallSid {
        self.setup.sid
    }

    /// Its status.
    pub const fn status(&self) -> CallStatus {
        self.status
    }

    /// What it was born with; `fallback`, `status_callback` and `document` follow REST changes.
    pub const fn setup(&self) -> &CallSetup {
        &self.setup
    }

    /// Whether the `<Dial>` of the parent still counts on this call.
    pub const fn is_tied(&self) -> bool {
        self.tied
    }

    /// When it was answered, Unix milliseconds.
    pub fn answered_unix_ms(&self) -> Option<i64> {
        self.facts.answered.map(|now| now.unix_ms)
    }

    /// Whether it was answered: media of ours may be known to the party.
    pub const fn has_answered(&self) -> bool {
        self.facts.answered.is_some()
    }

    /// Whether its leg is over: nothing but callbacks and recordings may follow.
    pub fn is_over(&self) -> bool {
        matches!(self.leg, Leg::Over)
    }

    fn activity_timeout(&mut self, now: Now) {
        match mem::replace(&mut self.activity, Activity::Idle) {
            Activity::Pausing { .. } => self.next_verb(now),
            Activity::Gathering(gathering) => self.gather_timeout(now, gathering),
            Activity::Dialing(dialing) => self.dial_limit(dialing),
            Activity::Parting(parting) => self.part(now, *parting),
            referring @ Activity::Referring(_) => {
                self.activity = referring;
                self.refer_over(now);
            }
            Activity::Departing { .. } => {
                self.end(now, CallStatus::Completed, leg::Ending::Bye);
            }
            other @ (Activity::Idle
            | Activity::Ringing
            | Activity::SendingDigits { .. }
            | Activity::Fetching { .. }
            | Activity::Speaking(_)
            | Activity::PlayingDigits { .. }
            | Activity::Recording(_)
            | Activity::Joined { .. }
            | Activity::WithParent) => self.activity = other,
        }
    }

    fn digit(&mut self, now: Now, digit: u8) {
        if self.is_over() {
            return;
        }
        self.timeline("digit", format!("key {} pressed", char::from(digit)));
        match mem::replace(&mut self.activity, Activity::Idle) {
            Activity::Gathering(gathering) => self.gather_digit(now, gathering, digit),
            Activity::Recording(verb) => self.record_digit(now, verb, digit),
            Activity::Dialing(dialing) => self.dial_digit(dialing, digit),
            // Digits outside of these verbs are not kept (contract twiml.md 2.4 step 8).
            other => self.activity = other,
        }
    }

    fn api(&mut self, now: Now, update: ApiUpdate) {
        if self.is_over() {
            return;
        }
        match update {
            ApiUpdate::Terms { status_callback, time_limit_s } => {
                self.setup.status_callback = status_callback.or(self.setup.status_callback.take());
                self.setup.time_limit_s = time_limit_s.unwrap_or(self.setup.time_limit_s);
                self.limit_time();
            }
            ApiUpdate::Redirect { webhook, fallback } => {
                self.setup.fallback = fallback.or(self.setup.fallback.take());
                self.redirect(now, crate::setup::DocumentSource::Url(webhook));
            }
            ApiUpdate::Twiml(text) => self.redirect(now, crate::setup::DocumentSource::Twiml(text)),
            ApiUpdate::Complete => self.complete(now),
            ApiUpdate::Cancel if self.facts.answered.is_none() => self.complete(now),
            ApiUpdate::Cancel => {}
        }
    }

    fn set_status(&mut self, now: Now, status: CallStatus) {
        debug_assert!(status >= self.status, "a status only moves forward");
        if status != self.status {
            self.status = status;
            self.effect(CallEffect::Status(StatusChange { status, unix_ms: now.unix_ms }));
            self.timeline("status", status.as_str());
        }
    }

    fn effect(&mut self, effect: CallEffect) {
        self.effects.push_back(effect);
    }

    fn timeline(&mut self, kind: &'static str, text: impl Into<String>) {
        let entry = TimelineEntry { kind, text: text.into() };
        self.effects.push_back(CallEffect::Timeline(entry));
    }

    fn is_tied_child(&self) -> bool {
        self.tied
    }
}

const TIMERS_A_TURN_MAX: usize = 16;
const LIMIT: &str = "call time limit";
const RING: &str = "call ring time";
const LINGER: &str = "call linger";
