//! Recordings: the `<Record>` verb, and what every recording has in common (contract twiml.md 2.5,
//! webhooks.md 5.2 and 5.6). Sans-IO.

use std::time::Duration;

use shared::{Now, PlayId, RecordingSid, limits};

use super::script::url_error;
use super::webhooks::warning;
use super::{Activity, Call};
use crate::date::rfc2822;
use crate::effect::{CallEffect, PromptSource, RecordingPlan, RecordingSource};
use crate::form::Form;
use crate::ids::PromptId;
use crate::input::{PromptFailure, RecordingEnd, RecordingOutcome};
use crate::setup::{RecordingCallback, RecordingEvent, RecordingTrack, Webhook};
use crate::tone::Tone;
use crate::twiml::Position;
use crate::twiml::verb::Record;
use crate::twiml::verb::record::RecordingLink;
use crate::webhook::HttpKind;

/// A recording of this call, until its file is settled.
#[derive(Clone, Debug)]
pub(super) struct RecordingState {
    plan: RecordingPlan,
    callback: Option<RecordingCallback>,
    /// When it began.
    pub started: Now,
    ended: Option<Now>,
    /// The file is settled: nothing more comes.
    pub done: bool,
}

impl RecordingState {
    /// Whole seconds so far, to the nearest one.
    pub(super) fn seconds(&self, now: Now) -> u32 {
        nearest_second(self.ended.unwrap_or(now).mono.since(self.started.mono))
    }
}

/// Whole seconds, to the nearest one.
pub(super) fn nearest_second(duration: Duration) -> u32 {
    u32::try_from((duration.as_millis() + 500) / 1_000).unwrap_or(u32::MAX)
}

/// A `<Record>` that runs.
#[derive(Clone, Debug)]
pub(super) struct RecordVerb {
    spec: Record,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    BeepLoading(PromptId),
    Beeping(PlayId),
    Recording(RecordingSid),
}

impl Call {
    pub(super) fn record(&mut self, now: Now, spec: Record, position: Position) {
        if let Err(fault) = self.resolve(&spec.action.url) {
            return self.fatal(now, url_error(fault, Some(position)));
        }
        self.answer(now);
        if !spec.play_beep {
            return self.record_now(now, spec);
        }
        let prompt = self.load(PromptSource::Tone(Tone::Beep));
        let stage = Stage::BeepLoading(prompt);
        self.activity = Activity::Recording(Box::new(RecordVerb { spec, stage }));
    }

    pub(super) fn beep_ready(
        &mut self,
        now: Now,
        mut verb: Box<RecordVerb>,
        prompt: PromptId,
        result: &Result<(), PromptFailure>,
    ) {
        match (verb.stage, result) {
            (Stage::BeepLoading(waited), Ok(())) if waited == prompt => {
                verb.stage = Stage::Beeping(self.play(prompt, 1));
                self.activity = Activity::Recording(verb);
            }
            // Without its beep a recording is still a recording.
            (Stage::BeepLoading(waited), Err(_)) if waited == prompt => {
                self.record_now(now, verb.spec);
            }
            (Stage::BeepLoading(_) | Stage::Beeping(_) | Stage::Recording(_), _) => {
                self.activity = Activity::Recording(verb);
            }
        }
    }

    pub(super) fn beep_ended(&mut self, now: Now, verb: Box<RecordVerb>, play: PlayId) {
        match verb.stage {
            Stage::Beeping(waited) if waited == play => self.record_now(now, verb.spec),
            Stage::BeepLoading(_) | Stage::Beeping(_) | Stage::Recording(_) => {
                self.activity = Activity::Recording(verb);
            }
        }
    }

