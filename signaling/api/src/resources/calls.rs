//! `/Calls`: list, fetch and delete; commands about live calls go to Control.

use std::fmt;

use serde_json::{Value, json};
use shared::{ApplicationSid, CallSid, Code};
use store::{
    Application, CallCommand, CallRecord, Filtered as _, Write, WriteError, formatted_number,
};

use crate::auth::unreadable;
use crate::context::{Answered, CollectionVerb, Context, InstanceVerb};
use crate::date::rfc2822;
use crate::described;
use crate::filters::conditions;
use crate::lookup::{found, sid, uri};
use crate::paging::{ListRow, paging};
use crate::resources::call_commands;
use crate::text::Text;

pub(crate) fn collection(context: &Context<'_>) -> Answered {
    match context.collection_verb()? {
        CollectionVerb::List => list(context),
        CollectionVerb::Create => {
            let application = application(context)?;
            let account = context.account.sid;
            let create = call_commands::create(account, &context.form, application.as_ref())?;
            context.command(CallCommand::Create(Box::new(create)), 201)
        }
    }
}

pub(crate) fn instance(context: &Context<'_>, call: &str) -> Answered {
    let call: CallSid = sid(call)?;
    let account = context.account.sid;
    match context.instance_verb()? {
        InstanceVerb::Fetch => context.ok(&json(&found(context.reader.call(account, call))?)),
        InstanceVerb::Update => {
            // Before the parameters: an update of a call that does not exist is 404, whatever it asks.
            // Control asks again.
            found(context.reader.call(account, call))?;
            let update = call_commands::update(account, call, &context.form)?;
            context.command(CallCommand::Update(Box::new(update)), 200)
        }
        // Whether the call has ended is decided with the commit: it may end in between.
        InstanceVerb::Delete => context.delete(Write::DeleteCall(call)),
    }
}

/// The application that `ApplicationSid` names.
fn application(context: &Context<'_>) -> Result<Option<Application>, WriteError> {
    let Some(text) = context.form.value("ApplicationSid") else { return Ok(None) };
    let unknown = || {
        let message = "ApplicationSid names no application of this account";
        WriteError::invalid(Code::APPLICATION_SID, message)
    };
    let sid: ApplicationSid = text.parse().map_err(|_| unknown())?;
    let row = described::row(context, sid.0)?;
    row.ok_or_else(unknown).map(Some)
}

fn list(context: &Context<'_>) -> Answered {
    let query = &context.form;
    let paging = paging(query)?;
    let conditions = conditions(query, CallRecord::FILTERS)?;
    let page = context
        .reader
        .calls(context.account.sid, &conditions, paging.request)
        .map_err(unreadable)?
        .map(|row| ListRow { json: json(&row), prefix: CallSid::PREFIX, bits: row.sid.0 });
    context.ok(&paging.v2010(context.frame, "calls", page))
}

pub(crate) fn json(row: &CallRecord) -> Value {
    let sid = row.sid;
    let below = |name: &'static str| {
        uri(row.account, fmt::from_fn(move |f| write!(f, "Calls/{sid}/{name}.json")))
    };
    json!({
        "sid": sid,
        "account_sid": row.account,
        "api_version": "2010-04-01",
        "parent_call_sid": row.parent,
        "to": row.to,
        "to_formatted": formatted_number(&row.to),
        "from": row.from,
        "from_formatted": formatted_number(&row.from),
        "phone_number_sid": null,
        "status": row.status.name(),
        "direction": row.direction.name(),
        "start_time": row.start_ms.map(rfc2822),
        "end_time": row.end_ms.map(rfc2822),
        // The contract has durations of calls as text (rest.md 1).
        "duration": row.duration_s.map(Text),
        // Nothing is billed here, and absent values are null (rest.md 1).
        "price": null,
        "price_unit": "USD",
        "answered_by": row.answered_by,
        "forwarded_from": row.forwarded_from,
        "group_sid": null,
        "caller_name": row.caller_name,
        "queue_time": Text(row.queue_time_ms),
        "trunk_sid": null,
        "annotation": null,
        "date_created": rfc2822(row.created_ms),
        "date_updated": rfc2822(row.updated_ms),
        "uri": uri(row.account, format_args!("Calls/{sid}.json")),
        "subresource_uris": {
            "notifications": below("Notifications"),
            "recordings": below("Recordings"),
            "events": below("Events"),
            "timeline": below("Timeline"),
        },
    })
}
