//! `/Calls/{CA}/Streams`: the parameters of a one-way stream of a live call.

use shared::Code;
use store::{StartSide, StartStream, StreamTracks, WriteError};

use crate::form::Form;
use crate::resources::call_commands::webhook;
use crate::resources::sides::{parameters, track};

pub(crate) fn start(form: &Form) -> Result<StartSide, WriteError> {
    let url = form.value("Url").ok_or_else(|| {
        WriteError::invalid(Code::STREAM_URL, "Url is required: the server, by a wss URL")
    })?;
    Ok(StartSide::Stream(Box::new(StartStream {
        url: url.to_owned(),
        name: form.value("Name").map(str::to_owned),
        tracks: track(form)?.unwrap_or(StreamTracks::Inbound),
        callback: webhook(form, "StatusCallback", "StatusCallbackMethod")?,
        parameters: parameters(form),
    })))
}
