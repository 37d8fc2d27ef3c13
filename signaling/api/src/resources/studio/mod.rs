//! `/v2` of Studio: flows, their revisions, executions, steps. Their paths name no account: they show that of the login.

pub(crate) mod executions;
pub(crate) mod flows;
mod steps;

use shared::FlowSid;
use store::{Flow, WriteError};

use crate::auth;
use crate::context::{Answered, Context};
use crate::lookup::{found, sid};
use crate::request::Method;
use store::AccountStatus;

/// Everything below `/v2`.
pub(crate) fn below(context: &Context<'_>, path: &[&str]) -> Answered {
    let writes = context.method != Method::Get;
    if writes && context.account.status != AccountStatus::Active {
        return Err(auth::not_active());
    }
    let (["Flows"], rest) = path.split_at(path.len().min(1)) else {
        return Err(WriteError::not_found());
    };
    match rest {
        [] => flows::collection(context),
        ["Validate"] => flows::validate(context),
        [flow] => flows::instance(context, flow),
        [flow, "Revisions"] => flows::revisions(context, flow),
        [flow, "Revisions", revision] => flows::revision(context, flow, revision),
        [flow, "TestUsers"] => flows::test_users(context, flow),
        [flow, "Executions"] => executions::collection(context, flow),
        [flow, "Executions", execution] => executions::instance(context, flow, execution),
        [flow, "Executions", execution, "Context"] => {
            executions::variables(context, flow, execution)
        }
        [flow, "Executions", execution, "Steps"] => steps::collection(context, flow, execution),
        [flow, "Executions", execution, "Steps", step] => {
            steps::instance(context, flow, execution, step)
        }
        [flow, "Executions", execution, "Steps", step, "Context"] => {
            steps::variables(context, flow, execution, step)
        }
        _ => Err(WriteError::not_found()),
    }
}

/// The flow that a path names.
fn flow_of(context: &Context<'_>, flow: &str) -> Result<Flow, WriteError> {
    let sid: FlowSid = sid(flow)?;
    found(context.reader.resource(Some(context.account.sid.0), sid.0))
}
