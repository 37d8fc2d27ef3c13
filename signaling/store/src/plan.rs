//! From a write to a change: every rule of the contract that the snapshot can decide. Sans-IO.

use std::sync::Arc;

use shared::ids::Origin;
use shared::{
    AccountSid, CredentialListSid, CredentialSid, DomainSid, IpAccessControlListSid, IpAddressSid,
    KeySid,
};

use crate::account::{Account, AccountStatus, Key};
use crate::change::{Change, Resource, ResourceKey, ResourceKind};
use crate::credential::{Cidr, Credential, CredentialList, IpAccessControlList, IpAddress};
use crate::domain::{Domain, HttpMethod, MappedList, Mapping};
use crate::name::DomainLabels;
use crate::patch::Patch;
use crate::rules;
use crate::secret::{Ha1, Secret, SecretHash};
use crate::snapshot::Snapshot;
use crate::write::{DomainFields, MappingView, Reply, Write, WriteError};

/// Time and randomness for one write: what new SIDs, tokens and dates are made of.
#[derive(Clone, Copy)]
pub struct Mint {
    /// Wall clock, Unix milliseconds.
    pub unix_ms: i64,
    /// This node and process.
    pub origin: Origin,
    /// Fresh from a cryptographic source: the first 8 bytes go into the SID, the others into a secret.
    pub random: [u8; 40],
}

impl std::fmt::Debug for Mint {
    /// Leaves the random bytes out: secrets are made of them.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mint").field("unix_ms", &self.unix_ms).finish_non_exhaustive()
    }
}

impl Mint {
    /// The random part of a SID.
    pub fn sid_random(&self) -> u64 {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&self.random[..8]);
        u64::from_be_bytes(bytes)
    }

    /// A new auth token: 32 hexadecimal digits, as the CLI insists.
    pub fn auth_token(&self) -> Secret {
        Secret::new(self.random[8..24].iter().map(|byte| format!("{byte:02x}")).collect::<String>())
    }

    /// A new API key secret: 32 characters of an alphabet of 32, so 160 bits.
    pub fn key_secret(&self) -> Secret {
        const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
        let characters = self.random[8..].iter().map(|b| char::from(ALPHABET[usize::from(b & 31)]));
        Secret::new(characters.collect::<String>())
    }
}

/// A write that the snapshot allows: what goes to disk, and what is answered once it is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planned {
    /// To be committed.
    pub change: Change,
    /// The answer, valid only after the commit.
    pub reply: Reply,
}

type Checked = Result<Planned, WriteError>;

impl Account {
    /// A new main account: what the gateway inserts at first start.
    pub fn main(sid: AccountSid, auth_token: Secret, friendly_name: &str, unix_ms: i64) -> Self {
        Self {
            sid,
            parent: None,
            friendly_name: friendly_name.to_owned(),
            status: AccountStatus::Active,
            auth_token,
            created_ms: unix_ms,
            updated_ms: unix_ms,
            revision: 1,
        }
    }
}

