//! From a write to a change: every rule of the contract that the snapshot can decide. Sans-IO.
//!
//! A pure function of snapshot, write and [`Mint`]: the same write can be checked again when another one changed
//! the resource first. It keeps the SID then, as the mint is part of the write's own state.

mod accounts;
mod addresses;
mod credentials;
mod domains;

use std::sync::Arc;

use shared::AccountSid;
use shared::ids::Origin;

use crate::account::{Account, AccountStatus};
use crate::change::{Change, Resource, ResourceKey};
use crate::credential::IpAddress;
use crate::kind::ResourceKind;
use crate::resource::Described;
use crate::rules;
use crate::secret::Secret;
use crate::snapshot::Snapshot;
use crate::table::{Row, Table};
use crate::write::{Reply, Write, WriteError};
use addresses::{block, moved_block};

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

/// A write that the snapshot allows: the change to commit, and the reply once it is on disk.
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
    /// The change that `write` makes for `account`, or the rule that refuses it.
    ///
    /// Changes nothing: that is for [`Snapshot::apply`], after the commit. Other writes may be in flight; the
    /// change's precondition finds those that get in its way.
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
            Write::DeleteBinding { domain, binding } => plan.delete_binding(*domain, *binding),
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

/// A write being checked: its account, the snapshot it is checked against, its time and randomness.
struct Plan<'a> {
    snapshot: &'a Snapshot,
    account: &'a Arc<Account>,
    mint: &'a Mint,
}

impl Plan<'_> {
    fn sid(&self) -> u128 {
        shared::ids::sid_bits(self.mint.unix_ms, self.mint.origin, self.mint.sid_random())
    }

    /// A new row, where its owner has room for it and its names are free.
    fn fresh<R: Row + Described>(&self, table: &Table<R>, row: R) -> Result<Arc<R>, WriteError> {
        self.room_for(R::DESCRIPTION.kind, table.count_of(row.owner()))?;
        names_are_free(table, &row)?;
        Ok(Arc::new(row))
    }

    /// The next revision of a row, where its names are free.
    fn revised<R: Row + Described>(
        &self,
        table: &Table<R>,
        mut row: R,
    ) -> Result<Arc<R>, WriteError> {
        names_are_free(table, &row)?;
        row.revise(self.mint.unix_ms);
        Ok(Arc::new(row))
    }

    fn room_for(&self, kind: ResourceKind, count: usize) -> Result<(), WriteError> {
        if count >= kind.description().limit { Err(rules::limit_reached(kind)) } else { Ok(()) }
    }
}

fn names_are_free<R: Row + Described>(table: &Table<R>, row: &R) -> Result<(), WriteError> {
    if table.name_is_taken(row) { Err(rules::name_taken(R::DESCRIPTION.kind)) } else { Ok(()) }
}

fn inserted(resource: Resource, reply: Reply) -> Planned {
    debug_assert_eq!(resource.revision(), 1, "a row begins at revision 1");
    Planned { change: Change::Insert(resource), reply }
}

fn updated(resource: Resource, reply: Reply) -> Planned {
    debug_assert!(resource.revision() > 1, "an update raises the revision");
    Planned { change: Change::Update(resource), reply }
}

fn deleted(key: ResourceKey) -> Checked {
    Ok(Planned { change: Change::Delete(key), reply: Reply::Deleted })
}
