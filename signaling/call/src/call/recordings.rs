//! Recordings of a call: start, pause, stop, status callbacks. Sans-IO.
//!
//! Verbs and REST start recordings, several at once; no recording is the activity of the call, so any verb
//! may run meanwhile. A recording runs or is paused, ends on the leg (`RecordingEnded`), and then its file
//! is settled (`RecordingDone`). The call lives until all are settled. The status callbacks of a recording
//! leave one after the other, each when the one before is answered, so that they arrive in order.

use std::collections::VecDeque;
use std::time::Duration;

use shared::media::TapPause;
use shared::{Code, EncryptionDetails, Now, RecordingSid, limits};

use super::Call;
use super::activity::Waits as _;
use super::state::Leg;
use crate::date::rfc2822;
use crate::effect::{CallEffect, RecordingPlan, RecordingSource};
use crate::finding::Finding;
use crate::form::Form;
use crate::input::{RecordingChange, RecordingEnd, RecordingOutcome};
use crate::setup::{RecordingCallback, RecordingEvent, Webhook};
use crate::twiml::verb::record::RecordingLink;

/// A recording of this call, until its file is settled.
#[derive(Clone, Debug)]
pub(super) struct RecordingState {
    plan: RecordingPlan,
    callback: Option<RecordingCallback>,
    /// The name that `<Stop>` knows it by.
    pub name: Option<String>,
    /// When it started.
    pub started: Now,
    ended: Option<Now>,
    paused: Option<TapPause>,
    /// When the pause began that its file does not hold; `None` while the file grows.
    skips_since: Option<Now>,
    /// Pauses so far that its file does not hold.
    skipped: Duration,
    /// Its file is settled: no further input is about it.
    pub done: bool,
    /// A status callback is out. Later ones wait for its answer.
    is_sending: bool,
    /// Forms of those, in order.
    waiting: VecDeque<Form>,
}

/// What a status callback adds once the recording is over.
#[derive(Clone, Copy, Default)]
struct Settled<'a> {
    duration_s: Option<u32>,
    code: Option<Code>,
    /// What opens the file, where it is sealed.
    encryption: Option<&'a EncryptionDetails>,
}

impl RecordingState {
    fn new(now: Now, plan: RecordingPlan, callback: Option<RecordingCallback>) -> Self {
        Self {
            plan,
            callback,
            name: None,
            started: now,
            ended: None,
            paused: None,
            skips_since: None,
            skipped: Duration::ZERO,
            done: false,
            is_sending: false,
            waiting: VecDeque::new(),
        }
    }

    /// Whether it takes audio, or will once it is resumed.
    pub(super) const fn is_running(&self) -> bool {
        self.ended.is_none()
    }

    /// Its length so far, to the nearest second.
    pub(super) fn seconds(&self, now: Now) -> u32 {
        let end = self.ended.unwrap_or(now);
        let skips = self.skips_since.map_or(Duration::ZERO, |since| end.mono.since(since.mono));
        let whole = end.mono.since(self.started.mono);
        nearest_second(whole.saturating_sub(self.skipped + skips))
    }

    fn pause(&mut self, now: Now, pause: Option<TapPause>) {
        if let Some(since) = self.skips_since.take() {
            self.skipped += now.mono.since(since.mono);
        }
        self.skips_since = (pause == Some(TapPause::Skip)).then_some(now);
        self.paused = pause;
    }
}

/// A duration to the nearest second.
pub(super) fn nearest_second(duration: Duration) -> u32 {
    u32::try_from((duration.as_millis() + 500) / 1_000).unwrap_or(u32::MAX)
}

impl Call {
    /// Starts the recording that the REST call asked for, if any.
    pub(super) fn start_api_recording(&mut self, now: Now) {
        // Moved out of the set-up: a call is answered once.
        let Some(record) = self.setup.record.take() else { return };
        let plan = RecordingPlan {
            recording: self.mint_recording(now),
            source: RecordingSource::OutboundApi,
            track: record.track,
            channels: record.channels,
            silence_ms: 0,
            max_ms: limits::RECORDING_S_MAX.saturating_mul(1_000),
            trim: record.trim,
        };
        // Kept for the last status callback, which reports it before the recording of a `<Dial>`.
        self.facts.api_recording = Some(plan.recording);
        self.start_recording(now, plan, record.callback);
    }

