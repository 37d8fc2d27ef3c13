//! Live transcriptions of a call: start, stop, text, callbacks. Sans-IO.
//!
//! ```text
//!   <Start>, REST ──> Running ──<Stop>, REST, end of the leg──> Finishing ──last text──> gone
//!                        └──────────── a failure ─────────────────────────────────────> gone
//! ```
//!
//! A transcription runs beside the verbs: one recognition, which listens to one or two tracks for as long as the leg is
//! up. Its callbacks leave in order: started, text, stopped. A `<Start>` does not answer a call that rings (twiml.md 1.3):
//! its transcription begins with the answer.

use serde_json::{Value, json};
use shared::media::TapTracks;
use shared::{Code, LiveTranscriptionSid, Now};

use super::Call;
use super::sides::{Side, SideSettings, Sides, count};
use crate::date::iso8601;
use crate::effect::RecognitionStop;
use crate::finding::{Finding, Position};
use crate::form::Form;
use crate::ids::RecognitionId;
use crate::recognition::{
    Endpointing, Lane, RecognitionEnd, RecognitionEvent, RecognitionFault, RecognitionPlan, Share,
    Track, masked,
};
use crate::setup::TranscriptionSettings;
use crate::twiml::verb::Transcription;

/// A transcription of this call, until its recognition has ended.
#[derive(Clone, Debug)]
pub(super) struct TranscriptionState {
    settings: TranscriptionSettings,
    recognition: RecognitionId,
    /// Callbacks so far.
    sequence: u32,
}

impl SideSettings for TranscriptionSettings {
    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    fn tracks(&self) -> usize {
        count(self.tracks)
    }
}

impl Side for TranscriptionState {
    type Sid = LiveTranscriptionSid;
    type Settings = TranscriptionSettings;
    const WORD: &'static str = "transcription";

    fn of(call: &Call) -> &Sides<Self> {
        &call.transcriptions
    }

    fn of_mut(call: &mut Call) -> &mut Sides<Self> {
        &mut call.transcriptions
    }

    fn name(&self) -> Option<&str> {
        self.settings.name()
    }

    fn tracks(&self) -> usize {
        self.settings.tracks()
    }

    fn begin(call: &mut Call, now: Now, sid: Self::Sid, settings: TranscriptionSettings) {
        call.open_transcription(now, sid, settings);
    }

    fn stop(call: &mut Call, _now: Now, sid: Self::Sid) {
        call.finish_transcription(sid);
    }
}

impl Call {
    /// `<Start><Transcription>`.
    pub(super) fn start_transcription(
        &mut self,
        now: Now,
        noun: Transcription,
        position: Position,
    ) {
        let Transcription { mut settings, callback } = noun;
        settings.callback = self.side_callback(callback, position);
        let number = self.random.number();
        let transcription = LiveTranscriptionSid::mint(now.unix_ms, self.setup.origin, number);
        if let Err((code, sentence)) = self.check_transcription(&settings) {
            return self.transcription_refused(now, transcription, settings, code, &sentence);
        }
        self.start_side::<TranscriptionState>(now, transcription, settings);
    }

    /// The transcription with this name or SID, and its name.
    pub fn find_transcription(&self, name: &str) -> Option<(LiveTranscriptionSid, Option<&str>)> {
        let (sid, state) = self.transcriptions.find(name)?;
        Some((sid, state.name()))
    }

    /// What REST needs to know before it starts a transcription.
    ///
    /// # Errors
    /// Code and sentence: there is no engine, the name is taken, or the call has its most tracks.
    pub fn check_transcription(
        &self,
        settings: &TranscriptionSettings,
    ) -> Result<(), (Code, String)> {
        if !self.setup.settings.has_recognition {
            let sentence = "there is no speech engine: nothing is transcribed".to_owned();
            return Err((Code::TRANSCRIPTION_CONFIGURATION, sentence));
        }
        let code = Code::TRANSCRIPTION_CONFIGURATION;
        self.check_side::<TranscriptionState>(settings, (code, code))
    }

    fn open_transcription(
        &mut self,
        now: Now,
        transcription: LiveTranscriptionSid,
        settings: TranscriptionSettings,
    ) {
        self.timeline("transcription", format_args!("{transcription} started"));
        let recognition = self.start_recognition(|recognition| plan(recognition, &settings));
        let started = started(&settings);
        let state = TranscriptionState { settings, recognition, sequence: 0 };
        self.transcriptions.insert(transcription, state);
        self.transcription_event(now, transcription, "transcription-started", started, false);
    }

    fn finish_transcription(&mut self, transcription: LiveTranscriptionSid) {
        if let Some(state) = self.transcriptions.get(&transcription) {
            self.stop_recognition(state.recognition, RecognitionStop::Finish);
        }
    }

    fn transcription_refused(
        &mut self,
        now: Now,
        transcription: LiveTranscriptionSid,
        settings: TranscriptionSettings,
        code: Code,
        sentence: &str,
    ) {
        // Its callback needs a lane of its own, as that of one that runs.
        let recognition = self.names.recognition();
        let state = TranscriptionState { settings, recognition, sequence: 0 };
        self.transcriptions.insert(transcription, state);
        self.transcription_failed(now, transcription, code, sentence);
        self.transcriptions.remove(&transcription);
    }

