//! Flows and their revisions.

use serde_json::{Value, json};
use shared::{Code, FlowSid};
use store::{Described as _, Flow, Page, Post, ResourceKey, ResourceKind, Write, WriteError};
use studio::Problem;

use super::flow_of;
use crate::auth::unreadable;
use crate::context::{
    Answered, CollectionVerb, Context, InstanceVerb, READ_OR_WRITE, READ_WRITE_OR_DELETE, Step,
};
use crate::date::iso8601;
use crate::described::given_of;
use crate::lookup::sid;
use crate::paging::{ListRow, paging};
use crate::response::{Frame, method_not_allowed, more_info};

pub(crate) fn collection(context: &Context<'_>) -> Answered {
    match context.collection_verb()? {
        CollectionVerb::List => {
            let paging = paging(&context.form)?;
            let page = context
                .reader
                .resources::<Flow>(context.account.sid.0, paging.request)
                .map_err(unreadable)?
                .map(|row| row_of(&row, context.frame));
            context.ok(&paging.v1(context.frame, "flows", page))
        }
        CollectionVerb::Create => {
            if let Some(refused) = refused(context) {
                return Ok(refused);
            }
            let given = given_of(&context.form, &Flow::DESCRIPTION, None, Post::Create)?;
            context.create(Write::Create { list: None, given })
        }
    }
}

pub(crate) fn instance(context: &Context<'_>, flow: &str) -> Answered {
    let sid: FlowSid = sid(flow)?;
    match context.instance_verb_of(READ_WRITE_OR_DELETE)? {
        InstanceVerb::Fetch => context.ok(&json(&flow_of(context, flow)?, context.frame)),
        InstanceVerb::Update => {
            if context.form.value("Definition").is_some()
                && let Some(refused) = refused(context)
            {
                return Ok(refused);
            }
            let given = given_of(&context.form, &Flow::DESCRIPTION, None, Post::Update)?;
            context.update(Write::Update { list: None, sid: sid.0, given, by: None })
        }
        InstanceVerb::Delete => {
            let key = ResourceKey { kind: ResourceKind::Flow, sid: sid.0 };
            context.delete(Write::Delete { list: None, key })
        }
    }
}

/// Checks a definition and keeps nothing.
pub(crate) fn validate(context: &Context<'_>) -> Answered {
    context.must_post()?;
    match refused(context) {
        Some(refused) => Ok(refused),
        None => context.ok(&json!({ "valid": true })),
    }
}

/// The answer to a request whose definition is not valid. Beside the four keys of every error it has `details`, which
/// the SDKs show as the details of their exception.
fn refused(context: &Context<'_>) -> Option<Step> {
    let definition = context.form.value("Definition").unwrap_or_default();
    let problems = studio::Flow::read(definition).err()?;
    let code = Code::STUDIO_DEFINITION;
    let errors: Vec<Value> = problems.iter().map(Problem::to_json).collect();
    let body = json!({
        "code": code,
        "message": "The definition of the flow is not valid",
        "more_info": more_info(code),
        "status": 400,
        "details": { "errors": errors, "warnings": [] },
    });
    Some(Step::Answer(context.frame.json(400, &body)))
}

/// Every revision that the flow keeps.
pub(crate) fn revisions(context: &Context<'_>, flow: &str) -> Answered {
    context.must_read()?;
    let row = flow_of(context, flow)?;
    let paging = paging(&context.form)?;
    let numbers = context.reader.flow_revisions(row.sid).map_err(unreadable)?;
    let Page { rows: numbers, has_previous, has_next } =
        paging.page_of(numbers, |number| u128::from(*number));
    let mut rows = Vec::with_capacity(numbers.len());
    for number in numbers {
        // One that went meanwhile is left out.
        if let Some(kept) = revision_of(context, &row, number)? {
            rows.push(ListRow { bits: number.into(), ..row_of(&kept, context.frame) });
        }
    }
    let page = Page { rows, has_previous, has_next };
    context.ok(&paging.v1(context.frame, "revisions", page))
}

pub(crate) fn revision(context: &Context<'_>, flow: &str, revision: &str) -> Answered {
    context.must_read()?;
    let row = flow_of(context, flow)?;
    let number = match revision {
        "LatestPublished" => row.published_revision,
        "LatestRevision" => Some(row.revision),
        number => number.parse().ok(),
    };
    let number = number.ok_or_else(WriteError::not_found)?;
    let kept = revision_of(context, &row, number)?.ok_or_else(WriteError::not_found)?;
    context.ok(&json(&kept, context.frame))
}

fn revision_of(context: &Context<'_>, row: &Flow, number: u64) -> Result<Option<Flow>, WriteError> {
    context.reader.flow_revision(row.sid, number).map_err(unreadable)
}

/// Addresses that try the newest revision before it is published.
pub(crate) fn test_users(context: &Context<'_>, flow: &str) -> Answered {
    let flow = flow_of(context, flow)?.sid;
    match context.instance_verb_of(READ_OR_WRITE)? {
        InstanceVerb::Fetch => {
            let users = context.reader.flow_test_users(flow).map_err(unreadable)?;
            context.ok(&test_users_json(flow, &users, context.frame))
        }
        InstanceVerb::Update => {
            let users: Vec<_> = context.form.words("TestUsers").collect();
            context.update(Write::SetTestUsers { flow, users: users.join(" ") })
        }
        InstanceVerb::Delete => Err(method_not_allowed(READ_OR_WRITE)),
    }
}

pub(crate) fn test_users_json(flow: FlowSid, users: &str, frame: &Frame) -> Value {
    json!({
        "sid": flow,
        "test_users": users.split_whitespace().collect::<Vec<_>>(),
        "url": format!("{}/v2/Flows/{flow}/TestUsers", frame.base),
    })
}

fn row_of(row: &Flow, frame: &Frame) -> ListRow {
    ListRow { json: json(row, frame), prefix: FlowSid::PREFIX, bits: row.sid.0 }
}

pub(crate) fn json(row: &Flow, frame: &Frame) -> Value {
    let base = &frame.base;
    // The cloud names the host of webhooks beside that of the API; at our own address both are one.
    let hooks = base.replace("//studio.", "//webhooks.");
    let url = format!("{base}/v2/Flows/{}", row.sid);
    json!({
        "sid": row.sid,
        "account_sid": row.account,
        "friendly_name": row.friendly_name,
        "definition": serde_json::from_str::<Value>(&row.definition).unwrap_or_default(),
        "status": row.status,
        "revision": row.revision,
        "commit_message": row.commit_message,
        "valid": true,
        "errors": [],
        "warnings": [],
        "date_created": iso8601(row.created_ms),
        "date_updated": iso8601(row.updated_ms),
        "webhook_url": format!("{hooks}/v1/Accounts/{}/Flows/{}", row.account, row.sid),
        "url": url,
        "links": {
            "revisions": format!("{url}/Revisions"),
            "test_users": format!("{url}/TestUsers"),
            "executions": format!("{url}/Executions"),
        },
    })
}
