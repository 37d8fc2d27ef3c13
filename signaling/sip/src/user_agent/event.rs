//! What comes out of the user agent: bytes for the network, and events for the layer above. Sans-IO.

use std::net::SocketAddr;

use shared::{NegotiatedMedia, Refusal, TlsFailure};

#[cfg(doc)]
use super::config::UaConfig;
use super::incoming::Incoming;
use super::outgoing::Sequence;
use crate::flow::{CloseReason, FlowId, SendTo, SendToken, Transport};
use crate::header::Headers;
use crate::ids::{RequestId, SessionId};
use crate::name_addr::{Contacts, NameAddr};
use crate::refer_to::ReferTo;

/// Out of the user agent.
#[derive(Debug)]
pub enum Effect {
    /// Put these bytes on the network.
    Send {
        /// Where.
        to: SendTo,
        /// A whole message, or a keep-alive.
        bytes: Box<[u8]>,
        /// For `Input::SendFailed`.
        token: SendToken,
    },
    /// Close a connection.
    CloseFlow {
        /// Which.
        flow: FlowId,
        /// Why.
        reason: CloseReason,
    },
    /// Something happened that the layer above decides or records.
    Event(UaEvent),
}

/// What the layer above learns.
#[derive(Debug)]
pub enum UaEvent {
    /// A request outside of a dialog: INVITE, OPTIONS, REGISTER.
    Incoming(Box<Incoming>),
    /// A request for a dialog or a transaction that there is not: to be answered with 481, or not at
    /// all. Never where [`UaConfig::meets_strangers`] is `false`: it is answered at once there.
    Stray(Box<Incoming>),
    /// A provisional response to our INVITE (not 100).
    Progress {
        /// The session.
        session: SessionId,
        /// 101 to 199.
        status: u16,
        /// What its SDP came to.
        media: Option<NegotiatedMedia>,
        /// Its headers.
        headers: Box<Headers>,
    },
    /// A 2xx to our INVITE; its ACK is sent.
    Answered {
        /// The session.
        session: SessionId,
        /// What offer and answer came to.
        media: NegotiatedMedia,
        /// Its headers.
        headers: Box<Headers>,
        /// Where the peer is: for the latch.
        peer: SocketAddr,
    },
    /// A final refusal of our INVITE. The session is gone.
    Rejected {
        /// The session.
        session: SessionId,
        /// 300 to 699: the peer's, or 408 for silence, 503 for no way to send (RFC 3261 §8.1.3.1).
        status: u16,
        /// Reason phrase.
        reason: String,
        /// Its headers; `None` where no response came.
        headers: Option<Box<Headers>>,
        /// Its Contacts: where a 3xx sends us, best first.
        contacts: Contacts,
        /// The destination that was tried last; `None` where nothing was sent.
        peer: Option<SocketAddr>,
    },
    /// A message that cannot be read was answered or dropped.
    Broken {
        /// What is wrong with it.
        refusal: Box<Refusal>,
        /// From where.
        source: SocketAddr,
    },
    /// A message was left unread, or unanswered, because its source asks too much: to be counted.
    Unheard {
        /// The rule that fired.
        rule: &'static str,
    },
    /// TLS with the peer of a session did not come about, so a request of the session was not sent. What
    /// that means for the session follows: `FailedOver`, `Rejected` or its end.
    TlsFailed {
        /// The session.
        session: SessionId,
        /// The peer.
        peer: SocketAddr,
        /// Why.
        failure: TlsFailure,
    },
    /// A destination of our INVITE was given up; the next one is being tried.
    FailedOver {
        /// The session.
        session: SessionId,
        /// The peer's refusal, 408 for its silence, 503 for no way to send.
        status: u16,
        /// Whether the peer said so itself.
        is_answer: bool,
        /// The destination that was given up.
        peer: SocketAddr,
    },
    /// What `Command::Request` came to.
    Responded(Box<Responded>),
    /// The ACK of our 200 arrived.
    Confirmed {
        /// The session.
        session: SessionId,
        /// What offer and answer came to, when the answer was in the ACK.
        media: Option<NegotiatedMedia>,
    },
    /// What our first answer came to: told right after `Command::Progress` or `Command::Answer`.
    Negotiated {
        /// The session.
        session: SessionId,
        /// The outcome.
        media: NegotiatedMedia,
    },
    /// The user agent itself refused an INVITE that was admitted or answered: an objection, no
    /// room, an offer that holds nothing we can take. The session is gone.
    Refused {
        /// The session.
        session: SessionId,
        /// Status as sent, rule, code and sentence.
        refusal: Refusal,
    },
    /// The peer took its INVITE back. The session is gone; 487 is sent.
    Canceled {
        /// The session.
        session: SessionId,
        /// The `Reason` header of the CANCEL.
        reason: Option<String>,
    },
    /// The peer offers other media in the dialog; answer with `Command::AnswerOffer`.
    Offer {
        /// The session.
        session: SessionId,
        /// The direction the peer's offer leaves us (hold, resume).
        direction: shared::Direction,
    },
    /// The media changed: an offer of either side was accepted.
    Renegotiated {
        /// The session.
        session: SessionId,
        /// The outcome.
        media: NegotiatedMedia,
    },
    /// The user agent refused an offer of the peer in the dialog; the session and its media stay as they were.
    OfferRefused {
        /// The session.
        session: SessionId,
        /// `INVITE` or `UPDATE`.
        method: &'static str,
        /// Status as sent, rule, code and sentence.
        refusal: Refusal,
    },
    /// The peer refused our `Reoffer`; the media stay as they were.
    ReofferRefused {
        /// The session.
        session: SessionId,
        /// Status, 408 for silence.
        status: u16,
    },
    /// The peer pressed a key and says so by INFO.
    Digit {
        /// The session.
        session: SessionId,
        /// `0-9 * # A-D`.
        digit: u8,
        /// How long, in milliseconds.
        duration_ms: u32,
    },
    /// The peer asks us to call somebody else; answer with `Command::AnswerRefer`.
    Refer {
        /// The session.
        session: SessionId,
        /// Whom.
        refer: Box<ReferTo>,
    },
    /// The final response to our REFER.
    ReferAnswered {
        /// The session.
        session: SessionId,
        /// 202, or why not; 408 for silence.
        status: u16,
    },
    /// What the peer tells of our REFER. It may come before `ReferAnswered`.
    ReferProgress {
        /// The session.
        session: SessionId,
        /// The status in the fragment, if it has one.
        status: Option<u16>,
        /// The peer tells no more.
        is_over: bool,
    },
    /// The session is gone.
    Ended {
        /// The session.
        session: SessionId,
        /// Why.
        cause: EndCause,
        /// Headers of the peer's BYE, or of its response to ours.
        headers: Option<Box<Headers>>,
    },
    /// A message went by: one line for a call's timeline and the log.
    Trace(Box<Trace>),
}

