//! Parameters about recordings: of `POST Calls`, and of the recordings of a live call.

use store::{RecordCall, RecordingAction, RecordingEvents, RecordingTrack, WriteError};

use super::webhook;
use crate::form::Form;
use crate::response::invalid_parameter;

/// Events of the recording of a call.
pub(super) const EVENTS: [&str; 3] = ["in-progress", "completed", "absent"];

/// Reads `POST Calls/{sid}/Recordings`. By default silence stays, unlike with `POST Calls`.
pub(crate) fn start_recording(form: &Form) -> Result<RecordCall, WriteError> {
    recording_parameters(form, false, &EVENTS)
}

/// Reads `POST Calls/{sid}/Recordings/{sid}`.
pub(crate) fn recording_action(form: &Form) -> Result<RecordingAction, WriteError> {
    let behavior = [("silence", false), ("skip", true)];
    let skip = form.one_of("PauseBehavior", &behavior)?.unwrap_or(false);
    let actions = [
        ("paused", RecordingAction::Pause { skip }),
        ("in-progress", RecordingAction::Resume),
        ("stopped", RecordingAction::Stop),
    ];
    form.one_of("Status", &actions)?.ok_or_else(|| invalid_parameter("Status is required"))
}

/// Reads the recording of a new call, with these words for events.
pub(super) fn record(form: &Form, events: &[&str]) -> Result<Option<RecordCall>, WriteError> {
    // Checked also where nothing is recorded: a wrong word is a mistake either way.
    let parameters = recording_parameters(form, true, events)?;
    Ok(form.boolean("Record")?.unwrap_or(false).then_some(parameters))
}

fn recording_parameters(
    form: &Form,
    trims: bool,
    events: &[&str],
) -> Result<RecordCall, WriteError> {
    let channels = [("mono", false), ("dual", true)];
    let tracks = [
        ("inbound", RecordingTrack::Inbound),
        ("outbound", RecordingTrack::Outbound),
        ("both", RecordingTrack::Both),
    ];
    let trim = [("trim-silence", true), ("do-not-trim", false)];
    let callback = webhook(form, "RecordingStatusCallback", "RecordingStatusCallbackMethod")?;
    Ok(RecordCall {
        dual_channel: form.one_of("RecordingChannels", &channels)?.unwrap_or(false),
        track: form.one_of("RecordingTrack", &tracks)?.unwrap_or_default(),
        trim_silence: form.one_of("Trim", &trim)?.unwrap_or(trims),
        callback,
        callback_events: recording_events(form, "RecordingStatusCallbackEvent", events),
    })
}

/// Reads the list of events with this name, of which these words are known.
pub(super) fn recording_events(form: &Form, name: &str, known: &[&str]) -> RecordingEvents {
    let mut events = RecordingEvents::NONE;
    for word in form.words(name).filter(|word| known.contains(word)) {
        match word {
            "started" => events.started = true,
            "in-progress" => events.in_progress = true,
            "paused" => events.paused = true,
            "resumed" => events.resumed = true,
            "stopped" => events.stopped = true,
            "completed" => events.completed = true,
            "failed" => events.failed = true,
            "absent" => events.absent = true,
            _ => {}
        }
    }
    // As for the events of a call: unknown words are warned about and leave the default.
    if events == RecordingEvents::NONE { RecordingEvents::COMPLETED } else { events }
}
