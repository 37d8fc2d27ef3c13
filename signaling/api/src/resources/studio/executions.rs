//! Executions: history of the store; started and ended by whoever walks them.

use std::sync::Arc;

use serde_json::{Value, json};
use shared::limits::STUDIO_ADDRESSES_BYTES_MAX;
use shared::{Code, ExecutionSid};
use store::{Condition, ExecutionCommand, ExecutionRecord, Write, WriteError};

use super::flow_of;
use crate::auth::unreadable;
use crate::context::{Answered, CollectionVerb, Context, InstanceVerb, READ_WRITE_OR_DELETE, Step};
use crate::date::iso8601;
use crate::lookup::{found, sid};
use crate::paging::{ListRow, paging};
use crate::response::{Frame, invalid_parameter};

pub(crate) fn collection(context: &Context<'_>, flow: &str) -> Answered {
    let row = flow_of(context, flow)?;
    match context.collection_verb()? {
        CollectionVerb::List => {
            let paging = paging(&context.form)?;
            let conditions = [Condition::equal("flow", store::Value::sid(row.sid.0))];
            let page = context
                .reader
                .executions(context.account.sid, &conditions, paging.request)
                .map_err(unreadable)?
                .map(|row| ListRow {
                    json: json(&row, context.frame),
                    prefix: ExecutionSid::PREFIX,
                    bits: row.sid.0,
                });
            context.ok(&paging.v1(context.frame, "executions", page))
        }
        CollectionVerb::Create => {
            let required = |name: &str, code| {
                let value = context.form.value(name).map(str::to_owned);
                value.ok_or_else(|| WriteError::invalid(code, format!("{name} is required")))
            };
            let to = required("To", Code::TO_MISSING)?;
            let from = required("From", Code::FROM_MISSING)?;
            if to.len() + from.len() > STUDIO_ADDRESSES_BYTES_MAX {
                let message =
                    format!("To and From may have {STUDIO_ADDRESSES_BYTES_MAX} bytes together");
                return Err(WriteError::invalid(Code::STUDIO_ADDRESSES, message));
            }
            let parameters = context.form.value("Parameters").unwrap_or("{}").to_owned();
            if !serde_json::from_str::<Value>(&parameters).is_ok_and(|json| json.is_object()) {
                return Err(invalid_parameter("Parameters must be a JSON object"));
            }
            let (account, flow) = (context.account.sid, Arc::new(row));
            let command = ExecutionCommand::Create { account, flow, to, from, parameters };
            Ok(Step::Execution { command, rendering: context.rendering(201) })
        }
    }
}

pub(crate) fn instance(context: &Context<'_>, flow: &str, execution: &str) -> Answered {
    let row = execution_of(context, flow, execution)?;
    match context.instance_verb_of(READ_WRITE_OR_DELETE)? {
        InstanceVerb::Fetch => context.ok(&json(&row, context.frame)),
        InstanceVerb::Update => {
            if context.form.value("Status") != Some("ended") {
                return Err(invalid_parameter("Status must be ended"));
            }
            let command =
                ExecutionCommand::End { account: context.account.sid, execution: row.sid };
            Ok(Step::Execution { command, rendering: context.rendering(200) })
        }
        InstanceVerb::Delete => context.delete(Write::DeleteExecution(row.sid)),
    }
}

/// The variables of an execution.
pub(crate) fn variables(context: &Context<'_>, flow: &str, execution: &str) -> Answered {
    context.must_read()?;
    let row = execution_of(context, flow, execution)?;
    context.ok(&json!({
        "account_sid": row.account,
        "context": object(&row.context),
        "execution_sid": row.sid,
        "flow_sid": row.flow,
        "url": format!("{}/Context", url(&row, context.frame)),
    }))
}

/// The execution that a path names.
pub(super) fn execution_of(
    context: &Context<'_>,
    flow: &str,
    execution: &str,
) -> Result<ExecutionRecord, WriteError> {
    let sid: ExecutionSid = sid(execution)?;
    let row = found(context.reader.execution(context.account.sid, sid))?;
    if row.flow.to_string() == flow { Ok(row) } else { Err(WriteError::not_found()) }
}

pub(super) fn url(row: &ExecutionRecord, frame: &Frame) -> String {
    format!("{}/v2/Flows/{}/Executions/{}", frame.base, row.flow, row.sid)
}

pub(super) fn object(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_default()
}

pub(crate) fn json(row: &ExecutionRecord, frame: &Frame) -> Value {
    let url = url(row, frame);
    json!({
        "sid": row.sid,
        "account_sid": row.account,
        "flow_sid": row.flow,
        "contact_channel_address": row.contact,
        "context": object(&row.context),
        "status": row.status.name(),
        "date_created": iso8601(row.created_ms),
        "date_updated": iso8601(row.updated_ms),
        "url": url,
        "links": {
            "steps": format!("{url}/Steps"),
            "execution_context": format!("{url}/Context"),
        },
    })
}
