//! What the layer above sends: an INVITE, or a request outside of dialogs. Sans-IO.

use shared::Extensions;

use crate::digest::client::{Authorization, Credentials};
use crate::flow::Destination;
use crate::header::ExtraHeader;
#[cfg(doc)]
use crate::message::INITIAL_MAX_FORWARDS;
use crate::message::{CallId, Method};
use crate::offer_answer::LocalMedia;
use crate::parameters::Parameters;
use crate::uri::Uri;

/// An INVITE to send.
#[derive(Clone, Debug)]
pub struct Invite {
    /// Where to, first to last; the next is tried on silence, on 503 and when a send fails.
    pub destinations: Vec<Destination>,
    /// The Request-URI.
    pub request_uri: Uri,
    /// URI of To.
    pub to: Uri,
    /// URI of From.
    pub from: Uri,
    /// Display name of From.
    pub from_display: Option<String>,
    /// User part of our Contact; empty for none.
    pub contact_user: String,
    /// More headers.
    pub headers: Vec<ExtraHeader>,
    /// Our side of the media.
    pub media: LocalMedia,
    /// Whether the offer goes into the INVITE; else the peer offers and our answer is in the ACK.
    pub late_offer: bool,
    /// For the challenges of this call alone.
    pub credentials: Option<Credentials>,
    /// Route set known beforehand (an outbound proxy, a Path), first hop first, without brackets.
    pub route: Vec<Uri>,
    /// When the next destination is tried, and by what transport.
    pub attempts: Attempts,
    /// What the session gets beyond the contract's own methods.
    pub extensions: Extensions,
    /// `Max-Forwards`: [`INITIAL_MAX_FORWARDS`], or one less than the call has that this one
    /// continues (RFC 7332 §4).
    pub max_forwards: u8,
}

/// How an INVITE of ours goes through its destinations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attempts {
    /// Which refusals mean the next destination.
    pub failover: Failover,
    /// The URI names no transport: a request that is too large for a datagram goes by TCP where the
    /// peer takes it (RFC 3261 §18.1.1).
    pub may_use_tcp: bool,
    /// The peer is registered by the destination's flow: requests in the dialog go back along it,
    /// whatever its Contact says.
    pub stays_on_flow: bool,
}

/// Which refusals mean the next destination. Silence and a failed send always do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Failover {
    /// 503 alone (RFC 3263 §4.3).
    #[default]
    Unavailable,
    /// All but those that decide the call (contract sip-interface.md section 8).
    UnlessDecided,
}

impl Failover {
    /// Whether this final status sends the call to the next destination.
    pub const fn goes_on(self, status: u16) -> bool {
        match self {
            Self::Unavailable => status == 503,
            Self::UnlessDecided => !matches!(
                status,
                0..=400 | 404 | 405 | 410 | 416 | 482 | 484 | 486 | 487 | 600..
            ),
        }
    }
}

/// A request outside of dialogs to send. Not INVITE, ACK, BYE or CANCEL.
#[derive(Clone, Debug)]
pub struct OutgoingRequest {
    /// The method.
    pub method: Method,
    /// Where to, first to last; the next is tried on silence, on 503 and when a send fails.
    pub destinations: Vec<Destination>,
    /// The Request-URI; of a REGISTER the registrar, without a user (RFC 3261 §10.2).
    pub request_uri: Uri,
    /// URI of To; of a REGISTER the address of record.
    pub to: Uri,
    /// URI of From.
    pub from: Uri,
    /// Our Contact, if there is to be one.
    pub contact: Option<OwnContact>,
    /// The `Responded::sequence` of the request that this one follows: a registration keeps its
    /// Call-ID, and its CSeq rises (RFC 3261 §10.2.4). `None` starts anew.
    pub continues: Option<Sequence>,
    /// More headers.
    pub headers: Vec<ExtraHeader>,
    /// For the challenges of this request alone.
    pub credentials: Option<Credentials>,
    /// Route set known beforehand, first hop first, without brackets.
    pub route: Vec<Uri>,
}

/// A Contact of ours: its host is our address towards wherever the request goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnContact {
    /// User part; empty for none.
    pub user: String,
    /// Parameters behind the URI: `expires`, `q`.
    pub parameters: Parameters,
}

/// What requests that follow each other have in common. Opaque: out of one, into the next.
#[derive(Clone, Debug)]
pub struct Sequence {
    pub(super) call_id: CallId,
    /// Of the last request that was sent.
    pub(super) cseq: u32,
    /// The challenge that was answered last; used again until the server asks anew (§22.3).
    pub(super) authorization: Option<Authorization>,
}
