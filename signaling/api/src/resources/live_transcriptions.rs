//! `/Calls/{CA}/Transcriptions`: live transcriptions of a call, started and stopped. There is nothing to list.

use serde_json::{Value, json};
use shared::CallSid;
use store::{CallCommand, StartTranscription, StreamTracks, TranscriptionView, WriteError};

use crate::context::{Answered, Context};
use crate::date::rfc2822;
use crate::form::Form;
use crate::lookup::uri;
use crate::resources::call_commands::webhook;
use crate::response::invalid_parameter;

pub(crate) fn collection(context: &Context<'_>, call: CallSid) -> Answered {
    context.must_post()?;
    let transcription = Box::new(start(&context.form)?);
    let account = context.account.sid;
    // 200, as for streams (rest.md 1).
    context.command(CallCommand::StartTranscription { account, call, transcription }, 200)
}

/// `/Calls/{CA}/Transcriptions/{GT or name}`.
pub(crate) fn instance(context: &Context<'_>, call: CallSid, name: &str) -> Answered {
    context.must_post()?;
    if context.form.value("Status") != Some("stopped") {
        return Err(invalid_parameter("Status must be stopped"));
    }
    let (account, name) = (context.account.sid, name.to_owned());
    context.command(CallCommand::StopTranscription { account, call, name }, 200)
}

fn start(form: &Form) -> Result<StartTranscription, WriteError> {
    let tracks = [
        ("inbound_track", StreamTracks::Inbound),
        ("outbound_track", StreamTracks::Outbound),
        ("both_tracks", StreamTracks::Both),
    ];
    let text = |name: &str| form.value(name).map(str::to_owned);
    let or = |name: &str, default: &str| text(name).unwrap_or_else(|| default.to_owned());
    Ok(StartTranscription {
        name: text("Name"),
        tracks: form.one_of("Track", &tracks)?.unwrap_or(StreamTracks::Both),
        callback: webhook(form, "StatusCallbackUrl", "StatusCallbackMethod")?,
        labels: [text("InboundTrackLabel"), text("OutboundTrackLabel")],
        wants_partials: form.boolean("PartialResults")?.unwrap_or(false),
        language: or("LanguageCode", "en-US"),
        engine: or("TranscriptionEngine", "google"),
        model: or("SpeechModel", "telephony"),
        is_filtered: form.boolean("ProfanityFilter")?.unwrap_or(true),
        hints: or("Hints", ""),
        is_punctuated: form.boolean("EnableAutomaticPunctuation")?.unwrap_or(true),
    })
}

pub(crate) fn json(row: &TranscriptionView) -> Value {
    let TranscriptionView { transcription, account, call, name, is_running, updated_ms } = row;
    json!({
        "sid": transcription,
        "account_sid": account,
        "call_sid": call,
        "name": name.clone().unwrap_or_else(|| transcription.to_string()),
        "status": if *is_running { "in-progress" } else { "stopped" },
        "date_updated": rfc2822(*updated_ms),
        "uri": uri(*account, format_args!("Calls/{call}/Transcriptions/{transcription}.json")),
    })
}