    /// REST starts a recording of the call, or changes one.
    pub(super) fn change_recording(
        &mut self,
        now: Now,
        recording: RecordingSid,
        change: RecordingChange,
    ) {
        match change {
            RecordingChange::Start(settings) => {
                // Control has answered such a request with an error; it is looked at again because a
                // recording of a leg without media would fail.
                if self.leg != Leg::Up || !self.has_room_for_recordings(1) {
                    return;
                }
                let plan = RecordingPlan {
                    recording,
                    source: RecordingSource::StartCallRecordingApi,
                    track: settings.track,
                    channels: settings.channels,
                    silence_ms: 0,
                    max_ms: limits::RECORDING_S_MAX.saturating_mul(1_000),
                    trim: settings.trim,
                };
                self.start_recording(now, plan, settings.callback);
            }
            RecordingChange::Pause(pause) => self.pause_recording(now, recording, pause),
            RecordingChange::Stop => self.stop_recording(now, recording),
        }
    }

    /// Whether the call may have this number of recordings more. One that was stopped makes room at once,
    /// although the disk may take a while to keep its file.
    pub fn has_room_for_recordings(&self, more: usize) -> bool {
        let count = |counts: fn(&RecordingState) -> bool| {
            self.recordings.values().filter(|state| counts(state)).count()
        };
        let (running, unsettled) =
            (count(|state| state.is_running() && !state.done), count(|state| !state.done));
        running + more <= limits::RECORDINGS_A_CALL_MAX
            && unsettled + more <= limits::RECORDINGS_UNSETTLED_MAX
    }

    fn pause_recording(&mut self, now: Now, recording: RecordingSid, pause: Option<TapPause>) {
        let Some(state) = self.recordings.get_mut(&recording) else { return };
        if state.ended.is_some() || state.paused == pause {
            return;
        }
        state.pause(now, pause);
        let (word, event, status) = match pause {
            Some(TapPause::Skip) => ("paused, without silence", RecordingEvent::Paused, "paused"),
            Some(TapPause::Silence) => ("paused", RecordingEvent::Paused, "paused"),
            None => ("resumed", RecordingEvent::Resumed, "resumed"),
        };
        self.timeline("recording", format_args!("{recording} {word}"));
        self.effect(CallEffect::PauseRecording { recording, pause });
        self.report_recording(recording, event, status);
    }

    pub(super) fn mint_recording(&mut self, now: Now) -> RecordingSid {
        // Minted here and not by the recorder: a webhook may name a recording before it has a file.
        RecordingSid::mint(now.unix_ms, self.setup.origin, self.random.number())
    }

