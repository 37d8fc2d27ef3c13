//! Calls: the record of one, and the commands of the REST API about live ones. Sans-IO.

use shared::{AccountSid, ApplicationSid, CallSid, Code, Detection, RecordingSid};

use crate::domain::HttpMethod;
use crate::filter::{Filter, Until};
use crate::parameter::Form;
use crate::patch::Patch;
use crate::recorded::{Filtered, record};
use crate::resource::Column;
use crate::secret::Secret;

record! {
    /// The record of a call: what `GET Calls/{sid}` shows. Written at creation, at each status, and at the end.
    pub struct CallRecord {
        /// Named by paths, webhooks and recordings.
        sid: CallSid => [Column::fixed("sid")],
        /// The account it belongs to.
        account: AccountSid => [Column::fixed("account")],
        /// The call whose `<Dial>` placed this one; `None` for a call from outside or from `POST Calls`.
        parent: Option<CallSid> => [Column::changing("parent")],
        // Columns with names of their own: `to` and `from` are words of SQL.
        /// The callee: a number or a SIP URI.
        to: String => [Column::changing("callee")],
        /// The caller: a number, a name or a SIP URI.
        from: String => [Column::changing("caller")],
        /// The latest status that was written.
        status: CallStatus => [Column::changing("status")],
        /// Inbound, or placed by the API or by `<Dial>`.
        direction: CallDirection => [Column::fixed("direction")],
        /// Answer, Unix milliseconds; of a call that ended unanswered, its creation. `None` before.
        start_ms: Option<i64> => [Column::changing("start_ms")],
        /// End, Unix milliseconds; `None` while the call is live.
        end_ms: Option<i64> => [Column::changing("end_ms")],
        /// Whole seconds from answer to end; `None` unless answered and ended.
        duration_s: Option<u32> => [Column::changing("duration_s")],
        /// Expected wait before it is dialled, milliseconds.
        queue_time_ms: u32 => [Column::changing("queue_time_ms")],
        /// Result of machine detection, in the contract's words; `None` where it did not run.
        answered_by: Option<String> => [Column::changing("answered_by")],
        /// The party that diverted the call; `None` where it was not diverted.
        forwarded_from: Option<String> => [Column::changing("forwarded_from")],
        /// The caller's display name; `None` without one.
        caller_name: Option<String> => [Column::changing("caller_name")],
        /// Creation, in milliseconds since 1970.
        created_ms: i64 => [Column::fixed("created_ms")],
        /// Last change, in milliseconds since 1970.
        updated_ms: i64 => [Column::changing("updated_ms")],
        /// The last status callback, while it is not answered ([`crate::OwedCallback`]); `None`: there is none any more.
        #[serde(default)]
        owed_callback: Option<String> => [Column::changing("owed_callback")],
    }
    kept in "calls"
}

/// Status of a call. `initiated` and `answered` are callback events only, never a status.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
pub enum CallStatus {
    /// Created by the API, not dialled yet.
    Queued,
    /// The party rings; also an incoming call before its answer.
    Ringing,
    /// The party has answered.
    InProgress,
    /// Answered and ended.
    Completed,
    /// The callee was busy.
    Busy,
    /// The call could not be placed, or it broke.
    Failed,
    /// Nobody answered in time.
    NoAnswer,
    /// Ended by the API or the caller before it was answered.
    Canceled,
}

impl CallStatus {
    /// Every status.
    pub const ALL: [Self; 8] = [
        Self::Queued,
        Self::Ringing,
        Self::InProgress,
        Self::Completed,
        Self::Busy,
        Self::Failed,
        Self::NoAnswer,
        Self::Canceled,
    ];

    // Written out because a constant cannot map over `ALL`.
    /// The contract's words, in the same order.
    pub const NAMES: &'static [&'static str] = &[
        Self::ALL[0].name(),
        Self::ALL[1].name(),
        Self::ALL[2].name(),
        Self::ALL[3].name(),
        Self::ALL[4].name(),
        Self::ALL[5].name(),
        Self::ALL[6].name(),
        Self::ALL[7].name(),
    ];

    /// The contract's word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Ringing => "ringing",
            Self::InProgress => "in-progress",
            Self::Completed => "completed",
            Self::Busy => "busy",
            Self::Failed => "failed",
            Self::NoAnswer => "no-answer",
            Self::Canceled => "canceled",
        }
    }

    /// Reads the contract's word.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.name() == name)
    }

    /// True of the statuses that end a call.
    pub const fn is_final(self) -> bool {
        match self {
            Self::Queued | Self::Ringing | Self::InProgress => false,
            Self::Completed | Self::Busy | Self::Failed | Self::NoAnswer | Self::Canceled => true,
        }
    }
}

