//! Inputs of the user agent: bytes from the network, and commands of the layer above. Sans-IO.

use std::net::SocketAddr;

use shared::{Header, Refusal};

use super::incoming::Incoming;
use super::outgoing::{Invite, OutgoingRequest};
use crate::digest::ChallengeKind;
use crate::flow::{Flow, FlowId, SendFailure, SendToken};
use crate::ids::{RequestId, SessionId};
use crate::name_addr::NameAddr;
use crate::offer_answer::LocalMedia;

/// An input of the user agent.
#[derive(Debug)]
pub enum Input<'a> {
    /// A datagram, or the next bytes of a TCP or TLS connection.
    Received {
        /// The socket or connection that it came by, and its peer.
        flow: Flow,
        /// The bytes as read; of a datagram all of them.
        bytes: &'a [u8],
    },
    /// A connection is up: accepted, or opened to carry out an `Effect::Send`.
    FlowOpened {
        /// The connection.
        flow: Flow,
        /// The send that opened it; `None` for an accepted one.
        token: Option<SendToken>,
    },
    /// A connection is closed, whichever side closed it.
    FlowClosed {
        /// The connection.
        flow: FlowId,
    },
    /// Bytes of `Effect::Send` did not go out.
    SendFailed {
        /// The token of that send.
        token: SendToken,
        /// The reason, as the shell saw it.
        reason: SendFailure,
    },
    /// The network returned one of our datagrams: ICMP says that its host, network, port or
    /// protocol cannot be reached, or that the datagram is malformed (RFC 3261 §18.4).
    Undelivered {
        /// The address that it was sent to.
        remote: SocketAddr,
        /// The part of it that the ICMP message quotes. Only a quote that reaches the branch
        /// counts: an attacker off the path cannot forge that.
        quoted: &'a [u8],
    },
    /// A command of the layer above.
    Command(Command),
}

/// A command of the layer above. One that names a session that is gone is counted and ignored
/// (`UaMeters::commands_ignored`).
#[derive(Debug)]
pub enum Command {
    /// Answer a request without state: a retransmission gets an answer of its own. One that is held
    /// ([`super::UserAgent::hold`]) is answered from its transaction.
    RejectStateless {
        /// The request.
        incoming: Box<Incoming>,
        /// Status (`None`: nothing is sent), code and sentence.
        refusal: Refusal,
        /// Additional headers.
        headers: Vec<Header>,
        /// The peer has authenticated: `X-Twilio-Error` and `Warning` carry code and sentence.
        trusted: bool,
    },
    /// Ask for digest credentials, without state.
    Challenge {
        /// The request.
        incoming: Box<Incoming>,
        /// 401 or 407.
        kind: ChallengeKind,
        /// The password was right and only the nonce too old: the client need not prompt its user
        /// again.
        stale: bool,
    },
    /// Answer a request other than INVITE.
    Respond {
        /// The request.
        incoming: Box<Incoming>,
        /// Final status.
        status: u16,
        /// Additional headers.
        headers: Vec<Header>,
        /// Whether a transaction repeats the answer to retransmissions. Only for sources that have
        /// authenticated.
        remember: bool,
    },
    /// Answer a REGISTER with 200 and the current contacts, from a transaction (RFC 3261 §10.3 step
    /// 8).
    Registered {
        /// The request.
        incoming: Box<Incoming>,
        /// All bindings of the address of record, each with its `expires`.
        contacts: Vec<NameAddr>,
        /// Additional headers.
        headers: Vec<Header>,
    },
    /// Accept an INVITE for processing: begins a transaction and an early dialog, and sends 100
    /// Trying.
    Admit {
        /// The INVITE.
        incoming: Box<Incoming>,
        /// The name of its new session.
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
        /// Additional headers.
        headers: Vec<Header>,
    },
    /// Accept the INVITE with 200. Without an offer from the peer this sends ours.
    Answer {
        /// The session.
        session: SessionId,
        /// Our side of the media.
        media: LocalMedia,
        /// Additional headers.
        headers: Vec<Header>,
    },
    /// Refuse the INVITE.
    Reject {
        /// The session.
        session: SessionId,
        /// 300 to 699.
        status: u16,
        /// Reason phrase; empty: the standard's.
        reason: String,
        /// Additional headers.
        headers: Vec<Header>,
    },
    /// Refuse the INVITE of a peer that has authenticated: `X-Twilio-Error` and `Warning` carry
    /// code and sentence. A refusal without a status is sent as 500.
    Refuse {
        /// The session.
        session: SessionId,
        /// Status, code and sentence.
        refusal: Refusal,
    },
    /// Send an INVITE.
    Invite {
        /// The new session.
        session: SessionId,
        /// Its destinations, addresses and media.
        invite: Box<Invite>,
    },
    /// Send a request outside of any dialog: REGISTER, OPTIONS, MESSAGE. Exactly one
    /// `UaEvent::Responded` follows.
    Request {
        /// The new request.
        request: RequestId,
        /// Its method, destinations and addresses.
        message: Box<OutgoingRequest>,
    },
    /// Cancel our INVITE. `UaEvent::Ended` follows, also where the 200 was quicker.
    Cancel {
        /// The session.
        session: SessionId,
        /// Additional headers, such as `Reason`.
        headers: Vec<Header>,
    },
    /// End the session, whatever state it is in: BYE, CANCEL or 480.
    Bye {
        /// The session.
        session: SessionId,
        /// Additional headers.
        headers: Vec<Header>,
    },
    /// Offer new media in a confirmed dialog (re-INVITE).
    Reoffer {
        /// The session.
        session: SessionId,
        /// Our side of the media from now on.
        media: LocalMedia,
    },
    /// Send other metadata to the server of a recording session, with the media as they are (re-INVITE, RFC 7866
    /// §9.1). Ignored in a session that began without metadata.
    UpdateMetadata {
        /// The session.
        session: SessionId,
        /// The complete description (RFC 7865).
        metadata: Vec<u8>,
    },
    /// Answer `UaEvent::Refer`: 202 and the first NOTIFY, or the refusal (603 where it has no status).
    AnswerRefer {
        /// The session.
        session: SessionId,
        /// `Ok` where the transfer is attempted.
        answer: Result<(), Refusal>,
    },
    /// Report to the peer how its REFER proceeds. Ignored where the peer declined the subscription.
    NotifyRefer {
        /// The session.
        session: SessionId,
        /// The status line of the fragment.
        status: u16,
        /// Whether this is the last report: it ends the subscription.
        is_final: bool,
    },
    /// Transfer the peer by REFER, once the call is confirmed. Ignored while our previous REFER is
    /// not over.
    Refer {
        /// The session.
        session: SessionId,
        /// The URI that goes between the brackets of `Refer-To`, headers included.
        target: String,
        /// Additional headers.
        headers: Vec<Header>,
    },
    /// Answer `UaEvent::Offer`.
    AnswerOffer {
        /// The session.
        session: SessionId,
        /// Our side of the media, or the status that refuses the change.
        answer: Result<LocalMedia, u16>,
    },
}
