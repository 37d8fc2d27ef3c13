//! The machine of one product call. Sans-IO.
//!
//! Two things move in a call. Its *leg* (`leg.rs`) goes from `New` through `Ringing` or `Inviting` to `Up`
//! and `Over`; it never goes back, and [`Call::end`] is the only way into `Over`. Its *script* (`script.rs`)
//! runs documents verb by verb; a verb that takes time becomes the *activity* (`activity/`), and the script
//! continues when the activity is over. Every input goes to the leg, to the activity, or to a map of
//! outstanding work: requests (`webhooks.rs`) and recordings (`recordings.rs`).
//!
//! After `Over` no verb runs. The activity sends the last requests that it owes the application, then the
//! final record and the last callback leave. The call finishes when every callback and recording is settled,
//! or after [`leg::LINGER`]. `transfer.rs` runs a second script and keeps the activity, to return to it.

mod activity;
mod exchange;
mod headers;
mod leg;
mod recognitions;
mod recordings;
mod script;
mod side_recordings;
mod sides;
mod siprec;
mod state;
mod streams;
mod timer;
mod transcriptions;
mod transcripts;
mod transfer;
mod webhooks;

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Display;
use std::time::Duration;

use shared::{CallSid, Instant, Now, Random, RecordingSid};

use self::activity::{Activity, Waits as _};
use self::exchange::Pending;
use self::recognitions::CallbackLane;
use self::recordings::RecordingState;
use self::script::Script;
use self::sides::Sides;
use self::siprec::SiprecState;
use self::state::{Ending, Facts, Leg, Names};
use self::streams::StreamState;
use self::timer::Timer;
use self::transcriptions::TranscriptionState;
use self::transcripts::TranscriptState;
use self::transfer::Transferring;
use crate::effect::{CallEffect, StatusChange, TimelineEntry};
use crate::ids::{HttpId, PromptId, RecognitionId};
use crate::input::{ApiUpdate, CallInput};
use crate::setup::{CallSetup, DocumentSource};
use crate::status::{CallDirection, CallStatus};
use crate::webhook::WebUrl;

/// One product call: one leg, and a parent when a `<Dial>` made it.
#[derive(Debug)]
pub struct Call {
    setup: CallSetup,
    random: Random,
    status: CallStatus,
    leg: Leg,
    /// The parent's `<Dial>` still waits for this call. A REST redirect or a transfer cuts the tie.
    tied: bool,
    script: Script,
    activity: Activity,
    /// The transfer whose document runs, until the transfer has succeeded or failed.
    transfer: Option<Box<Transferring>>,
    requests: BTreeMap<HttpId, Pending>,
    /// Files of the running document, so that a failed one is reported with its own URL.
    files: BTreeMap<PromptId, WebUrl>,
    recordings: Sides<RecordingState>,
    streams: Sides<StreamState>,
    transcriptions: Sides<TranscriptionState>,
    /// Transcripts of recordings that are being made.
    transcripts: BTreeMap<RecordingSid, TranscriptState>,
    /// Callbacks of recognitions that wait for the ones before them.
    lanes: BTreeMap<RecognitionId, CallbackLane>,
    siprecs: Sides<SiprecState>,
    facts: Facts,
    names: Names,
    effects: VecDeque<CallEffect>,
}

impl Call {
    /// A call that does nothing before [`CallInput::Started`].
    pub fn new(setup: CallSetup) -> Self {
        let status = match setup.direction {
            // 180 has left before the call exists (sip.md 5), so `queued` and `initiated` never
            // apply.
            CallDirection::Inbound => CallStatus::Ringing,
            CallDirection::OutboundApi => CallStatus::Queued,
            CallDirection::OutboundDial => CallStatus::Initiated,
        };
        Self {
            random: Random::new(setup.seed),
            status,
            leg: Leg::New,
            // Only the `<Dial>` of a parent waits for a call; REST follows its calls by callbacks.
            tied: setup.direction == CallDirection::OutboundDial,
            script: Script::default(),
            activity: Activity::default(),
            transfer: None,
            requests: BTreeMap::new(),
            files: BTreeMap::new(),
            recordings: Sides::default(),
            streams: Sides::default(),
            transcriptions: Sides::default(),
            transcripts: BTreeMap::new(),
            lanes: BTreeMap::new(),
            siprecs: Sides::default(),
            facts: Facts::default(),
            names: Names::default(),
            effects: VecDeque::new(),
            setup,
        }
    }

