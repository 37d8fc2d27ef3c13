//! The `<Record>` verb: beep, recording, action. Sans-IO.
//!
//! `BeepLoading → Beeping → Recording`; without a beep, or when the beep cannot be played, the recording
//! begins at once. What all recordings have in common is in `recordings.rs`.

use std::fmt::Display;

use shared::{Code, Now, PlayId, RecordingSid};

use super::{Activity, Still, Waits};
use crate::call::Call;
use crate::effect::{CallEffect, PromptSource, RecordingPlan, RecordingSource};
use crate::finding::{Finding, Position};
use crate::form::Form;
use crate::ids::PromptId;
use crate::input::{PromptFailure, RecordingEnd};
use crate::setup::RecordingTrack;
use crate::tone::Tone;
use crate::twiml::verb::Record;

/// A `<Record>` that runs.
#[derive(Clone, Debug)]
pub(crate) struct RecordVerb {
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
    pub(crate) fn record(&mut self, now: Now, mut spec: Record, position: Position) {
        // Checked first: nothing is recorded whose result could not be reported.
        if let Err(fault) = self.resolve(&spec.action.url) {
            return self.fatal(now, Finding::from(fault).at(position));
        }
        self.answer(now);
        let stage = if spec.play_beep {
            Stage::BeepLoading(self.load(PromptSource::Tone(Tone::Beep)))
        } else {
            Stage::Recording(self.start_verb_recording(now, &mut spec))
        };
        self.activity = Activity::Recording(Box::new(RecordVerb { spec, stage }));
    }

    fn start_verb_recording(&mut self, now: Now, spec: &mut Record) -> RecordingSid {
        // Moved: a verb makes one recording.
        let callback = self.recording_callback(spec.callback.take());
        let plan = RecordingPlan {
            recording: self.mint_recording(now),
            source: RecordingSource::RecordVerb,
            // The caller alone, in mono (twiml.md 2.5).
            track: RecordingTrack::Inbound,
            channels: 1,
            silence_ms: spec.timeout_s.saturating_mul(1_000),
            max_ms: spec.max_length_s.saturating_mul(1_000),
            trim: spec.trim,
        };
        let recording = plan.recording;
        self.start_recording(now, plan, callback);
        if spec.is_transcribed {
            self.start_transcript(recording, spec.transcribe_callback.take());
        }
        recording
    }

    /// Parameters of the action.
    fn record_result(&self, now: Now, recording: RecordingSid, digits: impl Display) -> Form {
        let mut form = Form::new();
        self.recording_parameters(now, recording, &mut form);
        form.push("Digits", digits);
        form
    }
}

impl Waits for RecordVerb {
    fn on_prompt(
        &mut self,
        call: &mut Call,
        now: Now,
        prompt: PromptId,
        result: &Result<(), PromptFailure>,
    ) -> Still {
        if self.stage == Stage::BeepLoading(prompt) {
            self.stage = match result {
                Ok(()) => Stage::Beeping(call.play(prompt, 1)),
                // Without its beep a recording is still a recording.
                Err(_) => Stage::Recording(call.start_verb_recording(now, &mut self.spec)),
            };
        }
        Still::Waiting
    }

    fn on_play_ended(&mut self, call: &mut Call, now: Now, play: PlayId) -> Still {
        if self.stage == Stage::Beeping(play) {
            self.stage = Stage::Recording(call.start_verb_recording(now, &mut self.spec));
        }
        Still::Waiting
    }

    fn on_digit(&mut self, call: &mut Call, now: Now, digit: u8) -> Still {
        let key = char::from(digit);
        match self.stage {
            Stage::Recording(recording) if self.spec.finish_on_key.contains(key) => {
                // First, so that the action reports the final length.
                call.stop_recording(now, recording);
                let form = call.record_result(now, recording, key);
                call.follow(now, &self.spec.action, form);
                Still::Over
            }
            // Before the recording there is nothing for a key to end.
            Stage::BeepLoading(_) | Stage::Beeping(_) | Stage::Recording(_) => Still::Waiting,
        }
    }

    fn on_recording_ended(
        &mut self,
        call: &mut Call,
        now: Now,
        recording: RecordingSid,
        cause: RecordingEnd,
    ) -> Still {
        if self.stage != Stage::Recording(recording) {
            return Still::Waiting;
        }
        match cause {
            RecordingEnd::Silence | RecordingEnd::MaxLength | RecordingEnd::Stopped => {
                let form = call.record_result(now, recording, "");
                call.follow(now, &self.spec.action, form);
                Still::Over
            }
            // There is no audio that the action could report.
            RecordingEnd::Failed => {
                let message = "<Record> could not record: the next verb follows";
                call.notify(Finding::warning(Code::RECORD_METHOD, message), None);
                call.next_verb(now);
                Still::Over
            }
            // The hang-up that follows requests the action.
            RecordingEnd::LegStopped => Still::Waiting,
        }
    }

    fn abort(&mut self, call: &mut Call, now: Now) {
        match self.stage {
            Stage::BeepLoading(prompt) => call.effect(CallEffect::ForgetPrompt { prompt }),
            Stage::Beeping(_) => call.effect(CallEffect::StopPlay),
            Stage::Recording(recording) => call.stop_recording(now, recording),
        }
    }

    /// The caller hung up while being recorded: requests the action; its answer is not executed.
    fn on_leg_over(self, call: &mut Call, now: Now) -> Option<Activity> {
        // Hung up during the beep: nothing was recorded, so there is no action.
        if let Stage::Recording(recording) = self.stage {
            let form = call.record_result(now, recording, "hangup");
            if let Ok(url) = call.resolve(&self.spec.action.url) {
                call.report_action(url, self.spec.action.method, form);
            }
        }
        None
    }
}
