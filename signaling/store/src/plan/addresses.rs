//! Rules of IP access control lists and their addresses. Sans-IO.

use std::net::IpAddr;
use std::sync::Arc;

use shared::{IpAccessControlListSid, IpAddressSid};

use super::{Checked, Plan, deleted, inserted, updated};
use crate::change::{Resource, ResourceKey};
use crate::credential::{Cidr, IpAccessControlList, IpAddress};
use crate::kind::ResourceKind;
use crate::rules;
use crate::write::{Reply, WriteError};

impl Plan<'_> {
    pub(super) fn create_ip_list(&self, friendly_name: &str) -> Checked {
        rules::friendly_name(ResourceKind::IpAccessControlList, friendly_name)?;
        let row = IpAccessControlList {
            sid: IpAccessControlListSid(self.sid()),
            account: self.account.sid,
            friendly_name: friendly_name.to_owned(),
            created_ms: self.mint.unix_ms,
            updated_ms: self.mint.unix_ms,
            revision: 1,
        };
        let row = self.fresh(&self.snapshot.ip_lists, row)?;
        Ok(inserted(Resource::IpAccessControlList(row.clone()), Reply::IpAccessControlList(row)))
    }

    pub(super) fn update_ip_list(
        &self,
        sid: IpAccessControlListSid,
        friendly_name: &str,
    ) -> Checked {
        let mut row = IpAccessControlList::clone(self.ip_list(sid)?);
        rules::friendly_name(ResourceKind::IpAccessControlList, friendly_name)?;
        friendly_name.clone_into(&mut row.friendly_name);
        let row = self.revised(&self.snapshot.ip_lists, row)?;
        Ok(updated(Resource::IpAccessControlList(row.clone()), Reply::IpAccessControlList(row)))
    }

    pub(super) fn delete_ip_list(&self, sid: IpAccessControlListSid) -> Checked {
        self.ip_list(sid)?;
        if self.snapshot.list_is_mapped(sid.0) {
            return Err(rules::in_use(ResourceKind::IpAccessControlList));
        }
        deleted(ResourceKey::IpAccessControlList(sid))
    }

    pub(super) fn create_ip_address(
        &self,
        list: IpAccessControlListSid,
        friendly_name: &str,
        block: Cidr,
    ) -> Checked {
        self.ip_list(list)?;
        rules::friendly_name(ResourceKind::IpAddress, friendly_name)?;
        let row = IpAddress {
            sid: IpAddressSid(self.sid()),
            account: self.account.sid,
            list,
            friendly_name: friendly_name.to_owned(),
            block,
            created_ms: self.mint.unix_ms,
            updated_ms: self.mint.unix_ms,
            revision: 1,
        };
        let row = self.fresh(&self.snapshot.ip_addresses, row)?;
        Ok(inserted(Resource::IpAddress(row.clone()), Reply::IpAddress(row)))
    }

    pub(super) fn update_ip_address(&self, row: IpAddress) -> Checked {
        rules::friendly_name(ResourceKind::IpAddress, &row.friendly_name)?;
        let row = self.revised(&self.snapshot.ip_addresses, row)?;
        Ok(updated(Resource::IpAddress(row.clone()), Reply::IpAddress(row)))
    }

    pub(super) fn ip_list(
        &self,
        sid: IpAccessControlListSid,
    ) -> Result<&Arc<IpAccessControlList>, WriteError> {
        let mine = |row: &&Arc<IpAccessControlList>| row.account == self.account.sid;
        self.snapshot.ip_lists.get(sid).filter(mine).ok_or_else(WriteError::not_found)
    }

    pub(super) fn ip_address(
        &self,
        list: IpAccessControlListSid,
        sid: IpAddressSid,
    ) -> Result<&Arc<IpAddress>, WriteError> {
        self.ip_list(list)?;
        let inside = |row: &&Arc<IpAddress>| row.list == list;
        self.snapshot.ip_addresses.get(sid).filter(inside).ok_or_else(WriteError::not_found)
    }
}

pub(super) fn block(address: IpAddr, prefix: Option<u8>) -> Result<Cidr, WriteError> {
    Cidr::new(address, prefix)
        .ok_or_else(|| WriteError::invalid(21235, "CidrPrefixLength is longer than the IpAddress"))
}

/// An update of a block: a new address keeps the old prefix where both are of one version.
pub(super) fn moved_block(
    old: Cidr,
    address: Option<IpAddr>,
    prefix: Option<u8>,
) -> Result<Cidr, WriteError> {
    let new = address.map_or(old.address(), |address| address.to_canonical());
    let kept = (new.is_ipv4() == old.address().is_ipv4()).then(|| old.prefix());
    block(new, prefix.or(kept))
}
