//! `/Calls/{CA}/Events`: the HTTP exchanges of a call.

use serde_json::{Map, Value, json};
use shared::CallSid;
use store::HttpExchange;

use crate::auth::unreadable;
use crate::context::{Answered, Context};
use crate::date::rfc2822;
use crate::lookup::found;
use crate::paging::{ListRow, paging};

pub(crate) fn collection(context: &Context<'_>, call: CallSid) -> Answered {
    context.must_read()?;
    let account = context.account.sid;
    found(context.reader.call(account, call))?;
    let paging = paging(&context.form)?;
    let page = context
        .reader
        .exchanges(account, call, paging.request)
        .map_err(unreadable)?
        // `EV` appears in page tokens only: an exchange has no SID that the API shows.
        .map(|row| ListRow { bits: row.id, json: json(row), prefix: "EV" });
    context.ok(&paging.v2010(context.frame, "events", page))
}

fn json(row: HttpExchange) -> Value {
    let parameters: Map<_, _> =
        row.parameters.into_iter().map(|(name, value)| (name, value.into())).collect();
    json!({
        "request": {
            "method": row.method.name(),
            "url": row.url,
            "parameters": parameters,
        },
        "response": {
            "response_code": row.response_code,
            "request_duration": row.request_duration_ms,
            "content_type": row.content_type,
            "response_body": row.response_body,
            "date_created": rfc2822(row.created_ms),
        },
    })
}
