//! Rules of credential lists and their users. Sans-IO.

use shared::{AccountSid, CredentialListSid, CredentialSid};

use super::{Plan, Rules};
use crate::credential::{
    Credential, CredentialList, CredentialListParameters, CredentialParameters,
};
use crate::kind::ResourceKind;
use crate::rules;
use crate::secret::{Ha1, Secret};
use crate::snapshot::Snapshot;
use crate::write::WriteError;

impl Rules for CredentialList {
    fn create(
        plan: &Plan<'_>,
        sid: u128,
        _: u128,
        given: &CredentialListParameters,
    ) -> Result<Self, WriteError> {
        let friendly_name = given.friendly_name.value().cloned().unwrap_or_default();
        rules::friendly_name(ResourceKind::CredentialList, &friendly_name)?;
        Ok(Self {
            sid: CredentialListSid(sid),
            account: plan.account.sid,
            friendly_name,
            created_ms: plan.mint.unix_ms,
            updated_ms: plan.mint.unix_ms,
            revision: 1,
        })
    }

    fn update(
        &mut self,
        _: &Plan<'_>,
        given: &CredentialListParameters,
        _: Option<AccountSid>,
    ) -> Result<(), WriteError> {
        rules::rename(ResourceKind::CredentialList, &mut self.friendly_name, &given.friendly_name)
    }

    fn is_in_use(&self, snapshot: &Snapshot) -> bool {
        snapshot.list_is_mapped(self.sid.0)
    }
}

impl Rules for Credential {
    fn create(
        plan: &Plan<'_>,
        sid: u128,
        owner: u128,
        given: &CredentialParameters,
    ) -> Result<Self, WriteError> {
        let username = given.username.value().cloned().unwrap_or_default();
        rules::username(&username)?;
        Ok(Self {
            sid: CredentialSid(sid),
            account: plan.account.sid,
            list: CredentialListSid(owner),
            // One realm for every list (sip.md 3): the list may be mapped to any domain.
            ha1: ha1(plan, &username, given.password.value())?,
            username,
            created_ms: plan.mint.unix_ms,
            updated_ms: plan.mint.unix_ms,
            revision: 1,
        })
    }

    fn update(
        &mut self,
        plan: &Plan<'_>,
        given: &CredentialParameters,
        _: Option<AccountSid>,
    ) -> Result<(), WriteError> {
        // An update changes the password only: HA1 contains the user name, and the old password is not
        // kept.
        self.ha1 = ha1(plan, &self.username, given.password.value())?;
        Ok(())
    }
}

/// What digest authentication needs of a strong password; refused without one.
fn ha1(plan: &Plan<'_>, username: &str, password: Option<&Secret>) -> Result<Ha1, WriteError> {
    // An absent password is refused by the sentence of an empty one.
    let absent = Secret::new("");
    let password = password.unwrap_or(&absent);
    rules::password(password)?;
    Ok(Ha1::of(username, &plan.snapshot.realm, password))
}