impl Snapshot {
    /// Whether `account` may do `write` now, and what that would change.
    ///
    /// Pure: nothing is taken over before [`Snapshot::apply`]. What other writes in flight do in the
    /// meantime is found by the change's precondition.
    ///
    /// # Errors
    /// The contract's code, status and a sentence.
    pub fn check(&self, account: AccountSid, write: &Write, mint: &Mint) -> Checked {
        let owner = self.accounts.get(account).ok_or_else(WriteError::not_found)?;
        let plan = Plan { snapshot: self, account: owner, mint };
        match write {
            Write::CreateAccount { friendly_name } => plan.create_account(friendly_name.as_deref()),
            Write::UpdateAccount { friendly_name, status, by } => {
                plan.update_account(friendly_name.as_deref(), *status, *by)
            }
            Write::CreateKey { friendly_name } => plan.create_key(friendly_name.as_deref()),
            Write::UpdateKey { key, friendly_name } => {
                plan.update_key(*key, friendly_name.as_deref())
            }
            Write::DeleteKey(key) => {
                plan.key(*key)?;
                deleted(ResourceKey::Key(*key))
            }
            Write::CreateDomain(fields) => plan.create_domain(fields),
            Write::UpdateDomain { domain, fields } => plan.update_domain(*domain, fields),
            Write::DeleteDomain(domain) => plan.delete_domain(*domain),
            Write::CreateMapping { domain, list } => plan.create_mapping(*domain, *list),
            Write::DeleteMapping { domain, list } => plan.delete_mapping(*domain, *list),
            Write::CreateCredentialList { friendly_name } => {
                plan.create_credential_list(friendly_name)
            }
            Write::UpdateCredentialList { list, friendly_name } => {
                plan.update_credential_list(*list, friendly_name)
            }
            Write::DeleteCredentialList(list) => plan.delete_credential_list(*list),
            Write::CreateCredential { list, username, password } => {
                plan.create_credential(*list, username, password)
            }
            Write::UpdateCredential { list, credential, password } => {
                plan.update_credential(*list, *credential, password)
            }
            Write::DeleteCredential { list, credential } => {
                plan.credential(*list, *credential)?;
                deleted(ResourceKey::Credential(*credential))
            }
            Write::CreateIpAccessControlList { friendly_name } => {
                plan.create_ip_list(friendly_name)
            }
            Write::UpdateIpAccessControlList { list, friendly_name } => {
                plan.update_ip_list(*list, friendly_name)
            }
            Write::DeleteIpAccessControlList(list) => plan.delete_ip_list(*list),
            Write::CreateIpAddress { list, friendly_name, address, prefix } => {
                plan.create_ip_address(*list, friendly_name, block(*address, *prefix)?)
            }
            Write::UpdateIpAddress { list, ip_address, friendly_name, address, prefix } => {
                let row = plan.ip_address(*list, *ip_address)?;
                let mut new = IpAddress::clone(row);
                if let Some(name) = friendly_name {
                    new.friendly_name.clone_from(name);
                }
                new.block = moved_block(row.block, *address, *prefix)?;
                plan.update_ip_address(new)
            }
            Write::DeleteIpAddress { list, ip_address } => {
                plan.ip_address(*list, *ip_address)?;
                deleted(ResourceKey::IpAddress(*ip_address))
            }
            Write::DeleteCall(call) => Ok(Planned {
                change: Change::DeleteCall { account, call: *call },
                reply: Reply::Deleted,
            }),
            Write::DeleteRecording { recording, call } => Ok(Planned {
                change: Change::DeleteRecording {
                    account,
                    call: *call,
                    recording: *recording,
                    deleted_ms: mint.unix_ms,
                },
                reply: Reply::Deleted,
            }),
        }
    }
}

/// One write under way: who, against what, with which time and randomness.
struct Plan<'a> {
    snapshot: &'a Snapshot,
    account: &'a Arc<Account>,
    mint: &'a Mint,
}

