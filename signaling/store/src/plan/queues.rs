//! Rules of queues. Sans-IO.
//!
//! That only an empty queue is deleted is not among them: Control knows who waits, and refuses the request before it
//! plans the write.

use shared::{AccountSid, QueueSid};

use super::{Plan, Rules};
use crate::kind::ResourceKind;
use crate::queue::{Queue, QueueParameters};
use crate::queue_commands::QueueFigures;
use crate::rules;
use crate::snapshot::Snapshot;
use crate::write::{Beside, WriteError};

impl Rules for Queue {
    fn create(
        plan: &Plan<'_>,
        sid: u128,
        _: u128,
        given: &QueueParameters,
    ) -> Result<Self, WriteError> {
        let friendly_name = given.friendly_name.value().cloned().unwrap_or_default();
        rules::friendly_name(ResourceKind::Queue, &friendly_name)?;
        let mut row = Self {
            sid: QueueSid(sid),
            account: plan.account.sid,
            friendly_name,
            max_size: 0,
            created_ms: plan.mint.unix_ms,
            updated_ms: plan.mint.unix_ms,
            revision: 1,
        };
        given.max_size.set(&mut row.max_size);
        debug_assert!(row.max_size > 0, "its parameter has a default");
        Ok(row)
    }

    fn update(
        &mut self,
        _: &Plan<'_>,
        given: &QueueParameters,
        _: Option<AccountSid>,
    ) -> Result<(), WriteError> {
        rules::rename(ResourceKind::Queue, &mut self.friendly_name, &given.friendly_name)?;
        given.max_size.set(&mut self.max_size);
        Ok(())
    }

    /// The figures of an empty queue, which a new one is. Control replaces those of a queue in which calls wait.
    fn beside(&self, _: &Snapshot) -> Beside {
        Beside { derived: QueueFigures::default().values().into(), secret: None }
    }
}
