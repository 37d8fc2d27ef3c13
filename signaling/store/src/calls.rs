//! Calls: the record of one, and the commands of the REST API about live ones. Sans-IO.

use shared::{AccountSid, CallSid, RecordingSid};

use crate::domain::HttpMethod;
use crate::patch::Patch;
use crate::secret::Secret;

/// What is kept of a call (contract rest.md §6). Written at creation, at each status, and at the end.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct CallRecord {
    /// Its SID.
    pub sid: CallSid,
    /// The account it belongs to.
    pub account: AccountSid,
    /// The call that dialled it.
    pub parent: Option<CallSid>,
    /// Whom it reaches: a number or a URI, as the contract shows it.
    pub to: String,
    /// Who calls: a number, a name or a URI.
    pub from: String,
    /// Where it stands.
    pub status: CallStatus,
    /// How it came to be.
    pub direction: CallDirection,
    /// When it was answered, Unix milliseconds; for an unanswered call that ended, when it was made.
    pub start_ms: Option<i64>,
    /// When it ended, Unix milliseconds. `None` = live.
    pub end_ms: Option<i64>,
    /// Whole seconds from answer to end; `None` unless answered and ended.
    pub duration_s: Option<u32>,
    /// How long it is expected to wait before it is dialled, milliseconds.
    pub queue_time_ms: u32,
    /// What machine detection found, in the contract's words.
    pub answered_by: Option<String>,
    /// Whom it was diverted by.
    pub forwarded_from: Option<String>,
    /// The caller's display name.
    pub caller_name: Option<String>,
    /// Unix milliseconds.
    pub created_ms: i64,
    /// Unix milliseconds.
    pub updated_ms: i64,
}

/// Status of a call. `initiated` and `answered` exist only as callback events.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
pub enum CallStatus {
    /// Made by the API, not dialled yet.
    Queued,
    /// Ringing.
    Ringing,
    /// Answered.
    InProgress,
    /// Answered and ended.
    Completed,
    /// The other side was busy.
    Busy,
    /// It could not be made, or something broke.
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

    /// Whether a call in this status is over.
    pub const fn is_final(self) -> bool {
        match self {
            Self::Queued | Self::Ringing | Self::InProgress => false,
            Self::Completed | Self::Busy | Self::Failed | Self::NoAnswer | Self::Canceled => true,
        }
    }
}

/// How a call came to be.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
pub enum CallDirection {
    /// Somebody called us.
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

/// What the REST API asks about live calls. Control answers each with a [`crate::Reply`] or a
/// [`crate::WriteError`] under the token it came with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallCommand {
    /// `POST Calls`: answered with the new record as soon as that is on disk; dialled after.
    Create(Box<CreateCall>),
    /// `POST Calls/{sid}`: answered with the record, code 21220 when the call is over.
    Update(Box<UpdateCall>),
    /// `POST Calls/{sid}/Recordings`: code 21220 unless the call is in progress.
    StartRecording {
        /// The account of the path.
        account: AccountSid,
        /// The call.
        call: CallSid,
        /// How to record it.
        recording: RecordCall,
    },
    /// `POST Calls/{sid}/Recordings/{RE or Twilio.CURRENT}`.
    UpdateRecording {
        /// The account of the path.
        account: AccountSid,
        /// The call.
        call: CallSid,
        /// Which; `None` = `Twilio.CURRENT`.
        recording: Option<RecordingSid>,
        /// What to do with it.
        action: RecordingAction,
    },
    /// `GET Calls/{sid}/Timeline.json` of a call that is still up: answered with `Reply::Timeline`.
    ReadTimeline {
        /// The account of the path.
        account: AccountSid,
        /// The call.
        call: CallSid,
    },
}

/// All that `POST Calls` carries, checked for form (contract rest.md §6.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateCall {
    /// The account that pays and owns the call.
    pub account: AccountSid,
    /// Whom to call.
    pub to: CallTarget,
    /// Who calls: a number, or the user part of our From.
    pub from: String,
    /// Shown instead of `from`.
    pub caller_id: Option<String>,
    /// What runs when the call is answered.
    pub twiml: TwimlSource,
    /// Asked when the first document cannot be had.
    pub fallback: Option<Webhook>,
    /// Who is told about the call's life.
    pub status_callback: Option<Webhook>,
    /// Which events it is told. Only `completed` when the parameter was absent.
    pub status_callback_events: CallEvents,
    /// Keys to press once it is answered: `0-9 A-D # * w W`, at most 32.
    pub send_digits: Option<String>,
    /// How long it may ring, seconds, 1 to 600.
    pub timeout_s: u32,
    /// Longest length, seconds.
    pub time_limit_s: u32,
    /// Recorded from answer, when asked.
    pub record: Option<RecordCall>,
    /// For a 401 or 407 of the far side.
    pub sip_auth: Option<SipAuth>,
    /// Parameters that are accepted and have no effect, each with the contract's code: the call is
    /// made, and its notifications name them.
    pub warnings: Vec<ParameterWarning>,
}