// Accounts and keys.
impl Plan<'_> {
    fn create_account(&self, friendly_name: Option<&str>) -> Checked {
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

    fn update_account(
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
        row.updated_ms = self.mint.unix_ms;
        row.revision += 1;
        let row = Arc::new(row);
        Ok(updated(Resource::Account(row.clone()), Reply::Account(row)))
    }

    fn may_set_status(&self, status: AccountStatus, by: AccountSid) -> Result<(), WriteError> {
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

    fn create_key(&self, friendly_name: Option<&str>) -> Checked {
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

    fn update_key(&self, sid: KeySid, friendly_name: Option<&str>) -> Checked {
        let mut row = Key::clone(self.key(sid)?);
        if let Some(name) = friendly_name {
            rules::friendly_name(ResourceKind::Key, name)?;
            name.clone_into(&mut row.friendly_name);
        }
        row.updated_ms = self.mint.unix_ms;
        row.revision += 1;
        let key = Arc::new(row);
        Ok(updated(Resource::Key(key.clone()), Reply::Key { key, secret: None }))
    }

    fn key(&self, sid: KeySid) -> Result<&Arc<Key>, WriteError> {
        let mine = |row: &&Arc<Key>| row.account == self.account.sid;
        self.snapshot.keys.get(sid).filter(mine).ok_or_else(WriteError::not_found)
    }
}

// Domains and mappings.
impl Plan<'_> {
    fn create_domain(&self, fields: &DomainFields) -> Checked {
        let name = fields.domain_name.as_deref().unwrap_or_default();
        if name.is_empty() {
            return Err(WriteError::invalid(21232, "DomainName is required"));
        }
        self.room_for(ResourceKind::Domain, self.snapshot.domains.count_of(self.account.sid.0))?;
        let (domain_name, labels, parent) = self.domain_name(name)?;
        let mut row = Domain {
            sid: DomainSid(self.sid()),
            account: self.account.sid,
            friendly_name: domain_name.clone(),
            domain_name,
            labels,
            parent,
            voice_url: None,
            voice_method: HttpMethod::Post,
            voice_fallback_url: None,
            voice_fallback_method: HttpMethod::Post,
            voice_status_callback_url: None,
            voice_status_callback_method: HttpMethod::Post,
            sip_registration: false,
            emergency_calling_enabled: false,
            secure: false,
            byoc_trunk_sid: None,
            emergency_caller_sid: None,
            created_ms: self.mint.unix_ms,
            updated_ms: self.mint.unix_ms,
            revision: 1,
        };
        patch_domain(&mut row, fields)?;
        self.name_is_free(&row)?;
        let domain = Arc::new(row);
        let reply = Reply::Domain { domain: domain.clone(), auth: Default::default() };
        Ok(inserted(Resource::Domain(domain), reply))
    }

    fn update_domain(&self, sid: DomainSid, fields: &DomainFields) -> Checked {
        let mut row = Domain::clone(self.domain(sid)?);
        if let Some(name) = fields.domain_name.as_deref() {
            let (domain_name, labels, parent) = self.domain_name(name)?;
            if labels != row.labels && self.snapshot.has_subdomains(sid) {
                return Err(rules::in_use(ResourceKind::Domain));
            }
            (row.domain_name, row.labels, row.parent) = (domain_name, labels, parent);
            self.name_is_free(&row)?;
        }
        patch_domain(&mut row, fields)?;
        row.updated_ms = self.mint.unix_ms;
        row.revision += 1;
        let domain = Arc::new(row);
        let auth = self.snapshot.domain_auth(sid);
        Ok(updated(Resource::Domain(domain.clone()), Reply::Domain { domain, auth }))
    }

    fn delete_domain(&self, sid: DomainSid) -> Checked {
        self.domain(sid)?;
        if self.snapshot.has_subdomains(sid) {
            return Err(rules::in_use(ResourceKind::Domain));
        }
        deleted(ResourceKey::Domain(sid))
    }

    /// Reads a name and finds what it lies below of. A name below another one needs that one, owned by
    /// this account or its parent; every account owns its own SID as a name (sip-interface.md §1).
    fn domain_name(
        &self,
        text: &str,
    ) -> Result<(String, DomainLabels, Option<DomainSid>), WriteError> {
        let (name, labels) = self.snapshot.suffix.name(text).map_err(|problem| {
            let suffix = self.snapshot.suffix.as_str();
            WriteError::invalid(
                21232,
                format!(
                    "DomainName {problem}; a full name ends in .sip.{suffix} or .sip.twilio.com"
                ),
            )
        })?;
        if let Some(holder) = labels.reserved_for() {
            let is_below = labels.above().is_some();
            if !(holder == self.account.sid || is_below && Some(holder) == self.account.parent) {
                return Err(WriteError::invalid(
                    21232,
                    "DomainName is reserved: an Account SID is the domain name of that account",
                ));
            }
        }
        let Some(above) = labels.above() else {
            return Ok((name, labels, None));
        };
        let parent = self.snapshot.domain_by_labels(above.as_str());
        let owned = |row: &Arc<Domain>| {
            row.account == self.account.sid || Some(row.account) == self.account.parent
        };
        let reserved = above.above().is_none() && above.reserved_for().is_some();
        match parent {
            Some(row) if owned(row) => Ok((name, labels, Some(row.sid))),
            None if reserved => Ok((name, labels, None)),
            Some(_) | None => Err(WriteError::invalid(
                21232,
                format!(
                    "DomainName is below `{above}`, which neither this account nor its parent owns"
                ),
            )),
        }
    }

    fn name_is_free(&self, row: &Domain) -> Result<(), WriteError> {
        if self.snapshot.domains.name_is_taken(row) {
            return Err(rules::name_taken(ResourceKind::Domain));
        }
        Ok(())
    }

    fn create_mapping(&self, domain: DomainSid, list: MappedList) -> Checked {
        self.domain(domain)?;
        let friendly_name = self.mapped_list_name(list)?;
        if self.snapshot.mapping(domain, list).is_some() {
            return Err(rules::already_mapped());
        }
        let mapping = Mapping { domain, list, created_ms: self.mint.unix_ms };
        let view = MappingView { account: self.account.sid, mapping, friendly_name };
        Ok(Planned { change: Change::Map(mapping), reply: Reply::Mapping(view) })
    }

    fn delete_mapping(&self, domain: DomainSid, list: MappedList) -> Checked {
        self.domain(domain)?;
        self.snapshot.mapping(domain, list).ok_or_else(WriteError::not_found)?;
        Ok(Planned { change: Change::Unmap { domain, list }, reply: Reply::Deleted })
    }

    fn mapped_list_name(&self, list: MappedList) -> Result<String, WriteError> {
        Ok(match list {
            MappedList::CallsIpAccessControlList(sid) => self.ip_list(sid)?.friendly_name.clone(),
            MappedList::CallsCredentialList(sid) | MappedList::RegistrationsCredentialList(sid) => {
                self.credential_list(sid)?.friendly_name.clone()
            }
        })
    }

    fn domain(&self, sid: DomainSid) -> Result<&Arc<Domain>, WriteError> {
        let mine = |row: &&Arc<Domain>| row.account == self.account.sid;
        self.snapshot.domains.get(sid).filter(mine).ok_or_else(WriteError::not_found)
    }
}

// Credential lists and credentials.
impl Plan<'_> {
    fn create_credential_list(&self, friendly_name: &str) -> Checked {
        rules::friendly_name(ResourceKind::CredentialList, friendly_name)?;
        let count = self.snapshot.credential_lists.count_of(self.account.sid.0);
        self.room_for(ResourceKind::CredentialList, count)?;
        let row = CredentialList {
            sid: CredentialListSid(self.sid()),
            account: self.account.sid,
            friendly_name: friendly_name.to_owned(),
            created_ms: self.mint.unix_ms,
            updated_ms: self.mint.unix_ms,
            revision: 1,
        };
        if self.snapshot.credential_lists.name_is_taken(&row) {
            return Err(rules::name_taken(ResourceKind::CredentialList));
        }
        let row = Arc::new(row);
        Ok(inserted(Resource::CredentialList(row.clone()), Reply::CredentialList(row)))
    }

    fn update_credential_list(&self, sid: CredentialListSid, friendly_name: &str) -> Checked {
        let mut row = CredentialList::clone(self.credential_list(sid)?);
        rules::friendly_name(ResourceKind::CredentialList, friendly_name)?;
        friendly_name.clone_into(&mut row.friendly_name);
        if self.snapshot.credential_lists.name_is_taken(&row) {
            return Err(rules::name_taken(ResourceKind::CredentialList));
        }
        row.updated_ms = self.mint.unix_ms;
        row.revision += 1;
        let row = Arc::new(row);
        Ok(updated(Resource::CredentialList(row.clone()), Reply::CredentialList(row)))
    }

    fn delete_credential_list(&self, sid: CredentialListSid) -> Checked {
        self.credential_list(sid)?;
        if self.snapshot.list_is_mapped(sid.0) {
            return Err(rules::in_use(ResourceKind::CredentialList));
        }
        deleted(ResourceKey::CredentialList(sid))
    }

    fn create_credential(
        &self,
        list: CredentialListSid,
        username: &str,
        password: &Secret,
    ) -> Checked {
        self.credential_list(list)?;
        rules::username(username)?;
        rules::password(password)?;
        self.room_for(ResourceKind::Credential, self.snapshot.credentials.count_of(list.0))?;
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
        if self.snapshot.credentials.name_is_taken(&row) {
            return Err(rules::name_taken(ResourceKind::Credential));
        }
        let row = Arc::new(row);
        Ok(inserted(Resource::Credential(row.clone()), Reply::Credential(row)))
    }

    fn update_credential(
        &self,
        list: CredentialListSid,
        sid: CredentialSid,
        password: &Secret,
    ) -> Checked {
        let mut row = Credential::clone(self.credential(list, sid)?);
        rules::password(password)?;
        row.ha1 = Ha1::of(&row.username, &self.snapshot.realm, password);
        row.updated_ms = self.mint.unix_ms;
        row.revision += 1;
        let row = Arc::new(row);
        Ok(updated(Resource::Credential(row.clone()), Reply::Credential(row)))
    }

    fn credential_list(&self, sid: CredentialListSid) -> Result<&Arc<CredentialList>, WriteError> {
        let mine = |row: &&Arc<CredentialList>| row.account == self.account.sid;
        self.snapshot.credential_lists.get(sid).filter(mine).ok_or_else(WriteError::not_found)
    }

    fn credential(
        &self,
        list: CredentialListSid,
        sid: CredentialSid,
    ) -> Result<&Arc<Credential>, WriteError> {
        self.credential_list(list)?;
        let inside = |row: &&Arc<Credential>| row.list == list;
        self.snapshot.credentials.get(sid).filter(inside).ok_or_else(WriteError::not_found)
    }
}

