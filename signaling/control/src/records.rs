//! Records for the store, from the values of a call. Pure.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use call::conference::Conference;
use call::{
    CallDirection, CallSetup, CallStatus, FinalRecord, Notification, ProgressEvent,
    RecordingOutcome,
};
use shared::ids::sid_bits;
use shared::{AccountSid, CallSid, Code, NotificationSid, RecordingSid, Refusal, ids::Origin};
use store::{
    CallRecord, ConferenceRecord, HttpExchange, HttpMessages, NotificationLevel,
    NotificationRecord, OwedCallback, RecordingRecord, RecordingSource, RecordingStatus,
    RecordingTrack,
};

use crate::input::{RecordingFailure, RecordingFile};
use crate::state::leg::Recording;
use crate::state::live_call::{LiveCall, Request};
use crate::state::timeline::{Kind, Timeline};

/// Bytes of a webhook's response body that an exchange keeps.
const RESPONSE_BODY_MAX: usize = 4 * 1024;

/// The first record of a call.
pub(crate) fn call_record(setup: &CallSetup, unix_ms: i64) -> CallRecord {
    CallRecord {
        sid: setup.sid,
        account: setup.account,
        parent: setup.parent,
        to: setup.to.clone(),
        from: setup.from.clone(),
        // A call that comes in has got its 180 already; one that goes out waits for its INVITE.
        status: match setup.direction {
            CallDirection::Inbound => store::CallStatus::Ringing,
            CallDirection::OutboundApi | CallDirection::OutboundDial => store::CallStatus::Queued,
        },
        direction: direction(setup.direction),
        start_ms: None,
        end_ms: None,
        duration_s: None,
        queue_time_ms: 0,
        answered_by: None,
        forwarded_from: setup.forwarded_from.clone(),
        caller_name: None, // no carrier tells it yet
        owed_callback: owed_callback(setup),
        created_ms: unix_ms,
        updated_ms: unix_ms,
    }
}

/// Where the end of a call is to be reported; `None` where nobody asked.
pub(crate) fn owed_callback(setup: &CallSetup) -> Option<String> {
    let callback = setup.status_callback.as_ref()?;
    // A call that comes in reports its end, whatever events are listed.
    let is_wanted = setup.direction == CallDirection::Inbound
        || callback.events.contains(&ProgressEvent::Completed);
    let (url, method) = (callback.webhook.url.clone(), callback.webhook.method);
    let webhook = store::Webhook { url, method };
    is_wanted.then(|| OwedCallback { webhook, application: setup.application }.to_text())
}

/// The record of a conference as it is now.
pub(crate) fn conference(machine: &Conference) -> ConferenceRecord {
    let (reason_ended, call_ending) = machine.ended().unzip();
    ConferenceRecord {
        sid: machine.sid,
        account: machine.account,
        friendly_name: machine.name.clone(),
        status: machine.status(),
        region: machine.terms.region.clone().unwrap_or_else(|| DEFAULT_REGION.to_owned()),
        reason_ended,
        call_ending: call_ending.flatten(),
        created_ms: machine.created_ms,
        updated_ms: machine.updated_ms,
    }
}

/// Shown where no participant asked for a region.
const DEFAULT_REGION: &str = "us1";

/// The record of a call that was refused before it rang.
pub(crate) fn refused_call(setup: &CallSetup, unix_ms: i64) -> CallRecord {
    CallRecord {
        status: store::CallStatus::Failed,
        start_ms: Some(unix_ms),
        end_ms: Some(unix_ms),
        // It never began, so its end is not reported.
        owed_callback: None,
        ..call_record(setup, unix_ms)
    }
}

/// The timeline of a call that was refused before it rang: the refusal alone.
pub(crate) fn refused_timeline(
    setup: &CallSetup,
    unix_ms: i64,
    refusal: &Refusal,
) -> store::TimelineRecord {
    let mut timeline = Timeline::default();
    let Refusal { rule, status, sentence, .. } = refusal;
    let text = fmt::from_fn(|f| match status {
        Some(status) => write!(f, "{sentence} (rule {rule}, {status})"),
        None => write!(f, "{sentence} (rule {rule}, nothing sent)"),
    });
    timeline.add(unix_ms, Kind::Refusal, text);
    store::TimelineRecord { call: setup.sid, account: setup.account, json: timeline.to_json() }
}

