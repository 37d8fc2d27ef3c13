//! The configuration in memory: accounts, keys, domains, lists and mappings, by which calls and writes are decided.
//! Sans-IO.
//!
//! It follows the disk: it changes only by committed changes, in the order of their commits, so a call is never
//! admitted by something that a crash takes back. Indexes (`mapped`, `subdomains`, the names and owners in each
//! [`Table`]) answer in logarithmic time what a write or a call asks; they follow the rows in the same step.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use shared::{
    AccountSid, CredentialListSid, CredentialSid, DomainSid, IpAccessControlListSid, IpAddressSid,
    KeySid,
};

use crate::account::{Account, AccountStatus, Key};
use crate::change::{Change, Resource, ResourceKey};
use crate::credential::{Credential, CredentialList, IpAccessControlList, IpAddress};
use crate::domain::{Domain, MappedList, Mapping, MappingKind};
use crate::name::DomainSuffix;
use crate::table::{Row, Table};
use crate::write::DomainAuth;

/// The configuration as committed. One owner (the signaling thread); changed only by
/// [`Snapshot::apply`] with changes the store has committed, in their order.
#[derive(Clone, Debug)]
pub struct Snapshot {
    pub(crate) suffix: DomainSuffix,
    pub(crate) realm: String,
    pub(crate) accounts: Table<Account>,
    pub(crate) keys: Table<Key>,
    pub(crate) domains: Table<Domain>,
    pub(crate) credential_lists: Table<CredentialList>,
    pub(crate) credentials: Table<Credential>,
    pub(crate) ip_lists: Table<IpAccessControlList>,
    pub(crate) ip_addresses: Table<IpAddress>,
    mappings: BTreeMap<(DomainSid, MappedList), Mapping>,
    /// Bits of a list and the domains it is mapped to: such a list cannot be deleted.
    mapped: BTreeSet<(u128, DomainSid, MappedList)>,
    /// A domain and a subdomain right below it: such a domain cannot be deleted.
    subdomains: BTreeSet<(DomainSid, DomainSid)>,
}

impl Snapshot {
    /// An empty snapshot. `suffix` is the setting `node.domain_suffix`; the digest realm follows from it.
    pub fn new(suffix: DomainSuffix) -> Self {
        Self {
            realm: suffix.realm(),
            suffix,
            accounts: Table::default(),
            keys: Table::default(),
            domains: Table::default(),
            credential_lists: Table::default(),
            credentials: Table::default(),
            ip_lists: Table::default(),
            ip_addresses: Table::default(),
            mappings: BTreeMap::new(),
            mapped: BTreeSet::new(),
            subdomains: BTreeSet::new(),
        }
    }

    /// The digest realm, one for every domain (RFC 7616 §3.3).
    pub fn realm(&self) -> &str {
        &self.realm
    }

    /// The suffix of SIP domain names.
    pub const fn suffix(&self) -> &DomainSuffix {
        &self.suffix
    }

    /// The account with this SID.
    pub fn account(&self, sid: AccountSid) -> Option<&Arc<Account>> {
        self.accounts.get(sid)
    }

    /// Every account, oldest SID first.
    pub fn accounts(&self) -> impl Iterator<Item = &Arc<Account>> {
        self.accounts.iter()
    }

    /// True where the account is active, and its parent too.
    pub fn account_is_active(&self, sid: AccountSid) -> bool {
        let active = |account: &Arc<Account>| account.status == AccountStatus::Active;
        self.accounts.get(sid).is_some_and(|account| {
            active(account)
                && account.parent.is_none_or(|p| self.accounts.get(p).is_some_and(active))
        })
    }

    /// The SIP domain with this SID.
    pub fn domain(&self, sid: DomainSid) -> Option<&Arc<Domain>> {
        self.domains.get(sid)
    }

    /// Every SIP domain, oldest SID first.
    pub fn domains(&self) -> impl Iterator<Item = &Arc<Domain>> {
        self.domains.iter()
    }

    /// The SIP domain with these labels before `.sip`.
    pub fn domain_by_labels(&self, labels: &str) -> Option<&Arc<Domain>> {
        self.domains.named(0, labels)
    }

    /// Lists mapped to a domain, by kind and SID.
    pub fn mappings(&self, domain: DomainSid) -> impl Iterator<Item = &Mapping> {
        let first = MappedList::CallsIpAccessControlList(IpAccessControlListSid(0));
        self.mappings
            .range((domain, first)..)
            .take_while(move |((of, _), _)| *of == domain)
            .map(|(_, mapping)| mapping)
    }

