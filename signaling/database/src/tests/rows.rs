//! Rows and requests that tests write.

use std::sync::Arc;

use shared::{
    BindingSid, CallSid, ConferenceSid, CredentialListSid, DomainSid, RecordingSid, Transport,
};
use store::{
    BindingRecord, CallDirection, CallRecord, CallStatus, Change, ConferenceEnd, ConferenceRecord,
    ConferenceStatus, CredentialParameters, Cursor, DomainParameters, HttpExchange, HttpMethod,
    PageRequest, Patch, RecordingRecord, RecordingSource, RecordingStatus, Secret, Write,
};

use super::{MAIN, ORIGIN, T0};

pub(crate) fn domain(name: &str) -> Write {
    Write::create(DomainParameters {
        domain_name: Patch::Set(format!("{name}.sip.sidetone.test")),
        ..DomainParameters::default()
    })
}

pub(crate) fn binding(
    domain: DomainSid,
    number: u128,
    transport: Transport,
    remote: &str,
    expires_ms: i64,
) -> BindingRecord {
    BindingRecord {
        sid: BindingSid(number),
        account: MAIN,
        domain,
        user: format!("user{number}"),
        contact: b"<sip:a@192.0.2.1>".to_vec(),
        path: Vec::new(),
        call_id: "c".to_owned(),
        cseq: 1,
        transport,
        remote: remote.parse().expect("an address"),
        local: "192.0.2.9:5060".parse().expect("an address"),
        edge: "ashburn".to_owned(),
        outbound: None,
        user_agent: String::new(),
        created_ms: T0,
        updated_ms: T0,
        expires_ms,
    }
}

pub(crate) fn call(number: u64, status: CallStatus, created_ms: i64) -> CallRecord {
    CallRecord {
        sid: CallSid::mint(created_ms, ORIGIN, number),
        account: MAIN,
        parent: None,
        to: format!("sip:{number}@pbx.example"),
        from: "alice".to_owned(),
        status,
        direction: CallDirection::Inbound,
        start_ms: Some(created_ms + 1_000),
        end_ms: status.is_final().then_some(created_ms + 5_500),
        duration_s: status.is_final().then_some(4),
        queue_time_ms: 0,
        answered_by: None,
        forwarded_from: None,
        caller_name: None,
        owed_callback: None,
        created_ms,
        updated_ms: created_ms + 2_000,
    }
}

pub(crate) fn exchange(id: u128, call: CallSid) -> HttpExchange {
    HttpExchange {
        id,
        account: MAIN,
        call,
        method: HttpMethod::Post,
        url: "http://127.0.0.1/voice".to_owned(),
        parameters: vec![("CallSid".to_owned(), call.to_string())],
        response_code: Some(200),
        request_duration_ms: 12,
        content_type: "text/xml".to_owned(),
        response_body: "<Response/>".to_owned(),
        created_ms: T0,
    }
}

pub(crate) fn put(call: CallRecord) -> Change {
    Change::PutCall(Arc::new(call))
}

pub(crate) fn recording(number: u64, status: RecordingStatus) -> RecordingRecord {
    RecordingRecord {
        sid: RecordingSid::mint(T0, ORIGIN, number),
        account: MAIN,
        call: call(1, CallStatus::InProgress, T0).sid,
        conference: None,
        status,
        source: RecordingSource::RecordVerb,
        channels: 1,
        duration_s: (!status.is_running()).then_some(3),
        bytes: None,
        start_ms: T0,
        error_code: None,
        encryption: None,
        transcript: None,
        created_ms: T0,
        updated_ms: T0,
        track: store::RecordingTrack::Inbound,
    }
}

pub(crate) fn conference(
    number: u64,
    status: ConferenceStatus,
    created_ms: i64,
) -> ConferenceRecord {
    let has_ended = status == ConferenceStatus::Completed;
    ConferenceRecord {
        sid: ConferenceSid::mint(created_ms, ORIGIN, number),
        account: MAIN,
        friendly_name: format!("room {number}"),
        status,
        region: "us1".to_owned(),
        reason_ended: has_ended.then_some(ConferenceEnd::EndingParticipantLeft),
        call_ending: has_ended.then_some(CallSid(7)),
        created_ms,
        updated_ms: created_ms + 2_000,
    }
}

pub(crate) fn first(size: u32) -> PageRequest {
    PageRequest { size, cursor: Cursor::Start }
}

/// A user of a credential list.
pub(super) fn alice(list: CredentialListSid) -> Write {
    let given = CredentialParameters {
        username: Patch::Set("alice".to_owned()),
        password: Patch::Set(Secret::new("Correct-Horse-7")),
    };
    Write::create_in(list.0, given)
}
