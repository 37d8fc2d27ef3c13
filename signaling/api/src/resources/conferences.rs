//! `/Conferences` and `/Conferences/{CF}/Recordings`: records of conferences; commands about live ones go to Control.

use std::fmt;

use serde_json::{Value, json};
use shared::{Code, ConferenceSid, RecordingSid};
use store::{
    Condition, ConferenceCommand, ConferenceRecord, ConferenceStatus, Filtered as _,
    RecordingRecord, RecordingStatus, Webhook, Write, WriteError,
};

use crate::auth::unreadable;
use crate::context::{Answered, Context, InstanceVerb, READ_OR_WRITE};
use crate::date::rfc2822;
use crate::filters::conditions;
use crate::lookup::{found, sid, uri};
use crate::paging::{ListRow, paging};
use crate::resources::{call_commands, recordings};
use crate::response::{invalid_parameter, method_not_allowed};

pub(crate) fn collection(context: &Context<'_>) -> Answered {
    // A conference is born from its first participant, so that the list takes no POST.
    context.must_read()?;
    let paging = paging(&context.form)?;
    let conditions = conditions(&context.form, ConferenceRecord::FILTERS)?;
    let page = context
        .reader
        .conferences(context.account.sid, &conditions, paging.request)
        .map_err(unreadable)?
        .map(|row| ListRow { json: json(&row), prefix: ConferenceSid::PREFIX, bits: row.sid.0 });
    context.ok(&paging.v2010(context.frame, "conferences", page))
}

pub(crate) fn instance(context: &Context<'_>, conference: &str) -> Answered {
    let conference: ConferenceSid = sid(conference)?;
    let account = context.account.sid;
    let verb = context.instance_verb_of(READ_OR_WRITE)?;
    if verb == InstanceVerb::Delete {
        return Err(method_not_allowed(READ_OR_WRITE));
    }
    let row = found(context.reader.conference(account, conference))?;
    if verb == InstanceVerb::Fetch {
        return context.ok(&json(&row));
    }
    let (end, announce) = update(context)?;
    if !end && announce.is_none() {
        // Nothing changes, also of a conference that ended.
        return context.ok(&json(&row));
    }
    must_be_live(&row)?;
    let command = ConferenceCommand::Update { account, conference, end, announce };
    context.conference_command(command, 200)
}

/// Refuses to act on a conference that ended. Control asks again.
pub(crate) fn must_be_live(row: &ConferenceRecord) -> Result<(), WriteError> {
    if row.status != ConferenceStatus::Completed {
        return Ok(());
    }
    Err(WriteError::invalid(Code::CONFERENCE_GONE, "The conference has ended"))
}

/// Reads `POST Conferences/{CF}`: whether it ends, and what all participants hear.
fn update(context: &Context<'_>) -> Result<(bool, Option<Webhook>), WriteError> {
    let form = &context.form;
    let end = match form.value("Status") {
        None => false,
        Some("completed") => true,
        Some(_) => return Err(invalid_parameter("Status must be completed")),
    };
    Ok((end, call_commands::webhook(form, "AnnounceUrl", "AnnounceMethod")?))
}

/// `/Conferences/{CF}/Recordings`. A recording is started by a document or with a participant.
pub(crate) fn recordings(context: &Context<'_>, conference: &str) -> Answered {
    context.must_read()?;
    let conference: ConferenceSid = sid(conference)?;
    let account = context.account.sid;
    found(context.reader.conference(account, conference))?;
    let paging = paging(&context.form)?;
    // The path names the conference, and a call has no part in it.
    let filters = RecordingRecord::FILTERS.iter();
    let filters = filters.filter(|filter| !matches!(filter.name, "CallSid" | "ConferenceSid"));
    let mut conditions = conditions(&context.form, filters)?;
    conditions.push(Condition::equal("conference", store::Value::sid(conference.0)));
    let page =
        context.reader.recordings(account, &conditions, paging.request).map_err(unreadable)?.map(
            |row| ListRow {
                json: recordings::json_of_conference(&row, &context.frame.base),
                prefix: RecordingSid::PREFIX,
                bits: row.sid.0,
            },
        );
    context.ok(&paging.v2010(context.frame, "recordings", page))
}

/// `/Conferences/{CF}/Recordings/{RE or Twilio.CURRENT}`.
pub(crate) fn recording(context: &Context<'_>, conference: &str, name: &str) -> Answered {
    let conference: ConferenceSid = sid(conference)?;
    let account = context.account.sid;
    let verb = context.instance_verb()?;
    let row = found(context.reader.conference(account, conference))?;
    let change = |recording| {
        let action = call_commands::recording_action(&context.form)?;
        must_be_live(&row)?;
        let command = ConferenceCommand::UpdateRecording { account, conference, recording, action };
        context.conference_command(command, 200)
    };
    // Control knows which recording runs; the store may not have it yet.
    if name == "Twilio.CURRENT" {
        return match verb {
            InstanceVerb::Update => change(None),
            InstanceVerb::Fetch | InstanceVerb::Delete => {
                Err(invalid_parameter("Twilio.CURRENT can only be updated"))
            }
        };
    }
    let sid: RecordingSid = sid(name)?;
    // As below a call, a deleted recording is not found here.
    let is_shown = |row: &RecordingRecord| {
        row.conference == Some(conference) && row.status != RecordingStatus::Deleted
    };
    let recording = context.reader.recording(account, sid).map(|row| row.filter(is_shown));
    let recording = found(recording)?;
    match verb {
        InstanceVerb::Fetch => {
            context.ok(&recordings::json_of_conference(&recording, &context.frame.base))
        }
        InstanceVerb::Update => change(Some(sid)),
        // Its conference never changes, so that the row which was read decides.
        InstanceVerb::Delete => {
            context.delete(Write::DeleteRecording { recording: sid, call: None })
        }
    }
}

pub(crate) fn json(row: &ConferenceRecord) -> Value {
    let sid = row.sid;
    let below = |name: &'static str| {
        uri(row.account, fmt::from_fn(move |f| write!(f, "Conferences/{sid}/{name}.json")))
    };
    json!({
        "sid": sid,
        "account_sid": row.account,
        "friendly_name": row.friendly_name,
        "status": row.status.name(),
        "region": row.region,
        "api_version": "2010-04-01",
        "reason_conference_ended": row.reason_ended.map(|reason| reason.name()),
        "call_sid_ending_conference": row.call_ending,
        "date_created": rfc2822(row.created_ms),
        "date_updated": rfc2822(row.updated_ms),
        "uri": uri(row.account, format_args!("Conferences/{sid}.json")),
        "subresource_uris": {
            "participants": below("Participants"),
            "recordings": below("Recordings"),
        },
    })
}
