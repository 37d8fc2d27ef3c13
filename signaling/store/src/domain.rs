//! SIP domains and what is mapped to them. Sans-IO.

use shared::limits::{DOMAINS_ACCOUNT_MAX, FRIENDLY_NAME_CHARACTERS_MAX};
use shared::{AccountSid, Code, CredentialListSid, DomainSid, IpAccessControlListSid};

use crate::name::DomainLabels;
use crate::parameter::{Form, On, Parameter};
use crate::resource::{Collection, Column, Constant, Derived, resource};
use crate::stored::Stored;
use crate::value::Value;

resource! {
    /// A SIP domain: the host that callers name, and what answers their calls.
    pub struct Domain {
        /// Named by mappings, registrations and its path.
        sid: DomainSid => [Column::fixed("sid").shown_as_sid("sid", DomainSid::PREFIX)],
        /// The account that owns it.
        account: AccountSid => [Column::fixed("account").shown_as_sid("account_sid", AccountSid::PREFIX)],
        /// The name as the customer wrote it, lower case, with its suffix.
        domain_name: String => [Column::changing("domain_name").shown("domain_name")],
        /// The labels before `.sip`: unique over the node, and what requests are matched by.
        labels: DomainLabels => [Column::changing("labels")],
        /// The domain right above a subdomain, where that is a resource. Keeps it from being deleted.
        parent: Option<DomainSid> => [Column::changing("parent")],
        /// At most 64 characters.
        friendly_name: String => [Column::changing("friendly_name").shown("friendly_name")],
        /// Where a call's first document is fetched; without one, calls are refused.
        voice_url: Option<String> => [Column::changing("voice_url").shown("voice_url")],
        /// Method of `voice_url`.
        voice_method: HttpMethod => [Column::changing("voice_method").shown("voice_method")],
        /// Fetched when `voice_url` fails.
        voice_fallback_url: Option<String> => [Column::changing("voice_fallback_url").shown("voice_fallback_url")],
        /// Method of `voice_fallback_url`.
        voice_fallback_method: HttpMethod => [Column::changing("voice_fallback_method").shown("voice_fallback_method")],
        /// Notified when a call ends.
        voice_status_callback_url: Option<String> => [Column::changing("voice_status_callback_url").shown("voice_status_callback_url")],
        /// Method of `voice_status_callback_url`.
        voice_status_callback_method: HttpMethod => [Column::changing("voice_status_callback_method").shown("voice_status_callback_method")],
        /// Whether REGISTER is accepted.
        sip_registration: bool => [Column::changing("sip_registration").shown_as_boolean("sip_registration")],
        /// Whether emergency calls are routed. Always false: the API refuses to set it.
        emergency_calling_enabled: bool => [Column::changing("emergency_calling_enabled").shown_as_boolean("emergency_calling_enabled")],
        /// Whether only TLS and SRTP are accepted.
        secure: bool => [Column::changing("secure").shown_as_boolean("secure")],
        /// A trunk's SID, kept and echoed.
        byoc_trunk_sid: Option<String> => [Column::changing("byoc_trunk_sid").shown("byoc_trunk_sid")],
        /// A number's SID, kept and echoed.
        emergency_caller_sid: Option<String> => [Column::changing("emergency_caller_sid").shown("emergency_caller_sid")],
        /// Creation, in milliseconds since 1970.
        created_ms: i64 => [Column::fixed("created_ms").shown_as_date("date_created")],
        /// Last change, in milliseconds since 1970.
        updated_ms: i64 => [Column::changing("updated_ms").shown_as_date("date_updated")],
        /// Goes up by one with each update.
        revision: u64 => [Column::changing("revision")],
    }
    described as {
        table: "domains",
        limit: DOMAINS_ACCOUNT_MAX,
        limit_reached: (Code::DOMAINS_MAX, "SIP domains of an account"),
        name_taken: (Code::DOMAIN_NAME, "This DomainName is already taken"),
        // Mappings do not keep a domain: they go with it. A subdomain does, because it needs the owner of
        // the name above.
        in_use: (Code::DOMAIN_HAS_SUBDOMAINS, "The SIP domain still has subdomains"),
        // The labels and not the name: `a` under our suffix and under the contract's is one
        // domain (sip.md 1).
        unique: &[&["labels"]],
        collections: &[Collection::new("Accounts/{account_sid}/SIP/Domains", "domains")],
        below: &[
            ("credential_list_mappings", "CredentialListMappings"),
            ("ip_access_control_list_mappings", "IpAccessControlListMappings"),
        ],
        constants: &[("api_version", Constant::Text("2010-04-01"))],
        derived: &[Derived::AuthType],
    }
    /// Parameters of a SIP domain.
    taking DomainParameters {
        /// A name in the node's suffix or in the contract's.
        domain_name: String => Parameter::new("DomainName", Form::Text, Code::DOMAIN_NAME).required(On::Create),
        /// Default: the domain name.
        friendly_name: String =>
            Parameter::new("FriendlyName", Form::Name(FRIENDLY_NAME_CHARACTERS_MAX), Code::DOMAIN_PARAMETER),
        /// See [`Domain::voice_url`].
        voice_url: String => Parameter::new("VoiceUrl", Form::Url, Code::DOMAIN_PARAMETER),
        /// See [`Domain::voice_method`].
        voice_method: HttpMethod => Parameter::new("VoiceMethod", Form::Method, Code::DOMAIN_PARAMETER).default("POST"),
        /// See [`Domain::voice_fallback_url`].
        voice_fallback_url: String => Parameter::new("VoiceFallbackUrl", Form::Url, Code::DOMAIN_PARAMETER),
        /// See [`Domain::voice_fallback_method`].
        voice_fallback_method: HttpMethod => Parameter::new("VoiceFallbackMethod", Form::Method, Code::DOMAIN_PARAMETER).default("POST"),
        /// See [`Domain::voice_status_callback_url`].
        voice_status_callback_url: String => Parameter::new("VoiceStatusCallbackUrl", Form::Url, Code::DOMAIN_PARAMETER),
        /// See [`Domain::voice_status_callback_method`].
        voice_status_callback_method: HttpMethod => Parameter::new("VoiceStatusCallbackMethod", Form::Method, Code::DOMAIN_PARAMETER).default("POST"),
        /// See [`Domain::sip_registration`].
        sip_registration: bool => Parameter::new("SipRegistration", Form::Boolean, Code::INVALID_PARAMETER).default("false"),
        /// Refused: a domain that only seems to route emergency calls is worse than one that does not.
        emergency_calling_enabled: bool =>
            Parameter::new("EmergencyCallingEnabled", Form::Boolean, Code::INVALID_PARAMETER).default("false").refused(
                Code::DOMAIN_PARAMETER,
                "EmergencyCallingEnabled cannot be set: emergency calling, with its route to a carrier and its \
                 call-back number, is not built in this version of the gateway",
            ),
        /// See [`Domain::secure`].
        secure: bool => Parameter::new("Secure", Form::Boolean, Code::INVALID_PARAMETER).default("false"),
        /// Can only be cleared.
        byoc_trunk_sid: String => Parameter::new("ByocTrunkSid", Form::Sid("BY"), Code::DOMAIN_PARAMETER).refused(
            Code::BYOC_TRUNK_SID,
            "ByocTrunkSid is unknown: BYOC trunks are not built in this version of the gateway",
        ),
        /// Can only be cleared.
        emergency_caller_sid: String =>
            Parameter::new("EmergencyCallerSid", Form::Sid("PN"), Code::DOMAIN_PARAMETER).refused(
                Code::DOMAIN_PARAMETER,
                "EmergencyCallerSid cannot be set: emergency calling is not built in this version of the gateway",
            ),
    }
}

