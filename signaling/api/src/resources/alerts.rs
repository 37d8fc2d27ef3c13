//! `/v1/Alerts` of monitor: notifications in the shape of the newer API.

use serde_json::{Value, json};
use shared::NotificationSid;
use store::{Condition, NotificationLevel, NotificationRecord};

use crate::auth::unreadable;
use crate::context::{Answered, Context};
use crate::date::iso8601;
use crate::filters::conditions;
use crate::lookup::{found, sid};
use crate::paging::{ListRow, paging};
use crate::response::{Frame, more_info};

/// Age of the oldest alert that is shown, as the contract promises: 30 days.
const LOOK_BACK_MS: i64 = 30 * 86_400_000;

pub(crate) fn collection(context: &Context<'_>) -> Answered {
    context.must_read()?;
    let paging = paging(&context.form)?;
    let mut conditions = conditions(&context.form, NotificationRecord::ALERT_FILTERS)?;
    // By the query and not by retention, which may keep notifications longer.
    conditions.push(Condition::from("created_ms", context.now.unix_ms - LOOK_BACK_MS));
    let page = context
        .reader
        .notifications(context.account.sid, &conditions, paging.request)
        .map_err(unreadable)?
        .map(|row| ListRow {
            json: json(&row, context.frame, false),
            prefix: NotificationSid::PREFIX,
            bits: row.sid.0,
        });
    context.ok(&paging.v1(context.frame, "alerts", page))
}

pub(crate) fn instance(context: &Context<'_>, alert: &str) -> Answered {
    context.must_read()?;
    let sid: NotificationSid = sid(alert)?;
    let row = found(context.reader.notification(context.account.sid, sid))?;
    context.ok(&json(&row, context.frame, true))
}

fn json(row: &NotificationRecord, frame: &Frame, whole: bool) -> Value {
    let (level, upper) = match row.level {
        NotificationLevel::Error => ("error", "ERROR"),
        NotificationLevel::Warning => ("warning", "WARN"),
    };
    let code = row.error_code.to_string();
    // Form-encoded, because the CLI prints the value of `Msg`.
    let text = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("Msg", &row.message)
        .append_pair("ErrorCode", &code)
        .append_pair("LogLevel", upper)
        .finish();
    let exchange = row.exchange.as_ref();
    let mut json = json!({
        "sid": row.sid,
        "account_sid": row.account,
        "alert_text": text,
        "api_version": "2010-04-01",
        "error_code": code,
        "log_level": level,
        "more_info": more_info(row.error_code),
        "request_method": exchange.map(|messages| messages.method.name()),
        "request_url": exchange.map(|messages| &messages.url),
        "resource_sid": row.call,
        "service_sid": null,
        "date_created": iso8601(row.created_ms),
        "date_generated": iso8601(row.created_ms),
        "date_updated": iso8601(row.created_ms),
        "url": format_args!("{}/v1/Alerts/{}", frame.base, row.sid),
    });
    if whole {
        // A notification keeps no headers of its request.
        json["request_headers"] = Value::Null;
        json["request_variables"] = exchange.map(|m| m.request_variables.as_str()).into();
        json["response_headers"] = exchange.map(|m| m.response_headers.as_str()).into();
        json["response_body"] = exchange.map(|m| m.response_body.as_str()).into();
    }
    json
}
