//! Live transcriptions of calls by REST: start and stop. Sans-IO.
//!
//! The call's machine owns a transcription and its callbacks; REST brings it one input more, and the answer is the
//! transcription as it is then. It never waits for an engine.

use call::{ApiUpdate, CallInput, TranscriptionChange, TranscriptionSettings, recognition};
use shared::media::TapTracks;
use shared::{AccountSid, CallSid, Code, LiveTranscriptionSid, Now};
use store::{Reply, StartTranscription, StreamTracks, TranscriptionView, WriteError};

use crate::control::Control;
use crate::from_rest::webhook;
use crate::tokens::ApiToken;

impl Control {
    pub(crate) fn start_transcription_by_api(
        &mut self,
        now: Now,
        token: ApiToken,
        account: AccountSid,
        call: CallSid,
        asked: StartTranscription,
    ) {
        let settings = settings(asked);
        if let Err(error) = self.may_transcribe(account, call, &settings) {
            return self.reply(token, Err(error));
        }
        let number = self.random.number();
        let transcription = LiveTranscriptionSid::mint(now.unix_ms, self.settings.origin, number);
        let name = settings.name.clone();
        let change = TranscriptionChange::Start(Box::new(settings));
        self.change_transcription(now, call, transcription, change);
        let updated_ms = now.unix_ms;
        let is_running = true;
        let view = TranscriptionView { transcription, account, call, name, is_running, updated_ms };
        self.reply(token, Ok(Reply::LiveTranscription(view)));
    }

    pub(crate) fn stop_transcription_by_api(
        &mut self,
        now: Now,
        token: ApiToken,
        account: AccountSid,
        call: CallSid,
        name: &str,
    ) {
        let entry = self.calls.get(&call).filter(|entry| entry.account == account);
        let found = entry.and_then(|entry| entry.call.find_transcription(name));
        let found = found.map(|(transcription, name)| (transcription, name.map(str::to_owned)));
        let Some((transcription, name)) = found else {
            return self.reply(token, Err(WriteError::not_found()));
        };
        self.change_transcription(now, call, transcription, TranscriptionChange::Stop);
        let (is_running, updated_ms) = (false, now.unix_ms);
        let view = TranscriptionView { transcription, account, call, name, is_running, updated_ms };
        self.reply(token, Ok(Reply::LiveTranscription(view)));
    }

    fn change_transcription(
        &mut self,
        now: Now,
        sid: CallSid,
        transcription: LiveTranscriptionSid,
        change: TranscriptionChange,
    ) {
        let update = ApiUpdate::Transcription { transcription, change };
        self.drive_call(now, sid, |call| call.handle(now, CallInput::Api(update)));
    }

    fn may_transcribe(
        &self,
        account: AccountSid,
        call: CallSid,
        settings: &TranscriptionSettings,
    ) -> Result<(), WriteError> {
        let entry = self.calls.get(&call).filter(|entry| {
            entry.account == account && entry.leg.as_ref().is_some_and(|leg| leg.is_up())
        });
        let Some(entry) = entry.filter(|entry| entry.call.has_answered()) else {
            let sentence = "Only a call that is in progress can be transcribed";
            return Err(WriteError::invalid(Code::CALL_STATE, sentence));
        };
        let checked = entry.call.check_transcription(settings);
        checked.map_err(|(code, sentence)| WriteError::invalid(code, sentence))
    }
}

fn settings(asked: StartTranscription) -> TranscriptionSettings {
    TranscriptionSettings {
        name: asked.name,
        tracks: match asked.tracks {
            StreamTracks::Inbound => TapTracks::Inbound,
            StreamTracks::Outbound => TapTracks::Outbound,
            StreamTracks::Both => TapTracks::Both,
        },
        callback: asked.callback.map(webhook),
        labels: asked.labels,
        wants_partials: asked.wants_partials,
        language: asked.language,
        engine: asked.engine,
        model: asked.model,
        is_filtered: asked.is_filtered,
        hints: recognition::hints(&asked.hints).0,
        is_punctuated: asked.is_punctuated,
    }
}
