//! What a call is born with. Plain values: Control makes them, a [`crate::Call`] owns them. Sans-IO.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use shared::{AccountSid, ApplicationSid, CallSid, DomainSid, ids::Origin, limits};

use crate::finding::Finding;
use crate::status::{CallDirection, ProgressEvent};

/// HTTP method of a webhook (contract webhooks.md 1: only these two).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Method {
    /// Parameters in the query.
    Get,
    /// Parameters in a form body.
    #[default]
    Post,
}

impl Method {
    /// As on the request line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
        }
    }
}

/// A configured URL as the customer wrote it (userinfo and fragment included), with its method.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    /// The URL; checked when it is used, so that a bad one is an error of the call (11100).
    pub url: String,
    /// The method.
    pub method: Method,
}

impl Webhook {
    /// A POST webhook.
    pub fn post(url: impl Into<String>) -> Self {
        Self { url: url.into(), method: Method::Post }
    }
}

/// Where a call's first document comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DocumentSource {
    /// Requested: at once on an inbound call, after the answer on an outbound one. On a
    /// `<Dial>` child this is the screening document of the noun.
    Url(Webhook),
    /// Given inline (REST `Twiml`).
    Twiml(String),
    /// None: an inbound call is refused with 404, a `<Dial>` child is bridged at once.
    None,
}

/// A call status callback and the events it wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusCallback {
    /// Where to.
    pub webhook: Webhook,
    /// Which events. Inbound calls send `completed` only, whatever stands here.
    pub events: Vec<ProgressEvent>,
}

/// What an incoming INVITE says to the application (contract webhooks.md 3.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SipFacts {
    /// Host part of the INVITE target.
    pub domain: String,
    /// The domain's SID.
    pub domain_sid: Option<DomainSid>,
    /// `Call-ID`.
    pub call_id: String,
    /// Source address of the signaling.
    pub source_ip: IpAddr,
    /// Digest user name of the authenticated caller.
    pub username: Option<String>,
    /// Every header of the INVITE, or only those of interest: this package picks `X-*` and
    /// `User-to-User`. Name as received, value whole; non-UTF-8 bytes replaced by the caller.
    pub headers: Vec<(String, String)>,
}

/// The party an outbound call rings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A SIP URI, checked and stripped of its header part.
    Sip(SipTarget),
    /// A telephone number in E.164, with `+`: Control finds the trunk.
    Number(String),
    /// A party that cannot be rung: a noun without transport here, a bad URI or number. The call
    /// ends `failed` with this code and never says [`crate::CallEffect::Invite`].
    Impossible {
        /// What `To` reports.
        to: String,
        /// The contract's code: 13224, 13223, 13243, ...
        code: u32,
        /// The SIP status that says the same, if one does.
        status: Option<u16>,
        /// Why, for the operator.
        sentence: String,
    },
}

/// The transport of an outgoing INVITE.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SipTransport {
    /// UDP.
    Udp,
    /// TCP.
    Tcp,
    /// TLS.
    Tls,
}

/// A checked `sip:` target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SipTarget {
    /// The Request-URI to send: scheme `sip`, no header part, `edge` and `region` taken out.
    pub uri: String,
    /// The dialled URI without its header part, as webhooks report it in `To`.
    pub reported: String,
    /// Host, without brackets for IPv6, lower case.
    pub host: String,
    /// Port, when written.
    pub port: Option<u16>,
    /// Transport by parameter or `sips:`; `None`: DNS says, else UDP.
    pub transport: Option<SipTransport>,
    /// `secure=true`: over TLS, and the media is SRTP or the call fails.
    pub secure: bool,
    /// The wanted egress, when the URI named one (`edge`, or `region` mapped to its edge).
    pub edge: Option<String>,
    /// Headers for the INVITE: allow-listed, decoded once, free of control characters.
    pub headers: Vec<(String, String)>,
    /// Digest credentials for 401 and 407.
    pub credentials: Option<SipCredentials>,
}

/// Digest credentials of an outgoing INVITE.
#[derive(Clone, PartialEq, Eq)]
pub struct SipCredentials {
    /// User name.
    pub username: String,
    /// Password; never printed.
    pub password: String,
}

impl fmt::Debug for SipCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SipCredentials").field("username", &self.username).finish_non_exhaustive()
    }
}

/// The outgoing side of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboundLeg {
    /// Who to ring.
    pub target: Target,
    /// User part of our `From` (caller id): a number or a SIP user.
    pub caller_id: String,
    /// Ring time in seconds, from the INVITE (contract twiml.md 2.6).
    pub ring_s: u32,
    /// Digits sent after the answer and before the first document or the bridge
    /// (`<Number sendDigits>`, REST `SendDigits`).
    pub send_digits: Option<String>,
}