// IP access control lists and their addresses.
impl Plan<'_> {
    fn create_ip_list(&self, friendly_name: &str) -> Checked {
        rules::friendly_name(ResourceKind::IpAccessControlList, friendly_name)?;
        let count = self.snapshot.ip_lists.count_of(self.account.sid.0);
        self.room_for(ResourceKind::IpAccessControlList, count)?;
        let row = IpAccessControlList {
            sid: IpAccessControlListSid(self.sid()),
            account: self.account.sid,
            friendly_name: friendly_name.to_owned(),
            created_ms: self.mint.unix_ms,
            updated_ms: self.mint.unix_ms,
            revision: 1,
        };
        if self.snapshot.ip_lists.name_is_taken(&row) {
            return Err(rules::name_taken(ResourceKind::IpAccessControlList));
        }
        let row = Arc::new(row);
        Ok(inserted(Resource::IpAccessControlList(row.clone()), Reply::IpAccessControlList(row)))
    }

    fn update_ip_list(&self, sid: IpAccessControlListSid, friendly_name: &str) -> Checked {
        let mut row = IpAccessControlList::clone(self.ip_list(sid)?);
        rules::friendly_name(ResourceKind::IpAccessControlList, friendly_name)?;
        friendly_name.clone_into(&mut row.friendly_name);
        if self.snapshot.ip_lists.name_is_taken(&row) {
            return Err(rules::name_taken(ResourceKind::IpAccessControlList));
        }
        row.updated_ms = self.mint.unix_ms;
        row.revision += 1;
        let row = Arc::new(row);
        Ok(updated(Resource::IpAccessControlList(row.clone()), Reply::IpAccessControlList(row)))
    }

    fn delete_ip_list(&self, sid: IpAccessControlListSid) -> Checked {
        self.ip_list(sid)?;
        if self.snapshot.list_is_mapped(sid.0) {
            return Err(rules::in_use(ResourceKind::IpAccessControlList));
        }
        deleted(ResourceKey::IpAccessControlList(sid))
    }

    fn create_ip_address(
        &self,
        list: IpAccessControlListSid,
        friendly_name: &str,
        block: Cidr,
    ) -> Checked {
        self.ip_list(list)?;
        rules::friendly_name(ResourceKind::IpAddress, friendly_name)?;
        self.room_for(ResourceKind::IpAddress, self.snapshot.ip_addresses.count_of(list.0))?;
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
        if self.snapshot.ip_addresses.name_is_taken(&row) {
            return Err(rules::name_taken(ResourceKind::IpAddress));
        }
        let row = Arc::new(row);
        Ok(inserted(Resource::IpAddress(row.clone()), Reply::IpAddress(row)))
    }

    fn update_ip_address(&self, mut row: IpAddress) -> Checked {
        rules::friendly_name(ResourceKind::IpAddress, &row.friendly_name)?;
        if self.snapshot.ip_addresses.name_is_taken(&row) {
            return Err(rules::name_taken(ResourceKind::IpAddress));
        }
        row.updated_ms = self.mint.unix_ms;
        row.revision += 1;
        let row = Arc::new(row);
        Ok(updated(Resource::IpAddress(row.clone()), Reply::IpAddress(row)))
    }

    fn ip_list(
        &self,
        sid: IpAccessControlListSid,
    ) -> Result<&Arc<IpAccessControlList>, WriteError> {
        let mine = |row: &&Arc<IpAccessControlList>| row.account == self.account.sid;
        self.snapshot.ip_lists.get(sid).filter(mine).ok_or_else(WriteError::not_found)
    }

    fn ip_address(
        &self,
        list: IpAccessControlListSid,
        sid: IpAddressSid,
    ) -> Result<&Arc<IpAddress>, WriteError> {
        self.ip_list(list)?;
        let inside = |row: &&Arc<IpAddress>| row.list == list;
        self.snapshot.ip_addresses.get(sid).filter(inside).ok_or_else(WriteError::not_found)
    }
}