    /// The recording callback of a verb with its URL resolved. One that cannot be used is a warning (13256).
    pub(super) fn recording_callback(
        &mut self,
        link: Option<RecordingLink>,
    ) -> Option<RecordingCallback> {
        let link = link?;
        match self.resolve(&link.link.url) {
            Ok(url) => Some(RecordingCallback {
                webhook: Webhook { url: url.configured(), method: link.link.method },
                events: link.events,
            }),
            Err(fault) => {
                self.notify(
                    Finding::warning(Code::RECORDING_STATUS_CALLBACK, fault.sentence),
                    None,
                );
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
        debug_assert!(!self.recordings.contains_key(&recording), "a minted SID is new");
        // Only the terminal callback needs a settled recording, and only that of REST: the map stays small.
        let kept = self.facts.api_recording;
        self.recordings.retain(|sid, state| !state.done || state.is_sending || Some(*sid) == kept);
        let mut state = RecordingState::new(now, plan, callback);
        self.timeline("recording", format_args!("{recording} started"));
        self.effect(CallEffect::StartRecording(plan));
        for (event, status) in
            [(RecordingEvent::Started, "started"), (RecordingEvent::InProgress, "in-progress")]
        {
            self.recording_event(&mut state, &[event], status, Settled::default());
        }
        self.recordings.insert(recording, state);
    }

    pub(super) fn stop_recording(&mut self, now: Now, recording: RecordingSid) {
        let Some(state) = self.recordings.get_mut(&recording) else { return };
        // One that ended by silence or by its length is closed already.
        if state.ended.is_none() {
            state.ended = Some(now);
            self.effect(CallEffect::StopRecording { recording });
            self.finish_transcript(recording);
            self.report_recording(recording, RecordingEvent::Stopped, "stopped");
        }
    }

    /// Reports an event of a recording that runs.
    fn report_recording(&mut self, recording: RecordingSid, event: RecordingEvent, status: &str) {
        // Out of the map meanwhile: sending changes the call.
        let Some(mut state) = self.recordings.remove(&recording) else { return };
        self.recording_event(&mut state, &[event], status, Settled::default());
        self.recordings.insert(recording, state);
    }

    /// A recording takes no more audio; its file is not settled yet.
    pub(super) fn recording_ended(
        &mut self,
        now: Now,
        recording: RecordingSid,
        cause: RecordingEnd,
    ) {
        // Where we stopped it, our stop is the end; the confirmation comes a round trip later.
        if let Some(state) = self.recordings.get_mut(&recording)
            && state.ended.is_none()
        {
            state.ended = Some(now);
            self.report_recording(recording, RecordingEvent::Stopped, "stopped");
            self.finish_transcript(recording);
        }
        self.on_activity(|activity, call| activity.on_recording_ended(call, now, recording, cause));
    }

    pub(super) fn recording_done(&mut self, recording: RecordingSid, outcome: &RecordingOutcome) {
        if self.recordings.get(&recording).is_none_or(|state| state.done) {
            return;
        }
        // Out of the map while its event is sent, which changes the call.
        let Some(mut state) = self.recordings.remove(&recording) else { return };
        state.done = true;
        let code = outcome.code();
        match outcome {
            // The length of the file, which may be shorter than the time recorded: silence may be
            // cut.
            RecordingOutcome::Completed { duration_s, cut_ms, encryption } => {
                if *cut_ms > 0 {
                    let message = format!(
                        "{recording} ends early: the disk took no more, {cut_ms} ms are lost"
                    );
                    self.timeline("error", &message);
                    self.notify(Finding::error(Code::INTERNAL, message), None);
                }
                let events = [RecordingEvent::Completed];
                let (duration_s, encryption) = (Some(*duration_s), encryption.as_deref());
                let settled = Settled { duration_s, code, encryption };
                self.recording_event(&mut state, &events, "completed", settled);
            }
            RecordingOutcome::Absent => {
                let events = [RecordingEvent::Absent];
                let settled = Settled { code, ..Settled::default() };
                self.recording_event(&mut state, &events, "absent", settled);
            }
            // Verbs have no event for a failure: it goes to all who wait for a file or for the word that
            // there is none.
            RecordingOutcome::Failed { sentence } => {
                let message = format!("{recording} failed: {sentence}");
                self.timeline("error", &message);
                self.notify(Finding::error(Code::INTERNAL, message), None);
                let events =
                    [RecordingEvent::Completed, RecordingEvent::Failed, RecordingEvent::Absent];
                let settled = Settled { code, ..Settled::default() };
                self.recording_event(&mut state, &events, "failed", settled);
            }
        }
        self.recordings.insert(recording, state);
    }

    /// Reports an event to the status callback of a recording, where that wants one of these.
    fn recording_event(
        &mut self,
        state: &mut RecordingState,
        events: &[RecordingEvent],
        status: &str,
        settled: Settled<'_>,
    ) {
        let Some(callback) = &state.callback else { return };
        if !callback.events.iter().any(|event| events.contains(event)) {
            return;
        }
        let plan = &state.plan;
        let mut form = Form::new();
        form.push("AccountSid", self.setup.account);
        // A recording belongs to the parent, whichever of its calls it holds (webhooks.md 5.6).
        form.push("CallSid", self.setup.parent.unwrap_or(self.setup.sid));
        form.push("RecordingSid", plan.recording);
        self.push_recording_url(plan.recording, &mut form);
        form.push("RecordingStatus", status);
        if let Some(duration_s) = settled.duration_s {
            form.push("RecordingDuration", duration_s);
        }
        form.push("RecordingChannels", plan.channels);
        form.push("RecordingStartTime", rfc2822(state.started.unix_ms));
        form.push("RecordingSource", plan.source.as_str());
        form.push("RecordingTrack", plan.track.as_str());
        form.push("ErrorCode", settled.code.map_or(0, Code::number));
        if let Some(encryption) = settled.encryption {
            form.push("EncryptionDetails", encryption.json());
        }
        self.queue_recording_callback(state, form);
    }

    /// Sends the callback, or lets it wait for the one before it: the events of a recording arrive in order.
    fn queue_recording_callback(&mut self, state: &mut RecordingState, form: Form) {
        if !state.is_sending {
            let Some(callback) = state.callback.take() else { return };
            let recording = state.plan.recording;
            state.is_sending = self.send_recording_callback(recording, &callback.webhook, form);
            state.callback = Some(callback);
        } else if state.waiting.len() < limits::RECORDING_CALLBACKS_WAITING_MAX {
            state.waiting.push_back(form);
        } else {
            let most = limits::RECORDING_CALLBACKS_WAITING_MAX;
            let message = format!(
                "{} has {most} status callbacks that wait for their answers: one more is not sent",
                state.plan.recording
            );
            self.notify(Finding::warning(Code::RECORDING_STATUS_CALLBACK, message), None);
        }
    }

    /// The callback before was answered, or failed.
    pub(super) fn next_recording_callback(&mut self, recording: RecordingSid) {
        let Some(mut state) = self.recordings.remove(&recording) else { return };
        state.is_sending = false;
        if let Some(form) = state.waiting.pop_front() {
            self.queue_recording_callback(&mut state, form);
        }
        self.recordings.insert(recording, state);
    }
}