    fn record_now(&mut self, now: Now, spec: Record) {
        let callback = self.recording_callback(spec.callback.as_ref());
        let plan = RecordingPlan {
            recording: self.mint_recording(now),
            source: RecordingSource::RecordVerb,
            track: RecordingTrack::Inbound,
            channels: 1,
            silence_ms: spec.timeout_s.saturating_mul(1_000),
            max_ms: spec.max_length_s.saturating_mul(1_000),
            trim: spec.trim,
        };
        let stage = Stage::Recording(plan.recording);
        self.start_recording(now, plan, callback);
        self.activity = Activity::Recording(Box::new(RecordVerb { spec, stage }));
    }

    pub(super) fn record_digit(&mut self, now: Now, verb: Box<RecordVerb>, digit: u8) {
        match verb.stage {
            Stage::Recording(recording) if verb.spec.finish_on_key.contains(char::from(digit)) => {
                self.stop_recording(now, recording);
                let form = self.record_result(now, recording, &char::from(digit).to_string());
                self.follow(now, &verb.spec.action, form);
            }
            Stage::BeepLoading(_) | Stage::Beeping(_) | Stage::Recording(_) => {
                self.activity = Activity::Recording(verb);
            }
        }
    }

    pub(super) fn recording_ended(
        &mut self,
        now: Now,
        recording: RecordingSid,
        cause: RecordingEnd,
    ) {
        if let Some(state) = self.recordings.get_mut(&recording) {
            state.ended.get_or_insert(now);
        }
        let ours = matches!(&self.activity, Activity::Recording(verb) if verb.stage == Stage::Recording(recording));
        if !ours {
            return;
        }
        let Activity::Recording(verb) = std::mem::replace(&mut self.activity, Activity::Idle)
        else {
            return;
        };
        match cause {
            RecordingEnd::Silence | RecordingEnd::MaxLength | RecordingEnd::Stopped => {
                let form = self.record_result(now, recording, "");
                self.follow(now, &verb.spec.action, form);
            }
            // No audio: the call falls through to the next verb (contract twiml.md 2.5).
            RecordingEnd::Failed => {
                let message = "<Record> could not record: the next verb follows".to_owned();
                self.notify(warning(13610, message), None);
                self.next_verb(now);
            }
            // The hang-up that follows requests the action.
            RecordingEnd::LegStopped => self.activity = Activity::Recording(verb),
        }
    }

    /// The caller hung up while being recorded: the action is told (contract twiml.md 1.3).
    pub(super) fn record_aftermath(&mut self, now: Now, verb: &RecordVerb) {
        let Stage::Recording(recording) = verb.stage else { return };
        let form = self.record_result(now, recording, "hangup");
        if let Ok(url) = self.resolve(&verb.spec.action.url) {
            self.report_action(url, verb.spec.action.method, form);
        }
    }

    pub(super) fn abort_record(&mut self, now: Now, verb: &RecordVerb) {
        match verb.stage {
            Stage::BeepLoading(prompt) => self.effect(CallEffect::ForgetPrompt { prompt }),
            Stage::Beeping(_) => self.effect(CallEffect::StopPlay),
            Stage::Recording(recording) => self.stop_recording(now, recording),
        }
    }

    fn record_result(&self, now: Now, recording: RecordingSid, digits: &str) -> Form {
        let mut form = Form::new();
        self.recording_parameters(now, recording, &mut form);
        form.push("Digits", digits);
        form
    }

    /// Recording asked with the REST call.
    pub(super) fn start_api_recording(&mut self, now: Now) {
        let Some(record) = self.setup.record.clone() else { return };
        let plan = RecordingPlan {
            recording: self.mint_recording(now),
            source: RecordingSource::OutboundApi,
            track: record.track,
            channels: record.channels,
            silence_ms: 0,
            max_ms: limits::RECORDING_S_MAX.saturating_mul(1_000),
            trim: record.trim,
        };
        self.facts.api_recording = Some(plan.recording);
        self.start_recording(now, plan, record.callback);
    }

    pub(super) fn mint_recording(&mut self, now: Now) -> RecordingSid {
        RecordingSid::mint(now.unix_ms, self.setup.origin, self.random.bits())
    }