// What all share.
impl Plan<'_> {
    fn sid(&self) -> u128 {
        shared::ids::sid_bits(self.mint.unix_ms, self.mint.origin, self.mint.sid_random())
    }

    fn room_for(&self, kind: ResourceKind, count: usize) -> Result<(), WriteError> {
        if count >= rules::limit(kind) { Err(rules::limit_reached(kind)) } else { Ok(()) }
    }
}

fn inserted(resource: Resource, reply: Reply) -> Planned {
    Planned { change: Change::Insert(resource), reply }
}

fn updated(resource: Resource, reply: Reply) -> Planned {
    Planned { change: Change::Update(resource), reply }
}

fn deleted(key: ResourceKey) -> Checked {
    Ok(Planned { change: Change::Delete(key), reply: Reply::Deleted })
}

fn patch_domain(row: &mut Domain, fields: &DomainFields) -> Result<(), WriteError> {
    match &fields.friendly_name {
        Patch::Keep => {}
        Patch::Clear => row.friendly_name.clone_from(&row.domain_name),
        Patch::Set(name) => {
            rules::friendly_name(ResourceKind::Domain, name)?;
            row.friendly_name.clone_from(name);
        }
    }
    let post = HttpMethod::Post;
    fields.voice_url.clone().apply(&mut row.voice_url);
    fields.voice_method.clone().apply_or(&mut row.voice_method, post);
    fields.voice_fallback_url.clone().apply(&mut row.voice_fallback_url);
    fields.voice_fallback_method.clone().apply_or(&mut row.voice_fallback_method, post);
    fields.voice_status_callback_url.clone().apply(&mut row.voice_status_callback_url);
    fields
        .voice_status_callback_method
        .clone()
        .apply_or(&mut row.voice_status_callback_method, post);
    fields.sip_registration.clone().apply_or(&mut row.sip_registration, false);
    fields.emergency_calling_enabled.clone().apply_or(&mut row.emergency_calling_enabled, false);
    fields.secure.clone().apply_or(&mut row.secure, false);
    fields.byoc_trunk_sid.clone().apply(&mut row.byoc_trunk_sid);
    fields.emergency_caller_sid.clone().apply(&mut row.emergency_caller_sid);
    Ok(())
}

fn block(address: std::net::IpAddr, prefix: Option<u8>) -> Result<Cidr, WriteError> {
    Cidr::new(address, prefix)
        .ok_or_else(|| WriteError::invalid(21235, "CidrPrefixLength is longer than the IpAddress"))
}

/// An update of a block: a new address keeps the old prefix where both are of one version.
fn moved_block(
    old: Cidr,
    address: Option<std::net::IpAddr>,
    prefix: Option<u8>,
) -> Result<Cidr, WriteError> {
    let new = address.map_or(old.address(), |address| address.to_canonical());
    let kept = (new.is_ipv4() == old.address().is_ipv4()).then(|| old.prefix());
    block(new, prefix.or(kept))
}

/// `2025-01-06 09:00`, for the default name of a sub-account.
fn date_and_minute(unix_ms: i64) -> String {
    let minutes = unix_ms.div_euclid(60_000);
    let (days, minute_of_day) = (minutes.div_euclid(1_440), minutes.rem_euclid(1_440));
    let (year, month, day) = shared::time::civil_date(days);
    format!("{year:04}-{month:02}-{day:02} {:02}:{:02}", minute_of_day / 60, minute_of_day % 60)
}
