//! Rules of IP access control lists and their addresses. Sans-IO.

use std::net::IpAddr;

use shared::{AccountSid, Code, IpAccessControlListSid, IpAddressSid};

use super::{Plan, Rules};
use crate::credential::{
    Cidr, IpAccessControlList, IpAccessControlListParameters, IpAddress, IpAddressParameters,
};
use crate::kind::ResourceKind;
use crate::rules;
use crate::snapshot::Snapshot;
use crate::write::WriteError;

/// Code of an invalid address or prefix.
const INVALID: Code = Code::ACCESS_CONTROL_LIST;

impl Rules for IpAccessControlList {
    fn create(
        plan: &Plan<'_>,
        sid: u128,
        _: u128,
        given: &IpAccessControlListParameters,
    ) -> Result<Self, WriteError> {
        let friendly_name = given.friendly_name.value().cloned().unwrap_or_default();
        rules::friendly_name(ResourceKind::IpAccessControlList, &friendly_name)?;
        Ok(Self {
            sid: IpAccessControlListSid(sid),
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
        given: &IpAccessControlListParameters,
        _: Option<AccountSid>,
    ) -> Result<(), WriteError> {
        rules::rename(
            ResourceKind::IpAccessControlList,
            &mut self.friendly_name,
            &given.friendly_name,
        )
    }

    fn is_in_use(&self, snapshot: &Snapshot) -> bool {
        snapshot.list_is_mapped(self.sid.0)
    }
}

impl Rules for IpAddress {
    fn create(
        plan: &Plan<'_>,
        sid: u128,
        owner: u128,
        given: &IpAddressParameters,
    ) -> Result<Self, WriteError> {
        let required = || WriteError::invalid(INVALID, "IpAddress is required");
        let address = given.address.value().ok_or_else(required)?;
        let block = block(*address, given.prefix.value().copied())?;
        let friendly_name = given.friendly_name.value().cloned().unwrap_or_default();
        rules::friendly_name(ResourceKind::IpAddress, &friendly_name)?;
        Ok(Self {
            sid: IpAddressSid(sid),
            account: plan.account.sid,
            list: IpAccessControlListSid(owner),
            friendly_name,
            block,
            created_ms: plan.mint.unix_ms,
            updated_ms: plan.mint.unix_ms,
            revision: 1,
        })
    }

    fn update(
        &mut self,
        _: &Plan<'_>,
        given: &IpAddressParameters,
        _: Option<AccountSid>,
    ) -> Result<(), WriteError> {
        let (address, prefix) = (given.address.value(), given.prefix.value());
        // The address before the name, as at creation: one order of refusals for both requests.
        self.block = moved_block(self.block, address.copied(), prefix.copied())?;
        rules::rename(ResourceKind::IpAddress, &mut self.friendly_name, &given.friendly_name)
    }
}

fn block(address: IpAddr, prefix: Option<u8>) -> Result<Cidr, WriteError> {
    Cidr::new(address, prefix).ok_or_else(|| {
        WriteError::invalid(INVALID, "CidrPrefixLength is longer than the IpAddress")
    })
}

/// An update of a block: a new address keeps the old prefix where both are of one version.
fn moved_block(old: Cidr, address: Option<IpAddr>, prefix: Option<u8>) -> Result<Cidr, WriteError> {
    let new = address.map_or(old.address(), |address| address.to_canonical());
    // A prefix of the other version has no meaning: 24 bits suit a site of IPv4 and span thousands of IPv6.
    let kept = (new.is_ipv4() == old.address().is_ipv4()).then(|| old.prefix());
    block(new, prefix.or(kept))
}
