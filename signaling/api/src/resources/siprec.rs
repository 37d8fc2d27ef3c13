//! `/Calls/{CA}/Siprec`: recording sessions of a live call with outside servers, started and stopped. There is nothing to list.

use serde_json::{Value, json};
use shared::{CallSid, Code};
use store::{CallCommand, SiprecView, StartSiprec, StreamTracks, WriteError};

use crate::context::{Answered, Context};
use crate::date::rfc2822;
use crate::form::Form;
use crate::lookup::uri;
use crate::resources::call_commands::webhook;
use crate::resources::streams::{parameters, track};
use crate::response::invalid_parameter;

pub(crate) fn collection(context: &Context<'_>, call: CallSid) -> Answered {
    context.must_post()?;
    let siprec = Box::new(start(&context.form)?);
    let account = context.account.sid;
    // 200, as the contract has it for this resource (rest.md 1).
    context.command(CallCommand::StartSiprec { account, call, siprec }, 200)
}

/// `/Calls/{CA}/Siprec/{SR or name}`.
pub(crate) fn instance(context: &Context<'_>, call: CallSid, name: &str) -> Answered {
    context.must_post()?;
    if context.form.value("Status") != Some("stopped") {
        return Err(invalid_parameter("Status must be stopped"));
    }
    let (account, name) = (context.account.sid, name.to_owned());
    context.command(CallCommand::StopSiprec { account, call, name }, 200)
}

fn start(form: &Form) -> Result<StartSiprec, WriteError> {
    let connector = form.value("ConnectorName").ok_or_else(|| {
        let sentence = "ConnectorName is required: a recording server of the settings";
        WriteError::invalid(Code::STREAM_CONNECTOR, sentence)
    })?;
    Ok(StartSiprec {
        connector: connector.to_owned(),
        name: form.value("Name").map(str::to_owned),
        tracks: track(form)?.unwrap_or(StreamTracks::Both),
        callback: webhook(form, "StatusCallback", "StatusCallbackMethod")?,
        parameters: parameters(form),
    })
}

pub(crate) fn json(row: &SiprecView) -> Value {
    let SiprecView { siprec, account, call, name, is_running, updated_ms } = row;
    json!({
        "sid": siprec,
        "account_sid": account,
        "call_sid": call,
        "name": name.clone().unwrap_or_else(|| siprec.to_string()),
        "status": if *is_running { "in-progress" } else { "stopped" },
        "date_updated": rfc2822(*updated_ms),
        "uri": uri(*account, format_args!("Calls/{call}/Siprec/{siprec}.json")),
    })
}
