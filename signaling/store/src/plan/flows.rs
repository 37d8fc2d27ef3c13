//! Rules of Studio flows. Sans-IO.

use shared::limits::TEST_USERS_BYTES_MAX;
use shared::{AccountSid, Code, FlowSid};

use super::{Checked, Plan, Planned, Rules};
use crate::change::Change;
use crate::kind::ResourceKind;
use crate::rules;
use crate::studio::{Flow, FlowParameters, PUBLISHED};
use crate::write::{Reply, WriteError};

impl Rules for Flow {
    fn create(
        plan: &Plan<'_>,
        sid: u128,
        _: u128,
        given: &FlowParameters,
    ) -> Result<Self, WriteError> {
        let mut row = Self {
            sid: FlowSid(sid),
            account: plan.account.sid,
            friendly_name: String::new(),
            status: String::new(),
            definition: String::new(),
            commit_message: None,
            published_definition: None,
            published_revision: None,
            published_ms: None,
            created_ms: plan.mint.unix_ms,
            updated_ms: plan.mint.unix_ms,
            revision: 1,
        };
        revise(&mut row, plan, 1, given)?;
        Ok(row)
    }

    fn update(
        &mut self,
        plan: &Plan<'_>,
        given: &FlowParameters,
        _: Option<AccountSid>,
    ) -> Result<(), WriteError> {
        let revision = self.revision + 1;
        revise(self, plan, revision, given)
    }
}

impl Plan<'_> {
    /// No revision of the flow: who tests it is not part of it.
    pub(super) fn set_test_users(&self, flow: FlowSid, users: &str) -> Checked {
        self.row::<Flow>(None, flow.0)?;
        if users.len() > TEST_USERS_BYTES_MAX {
            let message = format!("TestUsers may have {TEST_USERS_BYTES_MAX} bytes together");
            return Err(WriteError::invalid(Code::INVALID_PARAMETER, message));
        }
        let users = users.to_owned();
        Ok(Planned {
            change: Change::SetTestUsers { flow, users: users.clone() },
            reply: Reply::TestUsers(flow, users),
        })
    }
}

fn revise(
    row: &mut Flow,
    plan: &Plan<'_>,
    revision: u64,
    given: &FlowParameters,
) -> Result<(), WriteError> {
    rules::rename(ResourceKind::Flow, &mut row.friendly_name, &given.friendly_name)?;
    if let Some(definition) = given.definition.value() {
        row.definition.clone_from(definition);
    }
    if let Some(status) = given.status.value() {
        row.status.clone_from(status);
    }
    // Of this revision alone: an update without a message has none.
    row.commit_message = given.commit_message.value().cloned();
    if row.status == PUBLISHED {
        row.published_definition = Some(row.definition.clone());
        row.published_revision = Some(revision);
        row.published_ms = Some(plan.mint.unix_ms);
    }
    Ok(())
}
