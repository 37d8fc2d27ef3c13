//! `/Calls/{CA}/Timeline`: ours: what happened in a call, in order (design section 8).

use serde_json::{Value, json};
use shared::CallSid;
use store::CallCommand;

use crate::auth::unreadable;
use crate::handle::{Answered, Context};
use crate::resources::found;

/// From the store once the call has ended, from Control while it is up.
pub(crate) fn fetch(context: &Context<'_>, call: CallSid) -> Answered {
    context.must_read()?;
    let account = context.account.sid;
    let record = found(context.reader.call(account, call))?;
    match context.reader.timeline(call).map_err(unreadable)? {
        Some(entries) => context.ok(&json(&entries)),
        None if record.end_ms.is_none() => {
            context.command(CallCommand::ReadTimeline { account, call }, 200)
        }
        // Ended by a kill: the entries were lost with the process.
        None => context.ok(&json("[]")),
    }
}

pub(crate) fn json(entries: &str) -> Value {
    let entries: Value = serde_json::from_str(entries).unwrap_or_else(|_| Value::Array(Vec::new()));
    json!({ "timeline": entries })
}
