//! What goes into the user agent: bytes from the network, and commands of the layer above. Sans-IO.

use std::net::SocketAddr;

use shared::Refusal;

use super::incoming::Incoming;
use super::outgoing::{Invite, OutgoingRequest};
use crate::digest::ChallengeKind;
use crate::flow::{Flow, FlowId, SendFailure, SendToken};
use crate::header::ExtraHeader;
use crate::ids::{RequestId, SessionId};
use crate::name_addr::NameAddr;
use crate::offer_answer::LocalMedia;

/// Into the user agent.
#[derive(Debug)]
pub enum Input<'a> {
    /// A datagram, or the next bytes of a stream.
    Received {
        /// Where it came by.
        flow: Flow,
        /// The bytes.
        bytes: &'a [u8],
    },
    /// A connection is up: accepted, or opened for the send of that token.
    FlowOpened {
        /// The connection.
        flow: Flow,
        /// The send that asked for it.
        token: Option<SendToken>,
    },
    /// A connection is gone.
    FlowClosed {
        /// The connection.
        flow: FlowId,
    },
    /// Bytes of `Effect::Send` did not go out.
    SendFailed {
        /// Which.
        token: SendToken,
        /// Why.
        reason: SendFailure,
    },
    /// The network gave a datagram of ours back: ICMP says that its host, network, port or protocol
    /// cannot be reached, or that the datagram is malformed (RFC 3261 §18.4).
    Undelivered {
        /// Where it was sent.
        remote: SocketAddr,
        /// As much of it as the ICMP message quotes. Only a quote that reaches the branch counts:
        /// whoever is not on the path cannot forge it.
        quoted: &'a [u8],
    },
    /// What the layer above wants.
    Command(Command),
}

/// What the layer above wants done. One that names a session that is gone is counted and ignored.
#[derive(Debug)]
pub enum Command {
    /// Answer a request and keep no state (a stranger's retransmission is answered alike); one that is
    /// held ([`super::UserAgent::hold`]) is answered from its transaction.
    RejectStateless {
        /// The request.
        incoming: Box<Incoming>,
        /// Status (`None`: nothing is sent), code and sentence.
        refusal: Refusal,
        /// More headers.
        headers: Vec<ExtraHeader>,
        /// The peer has authenticated: `X-Twilio-Error` and `Warning` tell it code and sentence.
        trusted: bool,
    },
    /// Ask for digest credentials, statelessly.
    Challenge {
        /// The request.
        incoming: Box<Incoming>,
        /// 401 or 407.
        kind: ChallengeKind,
        /// The nonce was too old, the password right: the client need not ask its user again.
        stale: bool,
    },
    /// Answer a request other than INVITE. `remember`: retransmissions get the same answer from a
    /// transaction (for a source that authenticated); else nothing is kept.
    Respond {
        /// The request.
        incoming: Box<Incoming>,
        /// Final status.
        status: u16,
        /// More headers.
        headers: Vec<ExtraHeader>,
        /// Whether to keep a transaction.
        remember: bool,
    },
    /// Answer a REGISTER with 200 and the contacts that there are, from a transaction
    /// (RFC 3261 §10.3 step 8).
    Registered {
        /// The request.
        incoming: Box<Incoming>,
        /// All bindings of the address of record, each with its `expires`.
        contacts: Vec<NameAddr>,
        /// More headers.
        headers: Vec<ExtraHeader>,
    },
    /// Take an INVITE: a transaction, an early dialog, 100 Trying.
    Admit {
        /// The INVITE.
        incoming: Box<Incoming>,
        /// Its session from now on.
        session: SessionId,
    },
    /// Send a provisional response. `media` answers the offer early (183).
    Progress {
        /// The session.
        session: SessionId,
        /// 101 to 199.
        status: u16,
        /// Our side of the media.
        media: Option<LocalMedia>,
        /// More headers.
        headers: Vec<ExtraHeader>,
    },
    /// Accept the INVITE with 200. Without an offer from the peer this sends ours.
    Answer {
        /// The session.
        session: SessionId,
        /// Our side of the media.
        media: LocalMedia,
        /// More headers.
        headers: Vec<ExtraHeader>,
    },
    /// Refuse the INVITE.
    Reject {
        /// The session.
        session: SessionId,
        /// 300 to 699.
        status: u16,
        /// Reason phrase; empty: the standard's.
        reason: String,
        /// More headers.
        headers: Vec<ExtraHeader>,
    },
    /// Refuse the INVITE of a peer that has authenticated: `X-Twilio-Error` and `Warning` tell it
    /// code and sentence. A refusal without a status is sent as 500.
    Refuse {
        /// The session.
        session: SessionId,
        /// Status, code and sentence.
        refusal: Refusal,
    },
    /// Call somebody.
    Invite {
        /// The new session.
        session: SessionId,
        /// Whom, how.
        invite: Box<Invite>,
    },
    /// Ask somebody something outside of any dialog: REGISTER, OPTIONS, MESSAGE. Answered by
    /// exactly one `UaEvent::Responded`.
    Request {
        /// The new request.
        request: RequestId,
        /// Whom, what.
        message: Box<OutgoingRequest>,
    },
    /// Take an INVITE of ours back. Ends with `UaEvent::Ended` (also where the 200 was quicker).
    Cancel {
        /// The session.
        session: SessionId,
        /// More headers (`Reason`).
        headers: Vec<ExtraHeader>,
    },
    /// End the session, whatever state it is in: BYE, CANCEL or 480.
    Bye {
        /// The session.
        session: SessionId,
        /// More headers.
        headers: Vec<ExtraHeader>,
    },
    /// Offer new media in a confirmed dialog (re-INVITE).
    Reoffer {
        /// The session.
        session: SessionId,
        /// Our side of the media from now on.
        media: LocalMedia,
    },
    /// Answer `UaEvent::Refer`: 202 and the first NOTIFY, or the refusal (603 where it has no status).
    AnswerRefer {
        /// The session.
        session: SessionId,
        /// Whether the transfer is tried.
        answer: Result<(), Refusal>,
    },
    /// Tell the peer how its REFER goes on. Ignored where it does not want to be told.
    NotifyRefer {
        /// The session.
        session: SessionId,
        /// The status line of the fragment.
        status: u16,
        /// The last one: the subscription ends.
        is_final: bool,
    },
    /// Ask the peer to call somebody else, once the call is confirmed. Ignored while a REFER of ours
    /// is not over.
    Refer {
        /// The session.
        session: SessionId,
        /// The URI that goes between the brackets of `Refer-To`, headers included.
        target: String,
        /// More headers.
        headers: Vec<ExtraHeader>,
    },
    /// Answer `UaEvent::Offer`.
    AnswerOffer {
        /// The session.
        session: SessionId,
        /// Our side of the media, or the status that refuses the change.
        answer: Result<LocalMedia, u16>,
    },
}
