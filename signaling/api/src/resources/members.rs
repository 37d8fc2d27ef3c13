//! `/Queues/{QU}/Members`: the calls that wait in a queue. Control knows them.

use serde_json::{Value, json};
use store::Member;

use crate::date::rfc2822;
use crate::lookup::uri;

pub(crate) fn json(row: &Member) -> Value {
    let (call, queue) = (row.call, row.queue);
    json!({
        "queue_sid": queue,
        "call_sid": call,
        "date_enqueued": rfc2822(row.enqueued_ms),
        "position": row.position,
        "wait_time": row.wait_s,
        "uri": uri(row.account, format_args!("Queues/{queue}/Members/{call}.json")),
    })
}