/// A parameter of `POST Calls` that has no effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParameterWarning {
    /// The contract's code.
    pub code: u32,
    /// One sentence that names the parameter.
    pub sentence: String,
}

/// Whom an outbound call reaches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallTarget {
    /// A SIP URI with its parameters and header part, as it was written: starts with `sip:`.
    Sip(String),
    /// A telephone number: `+` and digits, or digits.
    Number(String),
}

impl CallTarget {
    /// The text as the contract shows it.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Sip(text) | Self::Number(text) => text,
        }
    }
}

/// Where a call's TwiML comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TwimlSource {
    /// Fetched.
    Url(Webhook),
    /// Given in the request, at most 4,000 characters.
    Inline(String),
}

/// An absolute http(s) URL and how to ask it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    /// The URL as it was written, user name and password included.
    pub url: String,
    /// The method.
    pub method: HttpMethod,
}

/// Events of a call's status callback.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallEvents {
    /// It left our queue.
    pub initiated: bool,
    /// It rings.
    pub ringing: bool,
    /// It was answered.
    pub answered: bool,
    /// It ended, however.
    pub completed: bool,
}

impl CallEvents {
    /// The contract's default.
    pub const COMPLETED: Self =
        Self { initiated: false, ringing: false, answered: false, completed: true };
    /// No event at all: what to start from when reading a list of them.
    pub const NONE: Self =
        Self { initiated: false, ringing: false, answered: false, completed: false };
}

/// How to record a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordCall {
    /// Two channels: first the parent leg.
    pub dual_channel: bool,
    /// Which audio.
    pub track: RecordingTrack,
    /// Whether silence at both ends is cut.
    pub trim_silence: bool,
    /// Who is told about the recording.
    pub callback: Option<Webhook>,
    /// Which events it is told.
    pub callback_events: RecordingEvents,
}

/// Which audio of a call a recording holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RecordingTrack {
    /// What the gateway hears.
    Inbound,
    /// What the gateway says.
    Outbound,
    /// Both.
    #[default]
    Both,
}

/// Events of a recording's status callback.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordingEvents {
    /// It began.
    pub in_progress: bool,
    /// Its file is ready.
    pub completed: bool,
    /// There was nothing to record.
    pub absent: bool,
}

impl RecordingEvents {
    /// The contract's default.
    pub const COMPLETED: Self = Self { in_progress: false, completed: true, absent: false };
    /// No event at all.
    pub const NONE: Self = Self { in_progress: false, completed: false, absent: false };
}

/// What to do with a running recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordingAction {
    /// Write silence, or nothing, until resumed.
    Pause {
        /// `PauseBehavior=skip`: the pause leaves no silence behind.
        skip: bool,
    },
    /// Go on.
    Resume,
    /// End it.
    Stop,
}

/// User and password for a challenge of the far side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SipAuth {
    /// At most 255 characters.
    pub username: String,
    /// At most 255 characters.
    pub password: Secret,
}

/// All that `POST Calls/{sid}` carries, checked for form (contract rest.md §6.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpdateCall {
    /// The account of the path; a call of another one is not found.
    pub account: AccountSid,
    /// The call.
    pub call: CallSid,
    /// What to do with it now, if anything.
    pub action: Option<UpdateAction>,
    /// Who is told when it ends.
    pub status_callback: Patch<Webhook>,
    /// Longest length from answer, seconds.
    pub time_limit_s: Option<u32>,
}

/// What an update does to a live call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UpdateAction {
    /// End it if it is queued or ringing; no effect once it is up.
    Cancel,
    /// End it in any live state.
    Complete,
    /// Leave what runs and run another document.
    Redirect {
        /// The document.
        twiml: TwimlSource,
        /// Asked when that cannot be had.
        fallback: Option<Webhook>,
    },
}
