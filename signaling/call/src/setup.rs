//! The set-up of a call. Plain values: Control makes them, a [`crate::Call`] owns them. Sans-IO.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use shared::{
    AccountSid, ApplicationSid, CallSid, Code, Detection, DomainSid, Header, Transport,
    ids::Origin, limits,
};
use store::HttpMethod;

use crate::finding::Finding;
use crate::status::{CallDirection, ProgressEvent};

/// A configured URL as the customer wrote it (userinfo and fragment included), with its method.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    /// The URL; checked when it is used, so that a bad one is an error of the call (11100).
    pub url: String,
    /// The method of the request.
    pub method: HttpMethod,
}

impl Webhook {
    /// A POST webhook.
    pub fn post(url: impl Into<String>) -> Self {
        Self { url: url.into(), method: HttpMethod::Post }
    }
}

/// Where a call's first document comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DocumentSource {
    /// From this URL: at once on an inbound call, after the answer on an outbound one. On a
    /// `<Dial>` child this is the screening document of the noun.
    Url(Webhook),
    /// The document itself (REST `Twiml`).
    Twiml(String),
    /// There is none: an inbound call is refused with 404, a `<Dial>` child is bridged at once.
    None,
}

/// A stream to open, with its URLs resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamSettings {
    /// The server.
    pub url: crate::stream::StreamUrl,
    /// Names it for `<Stop>` and callbacks; `None`: its SID does.
    pub name: Option<String>,
    /// The audio that the application gets.
    pub tracks: shared::media::TapTracks,
    /// Its status callback; `None` sends none.
    pub callback: Option<Webhook>,
    /// `<Parameter>`s, by name.
    pub parameters: Vec<(String, String)>,
}

/// A recording session to begin with an outside server (`<Siprec>`), with its URLs resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SiprecSettings {
    /// The server, by the name that the settings give it.
    pub connector: String,
    /// Names it for `<Stop>` and callbacks; `None`: its SID does.
    pub name: Option<String>,
    /// The audio that the server gets.
    pub tracks: shared::media::TapTracks,
    /// Its status callback; `None` sends none.
    pub callback: Option<Webhook>,
    /// `<Parameter>`s, by name: they stand in the metadata.
    pub parameters: Vec<(String, String)>,
}

/// A live transcription to start, with its URL resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TranscriptionSettings {
    /// Names it for `<Stop>` and callbacks; `None`: its SID does.
    pub name: Option<String>,
    /// What is transcribed.
    pub tracks: shared::media::TapTracks,
    /// Gets events and text; `None` sends none.
    pub callback: Option<Webhook>,
    /// Names of the party's track and of the other one in callbacks.
    pub labels: [Option<String>; 2],
    /// Whether unfinished text is sent.
    pub wants_partials: bool,
    /// Locale.
    pub language: String,
    /// Repeated in callbacks: the engine is chosen by language.
    pub engine: String,
    /// Likewise.
    pub model: String,
    /// Whether bad words are masked.
    pub is_filtered: bool,
    /// Words and phrases to expect.
    pub hints: Arc<[String]>,
    /// Repeated in callbacks: an engine punctuates or does not.
    pub is_punctuated: bool,
}

/// A call status callback and the events it wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusCallback {
    /// URL and method.
    pub webhook: Webhook,
    /// The events that are sent. Inbound calls send `completed` only, whatever this list says.
    pub events: Vec<ProgressEvent>,
}

/// Facts of an incoming INVITE for the parameters `Sip*` of TwiML requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SipFacts {
    /// Host part of the Request-URI.
    pub domain: String,
    /// SID of that SIP domain.
    pub domain_sid: DomainSid,
    /// The SIP `Call-ID` of the INVITE.
    pub call_id: String,
    /// Source address of the signaling.
    pub source_ip: IpAddr,
    /// Digest user name of the caller; `None` when an IP list alone admitted the call.
    pub username: Option<String>,
    /// Headers of the INVITE, of which the call picks `X-*` and `User-to-User`. Names as received, values
    /// whole.
    pub headers: Vec<Header>,
}

