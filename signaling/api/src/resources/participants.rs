//! `/Conferences/{CF}/Participants`: who is in a live conference. Control knows them.

use serde_json::{Value, json};
use store::Participant;

use crate::date::rfc2822;
use crate::lookup::uri;
use crate::text::Text;

pub(crate) fn json(row: &Participant) -> Value {
    let (call, conference) = (row.call, row.conference);
    json!({
        "call_sid": call,
        "conference_sid": conference,
        "account_sid": row.account,
        "label": row.label,
        "muted": row.muted,
        "hold": row.hold,
        "coaching": row.coaching,
        "call_sid_to_coach": row.coached,
        "start_conference_on_enter": row.start_on_enter,
        "end_conference_on_exit": row.end_on_exit,
        "status": row.status.name(),
        "queue_time": Text(row.queue_time_ms),
        "date_created": rfc2822(row.created_ms),
        "date_updated": rfc2822(row.updated_ms),
        "uri": uri(
            row.account,
            format_args!("Conferences/{conference}/Participants/{call}.json"),
        ),
    })
}
