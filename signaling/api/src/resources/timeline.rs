//! `/Calls/{CA}/Timeline`: the events of a call in order. Our own resource: the contract has none like it.

use serde_json::{Value, json};
use shared::CallSid;
use store::CallCommand;

use crate::auth::unreadable;
use crate::context::{Answered, Context};
use crate::lookup::found;

/// Answers from the store once the timeline is written there. Until then Control has it, for a while also after the
/// end of the call, because the report of the media core comes last.
pub(crate) fn fetch(context: &Context<'_>, call: CallSid) -> Answered {
    context.must_read()?;
    let account = context.account.sid;
    found(context.reader.call(account, call))?;
    match context.reader.timeline(account, call).map_err(unreadable)? {
        Some(timeline) => context.ok(&json(&timeline)),
        None => context.command(CallCommand::ReadTimeline { account, call }, 200),
    }
}

/// The timeline as the API shows it: entries oldest first, each with `at_ms`, `kind` and `text`; `left_out` counts
/// those that did not fit; `quality` is null until the media has ended.
pub(crate) fn json(timeline: &str) -> Value {
    // A text that does not parse shows as an empty timeline: the call itself must stay readable.
    let mut timeline: Value = serde_json::from_str(timeline).unwrap_or_default();
    let entries = timeline.get_mut("entries").map(Value::take);
    json!({
        "timeline": entries.unwrap_or_else(|| Value::Array(Vec::new())),
        "quality": timeline.get("quality"),
        "left_out": timeline.get("left_out").and_then(Value::as_u64).unwrap_or(0),
    })
}
