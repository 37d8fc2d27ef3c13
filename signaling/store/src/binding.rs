//! Registered contacts as they are kept, so that they outlive the process. Sans-IO.

use std::net::SocketAddr;

use shared::{AccountSid, BindingSid, DomainSid};

/// A contact of a SIP user (contract sip-interface.md §6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BindingRecord {
    /// Its SID.
    pub sid: BindingSid,
    /// The account of its domain.
    pub account: AccountSid,
    /// The domain of the user.
    pub domain: DomainSid,
    /// The user.
    pub user: String,
    /// The Contact as the phone sent it, without `expires`. May not be UTF-8.
    pub contact: Vec<u8>,
    /// Values of Path; empty without any.
    pub path: Vec<u8>,
    /// Call-ID of the REGISTER that set it.
    pub call_id: String,
    /// CSeq of that REGISTER.
    pub cseq: u32,
    /// What it is reached by.
    pub transport: BindingTransport,
    /// The phone's address as our socket saw it.
    pub remote: SocketAddr,
    /// The address of ours that the phone knows.
    pub local: SocketAddr,
    /// The edge it was made through.
    pub edge: String,
    /// `+sip.instance`, with its flow number.
    pub outbound: Option<(String, u32)>,
    /// `User-Agent`.
    pub user_agent: String,
    /// When it was made first, Unix milliseconds.
    pub created_ms: i64,
    /// When it was set last, Unix milliseconds.
    pub updated_ms: i64,
    /// When it ends, Unix milliseconds.
    pub expires_ms: i64,
}

/// What a binding is reached by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BindingTransport {
    /// Datagrams.
    Udp,
    /// A connection: gone with the process, and the binding with it.
    Tcp,
    /// A connection over TLS: likewise.
    Tls,
}

impl BindingTransport {
    /// The word for it.
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

/// What one REGISTER, a lost connection or the clock changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BindingChanges {
    /// New, or newer.
    pub put: Vec<BindingRecord>,
    /// Gone.
    pub removed: Vec<BindingSid>,
}
