//! What goes into the user agent and what comes out: plain values. Sans-IO.

use std::net::SocketAddr;
use std::time::Duration;

use shared::limits::SIP_SILENCE_MS;
use shared::{Extensions, NegotiatedMedia, Origin, Refusal, TlsFailure};

use super::objection::sdp_of;
use crate::digest::{
    ChallengeKind,
    client::{Authorization, Credentials},
};
use crate::flow::{CloseReason, Destination, Flow, FlowId, SendFailure, SendTo, SendToken};
use crate::header::Headers;
#[cfg(doc)]
use crate::message::INITIAL_MAX_FORWARDS;
use crate::message::{CallId, Method, Request};
use crate::name_addr::{Contacts, NameAddr};
use crate::offer_answer::{LocalMedia, MediaSession};
use crate::parameters::Parameters;
use crate::refer_to::ReferTo;
use crate::sdp::SdpRefusal;
use crate::transaction::Timers;
use crate::uri::Uri;

/// One INVITE and the dialogs it made; chosen by the caller of the machine, never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub u64);

/// One request of ours outside of dialogs; chosen by the caller of the machine, never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// A header that the caller adds: name and value. One that breaks out of its line, or that the
/// user agent writes itself, is left out and counted (`UaMeters::headers_refused`).
pub type ExtraHeader = (String, Vec<u8>);

/// Settings of a user agent.
#[derive(Clone, Debug)]
pub struct UaConfig {
    /// Node and generation, in every branch, tag and Call-ID.
    pub origin: Origin,
    /// Product and version, for `Server` and `User-Agent`.
    pub product: String,
    /// Host of our own From and Call-ID when the caller names none; also in `Warning`.
    pub host: String,
    /// The one digest realm.
    pub realm: String,
    /// Timer values.
    pub timers: Timers,
    /// A destination that says nothing at all for so long is given up, for the next one or for good.
    /// Timer B (64·T1) still ends an INVITE where it is the shorter.
    pub silence_max: Duration,
    /// Server transactions in all.
    pub server_transactions_max: usize,
    /// Whether sources may be strangers, so that budgets by source hold (limits-and-rules section 1).
    /// `false` for a test phone: it talks to the one server that it was told of.
    pub meets_strangers: bool,
    /// Requests of ours outside of dialogs at once. Past it: `Responded` with 503, nothing is sent.
    pub requests_max: usize,
    /// Port of our TCP listener: a request that is too large for a datagram goes by TCP, and names it
    /// in Via and Contact. `None`: it goes by UDP.
    pub tcp_port: Option<u16>,
    /// Whether SHA-256 is offered beside MD5 (RFC 8760).
    pub offers_sha256: bool,
    /// Methods taken outside of dialogs, besides ACK, BYE and CANCEL; others get 405 or 501.
    pub methods: Vec<Method>,
    /// What a 2xx to OPTIONS outside of dialogs says is supported: what every session gets.
    pub extensions: Extensions,
}

impl UaConfig {
    /// The defaults of the contract for a node.
    pub fn new(origin: Origin, host: &str, realm: &str) -> Self {
        Self {
            origin,
            product: concat!("Sidetone/", env!("CARGO_PKG_VERSION")).to_owned(),
            host: host.to_owned(),
            realm: realm.to_owned(),
            timers: Timers::default(),
            silence_max: Duration::from_millis(SIP_SILENCE_MS),
            server_transactions_max: shared::limits::SERVER_TRANSACTIONS_MAX,
            meets_strangers: true,
            requests_max: shared::limits::SIP_REQUESTS_MAX,
            tcp_port: None,
            offers_sha256: false,
            methods: vec![Method::Invite, Method::Options],
            extensions: Extensions::NONE,
        }
    }
}

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

/// A request outside of any dialog that passed the parser. Nothing is kept of it: a
/// retransmission comes as another `Incoming` until it is admitted.
#[derive(Clone, Debug)]
pub struct Incoming {
    /// Where it came by.
    pub flow: Flow,
    /// The request. Its top Via carries `received` and `rport` already.
    pub request: Request,
    /// What SIP itself has against it (RFC 3261 §8.2): the caller may stay silent or refuse for a
    /// reason of its own first. `Command::Admit` answers with it instead of making a session.
    pub objection: Option<Objection>,
    /// What its session gets beyond the contract's own methods: none, unless
    /// [`Incoming::choose_extensions`] says otherwise before `Command::Admit`.
    pub extensions: Extensions,
}

impl Incoming {
    /// The method.
    pub fn method(&self) -> &Method {
        &self.request.method
    }

    /// Whether an answer with `local` could come of the request's offer; one without a body leaves
    /// the offer to us. To be asked before the call rings, since afterwards only a 200 tells.
    ///
    /// # Errors
    /// What `Command::Answer` would refuse with: 400 or 415 for what cannot be read, 488 for what
    /// cannot be served.
    pub fn check_offer(&self, local: &LocalMedia) -> Result<(), Refusal> {
        let sdp = sdp_of(&self.request.headers, &self.request.body);
        let Some(offer) = sdp.map_err(SdpRefusal::refusal)? else { return Ok(()) };
        let mut trial = MediaSession::new(1);
        trial.answer(offer, local).map(drop).map_err(SdpRefusal::refusal)
    }
}

/// A refusal that RFC 3261 §8.2 asks for, with the headers that belong to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Objection {
    /// Status, rule and sentence.
    pub refusal: Refusal,
    /// `Allow`, `Unsupported`, `Accept` and the like.
    pub headers: Vec<ExtraHeader>,
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
    pub transport: crate::flow::Transport,
}
