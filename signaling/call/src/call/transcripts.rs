//! Transcripts of recordings: `<Record transcribe>`. Sans-IO.
//!
//! ```text
//!   recording begins ──> Listening ──recording ends──> Finishing ──last result, file settled──> reported
//! ```
//!
//! A recognition listens beside the recording, so no file is read again, which may be sealed or in a bucket by then. Nobody
//! waits for the text: its utterances go by the batch lane, and the text may come minutes after the hang-up. The transcript exists once the recording's file is settled: in progress, then
//! completed or failed, and its callback follows. A recording of less than two seconds or of more than two minutes has
//! none (twiml.md 2.5).

use shared::media::TapTracks;
use shared::{Code, Now, RecordingSid, limits};
use store::{HttpMethod, Transcript, TranscriptStatus};

use super::Call;
use crate::effect::{CallEffect, RecognitionStop};
use crate::finding::Finding;
use crate::ids::RecognitionId;
use crate::input::RecordingOutcome;
use crate::recognition::{Endpointing, Lane, RecognitionEnd, RecognitionEvent, RecognitionPlan};
use crate::setup::Webhook;
use crate::twiml::verb::Link;

/// A transcript that is being made.
#[derive(Clone, Debug)]
pub(super) struct TranscriptState {
    recognition: RecognitionId,
    callback: Option<Webhook>,
    text: String,
    /// How the recognition ended; `None` until then.
    end: Option<RecognitionEnd>,
    /// The file is settled: its length, and the moment.
    settled: Option<(u32, i64)>,
}

impl Call {
    /// Listens beside a recording of `<Record>`.
    pub(super) fn start_transcript(&mut self, recording: RecordingSid, callback: Option<Link>) {
        if !self.setup.settings.has_recognition {
            let message = "there is no speech engine: <Record> goes on without a transcript";
            return self.notify(Finding::warning(Code::RECORD_TRANSCRIBE, message), None);
        }
        let callback = callback.and_then(|link| match self.resolve(&link.url) {
            Ok(url) => Some(Webhook { url: url.configured(), method: HttpMethod::Post }),
            Err(fault) => {
                self.notify(Finding::warning(Code::TRANSCRIBE_CALLBACK, fault.sentence), None);
                None
            }
        });
        let recognition = self.start_recognition(plan);
        let state = TranscriptState {
            recognition,
            callback,
            text: String::new(),
            end: None,
            settled: None,
        };
        self.transcripts.insert(recording, state);
    }

    /// The recording takes no more audio.
    pub(super) fn finish_transcript(&mut self, recording: RecordingSid) {
        if let Some(state) = self.transcripts.get(&recording) {
            self.stop_recognition(state.recognition, RecognitionStop::Finish);
        }
    }

    /// The recording's file is settled.
    pub(super) fn settle_transcript(
        &mut self,
        now: Now,
        recording: RecordingSid,
        outcome: &RecordingOutcome,
    ) {
        let Some(state) = self.transcripts.get_mut(&recording) else { return };
        let duration_s = match outcome {
            RecordingOutcome::Completed { duration_s, .. } => *duration_s,
            // Without a recording there is nothing whose transcript it could be.
            RecordingOutcome::Absent | RecordingOutcome::Failed { .. } => 0,
        };
        let finding = match duration_s {
            0..LENGTH_S_MIN => Some((Code::RECORD_TOO_SHORT_TO_TRANSCRIBE, "short")),
            LENGTH_S_MIN..=limits::TRANSCRIBED_S_MAX => None,
            _ => Some((Code::RECORD_TOO_LONG_TO_TRANSCRIBE, "long")),
        };
        if let Some((code, word)) = finding {
            let recognition = state.recognition;
            self.transcripts.remove(&recording);
            self.stop_recognition(recognition, RecognitionStop::Cancel);
            let message = format!("{recording} is too {word} to be transcribed: {duration_s} s");
            return self.notify(Finding::warning(code, message), None);
        }
        state.settled = Some((duration_s, now.unix_ms));
        if state.end.is_none() {
            self.note_transcript(now, recording, TranscriptStatus::InProgress);
        }
        self.conclude_transcript(now, recording);
    }

