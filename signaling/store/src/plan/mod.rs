//! From a write to a change: every rule of the contract that the snapshot can decide. Sans-IO.
//!
//! A pure function of snapshot, write and [`Mint`]: the same write can be checked again when another one changed
//! the resource first. It keeps the SID then, as the mint is part of the write's own state.
//!
//! [`Plan`] does what all kinds of resources share: it finds the owner and the row, fills in defaults, checks limit and
//! unique names, and makes the change. What differs is a kind's [`Rules`], in the files of this folder.

mod accounts;
mod addresses;
mod applications;
mod caller_ids;
mod credentials;
mod domains;
mod flows;
mod numbers;
mod queues;
mod twiml_bins;

use std::fmt::Write as _;
use std::sync::Arc;

use shared::AccountSid;
use shared::ids::Origin;

use crate::account::{Account, AccountStatus};
use crate::change::Change;
use crate::descriptions::Resource;
use crate::kind::{ResourceKey, ResourceKind, resources};
use crate::parameter::{Parameters as _, Post};
use crate::rules;
use crate::secret::Secret;
use crate::snapshot::Snapshot;
use crate::tables::Held;
use crate::write::{Beside, Given, Reply, Write, WriteError};

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
        let mut digits = String::with_capacity(32);
        for byte in &self.random[8..24] {
            // Writing to a `String` cannot fail.
            let _ = write!(digits, "{byte:02x}");
        }
        Secret::new(digits)
    }

    /// A new API key secret: 32 characters of an alphabet of 32, so 160 bits.
    pub fn key_secret(&self) -> Secret {
        // Without `l`, `o`, `0` and `1`, which people mix up. 32 letters: five bits choose one without
        // bias.
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
        let owner = self.tables.accounts.get(account.0).ok_or_else(WriteError::not_found)?;
        let plan = Plan { snapshot: self, account: owner, mint };
        match write {
            Write::Create { list, given } => plan.create_given(*list, given),
            Write::Update { list, sid, given, by } => plan.update_given(*list, *sid, given, *by),
            Write::Delete { list, key } => plan.delete_key(*list, *key),
            Write::CreateMapping { domain, list } => plan.create_mapping(*domain, *list),
            Write::DeleteMapping { domain, list } => plan.delete_mapping(*domain, *list),
            Write::DeleteBinding { domain, binding } => plan.delete_binding(*domain, *binding),
            // The snapshot holds no history: whether the call exists and has ended is a precondition of the
            // change.
            Write::DeleteCall(call) => Ok(Planned {
                change: Change::DeleteCall { account, call: *call },
                reply: Reply::Deleted,
            }),
            Write::DeleteExecution(execution) => Ok(Planned {
                change: Change::DeleteExecution { account, execution: *execution },
                reply: Reply::Deleted,
            }),
            Write::SetTestUsers { flow, users } => plan.set_test_users(*flow, users),
            Write::DeleteRecording { recording, call } => Ok(Planned {
                change: Change::DeleteRecording {
                    account,
                    call: *call,
                    recording: *recording,
                    deleted_ms: mint.unix_ms,
                },
                reply: Reply::Deleted,
            }),
            Write::DeleteTranscript { recording } => Ok(Planned {
                change: Change::NoteTranscript { account, recording: *recording, transcript: None },
                reply: Reply::Deleted,
            }),
        }
    }
}

/// The rules of a kind of resource: what its parameters make of a row.
///
/// [`Plan`] has checked that the owner exists and that no required parameter is absent, and has put defaults where the
/// request leaves a parameter open; it checks the limit and the unique names afterwards, and makes the change.
trait Rules: Held + Clone {
    /// A new row with this SID, of this owner.
    fn create(
        plan: &Plan<'_>,
        sid: u128,
        owner: u128,
        given: &Self::Parameters,
    ) -> Result<Self, WriteError>;

    /// Changes a row. `by` is the account whose credentials were used.
    fn update(
        &mut self,
        plan: &Plan<'_>,
        given: &Self::Parameters,
        by: Option<AccountSid>,
    ) -> Result<(), WriteError>;

    /// True where something refers to the row, so that it cannot be deleted.
    fn is_in_use(&self, _: &Snapshot) -> bool {
        false
    }

    /// What the API shows of a row beside its columns.
    fn beside(&self, _: &Snapshot) -> Beside {
        Beside::default()
    }

    /// The secret of a new row, which is shown once.
    fn secret(_: &Plan<'_>) -> Option<Secret> {
        None
    }
}

macro_rules! rules {
    ($($(#[$doc:meta])* $table:ident: $kind:ident = $row:ty, $sid:ty;)*) => {
        impl Plan<'_> {
            fn create_given(&self, list: Option<u128>, given: &Given) -> Checked {
                match given {
                    $(Given::$kind(given) => self.create::<$row>(list, given),)*
                }
            }

            fn update_given(
                &self,
                list: Option<u128>,
                sid: u128,
                given: &Given,
                by: Option<AccountSid>,
            ) -> Checked {
                match given {
                    $(Given::$kind(given) => self.update::<$row>(list, sid, given, by),)*
                }
            }

            fn delete_key(&self, list: Option<u128>, key: ResourceKey) -> Checked {
                match key.kind {
                    $(ResourceKind::$kind => self.delete::<$row>(list, key),)*
                }
            }
        }
    };
}

resources!(rules);

/// A write being checked: its account, the snapshot it is checked against, its time and randomness.
struct Plan<'a> {
    snapshot: &'a Snapshot,
    account: &'a Arc<Account>,
    mint: &'a Mint,
}

