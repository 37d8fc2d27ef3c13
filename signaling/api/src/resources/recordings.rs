//! `/Recordings`, `/Calls/{CA}/Recordings` and the audio itself.

use std::fmt;

use serde_json::{Value, json};
use shared::{CallSid, Code, EncryptionDetails, RecordingSid};
use store::{
    CallCommand, Condition, Filtered as _, RecordingRecord, RecordingSource, RecordingStatus,
    Write, WriteError,
};

use crate::auth::unreadable;
use crate::context::{
    Answered, AudioForm, CollectionVerb, Context, InstanceVerb, READ, READ_OR_DELETE, Step,
};
use crate::date::rfc2822;
use crate::filters::conditions;
use crate::lookup::{found, sid, uri};
use crate::paging::{ListRow, paging};
use crate::request::Suffix;
use crate::resources::call_commands;
use crate::response::{invalid_parameter, method_not_allowed};
use crate::text::Text;

pub(crate) fn collection(context: &Context<'_>, call: Option<CallSid>) -> Answered {
    // Only below a call can a recording be started; the other path names GET alone in `Allow`.
    if call.is_none() {
        context.must_read()?;
    }
    let verb = context.collection_verb()?;
    let parent = call.map(|call| top(context, call)).transpose()?;
    match (verb, call) {
        (CollectionVerb::List, _) => list(context, parent),
        (CollectionVerb::Create, None) => Err(method_not_allowed(READ)),
        (CollectionVerb::Create, Some(call)) => {
            let recording = call_commands::start_recording(&context.form)?;
            let account = context.account.sid;
            context.command(CallCommand::StartRecording { account, call, recording }, 201)
        }
    }
}

/// `/Recordings/{RE}`: audio without a suffix, with `.wav` or with `.mp3`, metadata with `.json`.
pub(crate) fn instance_or_media(context: &Context<'_>, recording: &str) -> Answered {
    let recording: RecordingSid = sid(recording)?;
    match (context.instance_verb_of(READ_OR_DELETE)?, context.suffix) {
        (InstanceVerb::Update, _) => Err(method_not_allowed(READ_OR_DELETE)),
        (InstanceVerb::Delete, _) => {
            context.delete(Write::DeleteRecording { recording, call: None })
        }
        (InstanceVerb::Fetch, Suffix::Json) => {
            let row = found(context.reader.recording(context.account.sid, recording))?;
            let deleted = row.status == RecordingStatus::Deleted;
            // The metadata stays for 40 days (rest.md 12) and is shown on request only.
            if deleted && !context.form.boolean("IncludeSoftDeleted")?.unwrap_or(false) {
                return Err(WriteError::not_found());
            }
            context.ok(&json(&row, &context.frame.base))
        }
        (InstanceVerb::Fetch, Suffix::None | Suffix::Wav) => {
            media(context, recording, AudioForm::Wav)
        }
        (InstanceVerb::Fetch, Suffix::Mp3) => media(context, recording, AudioForm::Mp3),
        (InstanceVerb::Fetch, Suffix::Xml | Suffix::Csv | Suffix::Html) => Err(WriteError::new(
            406,
            Code::NOT_ACCEPTABLE,
            "XML, CSV and HTML are not built in this version of the gateway: ask for .json or .wav",
        )),
    }
}

/// `/Calls/{CA}/Recordings/{RE or Twilio.CURRENT}`.
pub(crate) fn instance_of_call(context: &Context<'_>, call: CallSid, name: &str) -> Answered {
    let account = context.account.sid;
    let verb = context.instance_verb()?;
    let parent = top(context, call)?;
    // Control knows which recording runs; the store may not have it yet.
    if name == "Twilio.CURRENT" {
        return match verb {
            InstanceVerb::Update => {
                let action = call_commands::recording_action(&context.form)?;
                let recording = None;
                context
                    .command(CallCommand::UpdateRecording { account, call, recording, action }, 200)
            }
            InstanceVerb::Fetch | InstanceVerb::Delete => {
                Err(invalid_parameter("Twilio.CURRENT can only be updated"))
            }
        };
    }
    let recording: RecordingSid = sid(name)?;
    // Below a call a deleted recording is not found. Its metadata stays readable below the account. Those of a
    // conference stand below the conference.
    let of_call = |row: &RecordingRecord| {
        row.call == parent && row.conference.is_none() && row.status != RecordingStatus::Deleted
    };
    let row = found(context.reader.recording(account, recording).map(|row| row.filter(of_call)))?;
    match verb {
        InstanceVerb::Fetch => context.ok(&json_of_call(&row, &context.frame.base)),
        InstanceVerb::Update => {
            let action = call_commands::recording_action(&context.form)?;
            let recording = Some(recording);
            context.command(CallCommand::UpdateRecording { account, call, recording, action }, 200)
        }
        InstanceVerb::Delete => {
            context.delete(Write::DeleteRecording { recording, call: Some(parent) })
        }
    }
}

/// The call that has the recordings of a call: its parent, where a `<Dial>` made it (rest.md 7).
fn top(context: &Context<'_>, call: CallSid) -> Result<CallSid, WriteError> {
    let row = found(context.reader.call(context.account.sid, call))?;
    Ok(row.parent.unwrap_or(call))
}

