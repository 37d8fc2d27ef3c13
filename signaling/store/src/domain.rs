//! SIP domains and what is mapped to them. Sans-IO.

use shared::{AccountSid, CredentialListSid, DomainSid, IpAccessControlListSid};

use crate::name::DomainLabels;

/// A SIP domain: where calls come in (contract rest.md §5.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Domain {
    /// Its SID.
    pub sid: DomainSid,
    /// The account that owns it.
    pub account: AccountSid,
    /// The name as the customer wrote it, lower case, with its suffix.
    pub domain_name: String,
    /// The labels before `.sip`: what makes it unique and what requests are matched by.
    pub labels: DomainLabels,
    /// The domain right above a subdomain, where that is a resource. Keeps it from being deleted.
    pub parent: Option<DomainSid>,
    /// At most 64 characters.
    pub friendly_name: String,
    /// Where a call's first document comes from.
    pub voice_url: Option<String>,
    /// Method of `voice_url`.
    pub voice_method: HttpMethod,
    /// Asked when `voice_url` fails.
    pub voice_fallback_url: Option<String>,
    /// Method of `voice_fallback_url`.
    pub voice_fallback_method: HttpMethod,
    /// Told when a call ends.
    pub voice_status_callback_url: Option<String>,
    /// Method of `voice_status_callback_url`.
    pub voice_status_callback_method: HttpMethod,
    /// Whether REGISTER is accepted.
    pub sip_registration: bool,
    /// Whether emergency calls are routed.
    pub emergency_calling_enabled: bool,
    /// Whether only TLS and SRTP are accepted.
    pub secure: bool,
    /// A trunk's SID, kept and echoed.
    pub byoc_trunk_sid: Option<String>,
    /// A number's SID, kept and echoed.
    pub emergency_caller_sid: Option<String>,
    /// Unix milliseconds.
    pub created_ms: i64,
    /// Unix milliseconds.
    pub updated_ms: i64,
    /// Raised by each update.
    pub revision: u64,
}

/// The method of a webhook.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize,
)]
pub enum HttpMethod {
    /// Parameters in the query.
    Get,
    /// Parameters in a form body: the default everywhere in the contract.
    #[default]
    Post,
}

impl HttpMethod {
    /// The method's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
        }
    }

    /// Reads the name, in either case.
    pub fn from_name(name: &str) -> Option<Self> {
        if name.eq_ignore_ascii_case("GET") {
            Some(Self::Get)
        } else if name.eq_ignore_ascii_case("POST") {
            Some(Self::Post)
        } else {
            None
        }
    }
}

/// A list mapped to a domain, and for what (contract rest.md §5.2). The legacy mapping resources
/// are the two `Calls` kinds under another path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MappedList {
    /// INVITE must come from an address of this list (or of another one mapped so).
    CallsIpAccessControlList(IpAccessControlListSid),
    /// INVITE is challenged; users of this list may call.
    CallsCredentialList(CredentialListSid),
    /// REGISTER is challenged; users of this list may register.
    RegistrationsCredentialList(CredentialListSid),
}

impl MappedList {
    /// The kind alone.
    pub const fn kind(self) -> MappingKind {
        match self {
            Self::CallsIpAccessControlList(_) => MappingKind::CallsIpAccessControlList,
            Self::CallsCredentialList(_) => MappingKind::CallsCredentialList,
            Self::RegistrationsCredentialList(_) => MappingKind::RegistrationsCredentialList,
        }
    }

    /// The bits of the list's SID.
    pub const fn bits(self) -> u128 {
        match self {
            Self::CallsIpAccessControlList(sid) => sid.0,
            Self::CallsCredentialList(sid) | Self::RegistrationsCredentialList(sid) => sid.0,
        }
    }

    /// The inverse of [`MappedList::kind`] and [`MappedList::bits`].
    pub const fn new(kind: MappingKind, bits: u128) -> Self {
        match kind {
            MappingKind::CallsIpAccessControlList => {
                Self::CallsIpAccessControlList(IpAccessControlListSid(bits))
            }
            MappingKind::CallsCredentialList => Self::CallsCredentialList(CredentialListSid(bits)),
            MappingKind::RegistrationsCredentialList => {
                Self::RegistrationsCredentialList(CredentialListSid(bits))
            }
        }
    }
}

/// The three mapping resources of a domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MappingKind {
    /// `Auth/Calls/IpAccessControlListMappings`.
    CallsIpAccessControlList,
    /// `Auth/Calls/CredentialListMappings`.
    CallsCredentialList,
    /// `Auth/Registrations/CredentialListMappings`.
    RegistrationsCredentialList,
}

/// One list mapped to one domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// The domain.
    pub domain: DomainSid,
    /// The list and what it is for.
    pub list: MappedList,
    /// Unix milliseconds.
    pub created_ms: i64,
}
