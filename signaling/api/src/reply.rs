//! The JSON of a reply by Control: the shape that a fetch of the resource has.

use serde_json::{Value, json};
use store::Reply;

use crate::context::Rendering;
use crate::described;
use crate::resources::{calls, conferences, mappings, members, participants, recordings, timeline};

pub(crate) fn json(rendering: &Rendering, reply: &Reply) -> Value {
    match reply {
        Reply::Resource(resource, beside) => described::json_of(resource, beside),
        Reply::Mapping(view) => mappings::json(view, rendering.legacy_mapping),
        Reply::Call(row) => calls::json(row),
        Reply::Recording(row) => recordings::json_of_call(row, &rendering.frame.base),
        // Without a text the call ended while the command waited: an empty timeline, and the store has it
        // next time.
        Reply::Timeline(text) => timeline::json(text.as_deref().unwrap_or("{}")),
        Reply::Conference(row) => conferences::json(row),
        Reply::Participant(row) => participants::json(row),
        Reply::Participants(rows) => {
            json!({ "participants": rows.iter().map(participants::json).collect::<Vec<_>>() })
        }
        Reply::Member(row) => members::json(row),
        Reply::Members(rows) => {
            json!({ "queue_members": rows.iter().map(members::json).collect::<Vec<_>>() })
        }
        // No request asks for the figures alone.
        Reply::Queues(_) => Value::Null,
        Reply::Legs(text) => serde_json::from_str(text).unwrap_or_default(),
        Reply::Deleted => Value::Null,
    }
}