/// Direction of a call, and what placed an outbound one.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
pub enum CallDirection {
    /// An INVITE to the gateway.
    Inbound,
    /// `POST Calls`.
    OutboundApi,
    /// `<Dial>`.
    OutboundDial,
}

impl CallDirection {
    /// Every direction.
    pub const ALL: [Self; 3] = [Self::Inbound, Self::OutboundApi, Self::OutboundDial];

    /// The contract's word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Inbound => "inbound",
            Self::OutboundApi => "outbound-api",
            Self::OutboundDial => "outbound-dial",
        }
    }

    /// Reads the contract's word.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|direction| direction.name() == name)
    }
}

impl Filtered for CallRecord {
    const FILTERS: &'static [Filter] = &[
        Filter::equal("To", "callee", Form::Text, Code::INVALID_PARAMETER),
        Filter::equal("From", "caller", Form::Text, Code::INVALID_PARAMETER),
        Filter::equal(
            "ParentCallSid",
            "parent",
            Form::Sid(CallSid::PREFIX),
            Code::INVALID_PARAMETER,
        ),
        Filter::equal("Status", "status", Form::Word(CallStatus::NAMES), Code::INVALID_PARAMETER),
        Filter::during("StartTime", "start_ms", Until::Before),
        Filter::during("EndTime", "end_ms", Until::Before),
    ];
}

/// Commands of the REST API about live calls. Control answers each with a [`crate::Reply`] or a
/// [`crate::WriteError`], under the token it came with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallCommand {
    /// `POST Calls`: answered with the new record once that is on disk, and dialled only then.
    Create(Box<CreateCall>),
    /// `POST OutgoingCallerIds`: answered with the code that the party has to press, once the record of the call is on
    /// disk.
    Validate(Box<ValidateCallerId>),
    /// `POST Calls/{sid}`: answered with the record, or code 21220 where the call has ended.
    Update(Box<UpdateCall>),
    /// `POST Calls/{sid}/Recordings`: code 21220 unless the call is in progress.
    StartRecording {
        /// The account of the path.
        account: AccountSid,
        /// The SID of the call.
        call: CallSid,
        /// How to record it.
        recording: RecordCall,
    },
    /// `POST Calls/{sid}/Recordings/{RE or Twilio.CURRENT}`.
    UpdateRecording {
        /// The account of the path.
        account: AccountSid,
        /// The SID of the call.
        call: CallSid,
        /// The recording; `None` is `Twilio.CURRENT`, the one that runs.
        recording: Option<RecordingSid>,
        /// Pause, resume or stop.
        action: RecordingAction,
    },
    /// `POST Calls/{sid}/Streams`, `…/Siprec`, `…/Transcriptions`: code 21220 unless the call is in progress.
    StartSide {
        /// The account of the path.
        account: AccountSid,
        /// The SID of the call.
        call: CallSid,
        /// What starts.
        side: StartSide,
    },
    /// `POST Calls/{sid}/Streams/{MZ or name}` and so on, with `Status=stopped`.
    StopSide {
        /// The account of the path.
        account: AccountSid,
        /// The SID of the call.
        call: CallSid,
        /// What it is.
        kind: SideKind,
        /// Its SID or its name.
        name: String,
    },
    /// `GET Calls/{sid}/Timeline.json` of a live call: answered with `Reply::Timeline`.
    ReadTimeline {
        /// The account of the path.
        account: AccountSid,
        /// The SID of the call.
        call: CallSid,
    },
}

/// The parameters of `POST OutgoingCallerIds`, checked for form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValidateCallerId {
    /// E.164 with `+`.
    pub phone_number: String,
    /// The name of the row; `None` is the number, formatted.
    pub friendly_name: Option<String>,
    /// Seconds until the call is placed.
    pub delay_s: u32,
    /// The call, but for its caller and its documents, which Control chooses.
    pub call: CreateCall,
}

/// A call that verifies a number, as the API shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Validation {
    /// The account that asked.
    pub account: AccountSid,
    /// The call.
    pub call: CallSid,
    /// E.164 with `+`.
    pub phone_number: String,
    /// The name that the row will have.
    pub friendly_name: String,
    /// The digits that the party has to press.
    pub code: String,
}

/// What REST starts beside the verbs of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StartSide {
    /// A one-way stream.
    Stream(Box<StartStream>),
    /// A recording session with an outside server.
    Siprec(Box<StartSiprec>),
    /// A live transcription.
    Transcription(Box<StartTranscription>),
}

/// The kinds of [`StartSide`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SideKind {
    /// `Streams`.
    Stream,
    /// `Siprec`.
    Siprec,
    /// `Transcriptions`.
    Transcription,
}

/// The parameters of `POST Calls/{sid}/Streams`, checked for form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StartStream {
    /// The server, as written.
    pub url: String,
    /// Its name; `None`: its SID is its name.
    pub name: Option<String>,
    /// The audio that the server gets.
    pub tracks: StreamTracks,
    /// Status callback; `None` sends none.
    pub callback: Option<Webhook>,
    /// Custom parameters, in their order.
    pub parameters: Vec<(String, String)>,
}