impl Stored for DomainLabels {
    fn put(&self, values: &mut Vec<Value>) {
        values.push(Value::Text(self.as_str().to_owned()));
    }

    fn take(values: &mut impl Iterator<Item = Value>) -> Option<Self> {
        Self::parse(&String::take(values)?).ok()
    }
}

/// The method of a webhook request.
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

// The order of the variants matters: ranges over mappings begin at the first variant with SID 0.
/// A list mapped to a domain, and for what. The legacy mapping resources
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
    /// IP lists for calls, `Auth/Calls/IpAccessControlListMappings`.
    CallsIpAccessControlList,
    /// Credential lists for calls, `Auth/Calls/CredentialListMappings`.
    CallsCredentialList,
    /// Credential lists for registrations, `Auth/Registrations/CredentialListMappings`.
    RegistrationsCredentialList,
}

/// Which kinds of lists a domain has for calls. With none it refuses all calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DomainAuth {
    /// At least one IP access control list.
    pub ip_access_control_list: bool,
    /// At least one credential list.
    pub credential_list: bool,
}

impl DomainAuth {
    /// The contract's word for the lists. Empty without any.
    pub const fn name(self) -> &'static str {
        match (self.ip_access_control_list, self.credential_list) {
            (false, false) => "",
            (true, false) => "IP_ACL",
            (false, true) => "CREDENTIAL_LIST",
            // Both are named: a call must pass both (sip.md 2).
            (true, true) => "IP_ACL,CREDENTIAL_LIST",
        }
    }
}

/// One list mapped to one domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// The SID of the domain.
    pub domain: DomainSid,
    /// The list and what it is for.
    pub list: MappedList,
    /// Creation, in milliseconds since 1970.
    pub created_ms: i64,
}