    /// Replaces a call that panicked, with the set-up of that call and a fresh seed. [`CallInput::Hungup`]
    /// makes it end as a failed call does: final record, status callback, event to the parent. `started`
    /// is when the broken call started.
    pub fn successor(setup: CallSetup, started: Now) -> Self {
        let mut call = Self::new(setup);
        // The record shows when the call began, not when it was replaced.
        call.facts.started = started;
        // Answers to requests of the broken call may still arrive: they must match no request of this one.
        call.names = Names::of_successor();
        call
    }

    /// Takes one input. Drain [`Call::poll_effect`] afterwards, before the next input.
    ///
    /// Late inputs (for a verb that was aborted, for a leg that is over) have no effect.
    pub fn handle(&mut self, now: Now, input: CallInput) {
        debug_assert!(self.effects.is_empty(), "drain the effects before the next input");
        debug_assert!(now.mono >= self.facts.started.mono, "time does not go back");
        // `Finished` is the last effect. An input that arrives before Control drops the call has
        // none.
        if self.facts.finished {
            return;
        }
        match input {
            CallInput::Started => self.start(now),
            // Kept before any response, because `DialSipCallId` also names an INVITE that got none.
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
            // The leg is up since our 200. A missing ACK arrives as `Hungup` with 32022.
            CallInput::Confirmed => self.timeline("sip", "ACK received"),
            CallInput::Hungup { cause, headers } => self.hung_up(now, cause, headers),
            CallInput::Http { request, result } => self.http_ended(now, request, result),
            CallInput::PromptReady { prompt, result } => {
                self.on_activity(|activity, call| activity.on_prompt(call, now, prompt, &result));
            }
            CallInput::PlayEnded { play } => {
                self.on_activity(|activity, call| activity.on_play_ended(call, now, play));
            }
            CallInput::Heard => self.heard(),
            CallInput::Direction(direction) => self.siprec_direction(direction),
            CallInput::Partners(partners) => self.siprec_partners(now, partners),
            CallInput::Digit(digit) => self.digit(now, digit),
            CallInput::RecordingEnded { recording, cause } => {
                self.recording_ended(now, recording, cause);
            }
            CallInput::RecordingDone { recording, outcome } => {
                self.recording_done(recording, &outcome);
                self.settle_transcript(now, recording, &outcome);
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
            CallInput::Conference(input) => self.conference_input(now, input),
            CallInput::Queue(input) => self.queue_input(now, input),
            CallInput::Detected { answered_by, after_ms } => {
                self.detected(now, answered_by, after_ms);
            }
            CallInput::Stream { stream, event } => self.on_stream(now, stream, event),
            CallInput::Recognition { recognition, event } => {
                self.on_recognition(now, recognition, event);
            }
            CallInput::Siprec { siprec, event } => self.on_siprec(now, siprec, event),
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
        // A timer that has run is gone or later; the bound only guards against an error in that.
        for _ in 0..TIMERS_A_TURN_MAX {
            let due = self.next_timer().filter(|(at, _)| *at <= now.mono);
            let Some((_, timer)) = due else { return };
            match timer {
                Timer::Activity(_) => {
                    self.on_activity(|activity, call| activity.on_timeout(call, now));
                }
                Timer::Delay => self.ring(now),
                Timer::Ring => self.ring_timeout(now),
                // Only an answered leg has this timer, so the leg always ends by BYE.
                Timer::TimeLimit => self.end(now, CallStatus::Completed, Ending::Bye),
                Timer::StreamSilence => self.warn_of_silent_streams(now),
                Timer::Linger => self.give_up(),
            }
            self.finish_if_done();
        }
    }

    /// The next effect; `None` when all are taken.
    pub fn poll_effect(&mut self) -> Option<CallEffect> {
        self.effects.pop_front()
    }

    /// When [`Call::handle_timeout`] should run next, and the name of that timer for the log.
    pub fn poll_timeout(&self) -> Option<(Instant, &'static str)> {
        self.next_timer().map(|(at, timer)| (at, timer.name()))
    }

    /// The earliest timer; of two at the same instant, the first of the list.
    fn next_timer(&self) -> Option<(Instant, Timer)> {
        if self.facts.finished {
            return None;
        }
        let ring = match self.leg {
            Leg::Inviting { until } => Some((until, Timer::Ring)),
            Leg::Delayed { until } => Some((until, Timer::Delay)),
            Leg::New | Leg::Ringing | Leg::Up | Leg::Over => None,
        };
        // The activity is first: `<Gather>` sends its digits before a limit of the same instant
        // ends the call.
        let timers = [
            self.activity.deadline().map(|(at, name)| (at, Timer::Activity(name))),
            ring,
            self.facts.limit_at.map(|at| (at, Timer::TimeLimit)),
            self.stream_silence_at().map(|at| (at, Timer::StreamSilence)),
            self.facts.ended.map(|ended| (ended.mono + self.linger(), Timer::Linger)),
        ];
        timers.into_iter().flatten().min_by_key(|(at, _)| *at)
    }

    /// How long the call waits, once it has ended, for what is not settled.
    fn linger(&self) -> Duration {
        if self.transcripts.is_empty() { leg::LINGER } else { leg::TRANSCRIPT_LINGER }
    }

    /// The `CallSid` of the API.
    pub const fn sid(&self) -> CallSid {
        self.setup.sid
    }

    /// The `CallStatus` of the API, as of now.
    pub const fn status(&self) -> CallStatus {
        self.status
    }

    /// The values that it was made from; REST changes `fallback`, `status_callback`, `document` and
    /// `time_limit_s`.
    pub const fn setup(&self) -> &CallSetup {
        &self.setup
    }

    /// Whether the `<Dial>` of the parent still waits for this call.
    pub const fn is_tied(&self) -> bool {
        self.tied
    }

    /// When it was answered, in Unix milliseconds; `None` until then.
    pub fn answered_unix_ms(&self) -> Option<i64> {
        self.facts.answered.map(|now| now.unix_ms)
    }

    /// Whether it was answered, so that the party may know our media address.
    pub const fn has_answered(&self) -> bool {
        self.facts.answered.is_some()
    }

    /// Whether its leg is over. Only callbacks and recordings can follow.
    pub fn is_over(&self) -> bool {
        matches!(self.leg, Leg::Over)
    }

    fn digit(&mut self, now: Now, digit: u8) {
        if self.is_over() {
            return;
        }
        // Every key is noted, also one that no verb takes: the timeline shows what the party
        // pressed.
        self.timeline("digit", format_args!("key {} pressed", char::from(digit)));
        // A digit that the activity does not take is dropped: the next `<Gather>` starts without digits.
        self.on_activity(|activity, call| activity.on_digit(call, now, digit));
    }

    fn api(&mut self, now: Now, update: ApiUpdate) {
        if self.is_over() {
            return;
        }
        match update {
            ApiUpdate::Terms { status_callback, time_limit_s } => {
                // `None` keeps the present value: REST changes only the parameters that it names.
                self.setup.status_callback = status_callback.or(self.setup.status_callback.take());
                self.setup.time_limit_s = time_limit_s.unwrap_or(self.setup.time_limit_s);
                self.limit_time();
            }
            ApiUpdate::Redirect { webhook, fallback } => {
                self.setup.fallback = fallback.or(self.setup.fallback.take());
                self.redirect(now, DocumentSource::Url(webhook));
            }
            ApiUpdate::Twiml(text) => self.redirect(now, DocumentSource::Twiml(text)),
            ApiUpdate::Recording { recording, change } => {
                self.change_recording(now, recording, change);
            }
            ApiUpdate::Stream { stream: sid, change } => {
                self.change_side::<StreamState>(now, sid, change, Self::check_side_stream);
            }
            ApiUpdate::Siprec { siprec: sid, change } => {
                self.change_side::<SiprecState>(now, sid, change, Self::check_siprec);
            }
            ApiUpdate::Transcription { transcription: sid, change } => {
                self.change_side::<TranscriptionState>(now, sid, change, Self::check_transcription);
            }
            ApiUpdate::Complete => self.complete(now),
            ApiUpdate::Cancel if self.facts.answered.is_none() => self.complete(now),
            // `canceled` means that nobody answered (webhooks.md 6): an answered call goes on.
            ApiUpdate::Cancel => {}
        }
    }

    fn set_status(&mut self, now: Now, status: CallStatus) {
        debug_assert!(status >= self.status, "a status only moves forward");
        // A repeated status is not a change: record and timeline show each status once.
        if status != self.status {
            self.status = status;
            self.effect(CallEffect::Status(StatusChange { status, unix_ms: now.unix_ms }));
            self.timeline("status", status.as_str());
        }
    }

    fn effect(&mut self, effect: CallEffect) {
        self.effects.push_back(effect);
    }

    fn timeline(&mut self, kind: &'static str, text: impl Display) {
        let entry = TimelineEntry { kind, text: text.to_string() };
        self.effects.push_back(CallEffect::Timeline(entry));
    }

    fn is_tied_child(&self) -> bool {
        self.tied
    }
}

const TIMERS_A_TURN_MAX: usize = 16;
