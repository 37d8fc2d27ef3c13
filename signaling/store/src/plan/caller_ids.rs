//! Rules of verified caller ids. Sans-IO.

use shared::{AccountSid, OutgoingCallerIdSid};

use super::{Plan, Rules};
use crate::caller_id::{OutgoingCallerId, OutgoingCallerIdParameters};
use crate::kind::ResourceKind;
use crate::number::formatted_number;
use crate::patch::Patch;
use crate::rules;
use crate::write::WriteError;

impl Rules for OutgoingCallerId {
    fn create(
        plan: &Plan<'_>,
        sid: u128,
        _: u128,
        given: &OutgoingCallerIdParameters,
    ) -> Result<Self, WriteError> {
        let phone_number = given.phone_number.value().cloned().unwrap_or_default();
        let mut row = Self {
            sid: OutgoingCallerIdSid(sid),
            account: plan.account.sid,
            friendly_name: formatted_number(&phone_number).into_owned(),
            phone_number,
            created_ms: plan.mint.unix_ms,
            updated_ms: plan.mint.unix_ms,
            revision: 1,
        };
        rename(&mut row, given)?;
        Ok(row)
    }

    fn update(
        &mut self,
        _: &Plan<'_>,
        given: &OutgoingCallerIdParameters,
        _: Option<AccountSid>,
    ) -> Result<(), WriteError> {
        rename(self, given)
    }
}

fn rename(
    row: &mut OutgoingCallerId,
    given: &OutgoingCallerIdParameters,
) -> Result<(), WriteError> {
    // The name at creation is the number; clearing goes back to that.
    if given.friendly_name == Patch::Clear {
        row.friendly_name = formatted_number(&row.phone_number).into_owned();
    }
    rules::rename(ResourceKind::OutgoingCallerId, &mut row.friendly_name, &given.friendly_name)
}