/// Why a session that had been answered (or canceled by us) ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EndCause {
    /// The peer's BYE; `reason` is its `Reason` header.
    RemoteBye {
        /// The header's value.
        reason: Option<String>,
    },
    /// `Command::Bye` was carried out.
    LocalBye,
    /// `Command::Cancel` was carried out.
    LocalCancel,
    /// No ACK came for our 200 within 64·T1 (contract code 32022); BYE is sent.
    AckTimeout,
    /// The peer does not know the dialog any more, or a request in it timed out (RFC 3261 §12.2.1.2).
    DialogLost {
        /// 481 or 408.
        status: u16,
    },
    /// The session timer ran out without a refresh (RFC 4028 §10); BYE is sent.
    SessionExpired,
    /// An SDP answer that cannot be used, in a 2xx or in an ACK; BYE is sent.
    BadAnswer {
        /// The status of the 2xx; `None`: it was an ACK.
        status: Option<u16>,
        /// What is wrong with it.
        reason: String,
    },
    /// The session was lost in a panic of ours. Nothing more can be sent for it.
    Internal,
}

/// What a request outside of dialogs came to.
#[derive(Clone, Debug)]
pub struct Responded {
    /// Which.
    pub request: RequestId,
    /// 200 to 699: the peer's, or 408 for silence, 503 for no way to send (RFC 3261 §8.1.3.1), 500
    /// for what cannot be sent at all.
    pub status: u16,
    /// Reason phrase.
    pub reason: String,
    /// Headers of the response; `None` where none came.
    pub headers: Option<Headers>,
    /// Contacts of the response; of a 2xx to REGISTER all bindings there are (§10.3).
    pub contacts: Contacts,
    /// Our Contact as the request showed it.
    pub own_contact: Option<NameAddr>,
    /// For the request that follows; `None` where nothing was sent.
    pub sequence: Option<Sequence>,
}

impl Responded {
    /// No response, for nothing was sent, or it was lost here.
    pub(super) fn nothing(request: RequestId, status: u16, reason: &str) -> Self {
        Self {
            request,
            status,
            reason: reason.to_owned(),
            headers: None,
            contacts: Contacts::none(),
            own_contact: None,
            sequence: None,
        }
    }
}

/// Which way a traced message went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TraceDirection {
    /// From the peer.
    Received,
    /// To the peer.
    Sent,
}

/// Whose timeline a message belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TraceOwner {
    /// A session.
    Session(SessionId),
    /// A request of ours outside of dialogs.
    Request(RequestId),
}

impl From<SessionId> for TraceOwner {
    fn from(session: SessionId) -> Self {
        Self::Session(session)
    }
}

/// One SIP message of a session or request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    /// Whose.
    pub owner: TraceOwner,
    /// Which way.
    pub direction: TraceDirection,
    /// `INVITE`, or `180 Ringing (INVITE)`. Never a URI, a number or a digit.
    pub summary: String,
    /// The peer.
    pub peer: SocketAddr,
    /// How it travelled.
    pub transport: Transport,
}
