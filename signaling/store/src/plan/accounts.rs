//! Rules of accounts and API keys: who may create, rename and suspend them. Sans-IO.

use std::sync::Arc;

use shared::{AccountSid, KeySid};

use super::{Checked, Plan, inserted, updated};
use crate::account::{Account, AccountStatus, Key};
use crate::change::Resource;
use crate::kind::ResourceKind;
use crate::rules;
use crate::secret::SecretHash;
use crate::write::{Reply, WriteError};

impl Plan<'_> {
    pub(super) fn create_account(&self, friendly_name: Option<&str>) -> Checked {
        if self.account.parent.is_some() {
            return Err(WriteError::invalid(21101, "A subaccount cannot have subaccounts"));
        }
        self.room_for(ResourceKind::Account, self.snapshot.accounts.count_of(self.account.sid.0))?;
        let friendly_name = match friendly_name {
            Some(name) if !name.is_empty() => name.to_owned(),
            _ => format!("SubAccount Created at {}", date_and_minute(self.mint.unix_ms)),
        };
        rules::friendly_name(ResourceKind::Account, &friendly_name)?;
        let row = Arc::new(Account {
            parent: Some(self.account.sid),
            ..Account::main(
                AccountSid(self.sid()),
                self.mint.auth_token(),
                &friendly_name,
                self.mint.unix_ms,
            )
        });
        Ok(inserted(Resource::Account(row.clone()), Reply::Account(row)))
    }

    pub(super) fn update_account(
        &self,
        friendly_name: Option<&str>,
        status: Option<AccountStatus>,
        by: AccountSid,
    ) -> Checked {
        let mut row = Account::clone(self.account);
        if let Some(name) = friendly_name {
            rules::friendly_name(ResourceKind::Account, name)?;
            name.clone_into(&mut row.friendly_name);
        }
        if let Some(status) = status {
            self.may_set_status(status, by)?;
            row.status = status;
        }
        let row = self.revised(&self.snapshot.accounts, row)?;
        Ok(updated(Resource::Account(row.clone()), Reply::Account(row)))
    }

    pub(super) fn may_set_status(
        &self,
        status: AccountStatus,
        by: AccountSid,
    ) -> Result<(), WriteError> {
        let Some(parent) = self.account.parent else {
            return Err(WriteError::invalid(21477, "The status of a main account cannot be set"));
        };
        if by != parent {
            return Err(WriteError::new(
                403,
                20006,
                "Only the parent account may set the status of a subaccount",
            ));
        }
        if !self.snapshot.account_is_active(parent) {
            return Err(WriteError::invalid(21476, "The parent account is not active"));
        }
        if self.account.status == AccountStatus::Closed && status != AccountStatus::Closed {
            return Err(WriteError::invalid(21479, "A closed account stays closed"));
        }
        Ok(())
    }

    pub(super) fn create_key(&self, friendly_name: Option<&str>) -> Checked {
        self.room_for(ResourceKind::Key, self.snapshot.keys.count_of(self.account.sid.0))?;
        let friendly_name = friendly_name.unwrap_or_default();
        if !friendly_name.is_empty() {
            rules::friendly_name(ResourceKind::Key, friendly_name)?;
        }
        let secret = self.mint.key_secret();
        let key = Arc::new(Key {
            sid: KeySid(self.sid()),
            account: self.account.sid,
            friendly_name: friendly_name.to_owned(),
            secret_hash: SecretHash::of(secret.expose_secret()),
            created_ms: self.mint.unix_ms,
            updated_ms: self.mint.unix_ms,
            revision: 1,
        });
        Ok(inserted(Resource::Key(key.clone()), Reply::Key { key, secret: Some(secret) }))
    }

    pub(super) fn update_key(&self, sid: KeySid, friendly_name: Option<&str>) -> Checked {
        let mut row = Key::clone(self.key(sid)?);
        if let Some(name) = friendly_name {
            rules::friendly_name(ResourceKind::Key, name)?;
            name.clone_into(&mut row.friendly_name);
        }
        let key = self.revised(&self.snapshot.keys, row)?;
        Ok(updated(Resource::Key(key.clone()), Reply::Key { key, secret: None }))
    }

    pub(super) fn key(&self, sid: KeySid) -> Result<&Arc<Key>, WriteError> {
        let mine = |row: &&Arc<Key>| row.account == self.account.sid;
        self.snapshot.keys.get(sid).filter(mine).ok_or_else(WriteError::not_found)
    }
}

/// `2025-01-06 09:00`, for the default name of a sub-account.
fn date_and_minute(unix_ms: i64) -> String {
    let minutes = unix_ms.div_euclid(60_000);
    let (days, minute_of_day) = (minutes.div_euclid(1_440), minutes.rem_euclid(1_440));
    let (year, month, day) = shared::time::civil_date(days);
    format!("{year:04}-{month:02}-{day:02} {:02}:{:02}", minute_of_day / 60, minute_of_day % 60)
}
