//! Questions that admission of a call or a registration asks the snapshot. Sans-IO.

use std::net::IpAddr;
use std::sync::Arc;

use crate::account::Account;
use crate::credential::Credential;
use crate::domain::{Domain, DomainAuth, MappingKind};
use crate::snapshot::Snapshot;

/// A SIP domain that a Request-URI named, and what the snapshot says about requests to it.
#[derive(Clone, Copy, Debug)]
pub struct Admission<'s> {
    snapshot: &'s Snapshot,
    /// The domain that the request names.
    pub domain: &'s Arc<Domain>,
    /// The account that owns the domain.
    pub account: &'s Arc<Account>,
}

impl Snapshot {
    /// The domain that a Request-URI's host names, edge and region labels aside; `None` for an unknown host.
    pub fn admission(&self, host: &str) -> Option<Admission<'_>> {
        // Only the labels decide. The edge in a host says by which listener a request comes, not which
        // domain it means.
        let host = self.suffix.host(host)?;
        self.admission_by_labels(host.labels.as_str())
    }

    /// The domain with these labels before `.sip`, for the setting `sip.default_domain`.
    pub fn admission_by_labels(&self, labels: &str) -> Option<Admission<'_>> {
        let domain = self.domain_by_labels(labels)?;
        let account = self.tables.accounts.get(domain.account.0);
        debug_assert!(account.is_some(), "a domain's account is held");
        let account = account?;
        Some(Admission { snapshot: self, domain, account })
    }
}

impl<'s> Admission<'s> {
    /// True where the account and its parent are active.
    pub fn account_is_active(&self) -> bool {
        self.snapshot.account_is_active(self.account.sid)
    }

    /// The kinds of lists mapped for calls. With neither, the domain refuses all calls; with both, a call must
    /// pass both.
    pub fn call_auth(&self) -> DomainAuth {
        self.snapshot.domain_auth(self.domain.sid)
    }

    /// True where an IP access control list mapped for calls has `source`.
    pub fn source_is_listed(&self, source: IpAddr) -> bool {
        // A walk over every address of every list: both are bounded (rest.md 12), and blocks of different
        // lengths have no order in which a source could be looked up.
        self.lists(MappingKind::CallsIpAccessControlList)
            .flat_map(|list| self.snapshot.tables.ip_addresses.owned_by(list))
            .any(|row| row.block.contains(source))
    }

    /// Users of that name in the credential lists mapped for calls. Two lists may each have one, with different
    /// passwords; either password is good.
    pub fn call_credentials(&self, username: &str) -> impl Iterator<Item = &'s Arc<Credential>> {
        self.credentials(MappingKind::CallsCredentialList, username)
    }

    /// True where a list is mapped for registrations. Without one, REGISTER is refused.
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
        self.lists(kind)
            // Set 0 of a credential's unique columns is its user name within its list.
            .filter_map(move |list| snapshot.tables.credentials.named(0, list, username))
    }

    fn lists(&self, kind: MappingKind) -> impl Iterator<Item = u128> + use<'s> {
        self.snapshot
            .mappings(self.domain.sid)
            .filter(move |mapping| mapping.list.kind() == kind)
            .map(|mapping| mapping.list.bits())
    }
}