/// Changes the record with the status of its call.
pub(crate) fn set_status(record: &mut CallRecord, status: CallStatus, unix_ms: i64) {
    record.status = stored_status(status);
    record.updated_ms = unix_ms;
    if status == CallStatus::InProgress {
        record.start_ms = Some(unix_ms);
    }
}

/// Makes the record that of an ended call.
pub(crate) fn end(record: &mut CallRecord, end: &FinalRecord) {
    record.status = stored_status(end.status);
    let start_ms = end.answered_unix_ms.unwrap_or(end.started_unix_ms);
    record.start_ms = Some(start_ms);
    // The wall clock may have been set back during the call.
    record.end_ms = Some(end.ended_unix_ms.max(start_ms));
    record.duration_s = end.duration_s;
    record.updated_ms = end.ended_unix_ms.max(record.created_ms);
    debug_assert!(record.status.is_final(), "an ended call has a final status");
}

/// Makes the record that of a call that failed inside the gateway, without a final record of its machine.
pub(crate) fn fail(record: &mut CallRecord, unix_ms: i64) {
    record.status = store::CallStatus::Failed;
    // A call that was never answered starts with its creation, as the records of other failed calls
    // do.
    record.start_ms = record.start_ms.or(Some(record.created_ms));
    record.end_ms = Some(unix_ms.max(record.created_ms));
    record.updated_ms = unix_ms.max(record.created_ms);
}

/// The status as the resource shows it: `initiated` appears as `queued`.
fn stored_status(status: CallStatus) -> store::CallStatus {
    match status {
        CallStatus::Queued | CallStatus::Initiated => store::CallStatus::Queued,
        CallStatus::Ringing => store::CallStatus::Ringing,
        CallStatus::InProgress => store::CallStatus::InProgress,
        CallStatus::Completed => store::CallStatus::Completed,
        CallStatus::Busy => store::CallStatus::Busy,
        CallStatus::NoAnswer => store::CallStatus::NoAnswer,
        CallStatus::Failed => store::CallStatus::Failed,
        CallStatus::Canceled => store::CallStatus::Canceled,
    }
}

fn direction(direction: CallDirection) -> store::CallDirection {
    match direction {
        CallDirection::Inbound => store::CallDirection::Inbound,
        CallDirection::OutboundApi => store::CallDirection::OutboundApi,
        CallDirection::OutboundDial => store::CallDirection::OutboundDial,
    }
}

/// The record of a notification of a call.
pub(crate) fn notification(
    sid: NotificationSid,
    account: AccountSid,
    call: Option<CallSid>,
    notification: Notification,
    unix_ms: i64,
) -> NotificationRecord {
    let exchange = (!notification.url.is_empty()).then(|| HttpMessages {
        method: notification.method.unwrap_or_default(),
        url: notification.url,
        request_variables: notification.request_variables,
        response_headers: notification.response_headers,
        response_body: notification.response_body,
    });
    NotificationRecord {
        sid,
        account,
        call,
        level: match notification.severity {
            call::Severity::Error => NotificationLevel::Error,
            call::Severity::Warning => NotificationLevel::Warning,
        },
        error_code: notification.code,
        message: notification.message,
        exchange,
        created_ms: unix_ms,
    }
}

/// Owner and time of a notification without a webhook.
pub(crate) struct Of {
    pub account: AccountSid,
    pub call: Option<CallSid>,
    pub unix_ms: i64,
}

/// The notification of a refusal.
pub(crate) fn refusal(
    of: Of,
    origin: Origin,
    random: u64,
    code: Code,
    refusal: &Refusal,
) -> NotificationRecord {
    NotificationRecord {
        sid: NotificationSid::mint(of.unix_ms, origin, random),
        account: of.account,
        call: of.call,
        level: NotificationLevel::Error,
        error_code: code,
        message: refusal.sentence.to_string(),
        exchange: None,
        created_ms: of.unix_ms,
    }
}

/// The notification about history that was lost because the store could not write it.
pub(crate) fn history_lost(of: Of, origin: Origin, random: u64, rows: u64) -> NotificationRecord {
    NotificationRecord {
        sid: NotificationSid::mint(of.unix_ms, origin, random),
        account: of.account,
        call: of.call,
        level: NotificationLevel::Error,
        error_code: Code::INTERNAL,
        message: format!(
            "The gateway's disk is full or fails: {rows} rows of the history of ended calls \
             (records, timelines, events, notifications) are lost."
        ),
        exchange: None,
        created_ms: of.unix_ms,
    }
}

