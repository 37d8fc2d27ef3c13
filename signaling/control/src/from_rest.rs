//! Values of the REST API as the machine of a call has them. Pure.

use call::twiml::Finding;
use call::{
    AnswerDetection, DocumentSource, ProgressEvent, RecordSettings, RecordingCallback,
    RecordingEvent, RecordingTrack, Severity, Webhook,
};
use shared::media::TapTracks;
use store::{DetectMachine, ParameterWarning, RecordCall, StreamTracks, TwimlSource};

pub(crate) fn webhook(from: store::Webhook) -> Webhook {
    Webhook { url: from.url, method: from.method }
}

pub(crate) const fn tracks(from: StreamTracks) -> TapTracks {
    match from {
        StreamTracks::Inbound => TapTracks::Inbound,
        StreamTracks::Outbound => TapTracks::Outbound,
        StreamTracks::Both => TapTracks::Both,
    }
}

pub(crate) fn finding(from: ParameterWarning) -> Finding {
    let ParameterWarning { code, sentence: message } = from;
    Finding { code, severity: Severity::Warning, message, position: None }
}

pub(crate) fn detection(from: DetectMachine) -> AnswerDetection {
    let DetectMachine { detection, is_async, callback } = from;
    AnswerDetection { detection, is_async, callback: callback.map(webhook) }
}

pub(crate) fn document(from: TwimlSource) -> DocumentSource {
    match from {
        TwimlSource::Url(url) => DocumentSource::Url(webhook(url)),
        TwimlSource::Inline(text) => DocumentSource::Twiml(text),
    }
}

pub(crate) fn events(from: store::CallEvents) -> Vec<ProgressEvent> {
    let all = [
        (from.initiated, ProgressEvent::Initiated),
        (from.ringing, ProgressEvent::Ringing),
        (from.answered, ProgressEvent::Answered),
        (from.completed, ProgressEvent::Completed),
    ];
    all.into_iter().filter(|(wanted, _)| *wanted).map(|(_, event)| event).collect()
}

/// Events of a recording that a status callback reports.
pub(crate) fn recording_events(from: store::RecordingEvents) -> Vec<RecordingEvent> {
    let all = [
        (from.started, RecordingEvent::Started),
        (from.in_progress, RecordingEvent::InProgress),
        (from.paused, RecordingEvent::Paused),
        (from.resumed, RecordingEvent::Resumed),
        (from.stopped, RecordingEvent::Stopped),
        (from.completed, RecordingEvent::Completed),
        (from.failed, RecordingEvent::Failed),
        (from.absent, RecordingEvent::Absent),
    ];
    all.into_iter().filter(|(wanted, _)| *wanted).map(|(_, event)| event).collect()
}

/// How to record, as REST says it.
pub(crate) fn record_settings(from: RecordCall) -> RecordSettings {
    let events = recording_events(from.callback_events);
    let track = match from.track {
        store::RecordingTrack::Inbound => RecordingTrack::Inbound,
        store::RecordingTrack::Outbound => RecordingTrack::Outbound,
        store::RecordingTrack::Both => RecordingTrack::Both,
    };
    RecordSettings {
        // A single track is always mono (twiml.md 2.6).
        channels: if from.dual_channel && track == RecordingTrack::Both { 2 } else { 1 },
        track,
        trim: from.trim_silence,
        callback: from
            .callback
            .map(|callback| RecordingCallback { webhook: webhook(callback), events }),
    }
}