    /// The callback of a verb with its URL resolved; a bad one is a warning (13256).
    pub(super) fn recording_callback(
        &mut self,
        link: Option<&RecordingLink>,
    ) -> Option<RecordingCallback> {
        let link = link?;
        match self.resolve(&link.link.url) {
            Ok(url) => Some(RecordingCallback {
                webhook: Webhook { url: url.configured(), method: link.link.method },
                events: link.events.clone(),
            }),
            Err(fault) => {
                self.notify(warning(13256, fault.sentence), None);
                None
            }
        }
    }

    pub(super) fn start_recording(
        &mut self,
        now: Now,
        plan: RecordingPlan,
        callback: Option<RecordingCallback>,
    ) {
        let recording = plan.recording;
        // Settled ones are needed by nobody but the terminal callback: the map stays small.
        let kept = self.facts.api_recording;
        self.recordings.retain(|sid, state| !state.done || Some(*sid) == kept);
        let state =
            RecordingState { plan: plan.clone(), callback, started: now, ended: None, done: false };
        self.recordings.insert(recording, state.clone());
        self.timeline("recording", format!("{recording} started"));
        self.effect(CallEffect::StartRecording(plan));
        self.recording_event(&state, RecordingEvent::InProgress, "in-progress", None);
    }

    pub(super) fn stop_recording(&mut self, now: Now, recording: RecordingSid) {
        let Some(state) = self.recordings.get_mut(&recording) else { return };
        if state.ended.is_none() {
            state.ended = Some(now);
            self.effect(CallEffect::StopRecording { recording });
        }
    }

    pub(super) fn stop_all_recordings(&mut self, now: Now) {
        let running: Vec<RecordingSid> = self.recordings.keys().copied().collect();
        for recording in running {
            self.stop_recording(now, recording);
        }
    }

    pub(super) fn recording_done(&mut self, recording: RecordingSid, outcome: &RecordingOutcome) {
        let Some(state) = self.recordings.get_mut(&recording).filter(|state| !state.done) else {
            return;
        };
        state.done = true;
        let state = state.clone();
        match outcome {
            RecordingOutcome::Completed { duration_s } => {
                self.recording_event(
                    &state,
                    RecordingEvent::Completed,
                    "completed",
                    Some(*duration_s),
                );
            }
            RecordingOutcome::Absent => {
                self.recording_event(&state, RecordingEvent::Absent, "absent", None);
            }
            RecordingOutcome::Failed { sentence } => {
                self.timeline("error", format!("{recording} failed: {sentence}"));
                self.recording_event(&state, RecordingEvent::Completed, "failed", None);
            }
        }
    }

    fn recording_event(
        &mut self,
        state: &RecordingState,
        event: RecordingEvent,
        status: &str,
        duration_s: Option<u32>,
    ) {
        let Some(callback) = &state.callback else { return };
        if !callback.events.contains(&event) {
            return;
        }
        let plan = &state.plan;
        let mut form = Form::new();
        form.push("AccountSid", self.setup.account.to_string());
        // The parent leg's SID: a recording belongs to the call whose verb made it.
        form.push("CallSid", self.setup.sid.to_string());
        form.push("RecordingSid", plan.recording.to_string());
        form.push("RecordingUrl", self.recording_url(plan.recording));
        form.push("RecordingStatus", status);
        if let Some(duration_s) = duration_s {
            form.push("RecordingDuration", duration_s.to_string());
        }
        form.push("RecordingChannels", plan.channels.to_string());
        form.push("RecordingStartTime", rfc2822(state.started.unix_ms));
        form.push("RecordingSource", plan.source.as_str());
        form.push("RecordingTrack", plan.track.as_str());
        form.push("ErrorCode", "0");
        self.callback(HttpKind::RecordingCallback, &callback.webhook, form);
    }
}