/// The record of a recording whose file is not settled. REST shows it under the parent call.
pub(crate) fn recording(entry: &LiveCall, recording: &Recording) -> RecordingRecord {
    let unix_ms = recording.start_ms;
    RecordingRecord {
        sid: recording.plan.recording,
        account: entry.account,
        call: entry.parent.unwrap_or(entry.sid),
        conference: None,
        status: recording.status,
        source: match recording.plan.source {
            call::RecordingSource::RecordVerb => RecordingSource::RecordVerb,
            call::RecordingSource::DialVerb => RecordingSource::DialVerb,
            call::RecordingSource::OutboundApi => RecordingSource::OutboundApi,
            call::RecordingSource::StartCallRecordingApi => RecordingSource::StartCallRecordingApi,
        },
        channels: recording.plan.channels,
        duration_s: None,
        bytes: None,
        start_ms: unix_ms,
        error_code: None,
        encryption: None,
        transcript: None,
        created_ms: unix_ms,
        updated_ms: recording.updated_ms,
        track: match recording.plan.track {
            call::RecordingTrack::Inbound => RecordingTrack::Inbound,
            call::RecordingTrack::Outbound => RecordingTrack::Outbound,
            call::RecordingTrack::Both => RecordingTrack::Both,
        },
    }
}

/// The record of a settled recording.
pub(crate) fn recording_settled(
    mut record: RecordingRecord,
    outcome: &RecordingOutcome,
    bytes: Option<u64>,
    unix_ms: i64,
) -> RecordingRecord {
    record.status = match outcome {
        RecordingOutcome::Completed { .. } => RecordingStatus::Completed,
        RecordingOutcome::Absent => RecordingStatus::Absent,
        RecordingOutcome::Failed { .. } => RecordingStatus::Failed,
    };
    if let RecordingOutcome::Completed { duration_s, encryption, .. } = outcome {
        record.duration_s = Some(*duration_s);
        record.encryption = encryption.as_deref().cloned();
    }
    record.bytes = bytes;
    record.error_code = outcome.code();
    record.updated_ms = unix_ms;
    record
}

/// The outcome of a recording by what the recorder says, with the bytes of the file.
pub(crate) fn recording_outcome(
    result: Result<RecordingFile, RecordingFailure>,
) -> (RecordingOutcome, Option<u64>) {
    match result {
        Ok(file) if file.empty => (RecordingOutcome::Absent, None),
        Ok(file) => {
            let seconds = Duration::from_millis(file.duration_ms).as_secs_f64().round();
            let (duration_s, cut_ms, encryption) = (seconds as u32, file.cut_ms, file.encryption);
            (RecordingOutcome::Completed { duration_s, cut_ms, encryption }, Some(file.bytes))
        }
        Err(failure) => (RecordingOutcome::Failed { sentence: failure.sentence }, None),
    }
}

/// Owner, time and id of an exchange.
pub(crate) struct ExchangeOf {
    pub account: AccountSid,
    pub call: CallSid,
    pub unix_ms: i64,
    pub origin: Origin,
    pub random: u64,
}

/// One HTTP exchange of a call.
pub(crate) fn exchange(
    of: ExchangeOf,
    request: Request,
    result: &Result<call::HttpAnswer, call::HttpFailure>,
) -> Arc<HttpExchange> {
    let (response_code, duration, content_type, body) = match result {
        Ok(answer) => {
            let body = answer.body.bytes();
            let body = body.get(..RESPONSE_BODY_MAX).unwrap_or(body);
            // The cut may split a character: U+FFFD stands for the rest.
            let body = String::from_utf8_lossy(body).into_owned();
            let content_type = answer.content_type.clone().unwrap_or_default();
            (Some(answer.status), answer.duration_ms, content_type, body)
        }
        Err(failure) => (None, failure.duration_ms, String::new(), failure.sentence.clone()),
    };
    Arc::new(HttpExchange {
        id: sid_bits(of.unix_ms, of.origin, of.random),
        account: of.account,
        call: of.call,
        method: request.method,
        url: request.url,
        parameters: request.parameters,
        response_code,
        request_duration_ms: duration,
        content_type,
        response_body: body,
        created_ms: of.unix_ms,
    })
}

/// The sentence about a recording of a call without media.
pub(crate) fn no_leg_to_record(recording: RecordingSid) -> String {
    format!("Recording {recording} could not begin: the call has no media yet.")
}
