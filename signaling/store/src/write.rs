//! Writes of the REST API, and the replies to them. Sans-IO.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

use shared::{
    AccountSid, BindingSid, CallSid, CredentialListSid, CredentialSid, DomainSid,
    IpAccessControlListSid, IpAddressSid, KeySid, RecordingSid,
};

use crate::account::{Account, AccountStatus, Key};
use crate::calls::CallRecord;
use crate::credential::{Credential, CredentialList, IpAccessControlList, IpAddress};
use crate::domain::{Domain, HttpMethod, MappedList, Mapping};
use crate::patch::Patch;
use crate::record::RecordingRecord;
use crate::secret::Secret;

/// One write of the REST API. Every variant acts on the account of the request's path, which
/// [`crate::Snapshot::check`] gets beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write {
    /// `POST Accounts`: a sub-account of the path's account.
    CreateAccount {
        /// Default: `SubAccount Created at …`.
        friendly_name: Option<String>,
    },
    /// `POST Accounts/{sid}`: the path's account itself.
    UpdateAccount {
        /// New name; `None` keeps the old one.
        friendly_name: Option<String>,
        /// New status; `None` keeps the old one.
        status: Option<AccountStatus>,
        /// The account whose credentials were used: this one, or its parent.
        by: AccountSid,
    },
    /// `POST Keys`, `POST SigningKeys`.
    CreateKey {
        /// `None` leaves the name empty.
        friendly_name: Option<String>,
    },
    /// `POST Keys/{sid}`.
    UpdateKey {
        /// The key of the path.
        key: KeySid,
        /// New name; `None` keeps the old one.
        friendly_name: Option<String>,
    },
    /// `DELETE Keys/{sid}`.
    DeleteKey(KeySid),
    /// `POST SIP/Domains`.
    CreateDomain(Box<DomainFields>),
    /// `POST SIP/Domains/{sid}`.
    UpdateDomain {
        /// The domain of the path.
        domain: DomainSid,
        /// New values of the fields that change.
        fields: Box<DomainFields>,
    },
    /// `DELETE SIP/Domains/{sid}`. Its mappings go with it.
    DeleteDomain(DomainSid),
    /// `POST …Mappings` of a domain.
    CreateMapping {
        /// The domain of the path.
        domain: DomainSid,
        /// The list, and what it is mapped for.
        list: MappedList,
    },
    /// `DELETE …Mappings/{sid}`.
    DeleteMapping {
        /// The domain of the path.
        domain: DomainSid,
        /// The list, and what it is mapped for.
        list: MappedList,
    },
    /// `POST SIP/CredentialLists`.
    CreateCredentialList {
        /// Required: empty is refused.
        friendly_name: String,
    },
    /// `POST SIP/CredentialLists/{sid}`.
    UpdateCredentialList {
        /// The list of the path.
        list: CredentialListSid,
        /// Required: empty is refused.
        friendly_name: String,
    },
    /// `DELETE SIP/CredentialLists/{sid}`. Its credentials go with it.
    DeleteCredentialList(CredentialListSid),
    /// `POST …/Credentials`.
    CreateCredential {
        /// The list.
        list: CredentialListSid,
        /// Required: empty is refused.
        username: String,
        /// Required: empty or weak is refused.
        password: Secret,
    },
    /// `POST …/Credentials/{sid}`: only the password can change.
    UpdateCredential {
        /// The list of the path.
        list: CredentialListSid,
        /// The credential of the path.
        credential: CredentialSid,
        /// Required: empty or weak is refused.
        password: Secret,
    },
    /// `DELETE …/Credentials/{sid}`.
    DeleteCredential {
        /// The list of the path.
        list: CredentialListSid,
        /// The credential of the path.
        credential: CredentialSid,
    },
    /// `POST SIP/IpAccessControlLists`.
    CreateIpAccessControlList {
        /// Required: empty is refused.
        friendly_name: String,
    },
    /// `POST SIP/IpAccessControlLists/{sid}`.
    UpdateIpAccessControlList {
        /// The list of the path.
        list: IpAccessControlListSid,
        /// Required: empty is refused.
        friendly_name: String,
    },
    /// `DELETE SIP/IpAccessControlLists/{sid}`. Its addresses go with it.
    DeleteIpAccessControlList(IpAccessControlListSid),
    /// `POST …/IpAddresses`.
    CreateIpAddress {
        /// The list.
        list: IpAccessControlListSid,
        /// Required: empty is refused.
        friendly_name: String,
        /// Required; version 4 or 6.
        address: IpAddr,
        /// Length of the prefix; `None` is the single address.
        prefix: Option<u8>,
    },
    /// `POST …/IpAddresses/{sid}`.
    UpdateIpAddress {
        /// The list of the path.
        list: IpAccessControlListSid,
        /// The address of the path.
        ip_address: IpAddressSid,
        /// New name; `None` keeps the old one.
        friendly_name: Option<String>,
        /// New address, which keeps the prefix where that fits; `None` keeps the old one.
        address: Option<IpAddr>,
        /// New length of the prefix; `None` keeps the old one.
        prefix: Option<u8>,
    },
    /// `DELETE …/IpAddresses/{sid}`.
    DeleteIpAddress {
        /// The list of the path.
        list: IpAccessControlListSid,
        /// The address of the path.
        ip_address: IpAddressSid,
    },
    /// `DELETE SIP/Domains/{sid}/Registrations/{sid}`: calls no longer reach the phone.
    DeleteBinding {
        /// The domain of the path.
        domain: DomainSid,
        /// The binding of the path.
        binding: BindingSid,
    },
    /// `DELETE Calls/{sid}`: only of an ended call (20009). The database decides, as the snapshot holds no calls.
    DeleteCall(CallSid),
    /// `DELETE Recordings/{sid}`: only of one that has ended.
    DeleteRecording {
        /// The recording of the path.
        recording: RecordingSid,
        /// The call of the path, where the path had one.
        call: Option<CallSid>,
    },
}

