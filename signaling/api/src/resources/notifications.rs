//! `/Notifications` and `/Calls/{CA}/Notifications`: failures and warnings for the customer.

use serde_json::{Value, json};
use shared::{CallSid, NotificationSid};
use store::{Condition, Filtered as _, NotificationRecord};

use crate::auth::unreadable;
use crate::context::{Answered, Context};
use crate::date::rfc2822;
use crate::filters::conditions;
use crate::lookup::{found, sid, uri};
use crate::paging::{ListRow, paging};
use crate::response::more_info;
use crate::text::Text;

pub(crate) fn collection(context: &Context<'_>, call: Option<CallSid>) -> Answered {
    context.must_read()?;
    if let Some(call) = call {
        found(context.reader.call(context.account.sid, call))?;
    }
    let query = &context.form;
    let paging = paging(query)?;
    let mut conditions = conditions(query, NotificationRecord::FILTERS)?;
    conditions.extend(call.map(|call| Condition::equal("call", store::Value::sid(call.0))));
    let page = context
        .reader
        .notifications(context.account.sid, &conditions, paging.request)
        .map_err(unreadable)?
        .map(|row| ListRow {
            json: json(&row, false),
            prefix: NotificationSid::PREFIX,
            bits: row.sid.0,
        });
    context.ok(&paging.v2010(context.frame, "notifications", page))
}

pub(crate) fn instance(
    context: &Context<'_>,
    call: Option<CallSid>,
    notification: &str,
) -> Answered {
    context.must_read()?;
    let sid: NotificationSid = sid(notification)?;
    // Compared after the read: a notification of another call is not found below this one.
    let of_call = |row: &NotificationRecord| call.is_none() || row.call == call;
    let read = context.reader.notification(context.account.sid, sid);
    context.ok(&json(&found(read.map(|row| row.filter(of_call)))?, true))
}

fn json(row: &NotificationRecord, whole: bool) -> Value {
    let exchange = row.exchange.as_ref();
    let mut json = json!({
        "sid": row.sid,
        "account_sid": row.account,
        "call_sid": row.call,
        "api_version": "2010-04-01",
        "log": Text(row.level.number()),
        "error_code": Text(row.error_code),
        "more_info": more_info(row.error_code),
        "message_text": row.message,
        "message_date": rfc2822(row.created_ms),
        "request_method": exchange.map(|messages| messages.method.name()),
        "request_url": exchange.map_or("", |messages| &messages.url),
        "date_created": rfc2822(row.created_ms),
        "date_updated": rfc2822(row.created_ms),
        "uri": uri(row.account, format_args!("Notifications/{}.json", row.sid)),
    });
    if whole {
        json["request_variables"] = exchange.map_or("", |m| &m.request_variables).into();
        json["response_headers"] = exchange.map_or("", |m| &m.response_headers).into();
        json["response_body"] = exchange.map_or("", |m| &m.response_body).into();
    }
    json
}