/// The parameters of `POST Calls/{sid}/Transcriptions`, checked for form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StartTranscription {
    /// Its name; `None`: its SID is its name.
    pub name: Option<String>,
    /// What is transcribed.
    pub tracks: StreamTracks,
    /// Status callback; `None` sends none.
    pub callback: Option<Webhook>,
    /// Names of the party's track and of the other one.
    pub labels: [Option<String>; 2],
    /// Whether unfinished text is sent.
    pub wants_partials: bool,
    /// Locale.
    pub language: String,
    /// `TranscriptionEngine`, which callbacks repeat.
    pub engine: String,
    /// `SpeechModel`, which callbacks repeat.
    pub model: String,
    /// Whether bad words are masked.
    pub is_filtered: bool,
    /// `Hints`, as written.
    pub hints: String,
    /// `EnableAutomaticPunctuation`, which callbacks repeat.
    pub is_punctuated: bool,
}

/// Tracks of a stream (`Track`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamTracks {
    /// `inbound_track`: what the party says.
    Inbound,
    /// `outbound_track`: what the party hears.
    Outbound,
    /// `both_tracks`.
    Both,
}

/// The parameters of `POST Calls/{sid}/Siprec`, checked for form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StartSiprec {
    /// The recording server, by its name in the settings.
    pub connector: String,
    /// Its name; `None`: its SID is its name.
    pub name: Option<String>,
    /// The audio that the server gets.
    pub tracks: StreamTracks,
    /// Status callback; `None` sends none.
    pub callback: Option<Webhook>,
    /// Custom parameters, in their order.
    pub parameters: Vec<(String, String)>,
}

/// What runs beside the verbs of a call as the API shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SideView<S> {
    /// Its SID.
    pub sid: S,
    /// The account.
    pub account: AccountSid,
    /// The call.
    pub call: CallSid,
    /// Its name; `None`: its SID is its name.
    pub name: Option<String>,
    /// `in-progress`, or else `stopped`.
    pub is_running: bool,
    /// Milliseconds since 1970 at its last change.
    pub updated_ms: i64,
}

/// The parameters of `POST Calls`, checked for form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateCall {
    /// The account that owns the call.
    pub account: AccountSid,
    /// The party to call.
    pub to: CallTarget,
    /// The caller: a number, or the user part of our From.
    pub from: String,
    /// Caller ID shown instead of `from`; `None` shows `from`.
    pub caller_id: Option<String>,
    /// Display name beside it in From, 2 to 255 characters; `None` sends none.
    pub display_name: Option<String>,
    /// The application whose URLs the call runs by; `None`: the request names its own.
    pub application: Option<ApplicationSid>,
    /// The document that runs once the call is answered.
    pub twiml: TwimlSource,
    /// Fetched where the first document cannot be; `None` ends the call.
    pub fallback: Option<Webhook>,
    /// Status callback; `None` sends none.
    pub status_callback: Option<Webhook>,
    /// Events that the status callback reports; only `completed` where the parameter was absent.
    pub status_callback_events: CallEvents,
    /// Detection of what answers; `None` detects nothing.
    pub detection: Option<DetectMachine>,
    /// Digits to send after the answer: `0-9 A-D # * w W`, at most 32; `None` sends none.
    pub send_digits: Option<String>,
    /// Longest ringing, seconds, 1 to 600.
    pub timeout_s: u32,
    /// Longest call from answer to end, seconds.
    pub time_limit_s: u32,
    /// Recording from the answer on; `None` records nothing.
    pub record: Option<RecordCall>,
    /// Credentials for a 401 or 407 of the far side; `None` ends the call there.
    pub sip_auth: Option<SipAuth>,
    /// Parameters that are accepted without effect, each with the contract's code: the call is placed, and
    /// a notification names each of them.
    pub warnings: Vec<ParameterWarning>,
}

/// Answering-machine detection of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DetectMachine {
    /// The terms by which it decides.
    pub detection: Detection,
    /// Whether the call goes on meanwhile; else its document waits for the result.
    pub is_async: bool,
    /// Where the result goes of an asynchronous detection.
    pub callback: Option<Webhook>,
}

/// A parameter of `POST Calls` that is accepted without effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParameterWarning {
    /// What is wrong with it.
    pub code: Code,
    /// One sentence that names the parameter.
    pub sentence: String,
}