    /// The kinds of lists that a domain has for calls.
    pub fn domain_auth(&self, domain: DomainSid) -> DomainAuth {
        let has = |kind| self.mappings(domain).any(|mapping| mapping.list.kind() == kind);
        DomainAuth {
            ip_access_control_list: has(MappingKind::CallsIpAccessControlList),
            credential_list: has(MappingKind::CallsCredentialList),
        }
    }

    /// Applies a committed change. History (calls, recordings, notifications) is not held here: its changes
    /// have no effect.
    pub fn apply(&mut self, change: &Change) {
        match change {
            Change::Insert(resource) => {
                debug_assert_eq!(self.revision(resource), None, "the SID of a new row is new");
                self.put(resource);
            }
            Change::Update(resource) => {
                debug_assert_eq!(
                    self.revision(resource).map(|held| held + 1),
                    Some(resource.revision()),
                    "an update follows the revision before it"
                );
                self.put(resource);
            }
            Change::Delete(key) => self.remove(*key),
            Change::Map(mapping) => {
                debug_assert!(self.domains.get(mapping.domain).is_some(), "the domain is held");
                self.mappings.insert((mapping.domain, mapping.list), *mapping);
                self.mapped.insert((mapping.list.bits(), mapping.domain, mapping.list));
                debug_assert_eq!(self.mappings.len(), self.mapped.len());
            }
            Change::Unmap { domain, list } => self.unmap(*domain, *list),
            Change::PutCall(_)
            | Change::DeleteCall { .. }
            | Change::PutRecording(_)
            | Change::DeleteRecording { .. }
            | Change::AddNotification(_)
            | Change::AddExchange(_)
            | Change::PutTimeline(_)
            | Change::ChangeBindings(_) => {}
        }
    }

    pub(crate) fn mapping(&self, domain: DomainSid, list: MappedList) -> Option<&Mapping> {
        self.mappings.get(&(domain, list))
    }

    pub(crate) fn list_is_mapped(&self, list_bits: u128) -> bool {
        let first = MappedList::CallsIpAccessControlList(IpAccessControlListSid(0));
        self.mapped
            .range((list_bits, DomainSid(0), first)..)
            .next()
            .is_some_and(|(bits, _, _)| *bits == list_bits)
    }

    pub(crate) fn has_subdomains(&self, domain: DomainSid) -> bool {
        self.subdomains
            .range((domain, DomainSid(0))..)
            .next()
            .is_some_and(|(above, _)| *above == domain)
    }

    fn put(&mut self, resource: &Resource) {
        match resource {
            Resource::Account(row) => self.accounts.put(row.clone()),
            Resource::Key(row) => self.keys.put(row.clone()),
            Resource::Domain(row) => {
                self.forget_parent(row.sid);
                if let Some(parent) = row.parent {
                    self.subdomains.insert((parent, row.sid));
                }
                self.domains.put(row.clone());
            }
            Resource::CredentialList(row) => self.credential_lists.put(row.clone()),
            Resource::Credential(row) => self.credentials.put(row.clone()),
            Resource::IpAccessControlList(row) => self.ip_lists.put(row.clone()),
            Resource::IpAddress(row) => self.ip_addresses.put(row.clone()),
        }
    }

    /// The revision held of a resource; `None` where none is held.
    fn revision(&self, resource: &Resource) -> Option<u64> {
        match resource {
            Resource::Account(row) => self.accounts.get(row.sid).map(|row| row.revision),
            Resource::Key(row) => self.keys.get(row.sid).map(|row| row.revision),
            Resource::Domain(row) => self.domains.get(row.sid).map(|row| row.revision),
            Resource::CredentialList(row) => {
                self.credential_lists.get(row.sid).map(|row| row.revision)
            }
            Resource::Credential(row) => self.credentials.get(row.sid).map(|row| row.revision),
            Resource::IpAccessControlList(row) => {
                self.ip_lists.get(row.sid).map(|row| row.revision)
            }
            Resource::IpAddress(row) => self.ip_addresses.get(row.sid).map(|row| row.revision),
        }
    }

