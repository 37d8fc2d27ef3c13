//! Live transcriptions of calls by REST. Sans-IO.

use call::{ApiUpdate, TranscriptionChange, TranscriptionSettings, recognition};
use shared::ids::Origin;
use shared::{Code, LiveTranscriptionSid, Now};
use store::{Reply, SideView, StartTranscription};

use crate::control::Control;
use crate::from_rest::{tracks, webhook};
use crate::sides::{Found, RestSide};
use crate::state::live_call::LiveCall;

impl RestSide for TranscriptionSettings {
    type Asked = StartTranscription;
    type Sid = LiveTranscriptionSid;
    const NOT_UP: &'static str = "Only a call that is in progress can be transcribed";

    fn mint(unix_ms: i64, origin: Origin, random: u64) -> LiveTranscriptionSid {
        LiveTranscriptionSid::mint(unix_ms, origin, random)
    }

    fn check(
        _control: &Control,
        entry: &LiveCall,
        asked: StartTranscription,
    ) -> Result<Self, (Code, String)> {
        let settings = Self {
            name: asked.name,
            tracks: tracks(asked.tracks),
            callback: asked.callback.map(webhook),
            labels: asked.labels,
            wants_partials: asked.wants_partials,
            language: asked.language,
            engine: asked.engine,
            model: asked.model,
            is_filtered: asked.is_filtered,
            hints: recognition::hints(&asked.hints).0,
            is_punctuated: asked.is_punctuated,
        };
        entry.call.check_transcription(&settings)?;
        Ok(settings)
    }

    fn update(transcription: LiveTranscriptionSid, change: TranscriptionChange) -> ApiUpdate {
        ApiUpdate::Transcription { transcription, change }
    }

    /// The call has it alone, so its last change is this one.
    fn find(now: Now, entry: &LiveCall, name: &str) -> Option<Found<LiveTranscriptionSid>> {
        let (sid, name) = entry.call.find_transcription(name)?;
        let (name, updated_ms) = (name.map(str::to_owned), now.unix_ms);
        Some(Found { sid, name, updated_ms, refusal: None })
    }

    fn reply(view: SideView<LiveTranscriptionSid>) -> Reply {
        Reply::LiveTranscription(view)
    }
}