/// The party an outbound call rings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A SIP URI, checked and stripped of its header part.
    Sip(SipTarget),
    /// A telephone number in E.164, with `+`: Control finds the trunk.
    Number(String),
    /// A client: Control finds the registered SIP user that stands for it.
    Client(ClientTarget),
    /// A TwiML application: Control starts a second call, incoming to it, as the far party.
    Application(ApplicationTarget),
    /// A party that cannot be rung: a noun that this gateway does not serve, a bad URI or number. The
    /// call ends `failed` with this code and never returns [`crate::CallEffect::Invite`].
    Impossible {
        /// The value of the `To` parameter.
        to: String,
        /// Error code of the API: 13224, 13223, 13243, ...
        code: Code,
        /// The SIP status to report, where one fits.
        status: Option<u16>,
        /// The reason, for the operator.
        sentence: String,
    },
}

/// A client as the party of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientTarget {
    /// Its name, which can stand as the user of a SIP URI.
    pub identity: String,
    /// Names and values for it: each becomes the SIP header `X-Param-<name>`.
    pub parameters: Vec<(String, String)>,
}

/// An application as the party of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApplicationTarget {
    /// The application, of this account or open to others.
    pub sid: ApplicationSid,
    /// `To` of the call that rings it.
    pub dialed: String,
    /// `To` of the call that the application gets.
    pub to: String,
    /// `CustomerId`; `None` is the SID of the calling account.
    pub customer: Option<String>,
    /// Names and values for the application, which gets each as `Param_<name>`.
    pub parameters: Vec<(String, String)>,
}

/// What an application hears about the call that rings it, with each request for a document (webhooks.md 5.12).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkFacts {
    /// `CustomerId`.
    pub customer: String,
    /// Names and values of `Param_<name>`.
    pub parameters: Vec<(String, String)>,
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
    /// Port; `None` when the URI has none.
    pub port: Option<u16>,
    /// Transport by parameter or `sips:`; `None` leaves it to DNS (RFC 3263), else UDP.
    pub transport: Option<Transport>,
    /// `secure=true`: signaling by TLS, and media by SRTP or the call fails.
    pub secure: bool,
    /// The edge that the INVITE leaves by, when the URI names one (`edge`, or `region` mapped to its edge).
    pub edge: Option<String>,
    /// Headers for the INVITE: allow-listed, decoded once, free of control characters.
    pub headers: Vec<Header>,
    /// Digest credentials to answer 401 and 407 with.
    pub credentials: Option<SipCredentials>,
}

/// Digest credentials of an outgoing INVITE.
#[derive(Clone, PartialEq, Eq)]
pub struct SipCredentials {
    /// The digest user.
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
    /// The party to ring.
    pub target: Target,
    /// User part of our `From` (caller id): a number or a SIP user.
    pub caller_id: String,
    /// Display name of our `From`; `None` sends none.
    pub display_name: Option<String>,
    /// Seconds from the start of the call until it rings; meanwhile it is queued.
    pub delay_s: u32,
    /// Ring time in seconds, from the INVITE.
    pub ring_s: u32,
    /// Detection of what answers; `None` detects nothing.
    pub detection: Option<AnswerDetection>,
    /// Digits sent after the answer and before the first document or the bridge
    /// (`<Number sendDigits>`, REST `SendDigits`).
    pub send_digits: Option<String>,
}

/// Answering-machine detection of an outgoing call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnswerDetection {
    /// The terms by which the core decides.
    pub detection: Detection,
    /// Whether the call goes on meanwhile; else its first document waits for the result.
    pub is_async: bool,
    /// Where the result goes of an asynchronous detection; `None`: nowhere but into the record.
    pub callback: Option<Webhook>,
}

/// The recording that a REST call asks for (`Record=true`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordSettings {
    /// 1 or 2.
    pub channels: u8,
    /// The directions of audio that it holds.
    pub track: RecordingTrack,
    /// Whether silence is cut from its start and its end.
    pub trim: bool,
    /// Its status callback; `None` sends none.
    pub callback: Option<RecordingCallback>,
}

/// The directions of audio that a recording holds (`RecordingTrack`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RecordingTrack {
    /// What this leg's party says.
    Inbound,
    /// What this leg's party hears.
    Outbound,
    /// What both parties say.
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
    /// URL and method.
    pub webhook: Webhook,
    /// The events that are sent; `completed` where the customer names none.
    pub events: Vec<RecordingEvent>,
}