    fn remove(&mut self, key: ResourceKey) {
        match key {
            ResourceKey::Key(sid) => drop(self.keys.remove(sid)),
            ResourceKey::Domain(sid) => {
                debug_assert!(!self.has_subdomains(sid), "a domain with subdomains stays");
                let lists: Vec<_> = self.mappings(sid).map(|mapping| mapping.list).collect();
                for list in lists {
                    self.unmap(sid, list);
                }
                self.forget_parent(sid);
                self.domains.remove(sid);
            }
            ResourceKey::CredentialList(sid) => {
                debug_assert!(!self.list_is_mapped(sid.0), "a mapped list stays");
                let rows: Vec<_> = self.credentials.owned_by(sid.0).map(|row| row.sid).collect();
                for row in rows {
                    self.credentials.remove(row);
                }
                self.credential_lists.remove(sid);
            }
            ResourceKey::Credential(sid) => drop(self.credentials.remove(sid)),
            ResourceKey::IpAccessControlList(sid) => {
                debug_assert!(!self.list_is_mapped(sid.0), "a mapped list stays");
                let rows: Vec<_> = self.ip_addresses.owned_by(sid.0).map(|row| row.sid).collect();
                for row in rows {
                    self.ip_addresses.remove(row);
                }
                self.ip_lists.remove(sid);
            }
            ResourceKey::IpAddress(sid) => drop(self.ip_addresses.remove(sid)),
        }
    }

    fn unmap(&mut self, domain: DomainSid, list: MappedList) {
        self.mappings.remove(&(domain, list));
        self.mapped.remove(&(list.bits(), domain, list));
        debug_assert_eq!(self.mappings.len(), self.mapped.len());
    }

    fn forget_parent(&mut self, domain: DomainSid) {
        if let Some(parent) = self.domains.get(domain).and_then(|row| row.parent) {
            self.subdomains.remove(&(parent, domain));
        }
    }
}

impl Row for Account {
    type Key = AccountSid;
    const FIRST: AccountSid = AccountSid(0);
    fn key(&self) -> AccountSid {
        self.sid
    }
    fn owner(&self) -> u128 {
        self.parent.map_or(0, |parent| parent.0)
    }
    fn unique_names(&self) -> Vec<(u128, String)> {
        Vec::new()
    }
}

impl Row for Key {
    type Key = KeySid;
    const FIRST: KeySid = KeySid(0);
    fn key(&self) -> KeySid {
        self.sid
    }
    fn owner(&self) -> u128 {
        self.account.0
    }
    fn unique_names(&self) -> Vec<(u128, String)> {
        Vec::new()
    }
}

impl Row for Domain {
    type Key = DomainSid;
    const FIRST: DomainSid = DomainSid(0);
    fn key(&self) -> DomainSid {
        self.sid
    }
    fn owner(&self) -> u128 {
        self.account.0
    }
    fn unique_names(&self) -> Vec<(u128, String)> {
        vec![(0, self.labels.as_str().to_owned())]
    }
}

impl Row for CredentialList {
    type Key = CredentialListSid;
    const FIRST: CredentialListSid = CredentialListSid(0);
    fn key(&self) -> CredentialListSid {
        self.sid
    }
    fn owner(&self) -> u128 {
        self.account.0
    }
    fn unique_names(&self) -> Vec<(u128, String)> {
        vec![(self.account.0, self.friendly_name.clone())]
    }
}

impl Row for Credential {
    type Key = CredentialSid;
    const FIRST: CredentialSid = CredentialSid(0);
    fn key(&self) -> CredentialSid {
        self.sid
    }
    fn owner(&self) -> u128 {
        self.list.0
    }
    fn unique_names(&self) -> Vec<(u128, String)> {
        vec![(self.list.0, self.username.clone())]
    }
}

impl Row for IpAccessControlList {
    type Key = IpAccessControlListSid;
    const FIRST: IpAccessControlListSid = IpAccessControlListSid(0);
    fn key(&self) -> IpAccessControlListSid {
        self.sid
    }
    fn owner(&self) -> u128 {
        self.account.0
    }
    fn unique_names(&self) -> Vec<(u128, String)> {
        vec![(self.account.0, self.friendly_name.clone())]
    }
}

impl Row for IpAddress {
    type Key = IpAddressSid;
    const FIRST: IpAddressSid = IpAddressSid(0);
    fn key(&self) -> IpAddressSid {
        self.sid
    }
    fn owner(&self) -> u128 {
        self.list.0
    }
    /// The block is a name too: an address occurs once in a list.
    fn unique_names(&self) -> Vec<(u128, String)> {
        let block = format!("block {}/{}", self.block.address(), self.block.prefix());
        vec![(self.list.0, format!("name {}", self.friendly_name)), (self.list.0, block)]
    }
}
