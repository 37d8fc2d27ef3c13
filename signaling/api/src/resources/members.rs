//! `/Queues/{QU}/Members`: the calls that wait in a queue. Control knows them.
//!
//! The list is in the order of the queue, front first. A page goes on after the place of a member and not after its
//! position, which falls with each call that leaves.

use serde_json::{Value, json};
use shared::{Code, QueueSid};
use store::{Member, MemberName, Queue, QueueCommand, Webhook, WriteError};

use crate::context::{Answered, Context, InstanceVerb, READ_OR_WRITE, Step};
use crate::date::rfc2822;
use crate::described::must_be_there;
use crate::lookup::{sid, uri};
use crate::paging::{ListRow, Paging, paging};
use crate::rendering::Shape;
use crate::response::{Frame, method_not_allowed};

/// Stands for the member that has waited longest.
const FRONT: &str = "Front";

pub(crate) fn collection(context: &Context<'_>, queue: &str) -> Answered {
    context.must_read()?;
    let queue = queue_of(context, queue)?;
    let paging = paging(&context.form)?;
    let command = QueueCommand::Members { account: context.account.sid, queue };
    let rendering = context.rendering_of(Shape::Members(Box::new(paging)));
    Ok(Step::Queue { command, rendering })
}

pub(crate) fn instance(context: &Context<'_>, queue: &str, member: &str) -> Answered {
    let queue = queue_of(context, queue)?;
    let member = if member.eq_ignore_ascii_case(FRONT) {
        MemberName::Front
    } else {
        MemberName::Call(sid(member)?)
    };
    let account = context.account.sid;
    let command = match context.instance_verb_of(READ_OR_WRITE)? {
        InstanceVerb::Fetch => QueueCommand::Member { account, queue, member },
        InstanceVerb::Update => {
            let method = context.form.method("Method", Code::METHOD)?.unwrap_or_default();
            let url = context
                .form
                .url("Url", Code::URL_NOT_ABSOLUTE)?
                .ok_or_else(|| WriteError::invalid(Code::URL_NOT_ABSOLUTE, "Url is required"))?;
            QueueCommand::Dequeue { account, queue, member, url: Webhook { url, method } }
        }
        // A call leaves its queue for a document, never for nothing.
        InstanceVerb::Delete => return Err(method_not_allowed(READ_OR_WRITE)),
    };
    Ok(Step::Queue { command, rendering: context.rendering(200) })
}

/// The queue of the path, where the account has it.
fn queue_of(context: &Context<'_>, queue: &str) -> Result<QueueSid, WriteError> {
    let queue: QueueSid = sid(queue)?;
    must_be_there::<Queue>(context, queue.0)?;
    Ok(queue)
}

/// The page of the list that a request asks for.
pub(crate) fn page(rows: &[Member], paging: &Paging, frame: &Frame) -> Value {
    // A list is shown from the highest number down, and a queue from the lowest place up.
    let bits = |row: &&Member| u128::from(u64::MAX - row.place);
    let page = paging.page_of(rows.iter().collect(), bits);
    // `QM` appears in page tokens only: a member has no SID of its own.
    let page = page.map(|row| ListRow { json: json(row), prefix: "QM", bits: bits(&row) });
    paging.v2010(frame, "queue_members", page)
}

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