/// Parameters of a SIP domain, for creation and update alike. URLs are checked for form already.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DomainFields {
    /// Required on creation.
    pub domain_name: Option<String>,
    /// Default: the domain name.
    pub friendly_name: Patch<String>,
    /// See [`Domain::voice_url`].
    pub voice_url: Patch<String>,
    /// See [`Domain::voice_method`].
    pub voice_method: Patch<HttpMethod>,
    /// See [`Domain::voice_fallback_url`].
    pub voice_fallback_url: Patch<String>,
    /// See [`Domain::voice_fallback_method`].
    pub voice_fallback_method: Patch<HttpMethod>,
    /// See [`Domain::voice_status_callback_url`].
    pub voice_status_callback_url: Patch<String>,
    /// See [`Domain::voice_status_callback_method`].
    pub voice_status_callback_method: Patch<HttpMethod>,
    /// See [`Domain::sip_registration`].
    pub sip_registration: Patch<bool>,
    /// See [`Domain::emergency_calling_enabled`].
    pub emergency_calling_enabled: Patch<bool>,
    /// See [`Domain::secure`].
    pub secure: Patch<bool>,
    /// See [`Domain::byoc_trunk_sid`].
    pub byoc_trunk_sid: Patch<String>,
    /// See [`Domain::emergency_caller_sid`].
    pub emergency_caller_sid: Patch<String>,
}

/// The answer to a write once it is on disk, or to a call command once it is carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// The account as it is now.
    Account(Arc<Account>),
    /// The key as it is now.
    Key {
        /// The row.
        key: Arc<Key>,
        /// Its secret: only at creation.
        secret: Option<Secret>,
    },
    /// The domain as it is now.
    Domain {
        /// The row.
        domain: Arc<Domain>,
        /// Which kinds of lists are mapped for calls: gives `auth_type`.
        auth: DomainAuth,
    },
    /// The mapping, identified by its list.
    Mapping(MappingView),
    /// The list as it is now.
    CredentialList(Arc<CredentialList>),
    /// The credential as it is now.
    Credential(Arc<Credential>),
    /// The list as it is now.
    IpAccessControlList(Arc<IpAccessControlList>),
    /// The address as it is now.
    IpAddress(Arc<IpAddress>),
    /// The call as it is now.
    Call(Arc<CallRecord>),
    /// The recording as it is now.
    Recording(Arc<RecordingRecord>),
    /// A live call's timeline so far, as JSON. `None` where the call has ended: the store has it.
    Timeline(Option<String>),
    /// The resource is deleted.
    Deleted,
}

/// Which kinds of lists a domain has for calls. With none it refuses all calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DomainAuth {
    /// At least one IP access control list.
    pub ip_access_control_list: bool,
    /// At least one credential list.
    pub credential_list: bool,
}

/// A mapping as the API shows it: under the SID of its list, as it has none of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MappingView {
    /// The account of domain and list.
    pub account: AccountSid,
    /// The mapping.
    pub mapping: Mapping,
    /// The list's name.
    pub friendly_name: String,
}

/// The reason a request is refused, in the contract's terms. Always the customer's error, except 503.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct WriteError {
    /// HTTP status.
    pub status: u16,
    /// The contract's code.
    pub code: u32,
    /// A sentence for the customer. Empty with 20404: the API names the path then.
    pub message: Cow<'static, str>,
    /// The methods that the resource has, for `Allow` (RFC 9110 §15.5.6); empty except with 405.
    pub allow: &'static str,
}

impl WriteError {
    /// A refusal with status 400.
    pub fn invalid(code: u32, message: impl Into<Cow<'static, str>>) -> Self {
        Self { status: 400, code, message: message.into(), allow: "" }
    }

    /// A refusal with any status.
    pub fn new(status: u16, code: u32, message: impl Into<Cow<'static, str>>) -> Self {
        Self { status, code, message: message.into(), allow: "" }
    }

    /// The account has no such resource.
    pub const fn not_found() -> Self {
        Self { status: 404, code: 20404, message: Cow::Borrowed(""), allow: "" }
    }

    /// The store cannot take writes now (disk full, queue full). Nothing was done.
    pub const fn unavailable() -> Self {
        Self {
            status: 503,
            code: 20503,
            message: Cow::Borrowed("The store cannot take writes right now. Nothing was changed."),
            allow: "",
        }
    }
}
