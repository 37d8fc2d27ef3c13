//! Rules of accounts and API keys: who may create, rename and suspend them. Sans-IO.

use shared::{AccountSid, Code, KeySid};

use super::{Plan, Rules};
use crate::account::{Account, AccountParameters, AccountStatus, Key, KeyParameters};
use crate::kind::ResourceKind;
use crate::rules;
use crate::secret::{Secret, SecretHash};
use crate::write::WriteError;

impl Rules for Account {
    fn create(
        plan: &Plan<'_>,
        sid: u128,
        owner: u128,
        given: &AccountParameters,
    ) -> Result<Self, WriteError> {
        // One level only (rest.md 4): limits, suspension and admission look at an account and its parent.
        if plan.account.parent.is_some() {
            return Err(WriteError::invalid(
                Code::SUBACCOUNT_NESTED,
                "A subaccount cannot have subaccounts",
            ));
        }
        // The limit comes before the name: with no place left, no name helps. The commit counts again.
        plan.room_for::<Self>(owner)?;
        let unix_ms = plan.mint.unix_ms;
        let default = || format!("SubAccount Created at {}", date_and_minute(unix_ms));
        let friendly_name = given.friendly_name.value().cloned().unwrap_or_else(default);
        rules::friendly_name(ResourceKind::Account, &friendly_name)?;
        let token = plan.mint.auth_token();
        // A sub-account is a main account with a parent: one constructor keeps what both have.
        let main = Self::main(AccountSid(sid), token, &friendly_name, unix_ms);
        Ok(Self { parent: Some(AccountSid(owner)), ..main })
    }

    fn update(
        &mut self,
        plan: &Plan<'_>,
        given: &AccountParameters,
        by: Option<AccountSid>,
    ) -> Result<(), WriteError> {
        rules::rename(ResourceKind::Account, &mut self.friendly_name, &given.friendly_name)?;
        if let Some(status) = given.status.value() {
            may_set_status(plan, *status, by)?;
            self.status = *status;
        }
        Ok(())
    }
}

fn may_set_status(
    plan: &Plan<'_>,
    status: AccountStatus,
    by: Option<AccountSid>,
) -> Result<(), WriteError> {
    let Some(parent) = plan.account.parent else {
        return Err(WriteError::invalid(
            Code::MAIN_ACCOUNT_STATUS,
            "The status of a main account cannot be set",
        ));
    };
    // The token of the sub-account may change its name and nothing that its parent decides.
    if by != Some(parent) {
        return Err(WriteError::new(
            403,
            Code::ACCESS_DENIED,
            "Only the parent account may set the status of a subaccount",
        ));
    }
    // The login was checked before the write waited its turn: the parent may be suspended by now.
    if !plan.snapshot.account_is_active(parent) {
        return Err(WriteError::invalid(
            Code::PARENT_SUSPENDED,
            "The parent account is not active",
        ));
    }
    // To close a closed account again succeeds: a client that lost the response repeats the request.
    if plan.account.status == AccountStatus::Closed && status != AccountStatus::Closed {
        return Err(WriteError::invalid(Code::ACCOUNT_CLOSED, "A closed account stays closed"));
    }
    Ok(())
}

impl Rules for Key {
    fn create(
        plan: &Plan<'_>,
        sid: u128,
        owner: u128,
        given: &KeyParameters,
    ) -> Result<Self, WriteError> {
        plan.room_for::<Self>(owner)?;
        if let Some(name) = given.friendly_name.value() {
            rules::friendly_name(ResourceKind::Key, name)?;
        }
        Ok(Self {
            sid: KeySid(sid),
            account: plan.account.sid,
            friendly_name: given.friendly_name.value().cloned().unwrap_or_default(),
            // Only the hash is kept. The reply makes the secret again from the mint (`Rules::secret`).
            secret_hash: SecretHash::of(plan.mint.key_secret().expose_secret()),
            created_ms: plan.mint.unix_ms,
            updated_ms: plan.mint.unix_ms,
            revision: 1,
        })
    }

    fn update(
        &mut self,
        _: &Plan<'_>,
        given: &KeyParameters,
        _: Option<AccountSid>,
    ) -> Result<(), WriteError> {
        rules::rename(ResourceKind::Key, &mut self.friendly_name, &given.friendly_name)
    }

    fn secret(plan: &Plan<'_>) -> Option<Secret> {
        Some(plan.mint.key_secret())
    }
}

/// `2025-01-06 09:00`, for the default name of a sub-account.
fn date_and_minute(unix_ms: i64) -> String {
    let minutes = unix_ms.div_euclid(60_000);
    let (days, minute_of_day) = (minutes.div_euclid(1_440), minutes.rem_euclid(1_440));
    let (year, month, day) = shared::time::civil_date(days);
    format!("{year:04}-{month:02}-{day:02} {:02}:{:02}", minute_of_day / 60, minute_of_day % 60)
}
