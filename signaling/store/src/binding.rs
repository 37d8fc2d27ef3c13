//! Registered contacts as they are kept, so that they outlive the process. Sans-IO.

use std::net::SocketAddr;

use shared::{AccountSid, BindingSid, Code, DomainSid, Transport};

use crate::filter::Filter;
use crate::parameter::Form;

/// A contact that a SIP user registered (RFC 3261 §10).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BindingRecord {
    /// Named by the API; a REGISTER that refreshes the contact keeps it.
    pub sid: BindingSid,
    /// The account of its domain.
    pub account: AccountSid,
    /// The domain the user registered at.
    pub domain: DomainSid,
    /// User part of the address of record.
    pub user: String,
    /// The Contact as the phone sent it, without `expires`. May not be UTF-8.
    pub contact: Vec<u8>,
    /// Values of Path (RFC 3327), as sent; empty without any.
    pub path: Vec<u8>,
    /// Call-ID of the REGISTER that set it.
    pub call_id: String,
    /// CSeq of that REGISTER.
    pub cseq: u32,
    /// Transport that requests to the contact take. Any UDP socket of the gateway reaches a phone,
    /// also after a restart; a TCP or TLS connection ends with the process, and the binding with it.
    pub transport: Transport,
    /// The phone's address as our socket saw it.
    pub remote: SocketAddr,
    /// Our address that the phone sent its REGISTER to.
    pub local: SocketAddr,
    /// Name of the edge that received the REGISTER.
    pub edge: String,
    /// `+sip.instance` and `reg-id` (RFC 5626); `None` where the phone sent neither.
    pub outbound: Option<(String, u32)>,
    /// `User-Agent`.
    pub user_agent: String,
    /// First REGISTER, Unix milliseconds.
    pub created_ms: i64,
    /// Latest REGISTER, Unix milliseconds.
    pub updated_ms: i64,
    /// Expiry unless refreshed, Unix milliseconds.
    pub expires_ms: i64,
}

impl BindingRecord {
    /// Filters of the list of a domain's contacts.
    pub const FILTERS: &'static [Filter] =
        &[Filter::equal("Username", "user", Form::Text, Code::INVALID_PARAMETER)];
}

/// Contacts that one REGISTER, a lost connection or the clock changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BindingChanges {
    /// New, or newer.
    pub put: Vec<BindingRecord>,
    /// Bindings to delete: expired, removed, or replaced.
    pub removed: Vec<BindingSid>,
}
