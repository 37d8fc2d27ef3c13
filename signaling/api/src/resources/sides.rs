//! What runs beside the verbs of a live call: `/Calls/{CA}/Streams`, `/Siprec` and `/Transcriptions`, started and stopped. There
//! is nothing to list.
//!
//! A kind has a file with its parameters; the rest is the same for all and stands here.

use std::fmt::Display;

use serde::Serialize;
use serde_json::{Value, json};
use shared::CallSid;
use shared::limits::STREAM_PARAMETERS_MAX;
use store::{CallCommand, SideKind, SideView, StartSide, StreamTracks, WriteError};

use crate::context::{Answered, Context};
use crate::date::rfc2822;
use crate::form::Form;
use crate::lookup::uri;
use crate::response::invalid_parameter;

/// `/Calls/{CA}/Streams` and so on: `start` reads the parameters of the kind.
pub(crate) fn collection(
    context: &Context<'_>,
    call: CallSid,
    start: fn(&Form) -> Result<StartSide, WriteError>,
) -> Answered {
    context.must_post()?;
    let side = start(&context.form)?;
    let account = context.account.sid;
    // 200, as the contract has it for these resources (rest.md 1).
    context.command(CallCommand::StartSide { account, call, side }, 200)
}

/// `/Calls/{CA}/Streams/{MZ or name}` and so on.
pub(crate) fn instance(
    context: &Context<'_>,
    call: CallSid,
    kind: SideKind,
    name: &str,
) -> Answered {
    context.must_post()?;
    if context.form.value("Status") != Some("stopped") {
        return Err(invalid_parameter("Status must be stopped"));
    }
    let (account, name) = (context.account.sid, name.to_owned());
    context.command(CallCommand::StopSide { account, call, kind, name }, 200)
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

/// `resource` is the last segment of the collection's path.
pub(crate) fn json<S: Display + Serialize>(row: &SideView<S>, resource: &str) -> Value {
    let SideView { sid, account, call, name, is_running, updated_ms } = row;
    json!({
        "sid": sid,
        "account_sid": account,
        "call_sid": call,
        "name": name.clone().unwrap_or_else(|| sid.to_string()),
        "status": if *is_running { "in-progress" } else { "stopped" },
        "date_updated": rfc2822(*updated_ms),
        "uri": uri(*account, format_args!("Calls/{call}/{resource}/{sid}.json")),
    })
}
