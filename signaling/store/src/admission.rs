//! What admission of a call or a registration asks the snapshot (contract sip-interface.md §2). Sans-IO.

use std::net::IpAddr;
use std::sync::Arc;

use crate::account::Account;
use crate::credential::Credential;
use crate::domain::{Domain, MappingKind};
use crate::snapshot::Snapshot;
use crate::write::DomainAuth;

/// A SIP domain that a Request-URI named, with all that decides about a request to it.
#[derive(Clone, Copy, Debug)]
pub struct Admission<'s> {
    snapshot: &'s Snapshot,
    /// The domain.
    pub domain: &'s Arc<Domain>,
    /// Its account.
    pub account: &'s Arc<Account>,
}

impl Snapshot {
    /// The domain a Request-URI's host means, edge and region labels aside. `None`: unknown host.
    pub fn admission(&self, host: &str) -> Option<Admission<'_>> {
        let host = self.suffix.host(host)?;
        self.admission_by_labels(host.labels.as_str())
    }

    /// The same by the labels before `.sip`: for the setting `sip.default_domain`.
    pub fn admission_by_labels(&self, labels: &str) -> Option<Admission<'_>> {
        let domain = self.domain_by_labels(labels)?;
        let account = self.accounts.get(domain.account)?;
        Some(Admission { snapshot: self, domain, account })
    }
}

impl<'s> Admission<'s> {
    /// Whether the account (and its parent) may be used.
    pub fn account_is_active(&self) -> bool {
        self.snapshot.account_is_active(self.account.sid)
    }

    /// Which kinds of lists are mapped for calls. None: the domain refuses all calls. Both: both must pass.
    pub fn call_auth(&self) -> DomainAuth {
        self.snapshot.domain_auth(self.domain.sid)
    }

    /// Whether `source` is in one of the IP access control lists mapped for calls.
    pub fn source_is_listed(&self, source: IpAddr) -> bool {
        self.lists(MappingKind::CallsIpAccessControlList)
            .flat_map(|list| self.snapshot.ip_addresses.owned_by(list))
            .any(|row| row.block.contains(source))
    }

    /// Users of that name in the credential lists mapped for calls. Two lists may each have one,
    /// with different passwords; either may call.
    pub fn call_credentials(&self, username: &str) -> impl Iterator<Item = &'s Arc<Credential>> {
        self.credentials(MappingKind::CallsCredentialList, username)
    }

    /// Whether anything is mapped for registrations. With nothing, REGISTER is refused.
    pub fn registration_auth(&self) -> bool {
        self.lists(MappingKind::RegistrationsCredentialList).next().is_some()
    }

    /// Users of that name in the credential lists mapped for registrations.
    pub fn registration_credentials(
        &self,
        username: &str,
    ) -> impl Iterator<Item = &'s Arc<Credential>> {
        self.credentials(MappingKind::RegistrationsCredentialList, username)
    }

    fn credentials(
        &self,
        kind: MappingKind,
        username: &str,
    ) -> impl Iterator<Item = &'s Arc<Credential>> {
        let snapshot = self.snapshot;
        self.lists(kind).filter_map(move |list| snapshot.credentials.named(list, username))
    }

    fn lists(&self, kind: MappingKind) -> impl Iterator<Item = u128> + use<'s> {
        self.snapshot
            .mappings(self.domain.sid)
            .filter(move |mapping| mapping.list.kind() == kind)
            .map(|mapping| mapping.list.bits())
    }
}