    /// Takes an event of a recognition; gives it back where it is of no transcript.
    pub(super) fn on_transcript(
        &mut self,
        now: Now,
        recognition: RecognitionId,
        event: RecognitionEvent,
    ) -> Option<RecognitionEvent> {
        let mut all = self.transcripts.iter_mut();
        let found = all.find(|(_, state)| state.recognition == recognition);
        let Some((&recording, state)) = found else { return Some(event) };
        match event {
            RecognitionEvent::SpeechStarted { .. } | RecognitionEvent::Partial { .. } => {}
            RecognitionEvent::Final { text, .. } => state.add(&text),
            RecognitionEvent::Ended(end) => {
                state.end = Some(end);
                self.conclude_transcript(now, recording);
            }
        }
        None
    }

    /// Reports the transcript, once recognition and recording are over.
    fn conclude_transcript(&mut self, now: Now, recording: RecordingSid) {
        let Some(state) = self.transcripts.get(&recording) else { return };
        let (Some(end), Some(_)) = (&state.end, state.settled) else { return };
        let status = match end {
            RecognitionEnd::Stopped => TranscriptStatus::Completed,
            RecognitionEnd::Failed { sentence, .. } => {
                let message = format!("{recording} could not be transcribed: {sentence}");
                self.notify(Finding::warning(Code::RECORD_TRANSCRIBE, message), None);
                TranscriptStatus::Failed
            }
        };
        self.note_transcript(now, recording, status);
        let Some(state) = self.transcripts.remove(&recording) else { return };
        let Some(callback) = state.callback else { return };
        let sid = Transcript::sid(recording);
        let (base, account) = (&self.setup.settings.api_base, self.setup.account);
        let mut form = self.standard_parameters();
        form.push("TranscriptionSid", sid);
        form.push("TranscriptionText", state.text);
        form.push("TranscriptionStatus", status.as_str());
        let url = format_args!("{base}/2010-04-01/Accounts/{account}/Transcriptions/{sid}");
        form.push("TranscriptionUrl", url);
        form.push("TranscriptionType", "fast");
        form.push("RecordingSid", recording);
        self.push_recording_url(recording, &mut form);
        self.recognition_callback(state.recognition, callback, form, false);
    }

    fn note_transcript(&mut self, now: Now, recording: RecordingSid, status: TranscriptStatus) {
        let Some(state) = self.transcripts.get(&recording) else { return };
        let Some((duration_s, created_ms)) = state.settled else { return };
        let is_whole = status == TranscriptStatus::Completed;
        let text = if is_whole { state.text.clone() } else { String::new() };
        let updated_ms = now.unix_ms;
        let transcript = Transcript { status, text, duration_s, created_ms, updated_ms };
        self.effect(CallEffect::Transcript { recording, transcript: Box::new(transcript) });
    }
}

impl TranscriptState {
    fn add(&mut self, text: &str) {
        if text.is_empty() || self.text.len() + text.len() >= limits::TRANSCRIPT_BYTES_MAX {
            return;
        }
        if !self.text.is_empty() {
            self.text.push(' ');
        }
        self.text.push_str(text);
    }
}

/// Free text in US English, as the API has it.
fn plan(recognition: RecognitionId) -> RecognitionPlan {
    RecognitionPlan {
        recognition,
        tracks: TapTracks::Inbound,
        language: "en-US".to_owned(),
        hints: [].into(),
        is_grammar: false,
        wants_partials: false,
        is_single: false,
        endpointing: Endpointing { silence_ms: 700, longest_ms: 30_000 },
        lane: Lane::Batch,
    }
}

/// A shorter recording has no transcript.
const LENGTH_S_MIN: u32 = 2;
