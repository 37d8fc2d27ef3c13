//! `/Transcriptions` and `/Recordings/{RE}/Transcriptions`: transcripts of recordings, read and deleted.

use serde_json::{Value, json};
use shared::{RecordingSid, TranscriptionSid};
use store::{Condition, RecordingRecord, RecordingStatus, Transcript, Write, WriteError};

use crate::auth::unreadable;
use crate::context::{Answered, CollectionVerb, Context, InstanceVerb, READ, READ_OR_DELETE};
use crate::date::rfc2822;
use crate::lookup::{found, sid, uri};
use crate::paging::{ListRow, paging};
use crate::response::method_not_allowed;

/// The transcripts of an account, or that of one recording.
pub(crate) fn collection(context: &Context<'_>, recording: Option<&str>) -> Answered {
    let recording: Option<RecordingSid> = recording.map(sid).transpose()?;
    if context.collection_verb()? == CollectionVerb::Create {
        return Err(method_not_allowed(READ));
    }
    let paging = paging(&context.form)?;
    // Any text: a recording without a transcript has none.
    let mut conditions = vec![Condition::not("transcript", "")];
    conditions.push(Condition::not("status", RecordingStatus::Deleted.name()));
    conditions.extend(recording.map(|sid| Condition::equal("sid", store::Value::sid(sid.0))));
    let page = context
        .reader
        .recordings(context.account.sid, &conditions, paging.request)
        .map_err(unreadable)?
        .map(|row| ListRow { json: json(&row), prefix: TranscriptionSid::PREFIX, bits: row.sid.0 });
    context.ok(&paging.v2010(context.frame, "transcriptions", page))
}

/// `/Transcriptions/{TR}`, also below its recording.
pub(crate) fn instance(context: &Context<'_>, recording: Option<&str>, name: &str) -> Answered {
    let transcript: TranscriptionSid = sid(name)?;
    let of = Transcript::recording(transcript);
    let recording: Option<RecordingSid> = recording.map(sid).transpose()?;
    if recording.is_some_and(|recording| recording != of) {
        return Err(WriteError::not_found());
    }
    let is_there =
        |row: &RecordingRecord| row.transcript.is_some() && row.status != RecordingStatus::Deleted;
    let row = context.reader.recording(context.account.sid, of);
    let row = found(row.map(|row| row.filter(is_there)))?;
    match context.instance_verb_of(READ_OR_DELETE)? {
        InstanceVerb::Fetch => context.ok(&json(&row)),
        InstanceVerb::Delete => context.delete(Write::DeleteTranscript { recording: of }),
        InstanceVerb::Update => Err(method_not_allowed(READ_OR_DELETE)),
    }
}

fn json(row: &RecordingRecord) -> Value {
    let Some(transcript) = &row.transcript else { return Value::Null };
    let sid = Transcript::sid(row.sid);
    json!({
        "sid": sid,
        "account_sid": row.account,
        "api_version": "2010-04-01",
        "recording_sid": row.sid,
        "status": transcript.status.as_str(),
        "transcription_text": transcript.text,
        "type": "fast",
        "duration": transcript.duration_s.to_string(),
        "price": null,
        "price_unit": "USD",
        "date_created": rfc2822(transcript.created_ms),
        "date_updated": rfc2822(transcript.updated_ms),
        "uri": uri(row.account, format_args!("Transcriptions/{sid}.json")),
    })
}
