//! Effects of the user agent: bytes for the network, and events for the layer above. Sans-IO.

use std::net::SocketAddr;

use shared::{NegotiatedMedia, Refusal, TlsFailure, Transport};

#[cfg(doc)]
use super::config::UaConfig;
use super::incoming::Incoming;
use super::outgoing::Sequence;
use crate::flow::{CloseReason, FlowId, SendTo, SendToken};
use crate::header::Headers;
use crate::ids::{RequestId, SessionId};
use crate::name_addr::{Contacts, NameAddr};
use crate::refer_to::ReferTo;

/// An effect of the user agent.
#[derive(Debug)]
pub enum Effect {
    /// Put these bytes on the network.
    Send {
        /// The destination.
        to: SendTo,
        /// A whole message, or a keep-alive.
        bytes: Box<[u8]>,
        /// Names the send in `Input::SendFailed`.
        token: SendToken,
    },
    /// Close a connection.
    CloseFlow {
        /// The connection.
        flow: FlowId,
        /// The reason.
        reason: CloseReason,
    },
    /// An event for the layer above.
    Event(UaEvent),
}

/// An event for the layer above to decide on or to record.
#[derive(Debug)]
pub enum UaEvent {
    /// A request outside of a dialog: INVITE, OPTIONS, REGISTER.
    Incoming(Box<Incoming>),
    /// A request in an unknown dialog or transaction. The layer above answers 481, or stays silent.
    /// Where [`UaConfig::limits_sources`] is `false` the user agent answers 481 itself, without
    /// this event.
    Stray(Box<Incoming>),
    /// A provisional response to our INVITE (not 100).
    Progress {
        /// The session.
        session: SessionId,
        /// 101 to 199.
        status: u16,
        /// The media of an SDP answer in it; `None` without one.
        media: Option<NegotiatedMedia>,
        /// Its headers.
        headers: Box<Headers>,
    },
    /// A 2xx to our INVITE; its ACK is sent.
    Answered {
        /// The session.
        session: SessionId,
        /// The media that offer and answer agree on.
        media: NegotiatedMedia,
        /// Its headers.
        headers: Box<Headers>,
        /// The address that the peer answered from, for the media latch.
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
        /// Its Contacts; of a 3xx the targets to try, best first.
        contacts: Contacts,
        /// The destination that was tried last; `None` where nothing was sent.
        peer: Option<SocketAddr>,
    },
    /// A message that cannot be read was answered or dropped.
    Broken {
        /// What is wrong with it.
        refusal: Box<Refusal>,
        /// The source address.
        source: SocketAddr,
    },
    /// A message was left unread or unanswered because its source exceeds its rate limit. For the
    /// counters.
    Unheard {
        /// The rule that fired.
        rule: &'static str,
    },
    /// The TLS handshake with a session's peer failed, so a request of the session was not sent.
    /// `FailedOver`, `Rejected` or the end of the session follows.
    TlsFailed {
        /// The session.
        session: SessionId,
        /// The peer's address.
        peer: SocketAddr,
        /// The reason.
        failure: TlsFailure,
    },
    /// The user agent gave up on a destination of our INVITE and tries the next one.
    FailedOver {
        /// The session.
        session: SessionId,
        /// The peer's refusal, 408 for its silence, 503 for no way to send.
        status: u16,
        /// Whether the status is a response of the peer; else it stands for silence or a failed
        /// send.
        is_answer: bool,
        /// The destination that was given up.
        peer: SocketAddr,
    },
    /// The outcome of `Command::Request`.
    Responded(Box<Responded>),
    /// The ACK of our 200 arrived.
    Confirmed {
        /// The session.
        session: SessionId,
        /// The media, where the answer was in the ACK.
        media: Option<NegotiatedMedia>,
    },
    /// The media of our first answer. Follows `Command::Progress` or `Command::Answer` at once.
    Negotiated {
        /// The session.
        session: SessionId,
        /// The media from now on.
        media: NegotiatedMedia,
    },
    /// The user agent itself refused an admitted INVITE: an objection, no room, or an offer without
    /// anything that we support. The session is gone.
    Refused {
        /// The session.
        session: SessionId,
        /// Status as sent, rule, code and sentence.
        refusal: Refusal,
    },
    /// The peer canceled its INVITE. The session is gone; 487 is sent.
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
        /// The media from now on.
        media: NegotiatedMedia,
    },
    /// The user agent refused an offer of the peer in the dialog; the session and its media stay as they
    /// were.
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
    /// A digit by INFO.
    Digit {
        /// The session.
        session: SessionId,
        /// `0-9 * # A-D`.
        digit: u8,
        /// Duration of the key press in milliseconds.
        duration_ms: u32,
    },
    /// The peer wants to transfer us; answer with `Command::AnswerRefer`.
    Refer {
        /// The session.
        session: SessionId,
        /// The transfer target.
        refer: Box<ReferTo>,
    },
    /// The final response to our REFER.
    ReferAnswered {
        /// The session.
        session: SessionId,
        /// 202, or the status that refuses it; 408 for silence.
        status: u16,
    },
    /// Progress of our REFER, by NOTIFY. It may come before `ReferAnswered`.
    ReferProgress {
        /// The session.
        session: SessionId,
        /// The status in the fragment, if it has one.
        status: Option<u16>,
        /// The subscription is over: no further progress follows.
        is_over: bool,
    },
    /// The session is gone.
    Ended {
        /// The session.
        session: SessionId,
        /// The reason.
        cause: EndCause,
        /// Headers of the peer's BYE, or of its response to ours.
        headers: Option<Box<Headers>>,
    },
    /// A message was sent or received: one line for the timeline and the log.
    Trace(Box<Trace>),
}

/// Reasons for the end of a session that was answered, or that we canceled.
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
    /// No ACK came for our 200 within 64·T1 (error code 32022); BYE is sent.
    AckTimeout,
    /// The peer no longer knows the dialog, or a request in it timed out (RFC 3261 §12.2.1.2).
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
    /// A panic of the user agent took the session. Nothing more can be sent for it.
    Internal,
}

/// The outcome of a request outside of dialogs.
#[derive(Clone, Debug)]
pub struct Responded {
    /// The connection.
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
    /// State for the request that follows; `None` where nothing was sent.
    pub sequence: Option<Sequence>,
}

impl Responded {
    /// An outcome without a response: nothing was sent, or a panic took the request.
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

/// Direction of a traced message.
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
    /// Our request outside of dialogs.
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
    /// The session or request that it belongs to.
    pub owner: TraceOwner,
    /// Received or sent.
    pub direction: TraceDirection,
    /// `INVITE`, or `180 Ringing (INVITE)`. Never a URI, a number or a digit.
    pub summary: String,
    /// The peer's address.
    pub peer: SocketAddr,
    /// The transport that it used.
    pub transport: Transport,
}
