//! Accounts and API keys. Sans-IO.

use shared::limits::{FRIENDLY_NAME_CHARACTERS_MAX, KEYS_ACCOUNT_MAX, SUB_ACCOUNTS_MAX};
use shared::{AccountSid, Code, KeySid};

use crate::filter::Filter;
use crate::parameter::{Form, On, Parameter};
use crate::resource::{Collection, Column, Constant, resource};
use crate::secret::{Secret, SecretHash};

resource! {
    /// An account; with a parent it is a sub-account.
    pub struct Account {
        /// User name of its REST requests, and part of every path.
        sid: AccountSid => [Column::fixed("sid").shown_as_sid("sid", AccountSid::PREFIX)],
        // A main account has no parent; the API shows it as its own owner.
        /// The account that created it; `None` for the main account.
        parent: Option<AccountSid> => [Column::fixed("parent").shown_as_sid_or_own("owner_account_sid", AccountSid::PREFIX)],
        /// At most 64 characters.
        friendly_name: String => [Column::changing("friendly_name").shown("friendly_name")],
        /// Whether it may be used.
        status: AccountStatus => [Column::changing("status").shown("status")],
        // Sealed and not hashed: the signature of each webhook is made with the token itself.
        /// The password of REST requests and the key of webhook signatures.
        auth_token: Secret => [Column::fixed("auth_token").sealed().revealed("auth_token")],
        /// Creation, in milliseconds since 1970.
        created_ms: i64 => [Column::fixed("created_ms").shown_as_date("date_created")],
        /// Last change, in milliseconds since 1970.
        updated_ms: i64 => [Column::changing("updated_ms").shown_as_date("date_updated")],
        /// Goes up by one with each update; a change that was planned on an older revision conflicts.
        revision: u64 => [Column::changing("revision")],
    }
    described as {
        table: "accounts",
        owner: "parent",
        limit: SUB_ACCOUNTS_MAX,
        limit_reached: (Code::SUBACCOUNTS_MAX, "subaccounts of an account"),
        collections: &[Collection::new("Accounts", "accounts")],
        below: &[
            ("applications", "Applications"),
            ("balance", "Balance"),
            ("calls", "Calls"),
            ("conferences", "Conferences"),
            ("incoming_phone_numbers", "IncomingPhoneNumbers"),
            ("keys", "Keys"),
            ("notifications", "Notifications"),
            ("outgoing_caller_ids", "OutgoingCallerIds"),
            ("queues", "Queues"),
            ("recordings", "Recordings"),
            ("signing_keys", "SigningKeys"),
            ("sip", "SIP"),
            ("usage", "Usage"),
        ],
        constants: &[("type", Constant::Text("Full"))],
        filters: &[
            Filter::equal("FriendlyName", "friendly_name", Form::Text, Code::INVALID_PARAMETER),
            Filter::equal("Status", "status", Form::Word(AccountStatus::NAMES), Code::ACCOUNT_STATUS),
        ],
        // `GET Accounts` shows the account of the credentials beside its sub-accounts.
        lists_owner: true,
        // An account ends by `Status=closed`, which is final, and not by DELETE (rest.md 4).
        deletes: false,
        needs_auth_token: true,
    }
    /// Parameters of an account.
    taking AccountParameters {
        /// Default: `SubAccount Created at …`.
        friendly_name: String => Parameter::new("FriendlyName", Form::Name(FRIENDLY_NAME_CHARACTERS_MAX), Code::FRIENDLY_NAME),
        /// Only the parent may set it.
        status: AccountStatus => Parameter::new("Status", Form::Word(AccountStatus::NAMES), Code::ACCOUNT_STATUS).taken(On::Update),
    }
}

/// Whether an account may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AccountStatus {
    /// Served: calls, requests and registrations.
    Active,
    /// Put aside by its parent; may become active again.
    Suspended,
    /// Refused for good; a closed account cannot be opened again.
    Closed,
}

impl AccountStatus {
    /// The contract's words.
    pub const NAMES: &'static [&'static str] = &["active", "suspended", "closed"];

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

resource! {
    /// An API key of an account: a second pair of REST credentials, which opens neither accounts nor keys.
    pub struct Key {
        /// User name of its REST requests.
        sid: KeySid => [Column::fixed("sid").shown_as_sid("sid", KeySid::PREFIX)],
        /// The one account it opens.
        account: AccountSid => [Column::fixed("account")],
        /// At most 64 characters; may be empty.
        friendly_name: String => [Column::changing("friendly_name").shown("friendly_name")],
        /// Digest of the secret, which is shown once, at creation.
        secret_hash: SecretHash => [Column::fixed("secret_hash")],
        /// Creation, in milliseconds since 1970.
        created_ms: i64 => [Column::fixed("created_ms").shown_as_date("date_created")],
        /// Last change, in milliseconds since 1970.
        updated_ms: i64 => [Column::changing("updated_ms").shown_as_date("date_updated")],
        /// Goes up by one with each update.
        revision: u64 => [Column::changing("revision")],
    }
    described as {
        table: "api_keys",
        limit: KEYS_ACCOUNT_MAX,
        // The contract has no code of its own for this limit (rest.md 12).
        limit_reached: (Code::INVALID_PARAMETER, "API keys of an account"),
        collections: &[
            // One store under two names (rest.md 4): a key that was made below one is found below the
            // other.
            Collection::new("Accounts/{account_sid}/Keys", "keys"),
            Collection::new("Accounts/{account_sid}/SigningKeys", "signing_keys"),
        ],
        // The contract's key has a SID, a name and two dates, and no link.
        shows_uri: false,
        needs_auth_token: true,
    }
    /// Parameters of an API key.
    taking KeyParameters {
        /// A name for people; empty without the parameter.
        friendly_name: String => Parameter::new("FriendlyName", Form::Name(FRIENDLY_NAME_CHARACTERS_MAX), Code::FRIENDLY_NAME),
    }
}