    /// Takes an event of a recognition; gives it back where it is of no transcription.
    pub(super) fn on_transcription(
        &mut self,
        now: Now,
        recognition: RecognitionId,
        event: RecognitionEvent,
    ) -> Option<RecognitionEvent> {
        let mut all = self.transcriptions.iter();
        let found = all.find(|(_, state)| state.recognition == recognition);
        let Some((&transcription, state)) = found else { return Some(event) };
        match event {
            RecognitionEvent::SpeechStarted { .. } => {}
            RecognitionEvent::Partial { track, text, stability } => {
                let content = state.settings.partial(track, &text, stability);
                self.transcribed(now, transcription, content, true);
            }
            // Nothing was understood: there is nothing to send.
            RecognitionEvent::Final { text, .. } if text.is_empty() => {}
            RecognitionEvent::Final { track, text, confidence } => {
                let content = state.settings.fixed(track, &text, confidence);
                self.transcribed(now, transcription, content, false);
            }
            RecognitionEvent::Ended(end) => self.transcription_ended(now, transcription, end),
        }
        None
    }

    fn transcribed(
        &mut self,
        now: Now,
        transcription: LiveTranscriptionSid,
        content: Form,
        is_partial: bool,
    ) {
        let event = "transcription-content";
        self.transcription_event(now, transcription, event, content, is_partial);
    }

    fn transcription_ended(
        &mut self,
        now: Now,
        transcription: LiveTranscriptionSid,
        end: RecognitionEnd,
    ) {
        if let RecognitionEnd::Failed { fault, sentence } = end {
            let code = match fault {
                RecognitionFault::NoEngine => Code::TRANSCRIPTION_CONFIGURATION,
                RecognitionFault::Engine => Code::TRANSCRIPTION_PROVIDER,
                RecognitionFault::Gateway => Code::TRANSCRIPTION_INTERNAL,
            };
            self.transcription_failed(now, transcription, code, &sentence);
        }
        self.timeline("transcription", format_args!("{transcription} stopped"));
        let event = "transcription-stopped";
        self.transcription_event(now, transcription, event, Form::new(), false);
        self.transcriptions.remove(&transcription);
    }

    fn transcription_failed(
        &mut self,
        now: Now,
        transcription: LiveTranscriptionSid,
        code: Code,
        sentence: &str,
    ) {
        let mut form = Form::new();
        form.push("TranscriptionErrorCode", code);
        form.push("TranscriptionError", sentence);
        self.transcription_event(now, transcription, "transcription-error", form, false);
        let message = format!("transcription {transcription}: {sentence}");
        self.notify(Finding::error(code, message), None);
    }

    fn transcription_event(
        &mut self,
        now: Now,
        transcription: LiveTranscriptionSid,
        event: &str,
        more: Form,
        is_partial: bool,
    ) {
        let Some(state) = self.transcriptions.get_mut(&transcription) else { return };
        let Some(callback) = state.settings.callback.clone() else { return };
        state.sequence += 1;
        let (sequence, recognition) = (state.sequence, state.recognition);
        let mut form = Form::new();
        form.push("AccountSid", self.setup.account);
        form.push("CallSid", self.setup.sid);
        form.push("TranscriptionSid", transcription);
        form.push("Timestamp", iso8601(now.unix_ms));
        form.push("SequenceId", sequence);
        form.push("TranscriptionEvent", event);
        form.extend(&more);
        self.recognition_callback(recognition, callback, form, is_partial);
    }
}

impl TranscriptionSettings {
    fn partial(&self, track: Track, text: &str, stability: Share) -> Form {
        let data = json!({ "transcript": self.shown(text) });
        let mut form = self.content(track, &data, false);
        form.push("Stability", stability);
        form
    }

    fn fixed(&self, track: Track, text: &str, confidence: Option<Share>) -> Form {
        let mut data = json!({ "transcript": self.shown(text) });
        if let Some(confidence) = confidence {
            data["confidence"] = json!(f64::from(confidence.thousandths()) / 1_000.0);
        }
        self.content(track, &data, true)
    }

    fn content(&self, track: Track, data: &Value, is_final: bool) -> Form {
        let mut form = Form::new();
        form.push("LanguageCode", &self.language);
        form.push("Track", track.as_str());
        form.push("TranscriptionData", data);
        form.push("Final", is_final);
        form
    }

    fn shown(&self, text: &str) -> String {
        if self.is_filtered { masked(text).into_owned() } else { text.to_owned() }
    }
}

/// What `transcription-started` has beside the common parameters.
fn started(settings: &TranscriptionSettings) -> Form {
    let configuration = json!({
        "profanityFilter": settings.is_filtered.to_string(),
        "speechModel": settings.model,
        "enableAutomaticPunctuation": settings.is_punctuated.to_string(),
        "hints": settings.hints.join(", "),
    });
    let mut form = Form::new();
    form.push("ProviderConfiguration", configuration);
    form.push("TranscriptionEngine", &settings.engine);
    if let Some(name) = &settings.name {
        form.push("Name", name);
    }
    let track = match settings.tracks {
        TapTracks::Inbound => "inbound_track",
        TapTracks::Outbound => "outbound_track",
        TapTracks::Both => "both_tracks",
    };
    form.push("Track", track);
    let names = ["InboundTrackLabel", "OutboundTrackLabel"];
    for (name, label) in names.into_iter().zip(&settings.labels) {
        if let Some(label) = label {
            form.push(name, label);
        }
    }
    form.push("PartialResults", settings.wants_partials);
    form.push("LanguageCode", &settings.language);
    form
}

fn plan(recognition: RecognitionId, settings: &TranscriptionSettings) -> RecognitionPlan {
    RecognitionPlan {
        recognition,
        tracks: settings.tracks,
        language: settings.language.clone(),
        hints: settings.hints.clone(),
        is_grammar: false,
        wants_partials: settings.wants_partials,
        is_single: false,
        endpointing: Endpointing { silence_ms: SILENCE_MS, longest_ms: LONGEST_MS },
        lane: Lane::Live,
    }
}

/// The pause between two sentences.
const SILENCE_MS: u32 = 700;
/// A speaker without pauses: text this late is of no use to a reader.
const LONGEST_MS: u32 = 30_000;
