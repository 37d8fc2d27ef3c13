//! Requests that the layer above sends: an INVITE, or a request outside of dialogs. Sans-IO.

use shared::{Extensions, Header};

use crate::digest::client::{Authorization, Credentials};
use crate::flow::Destination;
#[cfg(doc)]
use crate::message::INITIAL_MAX_FORWARDS;
use crate::message::{CallId, Method};
use crate::offer_answer::LocalMedia;
use crate::parameters::Parameters;
use crate::uri::Uri;

/// An INVITE to send.
#[derive(Clone, Debug)]
pub struct Invite {
    /// Destinations in the order to try them. The next one follows silence, a 503 or a failed send.
    pub destinations: Vec<Destination>,
    /// The Request-URI.
    pub request_uri: Uri,
    /// URI of To.
    pub to: Uri,
    /// URI of From.
    pub from: Uri,
    /// Display name of From.
    pub from_display: Option<String>,
    /// User part of our Contact; empty for a Contact without one.
    pub contact_user: String,
    /// Additional headers.
    pub headers: Vec<Header>,
    /// Our side of the media.
    pub media: LocalMedia,
    /// Send no offer in the INVITE: the peer offers in its 2xx, and our ACK carries the answer.
    pub late_offer: bool,
    /// Answer challenges to this call; `None`: a challenge is a refusal.
    pub credentials: Option<Credentials>,
    /// Preloaded route set (an outbound proxy, a Path), first hop first, without brackets.
    pub route: Vec<Uri>,
    /// When the next destination is tried, and by what transport.
    pub attempts: Attempts,
    /// Extensions that the session may use.
    pub extensions: Extensions,
    /// Metadata (RFC 7865) of a recording session that this INVITE begins; `media.recording` and
    /// `extensions.siprec` are set then.
    pub metadata: Option<Vec<u8>>,
    /// `Max-Forwards`: [`INITIAL_MAX_FORWARDS`], or one less than the call has that this one
    /// continues (RFC 7332 §4).
    pub max_forwards: u8,
}

/// How an INVITE proceeds through its destinations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attempts {
    /// Refusals after which the next destination is tried.
    pub failover: Failover,
    /// The URI names no transport: a request that is too large for a datagram goes by TCP where the
    /// peer accepts it (RFC 3261 §18.1.1).
    pub may_use_tcp: bool,
    /// The peer is registered by the destination's flow: requests in the dialog go back along it,
    /// whatever its Contact says.
    pub stays_on_flow: bool,
}

/// Refusals after which the next destination is tried. Silence and a failed send always do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Failover {
    /// 503 alone (RFC 3263 §4.3).
    #[default]
    Unavailable,
    /// All but those that speak for the called party or the number itself, such as 404, 486 and
    /// 6xx: no other destination would answer differently.
    UnlessDecided,
}

impl Failover {
    /// Whether the call goes to the next destination after this final status.
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
    /// Destinations in the order to try them. The next one follows silence, a 503 or a failed send.
    pub destinations: Vec<Destination>,
    /// The Request-URI; of a REGISTER the registrar, without a user (RFC 3261 §10.2).
    pub request_uri: Uri,
    /// URI of To; of a REGISTER the address of record.
    pub to: Uri,
    /// URI of From.
    pub from: Uri,
    /// Our Contact; `None`: the request carries no Contact.
    pub contact: Option<OwnContact>,
    /// The `Responded::sequence` of the request that this one follows: a registration keeps its
    /// Call-ID, and its CSeq rises (RFC 3261 §10.2.4). `None` starts anew.
    pub continues: Option<Sequence>,
    /// Additional headers.
    pub headers: Vec<Header>,
    /// Answer challenges to this request; `None`: a challenge is its final response.
    pub credentials: Option<Credentials>,
    /// Preloaded route set, first hop first, without brackets.
    pub route: Vec<Uri>,
}

/// Our Contact. Its host is our address towards the destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnContact {
    /// User part; empty for none.
    pub user: String,
    /// Parameters behind the URI: `expires`, `q`.
    pub parameters: Parameters,
}

/// State that one request hands to the next of a sequence, such as the refreshes of a registration.
/// Opaque.
#[derive(Clone, Debug)]
pub struct Sequence {
    pub(super) call_id: CallId,
    /// CSeq of the last request sent.
    pub(super) cseq: u32,
    /// The challenge that was answered last; used again until the server asks anew (§22.3).
    pub(super) authorization: Option<Authorization>,
}
