//! `/Calls/{CA}/Transcriptions`: the parameters of a live transcription of a call.

use store::{StartSide, StartTranscription, StreamTracks, WriteError};

use crate::form::Form;
use crate::resources::call_commands::webhook;
use crate::resources::sides::track;

pub(crate) fn start(form: &Form) -> Result<StartSide, WriteError> {
    let text = |name: &str| form.value(name).map(str::to_owned);
    let or = |name: &str, default: &str| text(name).unwrap_or_else(|| default.to_owned());
    Ok(StartSide::Transcription(Box::new(StartTranscription {
        name: text("Name"),
        tracks: track(form)?.unwrap_or(StreamTracks::Both),
        callback: webhook(form, "StatusCallbackUrl", "StatusCallbackMethod")?,
        labels: [text("InboundTrackLabel"), text("OutboundTrackLabel")],
        wants_partials: form.boolean("PartialResults")?.unwrap_or(false),
        language: or("LanguageCode", "en-US"),
        engine: or("TranscriptionEngine", "google"),
        model: or("SpeechModel", "telephony"),
        is_filtered: form.boolean("ProfanityFilter")?.unwrap_or(true),
        hints: or("Hints", ""),
        is_punctuated: form.boolean("EnableAutomaticPunctuation")?.unwrap_or(true),
    })))
}
