//! Steps of an execution. They are part of its record, and no rows of their own.

use serde_json::{Value, json};
use shared::StepSid;
use store::{ExecutionRecord, WriteError};

use super::executions::{execution_of, object, url};
use crate::context::{Answered, Context};
use crate::date::iso8601;
use crate::lookup::sid;
use crate::paging::{ListRow, paging};
use crate::response::Frame;

/// A step as the record keeps it.
struct Kept {
    sid: StepSid,
    json: Value,
}

pub(super) fn collection(context: &Context<'_>, flow: &str, execution: &str) -> Answered {
    context.must_read()?;
    let row = execution_of(context, flow, execution)?;
    let paging = paging(&context.form)?;
    let page = paging.page_of(steps(&row), |step| step.sid.0).map(|step| ListRow {
        json: shown(&row, &step, context.frame),
        prefix: StepSid::PREFIX,
        bits: step.sid.0,
    });
    context.ok(&paging.v1(context.frame, "steps", page))
}

pub(super) fn instance(context: &Context<'_>, flow: &str, execution: &str, step: &str) -> Answered {
    context.must_read()?;
    let row = execution_of(context, flow, execution)?;
    let step = step_of(&row, step)?;
    context.ok(&shown(&row, &step, context.frame))
}

/// The variables as they were at the step.
pub(super) fn variables(
    context: &Context<'_>,
    flow: &str,
    execution: &str,
    step: &str,
) -> Answered {
    context.must_read()?;
    let row = execution_of(context, flow, execution)?;
    let step = step_of(&row, step)?;
    context.ok(&json!({
        "account_sid": row.account,
        "flow_sid": row.flow,
        "execution_sid": row.sid,
        "step_sid": step.sid,
        "context": context_at(&row, &step),
        "url": format!("{}/Steps/{}/Context", url(&row, context.frame), step.sid),
    }))
}

fn steps(row: &ExecutionRecord) -> Vec<Kept> {
    let Value::Array(steps) = object(&row.steps) else { return Vec::new() };
    let kept = |json: Value| {
        let sid = json.get("sid").and_then(Value::as_str)?.parse().ok()?;
        Some(Kept { sid, json })
    };
    steps.into_iter().filter_map(kept).collect()
}

fn step_of(row: &ExecutionRecord, step: &str) -> Result<Kept, WriteError> {
    let sid: StepSid = sid(step)?;
    steps(row).into_iter().find(|step| step.sid == sid).ok_or_else(WriteError::not_found)
}

/// What the widgets up to the step gave, in place of what all of them did.
fn context_at(row: &ExecutionRecord, step: &Kept) -> Value {
    let mut context = object(&row.context);
    let mut widgets = serde_json::Map::new();
    for earlier in steps(row).into_iter().take_while(|earlier| earlier.sid.0 <= step.sid.0) {
        if let Some(Value::Object(changes)) = earlier.json.get("changes") {
            widgets.extend(changes.clone());
        }
    }
    if let Some(context) = context.as_object_mut() {
        context.insert("widgets".to_owned(), widgets.into());
    }
    context
}

fn shown(row: &ExecutionRecord, step: &Kept, frame: &Frame) -> Value {
    let url = format!("{}/Steps/{}", url(row, frame), step.sid);
    let at = step.json.get("at").and_then(Value::as_i64).unwrap_or(row.created_ms);
    json!({
        "sid": step.sid,
        "account_sid": row.account,
        "flow_sid": row.flow,
        "execution_sid": row.sid,
        "parent_step_sid": null,
        "name": step.json["name"],
        "context": context_at(row, step),
        "transitioned_from": step.json["from"],
        "transitioned_to": step.json["to"],
        "date_created": iso8601(at),
        "date_updated": null,
        "url": url,
        "links": { "step_context": format!("{url}/Context") },
    })
}
