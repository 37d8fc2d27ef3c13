//! The SIP side of a call, from no session to its end.

use std::net::IpAddr;

use call::OutboundLeg;
use shared::{CallSid, TlsFailure};
use sip::SessionId;

/// Where the call stands in SIP. An outgoing call goes `None` → `Resolving` → `Live` → `Over`, and back
/// to `Resolving` for each further target; an incoming one begins `Live`. A call between two calls here is `Linked`
/// from the beginning to `Over`.
#[derive(Debug)]
pub(crate) enum Session {
    /// Nothing is sent yet.
    None,
    /// The target is being resolved.
    Resolving { id: SessionId, invite: Box<PendingInvite> },
    /// Another call of this gateway is the far party, and no SIP is exchanged. The other call's session names this one,
    /// and both end at once.
    Linked { other: CallSid },
    /// The user agent has it. `call_id` is empty until it is first read.
    Live { id: SessionId, call_id: String, peer: Option<IpAddr> },
    /// It ended, or was never established.
    Over,
}

impl Session {
    /// The address that its SIP comes from, once it is known.
    pub const fn peer(&self) -> Option<IpAddr> {
        match self {
            Self::Live { peer, .. } => *peer,
            Self::None | Self::Resolving { .. } | Self::Linked { .. } | Self::Over => None,
        }
    }

    /// Its id, while it has one.
    pub const fn id(&self) -> Option<SessionId> {
        match self {
            Self::Resolving { id, .. } | Self::Live { id, .. } => Some(*id),
            Self::None | Self::Linked { .. } | Self::Over => None,
        }
    }
}

/// An outgoing INVITE: what is needed to send it, and to send it to another target.
#[derive(Clone, Debug)]
pub(crate) struct PendingInvite {
    pub leg: OutboundLeg,
    /// Index of the trunk and of its target, for a telephone number.
    pub trunk: Option<(usize, usize)>,
    /// A 3xx response sent it elsewhere: that happens once.
    pub was_redirected: bool,
    /// `Max-Forwards` of the INVITE: the call's, one less after a redirect.
    pub max_forwards: u8,
    /// Why the TLS handshake with the current peer failed: the user agent reports it just before it gives
    /// the peer up.
    pub tls_failure: Option<TlsFailure>,
}
