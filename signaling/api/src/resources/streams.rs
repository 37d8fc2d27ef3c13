//! `/Calls/{CA}/Streams`: one-way streams of a live call, started and stopped. There is nothing to list.

use serde_json::{Value, json};
use shared::limits::STREAM_PARAMETERS_MAX;
use shared::{CallSid, Code};
use store::{CallCommand, StartStream, StreamTracks, StreamView, WriteError};

use crate::context::{Answered, Context};
use crate::date::rfc2822;
use crate::form::Form;
use crate::lookup::uri;
use crate::resources::call_commands::webhook;
use crate::response::invalid_parameter;

pub(crate) fn collection(context: &Context<'_>, call: CallSid) -> Answered {
    context.must_post()?;
    let stream = Box::new(start(&context.form)?);
    let account = context.account.sid;
    // 200, as the contract has it for this resource (rest.md 1).
    context.command(CallCommand::StartStream { account, call, stream }, 200)
}

/// `/Calls/{CA}/Streams/{MZ or name}`.
pub(crate) fn instance(context: &Context<'_>, call: CallSid, name: &str) -> Answered {
    context.must_post()?;
    if context.form.value("Status") != Some("stopped") {
        return Err(invalid_parameter("Status must be stopped"));
    }
    let (account, name) = (context.account.sid, name.to_owned());
    context.command(CallCommand::StopStream { account, call, name }, 200)
}

fn start(form: &Form) -> Result<StartStream, WriteError> {
    let url = form.value("Url").ok_or_else(|| {
        WriteError::invalid(Code::STREAM_URL, "Url is required: the server, by a wss URL")
    })?;
    Ok(StartStream {
        url: url.to_owned(),
        name: form.value("Name").map(str::to_owned),
        tracks: track(form)?.unwrap_or(StreamTracks::Inbound),
        callback: webhook(form, "StatusCallback", "StatusCallbackMethod")?,
        parameters: parameters(form),
    })
}

/// `Track`.
pub(crate) fn track(form: &Form) -> Result<Option<StreamTracks>, WriteError> {
    let tracks = [
        ("inbound_track", StreamTracks::Inbound),
        ("outbound_track", StreamTracks::Outbound),
        ("both_tracks", StreamTracks::Both),
    ];
    form.one_of("Track", &tracks)
}

/// `Parameter1.Name`, `Parameter1.Value` and so on.
pub(crate) fn parameters(form: &Form) -> Vec<(String, String)> {
    let parameters = (1..=STREAM_PARAMETERS_MAX).filter_map(|number| {
        let name = form.value(&format!("Parameter{number}.Name"))?;
        let value = form.raw(&format!("Parameter{number}.Value")).unwrap_or_default();
        Some((name.to_owned(), value.to_owned()))
    });
    parameters.collect()
}

pub(crate) fn json(row: &StreamView) -> Value {
    let StreamView { stream, account, call, name, is_running, updated_ms } = row;
    json!({
        "sid": stream,
        "account_sid": account,
        "call_sid": call,
        "name": name.clone().unwrap_or_else(|| stream.to_string()),
        "status": if *is_running { "in-progress" } else { "stopped" },
        "date_updated": rfc2822(*updated_ms),
        "uri": uri(*account, format_args!("Calls/{call}/Streams/{stream}.json")),
    })
}
