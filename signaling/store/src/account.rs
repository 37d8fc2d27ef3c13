//! Accounts and API keys. Sans-IO.

use shared::{AccountSid, KeySid};

use crate::secret::{Secret, SecretHash};

/// An account; with a parent it is a sub-account (contract rest.md §4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Its SID.
    pub sid: AccountSid,
    /// The account that made it; `None` for the main account.
    pub parent: Option<AccountSid>,
    /// At most 64 characters.
    pub friendly_name: String,
    /// Whether it may be used.
    pub status: AccountStatus,
    /// The password of REST requests and the key of webhook signatures. Sealed on disk.
    pub auth_token: Secret,
    /// Unix milliseconds.
    pub created_ms: i64,
    /// Unix milliseconds.
    pub updated_ms: i64,
    /// Raised by each update; a change that was planned on an older one conflicts.
    pub revision: u64,
}

/// Whether an account may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AccountStatus {
    /// In use.
    Active,
    /// Put aside by its parent; may become active again.
    Suspended,
    /// For good.
    Closed,
}

impl AccountStatus {
    /// The contract's word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Suspended => "suspended",
            Self::Closed => "closed",
        }
    }

    /// Reads the contract's word.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Active, Self::Suspended, Self::Closed].into_iter().find(|s| s.name() == name)
    }
}

/// An API key of an account: a second pair of REST credentials (contract rest.md §1.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// Its SID, the user name of a request.
    pub sid: KeySid,
    /// The account it opens, and no other.
    pub account: AccountSid,
    /// At most 64 characters.
    pub friendly_name: String,
    /// Digest of the secret, which is shown once, at creation.
    pub secret_hash: SecretHash,
    /// Unix milliseconds.
    pub created_ms: i64,
    /// Unix milliseconds.
    pub updated_ms: i64,
    /// Raised by each update.
    pub revision: u64,
}