/// Callee of an outbound call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallTarget {
    /// A SIP URI with its parameters and header part, as it was written: starts with `sip:`.
    Sip(String),
    /// A telephone number: `+` and digits, or digits.
    Number(String),
    /// A client (`client:`).
    Client {
        /// Its name.
        identity: String,
        /// Names and values of the query behind it, decoded: what the client is told.
        parameters: Vec<(String, String)>,
    },
    /// A TwiML application (`app:`).
    Application {
        /// Its SID.
        sid: ApplicationSid,
        /// Names and values of the query behind it, decoded: what the application is told.
        parameters: Vec<(String, String)>,
    },
}

/// Source of a call's TwiML.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TwimlSource {
    /// Fetched from a URL.
    Url(Webhook),
    /// Given in the request, at most 4,000 characters.
    Inline(String),
}

/// An absolute http(s) URL and the method of requests to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    /// The URL as it was written, user name and password included.
    pub url: String,
    /// GET puts parameters in the query, POST in a form body.
    pub method: HttpMethod,
}

/// Set of events that a call's status callback reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallEvents {
    /// The call left the gateway's queue and is dialled.
    pub initiated: bool,
    /// The callee rings (180, or 183 with media).
    pub ringing: bool,
    /// The callee answered.
    pub answered: bool,
    /// The call ended, in any final status.
    pub completed: bool,
}

impl CallEvents {
    /// The set where the parameter is absent.
    pub const COMPLETED: Self =
        Self { initiated: false, ringing: false, answered: false, completed: true };
    /// The empty set, to which a list of events adds.
    pub const NONE: Self =
        Self { initiated: false, ringing: false, answered: false, completed: false };
}

/// How to record a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordCall {
    /// Two channels, the parent leg first; otherwise both legs mixed into one.
    pub dual_channel: bool,
    /// Audio of one direction, or both.
    pub track: RecordingTrack,
    /// Cut silence at both ends.
    pub trim_silence: bool,
    /// Status callback of the recording; `None` sends none.
    pub callback: Option<Webhook>,
    /// Events that the status callback reports.
    pub callback_events: RecordingEvents,
}

/// Direction of the audio that a recording holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum RecordingTrack {
    /// Audio received by the gateway.
    Inbound,
    /// Audio sent by the gateway.
    Outbound,
    /// What both parties say.
    #[default]
    Both,
}

impl RecordingTrack {
    /// Every track.
    pub const ALL: [Self; 3] = [Self::Inbound, Self::Outbound, Self::Both];

    /// The contract's word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Inbound => "inbound",
            Self::Outbound => "outbound",
            Self::Both => "both",
        }
    }

    /// Reads the contract's word.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|track| track.name() == name)
    }
}

/// Set of events that a recording's status callback reports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RecordingEvents {
    /// The recording began: participants of conferences only, before `in_progress`.
    pub started: bool,
    /// The recording began.
    pub in_progress: bool,
    /// REST paused it: participants only.
    pub paused: bool,
    /// REST resumed it: participants only.
    pub resumed: bool,
    /// It takes no more audio; its file is not ready: participants only.
    pub stopped: bool,
    /// The file is ready.
    pub completed: bool,
    /// There is no file, as the disk failed: participants and their conferences only.
    pub failed: bool,
    /// No audio was received, so there is no file.
    pub absent: bool,
}

impl RecordingEvents {
    /// The set where the parameter is absent.
    pub const COMPLETED: Self = Self { completed: true, ..Self::NONE };
    /// The empty set.
    pub const NONE: Self = Self {
        started: false,
        in_progress: false,
        paused: false,
        resumed: false,
        stopped: false,
        completed: false,
        failed: false,
        absent: false,
    };
}

/// Change of a running recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordingAction {
    /// Write silence, or nothing, until it is resumed.
    Pause {
        /// `PauseBehavior=skip`: the pause leaves no silence behind.
        skip: bool,
    },
    /// End a pause.
    Resume,
    /// End the recording.
    Stop,
}

/// User and password that answer a challenge of the far side (RFC 3261 §22).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SipAuth {
    /// At most 255 characters.
    pub username: String,
    /// At most 255 characters.
    pub password: Secret,
}

/// The parameters of `POST Calls/{sid}`, checked for form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpdateCall {
    /// The account of the path; a call of another account is not found.
    pub account: AccountSid,
    /// The SID of the call.
    pub call: CallSid,
    /// Action on the call; `None` changes only the settings below.
    pub action: Option<UpdateAction>,
    /// Status callback for the end of the call.
    pub status_callback: Patch<Webhook>,
    /// New longest call from answer to end, seconds; `None` keeps the old one.
    pub time_limit_s: Option<u32>,
}

/// Action of an update on a live call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UpdateAction {
    /// End it where it is queued or ringing; without effect once it is answered.
    Cancel,
    /// End it in any live state.
    Complete,
    /// Abandon the running document and run another.
    Redirect {
        /// The document that replaces the running one.
        twiml: TwimlSource,
        /// Fetched where the document cannot be; `None` ends the call.
        fallback: Option<Webhook>,
    },
}