impl Plan<'_> {
    fn create<R: Rules>(&self, list: Option<u128>, given: &R::Parameters) -> Checked
    where
        Resource: From<Arc<R>>,
    {
        // The owner comes first: below a list that does not exist, every request is 404, whatever its
        // parameters.
        let owner = self.owner::<R>(list)?;
        if let Some(parameter) = given.missing(Post::Create) {
            return Err(rules::required(parameter));
        }
        // Copied: the write is planned again from its own parameters where another one came first.
        let given = given.clone().completed(Post::Create);
        let row = R::create(self, self.sid(), owner, &given)?;
        // Again for the kinds whose rules check it first; the others are refused a bad value before the
        // limit.
        self.room_for::<R>(owner)?;
        self.names_are_free(&row)?;
        debug_assert_eq!(row.revision(), 1, "a row begins at revision 1");
        // The mint gives the secret that `create` hashed once more: a row never holds it.
        let beside = Beside { secret: R::secret(self), ..row.beside(self.snapshot) };
        let resource = Resource::from(Arc::new(row));
        // Change and reply share the row.
        let change = Change::Insert(resource.clone());
        Ok(Planned { change, reply: Reply::Resource(resource, beside) })
    }

    fn update<R: Rules>(
        &self,
        list: Option<u128>,
        sid: u128,
        given: &R::Parameters,
        by: Option<AccountSid>,
    ) -> Checked
    where
        Resource: From<Arc<R>>,
    {
        // Changed in a copy: calls go on by the old row until the new one is on disk.
        let mut row = R::clone(self.row(list, sid)?);
        if let Some(parameter) = given.missing(Post::Update) {
            return Err(rules::required(parameter));
        }
        row.update(self, &given.clone().completed(Post::Update), by)?;
        self.names_are_free(&row)?;
        // Also where nothing changed: each update that succeeds is dated.
        row.revise(self.mint.unix_ms);
        let beside = row.beside(self.snapshot);
        let resource = Resource::from(Arc::new(row));
        debug_assert!(resource.revision() > 1, "an update raises the revision");
        let change = Change::Update(resource.clone());
        Ok(Planned { change, reply: Reply::Resource(resource, beside) })
    }

    fn delete<R: Rules>(&self, list: Option<u128>, key: ResourceKey) -> Checked {
        let row = self.row::<R>(list, key.sid)?;
        if row.is_in_use(self.snapshot) {
            return Err(rules::in_use(key.kind));
        }
        Ok(Planned { change: Change::Delete(key), reply: Reply::Deleted })
    }

    fn sid(&self) -> u128 {
        shared::ids::sid_bits(self.mint.unix_ms, self.mint.origin, self.mint.sid_random())
    }

    /// The owner of rows of a kind: the account of the path, or a list of it.
    fn owner<R: Rules>(&self, list: Option<u128>) -> Result<u128, WriteError> {
        let Some(list) = list else { return Ok(self.account.sid.0) };
        let key = ResourceKey { kind: R::DESCRIPTION.owned_by, sid: list };
        // A list of another account is not found, so that its existence does not leak (rest.md 1.1).
        let is_ours = self.snapshot.tables.owner(key) == Some(self.account.sid.0);
        if is_ours { Ok(list) } else { Err(WriteError::not_found()) }
    }

    /// A row of the account, or of a list of it. The account of the path is a row of its own.
    fn row<R: Rules>(&self, list: Option<u128>, sid: u128) -> Result<&Arc<R>, WriteError> {
        let owner = self.owner::<R>(list)?;
        // The row of a sub-account is owned by its parent, so that ownership alone would hide the account
        // from itself.
        let is_account = R::DESCRIPTION.kind == ResourceKind::Account && sid == owner;
        let key = ResourceKey { kind: R::DESCRIPTION.kind, sid };
        if !is_account && self.snapshot.tables.owner(key) != Some(owner) {
            return Err(WriteError::not_found());
        }
        R::table(&self.snapshot.tables).get(sid).ok_or_else(WriteError::not_found)
    }

    fn room_for<R: Rules>(&self, owner: u128) -> Result<(), WriteError> {
        let is_full = R::table(&self.snapshot.tables).count_of(owner) >= R::DESCRIPTION.limit;
        if is_full { Err(rules::limit_reached(R::DESCRIPTION.kind)) } else { Ok(()) }
    }

    fn names_are_free<R: Rules>(&self, row: &R) -> Result<(), WriteError> {
        let is_taken = R::table(&self.snapshot.tables).name_is_taken(row);
        if is_taken { Err(rules::name_taken(R::DESCRIPTION.kind)) } else { Ok(()) }
    }
}
