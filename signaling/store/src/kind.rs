//! Kinds of configuration resources: the one list from which every enum, table and dispatch over them is made.
//! Sans-IO.
//!
//! [`resources!`] hands the list to another macro, so that each file makes what it needs of it (the enum of kinds
//! here, of rows in `change.rs`, of parameters in `write.rs`, the tables in `tables.rs`, the rules' dispatch in
//! `plan/`) and none of them imports another. A new kind is one entry.

/// Gives the list of kinds to a macro: a sentence, the table in memory, the type of a row and that of its SID. Each
/// kind comes after the kinds that its rows refer to.
macro_rules! resources {
    ($make:ident) => {
        $make! {
            /// An account.
            accounts: Account = crate::account::Account, shared::AccountSid;
            /// An API key.
            keys: Key = crate::account::Key, shared::KeySid;
            /// A SIP domain.
            domains: Domain = crate::domain::Domain, shared::DomainSid;
            /// A credential list.
            credential_lists: CredentialList = crate::credential::CredentialList, shared::CredentialListSid;
            /// A credential.
            credentials: Credential = crate::credential::Credential, shared::CredentialSid;
            /// An IP access control list.
            ip_lists: IpAccessControlList = crate::credential::IpAccessControlList, shared::IpAccessControlListSid;
            /// An address of one.
            ip_addresses: IpAddress = crate::credential::IpAddress, shared::IpAddressSid;
            /// A TwiML application.
            applications: Application = crate::application::Application, shared::ApplicationSid;
            /// A queue of calls.
            queues: Queue = crate::queue::Queue, shared::QueueSid;
            /// A phone number that a carrier delivers here.
            incoming_phone_numbers: IncomingPhoneNumber = crate::number::IncomingPhoneNumber, shared::IncomingPhoneNumberSid;
            /// A caller id that an account has verified.
            outgoing_caller_ids: OutgoingCallerId = crate::caller_id::OutgoingCallerId, shared::OutgoingCallerIdSid;
            /// A Studio flow.
            flows: Flow = crate::studio::Flow, shared::FlowSid;
            /// A TwiML Bin.
            twiml_bins: TwimlBin = crate::twiml_bin::TwimlBin, shared::BinSid;
        }
    };
}
pub(crate) use resources;

macro_rules! kinds {
    ($($(#[$doc:meta])* $table:ident: $kind:ident = $row:ty, $sid:ty;)*) => {
        /// Kinds of configuration resources.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum ResourceKind {
            $($(#[$doc])* $kind,)*
        }

        impl ResourceKind {
            /// Every kind, each after the kinds that its rows refer to.
            pub const ALL: &[Self] = &[$(Self::$kind),*];
        }
    };
}

resources!(kinds);

/// Names a configuration resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResourceKey {
    /// Its kind.
    pub kind: ResourceKind,
    /// The bits of its SID.
    pub sid: u128,
}
