//! `/Calls/{CA}/Siprec`: the parameters of a recording session of a live call with an outside server.

use shared::Code;
use store::{StartSide, StartSiprec, StreamTracks, WriteError};

use crate::form::Form;
use crate::resources::call_commands::webhook;
use crate::resources::sides::{parameters, track};

pub(crate) fn start(form: &Form) -> Result<StartSide, WriteError> {
    let connector = form.value("ConnectorName").ok_or_else(|| {
        let sentence = "ConnectorName is required: a recording server of the settings";
        WriteError::invalid(Code::STREAM_CONNECTOR, sentence)
    })?;
    Ok(StartSide::Siprec(Box::new(StartSiprec {
        connector: connector.to_owned(),
        name: form.value("Name").map(str::to_owned),
        tracks: track(form)?.unwrap_or(StreamTracks::Both),
        callback: webhook(form, "StatusCallback", "StatusCallbackMethod")?,
        parameters: parameters(form),
    })))
}
