//! `/Conferences`: the records of conferences; commands about live ones go to Control.

use std::fmt;

use serde_json::{Value, json};
use store::ConferenceRecord;

use crate::date::rfc2822;
use crate::lookup::uri;

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
