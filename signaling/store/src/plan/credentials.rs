//! Rules of credential lists and their users. Sans-IO.

use std::sync::Arc;

use shared::{CredentialListSid, CredentialSid};

use super::{Checked, Plan, deleted, inserted, updated};
use crate::change::{Resource, ResourceKey};
use crate::credential::{Credential, CredentialList};
use crate::kind::ResourceKind;
use crate::rules;
use crate::secret::{Ha1, Secret};
use crate::write::{Reply, WriteError};

impl Plan<'_> {
    pub(super) fn create_credential_list(&self, friendly_name: &str) -> Checked {
        rules::friendly_name(ResourceKind::CredentialList, friendly_name)?;
        let row = CredentialList {
            sid: CredentialListSid(self.sid()),
            account: self.account.sid,
            friendly_name: friendly_name.to_owned(),
            created_ms: self.mint.unix_ms,
            updated_ms: self.mint.unix_ms,
            revision: 1,
        };
        let row = self.fresh(&self.snapshot.credential_lists, row)?;
        Ok(inserted(Resource::CredentialList(row.clone()), Reply::CredentialList(row)))
    }

    pub(super) fn update_credential_list(
        &self,
        sid: CredentialListSid,
        friendly_name: &str,
    ) -> Checked {
        let mut row = CredentialList::clone(self.credential_list(sid)?);
        rules::friendly_name(ResourceKind::CredentialList, friendly_name)?;
        friendly_name.clone_into(&mut row.friendly_name);
        let row = self.revised(&self.snapshot.credential_lists, row)?;
        Ok(updated(Resource::CredentialList(row.clone()), Reply::CredentialList(row)))
    }

    pub(super) fn delete_credential_list(&self, sid: CredentialListSid) -> Checked {
        self.credential_list(sid)?;
        if self.snapshot.list_is_mapped(sid.0) {
            return Err(rules::in_use(ResourceKind::CredentialList));
        }
        deleted(ResourceKey::CredentialList(sid))
    }

    pub(super) fn create_credential(
        &self,
        list: CredentialListSid,
        username: &str,
        password: &Secret,
    ) -> Checked {
        self.credential_list(list)?;
        rules::username(username)?;
        rules::password(password)?;
        let row = Credential {
            sid: CredentialSid(self.sid()),
            account: self.account.sid,
            list,
            username: username.to_owned(),
            ha1: Ha1::of(username, &self.snapshot.realm, password),
            created_ms: self.mint.unix_ms,
            updated_ms: self.mint.unix_ms,
            revision: 1,
        };
        let row = self.fresh(&self.snapshot.credentials, row)?;
        Ok(inserted(Resource::Credential(row.clone()), Reply::Credential(row)))
    }

    pub(super) fn update_credential(
        &self,
        list: CredentialListSid,
        sid: CredentialSid,
        password: &Secret,
    ) -> Checked {
        let mut row = Credential::clone(self.credential(list, sid)?);
        rules::password(password)?;
        row.ha1 = Ha1::of(&row.username, &self.snapshot.realm, password);
        let row = self.revised(&self.snapshot.credentials, row)?;
        Ok(updated(Resource::Credential(row.clone()), Reply::Credential(row)))
    }

    pub(super) fn credential_list(
        &self,
        sid: CredentialListSid,
    ) -> Result<&Arc<CredentialList>, WriteError> {
        let mine = |row: &&Arc<CredentialList>| row.account == self.account.sid;
        self.snapshot.credential_lists.get(sid).filter(mine).ok_or_else(WriteError::not_found)
    }

    pub(super) fn credential(
        &self,
        list: CredentialListSid,
        sid: CredentialSid,
    ) -> Result<&Arc<Credential>, WriteError> {
        self.credential_list(list)?;
        let inside = |row: &&Arc<Credential>| row.list == list;
        self.snapshot.credentials.get(sid).filter(inside).ok_or_else(WriteError::not_found)
    }
}