fn list(context: &Context<'_>, call: Option<CallSid>) -> Answered {
    let query = &context.form;
    let paging = paging(query)?;
    let shape = if call.is_some() { json_of_call } else { json };
    // Below a call, the path names it.
    let filters = RecordingRecord::FILTERS.iter();
    let filters = filters.filter(|filter| call.is_none() || filter.name != "CallSid");
    let mut conditions = conditions(query, filters)?;
    if let Some(call) = call {
        conditions.push(Condition::equal("call", store::Value::sid(call.0)));
        // The row of a conference's recording names the call that began it, as each recording names one; no
        // update below that call would find it.
        let of_conference =
            [RecordingSource::Conference, RecordingSource::StartConferenceRecordingApi];
        let others = of_conference.map(|source| Condition::not("source", source.name()));
        conditions.extend(others);
    }
    let base = &context.frame.base;
    let page = context
        .reader
        .recordings(context.account.sid, &conditions, paging.request)
        .map_err(unreadable)?
        .map(|row| ListRow {
            json: shape(&row, base),
            prefix: RecordingSid::PREFIX,
            bits: row.sid.0,
        });
    context.ok(&paging.v2010(context.frame, "recordings", page))
}

fn media(context: &Context<'_>, recording: RecordingSid, form: AudioForm) -> Answered {
    let row = found(context.reader.recording(context.account.sid, recording))?;
    // Before that the file may be unfinished, and after a deletion it is gone.
    if row.status != RecordingStatus::Completed {
        return Err(WriteError::not_found());
    }
    let channels = [("1", false), ("2", true)];
    let wanted = context.form.one_of("RequestedChannels", &channels)?;
    if row.encryption.is_some() {
        return sealed_media(context, row, form, wanted);
    }
    let two_channels = wanted.unwrap_or(false);
    // Refused and not doubled: two equal channels would look like a recording of both legs.
    if two_channels && row.channels < 2 {
        let message = "The recording is mono: it cannot be downloaded with two channels";
        return Err(WriteError::invalid(Code::DUAL_CHANNEL_OF_MONO, message));
    }
    let rendering = context.rendering(200);
    Ok(Step::RecordingMedia { form, recording: Box::new(row), two_channels, rendering })
}

/// The bytes of a sealed recording as they are: without its private key nobody makes another form of it.
fn sealed_media(
    context: &Context<'_>,
    row: RecordingRecord,
    form: AudioForm,
    two_channels: Option<bool>,
) -> Answered {
    if form == AudioForm::Mp3 {
        let message = "The recording is encrypted with a public key: there is no MP3 of it. Fetch .wav, decrypt \
                       it with the private key, and convert it";
        return Err(WriteError::new(406, Code::NOT_ACCEPTABLE, message));
    }
    if two_channels.is_some_and(|two| two != (row.channels == 2)) {
        let message = "The recording is encrypted with a public key: it has the channels that it was recorded in";
        return Err(WriteError::invalid(Code::DUAL_CHANNEL_OF_MONO, message));
    }
    let rendering = context.rendering(200);
    Ok(Step::RecordingMedia { form, recording: Box::new(row), two_channels: true, rendering })
}

pub(crate) fn json(row: &RecordingRecord, base: &str) -> Value {
    let sid = row.sid;
    let path = uri(row.account, fmt::from_fn(move |f| write!(f, "Recordings/{sid}")));
    json!({
        "sid": row.sid,
        "account_sid": row.account,
        "api_version": "2010-04-01",
        "call_sid": row.call,
        "conference_sid": row.conference,
        "status": status_name(row.status),
        "source": row.source.name(),
        "channels": row.channels,
        "duration": row.duration_s.map(Text),
        "start_time": rfc2822(row.start_ms),
        "price": null,
        "price_unit": "USD",
        "error_code": row.error_code,
        "encryption_details": row.encryption.as_ref().map(details),
        "date_created": rfc2822(row.created_ms),
        "date_updated": rfc2822(row.updated_ms),
        "uri": format_args!("{path}.json"),
        "media_url": format_args!("{base}{path}"),
        "subresource_uris": {"transcriptions": format_args!("{path}/Transcriptions.json")},
    })
}

fn details(encryption: &EncryptionDetails) -> Value {
    let members = encryption.members();
    members.into_iter().map(|(name, value)| (name.to_owned(), Value::from(value))).collect()
}

/// A recording below its call, where the contract adds the track.
pub(crate) fn json_of_call(row: &RecordingRecord, base: &str) -> Value {
    let mut json = json(row, base);
    json["track"] = row.track.name().into();
    json
}

/// A recording below its conference, whose path its `uri` names.
pub(crate) fn json_of_conference(row: &RecordingRecord, base: &str) -> Value {
    let mut json = json(row, base);
    if let Some(conference) = row.conference {
        let path = format_args!("Conferences/{conference}/Recordings/{}.json", row.sid);
        json["uri"] = json!(uri(row.account, path));
    }
    json
}

/// The contract's word for a status. It has none for a failed recording: clients read `absent` with an error code.
const fn status_name(status: RecordingStatus) -> &'static str {
    match status {
        RecordingStatus::Failed => RecordingStatus::Absent.name(),
        other => other.name(),
    }
}
