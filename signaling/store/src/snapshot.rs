//! The configuration in memory: accounts, keys, domains, lists and mappings, by which calls and writes are decided.
//! Sans-IO.
//!
//! It follows the disk: it changes only by committed changes, in the order of their commits, so a call is never
//! admitted by something that a crash takes back. Indexes (`mapped`, `subdomains`, the names and owners in each
//! `Table`) answer in logarithmic time what a write or a call asks; they follow the rows in the same step.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use shared::{AccountSid, ApplicationSid, DomainSid, IpAccessControlListSid, QueueSid};

use crate::account::{Account, AccountStatus};
use crate::application::Application;
use crate::caller_id::OutgoingCallerId;
use crate::change::Change;
use crate::descriptions::Resource;
use crate::domain::{Domain, DomainAuth, MappedList, Mapping, MappingKind};
use crate::kind::{ResourceKey, ResourceKind};
use crate::name::DomainSuffix;
use crate::number::IncomingPhoneNumber;
use crate::queue::Queue;
use crate::tables::Tables;
use crate::voice_urls::VoiceUrls;

/// The configuration as committed. One owner (the signaling thread); changed only by
/// [`Snapshot::apply`] with changes the store has committed, in their order.
#[derive(Clone, Debug)]
pub struct Snapshot {
    pub(crate) suffix: DomainSuffix,
    pub(crate) realm: String,
    pub(crate) tables: Tables,
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
            tables: Tables::default(),
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
        self.tables.accounts.get(sid.0)
    }

    /// Every account, oldest SID first.
    pub fn accounts(&self) -> impl Iterator<Item = &Arc<Account>> {
        self.tables.accounts.iter()
    }

    /// True where the account is active, and its parent too.
    pub fn account_is_active(&self, sid: AccountSid) -> bool {
        let active = |account: &Arc<Account>| account.status == AccountStatus::Active;
        self.tables.accounts.get(sid.0).is_some_and(|account| {
            active(account)
                // A parent that is not held counts as not active: the safe side, though a foreign key
                // excludes it.
                && account.parent.is_none_or(|p| self.tables.accounts.get(p.0).is_some_and(active))
        })
    }

    /// The SIP domain with this SID.
    pub fn domain(&self, sid: DomainSid) -> Option<&Arc<Domain>> {
        self.tables.domains.get(sid.0)
    }

    /// Every SIP domain, oldest SID first.
    pub fn domains(&self) -> impl Iterator<Item = &Arc<Domain>> {
        self.tables.domains.iter()
    }

    /// The TwiML application with this SID, where it belongs to the account: another account's counts as none.
    pub fn application(
        &self,
        account: AccountSid,
        sid: ApplicationSid,
    ) -> Option<&Arc<Application>> {
        self.tables.applications.get(sid.0).filter(|row| row.account == account)
    }

    /// The application that calls of an account may reach: its own, or one that another account opens to everybody.
    pub fn callable_application(
        &self,
        account: AccountSid,
        sid: ApplicationSid,
    ) -> Option<&Arc<Application>> {
        let application = self.tables.applications.get(sid.0)?;
        let is_open = application.public_connect && self.account_is_active(application.account);
        (application.account == account || is_open).then_some(application)
    }

    /// The queue with this SID, where it belongs to the account: another account's counts as none.
    pub fn queue(&self, account: AccountSid, sid: QueueSid) -> Option<&Arc<Queue>> {
        self.tables.queues.get(sid.0).filter(|row| row.account == account)
    }

    /// The queue of an account that documents have this name for.
    pub fn queue_by_name(&self, account: AccountSid, friendly_name: &str) -> Option<&Arc<Queue>> {
        // Set 0 of a queue's unique columns is its name within the account.
        self.tables.queues.named(0, account.0, friendly_name)
    }

    /// The registered phone number that a carrier delivers. A carrier may leave out the `+` of E.164.
    pub fn phone_number(&self, digits: &str) -> Option<&Arc<IncomingPhoneNumber>> {
        // Set 0 of a number's unique columns is the number; owner 0, as it is unique in the node.
        let named = |number: &str| self.tables.incoming_phone_numbers.named(0, 0, number);
        match digits.starts_with('+') {
            true => named(digits),
            false => named(&format!("+{digits}")),
        }
    }

    /// Whether an account owns a number, or has verified it as a caller id. The `+` of E.164 may be left out.
    pub fn may_show(&self, account: AccountSid, digits: &str) -> bool {
        let owned = self.phone_number(digits).is_some_and(|number| number.account == account);
        // Set 0 of a caller id's unique columns is its number within the account.
        let ids = &self.tables.outgoing_caller_ids;
        let verified = |number: &str| ids.named(0, account.0, number).is_some();
        owned || verified(digits) || verified(&format!("+{digits}"))
    }

    /// The verified caller id of an account with this number, in E.164 with `+`.
    pub fn caller_id(&self, account: AccountSid, number: &str) -> Option<&Arc<OutgoingCallerId>> {
        self.tables.outgoing_caller_ids.named(0, account.0, number)
    }

    /// The phone number of an account that it registered first.
    pub fn first_number(&self, account: AccountSid) -> Option<&str> {
        let first = self.tables.incoming_phone_numbers.owned_by(account.0).next();
        first.map(|number| number.phone_number.as_str())
    }

    /// Whether an account has any phone number or verified caller id.
    pub fn has_caller_ids(&self, account: AccountSid) -> bool {
        self.tables.incoming_phone_numbers.owned_by(account.0).next().is_some()
            || self.tables.outgoing_caller_ids.owned_by(account.0).next().is_some()
    }

    /// The URLs that answer calls to a number, and the application that they are of; `None` where nothing of the
    /// number itself answers.
    pub fn voice_urls(
        &self,
        number: &IncomingPhoneNumber,
    ) -> Option<(VoiceUrls, Option<ApplicationSid>)> {
        if number.trunk_sid.is_some() {
            return None;
        }
        let application = number.voice_application;
        let urls = match application {
            Some(sid) => self.application(number.account, sid)?.voice_urls(),
            None => number.voice_urls(),
        };
        urls.document.is_some().then_some((urls, application))
    }

    /// The SIP domain with these labels before `.sip`.
    pub fn domain_by_labels(&self, labels: &str) -> Option<&Arc<Domain>> {
        // Set 0 of a domain's unique columns is its labels; owner 0, as they are unique in the node.
        self.tables.domains.named(0, 0, labels)
    }

    /// Lists mapped to a domain, by kind and SID.
    pub fn mappings(&self, domain: DomainSid) -> impl Iterator<Item = &Mapping> {
        // The least value of the order of lists.
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
                debug_assert!(
                    self.tables.domains.get(mapping.domain.0).is_some(),
                    "the domain is held"
                );
                self.mappings.insert((mapping.domain, mapping.list), *mapping);
                self.mapped.insert((mapping.list.bits(), mapping.domain, mapping.list));
                debug_assert_eq!(self.mappings.len(), self.mapped.len());
            }
            Change::Unmap { domain, list } => self.unmap(*domain, *list),
            // Listed one by one, so that a new change has to be placed here by hand.
            Change::PutCall(_)
            | Change::DeleteCall { .. }
            | Change::PutExecution(_)
            | Change::DeleteExecution { .. }
            | Change::SetTestUsers { .. }
            | Change::PutConference(_)
            | Change::PutRecording(_)
            | Change::DeleteRecording { .. }
            | Change::NoteUpload { .. }
            | Change::NoteTranscript { .. }
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
        if let Resource::Domain(row) = resource {
            // A renamed domain may lie below another one than before. The old row, still in the table,
            // names the old one.
            self.forget_parent(row.sid);
            if let Some(parent) = row.parent {
                self.subdomains.insert((parent, row.sid));
            }
        }
        self.tables.put(resource);
    }

    /// The revision held of a resource; `None` where none is held.
    fn revision(&self, resource: &Resource) -> Option<u64> {
        let key = ResourceKey { kind: resource.kind(), sid: resource.sid_bits() };
        self.tables.get(key).map(|held| held.revision())
    }

    fn remove(&mut self, key: ResourceKey) {
        debug_assert_ne!(key.kind, ResourceKind::Account, "an account is closed, not deleted");
        debug_assert!(!self.list_is_mapped(key.sid), "a mapped list stays");
        if key.kind == ResourceKind::Domain {
            let domain = DomainSid(key.sid);
            debug_assert!(!self.has_subdomains(domain), "a domain with subdomains stays");
            // As the foreign keys of the database do: mappings go with their domain. Collected, as `unmap`
            // changes the map.
            let lists: Vec<_> = self.mappings(domain).map(|mapping| mapping.list).collect();
            for list in lists {
                self.unmap(domain, list);
            }
            self.forget_parent(domain);
        }
        if key.kind == ResourceKind::Application {
            self.forget_application(ApplicationSid(key.sid));
        }
        self.tables.remove(key);
    }

    /// Numbers lose an application that is deleted, as the foreign key of the database does it: without a new
    /// revision.
    fn forget_application(&mut self, sid: ApplicationSid) {
        let Some(account) = self.tables.applications.get(sid.0).map(|row| row.account) else {
            return;
        };
        let numbers = self.tables.incoming_phone_numbers.owned_by(account.0);
        let having = numbers.filter(|number| number.voice_application == Some(sid));
        // Collected, as `put` changes the index that is walked.
        for number in having.cloned().collect::<Vec<_>>() {
            let number = IncomingPhoneNumber { voice_application: None, ..(*number).clone() };
            self.tables.incoming_phone_numbers.put(Arc::new(number));
        }
    }

    fn unmap(&mut self, domain: DomainSid, list: MappedList) {
        self.mappings.remove(&(domain, list));
        self.mapped.remove(&(list.bits(), domain, list));
        debug_assert_eq!(self.mappings.len(), self.mapped.len());
    }

    fn forget_parent(&mut self, domain: DomainSid) {
        if let Some(parent) = self.tables.domains.get(domain.0).and_then(|row| row.parent) {
            self.subdomains.remove(&(parent, domain));
        }
    }
}