/// An event of `recordingStatusCallbackEvent`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordingEvent {
    /// It has started: one more word for [`RecordingEvent::InProgress`], which follows it.
    Started,
    /// It has started.
    InProgress,
    /// REST paused it.
    Paused,
    /// REST resumed it.
    Resumed,
    /// It takes no more audio.
    Stopped,
    /// The file can be fetched.
    Completed,
    /// The disk failed: there is no file.
    Failed,
    /// Nothing was recorded.
    Absent,
}

/// Settings that all calls of a node or account share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallSettings {
    /// Scheme, host and port of the REST API, without a slash at the end: begins `RecordingUrl`.
    pub api_base: String,
    /// SIP status of `<Reject>` with reason `rejected`: 404 as the API has it, or 603 of older gateways.
    pub reject_status: u16,
    /// Seconds added to every ring time.
    pub ring_extra_s: u32,
    /// The sentence spoken when a document fails and no fallback URL helps.
    pub error_sentence: String,
    /// Voice of `<Say>` without `voice`.
    pub voice: String,
    /// Language of `<Say>` without `language`.
    pub language: String,
    /// SIP domains of this gateway, by host, for `SipDomainSid` in screening requests.
    pub own_domains: Vec<(String, DomainSid)>,
    /// The longest time of a call in seconds; `timeLimit` is cut to it.
    pub call_s_max: u32,
    /// The edges that this node serves, its own included (`shared::edge::canonical`). Any other edge in the
    /// connection overrides of a URL has no effect.
    pub edges: Vec<Box<str>>,
    /// Whether streams may go to ws:// URLs, without TLS.
    pub streams_plaintext: bool,
    /// Whether there is an engine that recognises speech.
    pub has_recognition: bool,
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
            streams_plaintext: false,
            has_recognition: false,
        }
    }
}

/// Everything that a [`crate::Call`] starts from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallSetup {
    /// The `CallSid` of the API.
    pub sid: CallSid,
    /// The account that owns it.
    pub account: AccountSid,
    /// The call whose `<Dial>` made this one; `None` for all others.
    pub parent: Option<CallSid>,
    /// Whether it came in, or who had it made.
    pub direction: CallDirection,
    /// `From` as webhooks report it: a SIP URI or a number.
    pub from: String,
    /// `To` as webhooks report it: a SIP URI or a number.
    pub to: String,
    /// `ForwardedFrom`, when the carrier signals a diversion.
    pub forwarded_from: Option<String>,
    /// `ApplicationSid`, when the call was routed through a TwiML application.
    pub application: Option<ApplicationSid>,
    /// Facts of an incoming INVITE; `None` on outbound calls.
    pub sip: Option<SipFacts>,
    /// Facts of the call of this gateway that is the far party of an incoming one; `None`: the party is a phone or a
    /// carrier, and on outbound calls.
    pub link: Option<LinkFacts>,
    /// The party to ring; `None` on inbound calls.
    pub leg: Option<OutboundLeg>,
    /// Source of the first document.
    pub document: DocumentSource,
    /// Where to go when a document fails. `<Dial>` children have none.
    pub fallback: Option<Webhook>,
    /// `None` sends no status callbacks.
    pub status_callback: Option<StatusCallback>,
    /// Hops left (RFC 3261 §8.1.1.6): `Max-Forwards` of the INVITE that this call came by or leaves
    /// with. Every call that it dials has one less, so that a loop across calls ends (RFC 7332 §4).
    pub max_forwards: u8,
    /// Longest time from the answer, in seconds.
    pub time_limit_s: u32,
    /// Recording from the answer (REST `Record=true`).
    pub record: Option<RecordSettings>,
    /// Notifications that the call sends when it starts: what the customer asked for and does not get.
    pub warnings: Vec<Finding>,
    /// What all calls share.
    pub settings: Arc<CallSettings>,
    /// The node part of SIDs that this call mints for children and recordings.
    pub origin: Origin,
    /// Randomness, from which SIDs and idempotency tokens are expanded.
    pub seed: [u8; 32],
}
