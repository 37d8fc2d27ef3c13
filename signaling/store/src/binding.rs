//! Registered contacts as they are kept, so that they outlive the process. Sans-IO.

use std::net::SocketAddr;

use shared::{AccountSid, BindingSid, DomainSid};

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
    /// Transport that requests to the contact take.
    pub transport: BindingTransport,
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

/// Transport that requests to a contact take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BindingTransport {
    /// Any socket of the gateway reaches it, also after a restart.
    Udp,
    /// The connection ends with the process, and the binding with it.
    Tcp,
    /// As TCP: the connection ends with the process, and the binding with it.
    Tls,
}

impl BindingTransport {
    /// The word that the database keeps and the API shows.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
        }
    }

    /// The inverse of [`BindingTransport::name`].
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Udp, Self::Tcp, Self::Tls].into_iter().find(|transport| transport.name() == name)
    }
}

/// Contacts that one REGISTER, a lost connection or the clock changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BindingChanges {
    /// New, or newer.
    pub put: Vec<BindingRecord>,
    /// Gone.
    pub removed: Vec<BindingSid>,
}