/// Recording asked with a REST call (`Record=true`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordSettings {
    /// 1 or 2.
    pub channels: u8,
    /// Which audio.
    pub track: RecordingTrack,
    /// Whether silence at both ends is cut.
    pub trim: bool,
    /// Recording status callback.
    pub callback: Option<RecordingCallback>,
}

/// Which audio a recording holds (`RecordingTrack`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RecordingTrack {
    /// What this leg's party says.
    Inbound,
    /// What this leg's party hears.
    Outbound,
    /// Both.
    #[default]
    Both,
}

impl RecordingTrack {
    /// The `RecordingTrack` parameter.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Inbound => "inbound",
            Self::Outbound => "outbound",
            Self::Both => "both",
        }
    }
}

/// A recording status callback and its events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordingCallback {
    /// Where to.
    pub webhook: Webhook,
    /// Which events; default `completed`.
    pub events: Vec<RecordingEvent>,
}

/// An event of `recordingStatusCallbackEvent`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordingEvent {
    /// Recording began.
    InProgress,
    /// The file can be fetched.
    Completed,
    /// Nothing was recorded.
    Absent,
}

/// What is the same for all calls of a node or account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallSettings {
    /// Scheme, host and port of the REST API, without a slash at the end: begins `RecordingUrl`.
    pub api_base: String,
    /// SIP status of `<Reject>` with reason `rejected` (contract: 404; older habit 603).
    pub reject_status: u16,
    /// Seconds added to every ring time (contract twiml.md 2.6 step 5).
    pub ring_extra_s: u32,
    /// What is said when a document fails and nothing helps.
    pub error_sentence: String,
    /// Voice of `<Say>` without `voice`.
    pub voice: String,
    /// Language of `<Say>` without `language`.
    pub language: String,
    /// Hosts that are this gateway's own SIP domains, for `SipDomainSid` in screening requests.
    pub own_domains: Vec<(String, DomainSid)>,
    /// Most seconds a call may last (`timeLimit`, `maxLength` are cut to it).
    pub call_s_max: u32,
    /// The edges that this node serves, its own among them (`shared::edge::canonical`): others in the
    /// connection overrides of a URL change nothing.
    pub edges: Vec<Box<str>>,
}

impl Default for CallSettings {
    fn default() -> Self {
        Self {
            api_base: "http://127.0.0.1:8080".to_owned(),
            reject_status: 404,
            ring_extra_s: 0,
            error_sentence: "We are sorry, an application error has occurred. Goodbye.".to_owned(),
            voice: "man".to_owned(),
            language: "en-US".to_owned(),
            own_domains: Vec::new(),
            call_s_max: limits::CALL_S.0,
            edges: Vec::new(),
        }
    }
}

/// All that a [`crate::Call`] is born with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallSetup {
    /// The call.
    pub sid: CallSid,
    /// Its account.
    pub account: AccountSid,
    /// The call whose `<Dial>` made this one.
    pub parent: Option<CallSid>,
    /// Who made it.
    pub direction: CallDirection,
    /// `From` as webhooks report it (contract webhooks.md 3.2).
    pub from: String,
    /// `To` as webhooks report it.
    pub to: String,
    /// `ForwardedFrom`, when the carrier signals a diversion.
    pub forwarded_from: Option<String>,
    /// `CallerName`, with caller-name lookup.
    pub caller_name: Option<String>,
    /// `ApplicationSid`, when the call was routed through a TwiML application.
    pub application: Option<ApplicationSid>,
    /// Facts of an incoming INVITE; `None` on outbound calls.
    pub sip: Option<SipFacts>,
    /// Whom to ring; `None` on inbound calls.
    pub leg: Option<OutboundLeg>,
    /// The first document.
    pub document: DocumentSource,
    /// Fallback URL. Never used by `<Dial>` children.
    pub fallback: Option<Webhook>,
    /// Status callback.
    pub status_callback: Option<StatusCallback>,
    /// Hops left (RFC 3261 §8.1.1.6): `Max-Forwards` of the INVITE that this call came by or leaves
    /// with. Whatever the call dials has one less, or a loop across calls would never end (RFC 7332 §4).
    pub max_forwards: u8,
    /// Longest time from the answer, in seconds.
    pub time_limit_s: u32,
    /// Recording from the answer (REST `Record=true`).
    pub record: Option<RecordSettings>,
    /// What the customer asked for and does not get: told when the call starts.
    pub warnings: Vec<Finding>,
    /// What all calls share.
    pub settings: Arc<CallSettings>,
    /// Where SIDs that this call mints (children, recordings) come from.
    pub origin: Origin,
    /// Randomness of this call: SIDs and idempotency tokens are expanded from it.
    pub seed: [u8; 32],
}
