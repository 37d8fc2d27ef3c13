//! Records of what happened: recordings, notifications, HTTP exchanges. Sans-IO.

use shared::{AccountSid, CallSid, ConferenceSid, NotificationSid, RecordingSid};

use crate::domain::HttpMethod;

/// A recording's metadata (contract rest.md §7). Its audio is a file of the recorder.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct RecordingRecord {
    /// Its SID; also names the file.
    pub sid: RecordingSid,
    /// The account it belongs to.
    pub account: AccountSid,
    /// The parent leg's call.
    pub call: CallSid,
    /// The conference, of a conference recording.
    pub conference: Option<ConferenceSid>,
    /// Where it stands.
    pub status: RecordingStatus,
    /// What started it.
    pub source: RecordingSource,
    /// 1 or 2.
    pub channels: u8,
    /// Whole seconds; `None` while it runs.
    pub duration_s: Option<u32>,
    /// Bytes of the WAV file; `None` while it runs.
    pub bytes: Option<u64>,
    /// When its first sample was heard, Unix milliseconds.
    pub start_ms: i64,
    /// The contract's code when it failed.
    pub error_code: Option<u32>,
    /// Unix milliseconds.
    pub created_ms: i64,
    /// Unix milliseconds.
    pub updated_ms: i64,
}

/// Status of a recording.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
pub enum RecordingStatus {
    /// Being written.
    InProgress,
    /// Paused by the API.
    Paused,
    /// Ended by the API, not yet a file.
    Stopped,
    /// Being made into its final file.
    Processing,
    /// The file is there.
    Completed,
    /// Nothing was heard.
    Absent,
    /// It broke; see its error code.
    Failed,
    /// Deleted; only the metadata lives on for a while.
    Deleted,
}

impl RecordingStatus {
    /// Every status.
    pub const ALL: [Self; 8] = [
        Self::InProgress,
        Self::Paused,
        Self::Stopped,
        Self::Processing,
        Self::Completed,
        Self::Absent,
        Self::Failed,
        Self::Deleted,
    ];

    /// The contract's word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::InProgress => "in-progress",
            Self::Paused => "paused",
            Self::Stopped => "stopped",
            Self::Processing => "processing",
            Self::Completed => "completed",
            Self::Absent => "absent",
            Self::Failed => "failed",
            Self::Deleted => "deleted",
        }
    }

    /// Reads the contract's word.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.name() == name)
    }

    /// Whether the recorder still works on it.
    pub const fn is_running(self) -> bool {
        match self {
            Self::InProgress | Self::Paused | Self::Stopped | Self::Processing => true,
            Self::Completed | Self::Absent | Self::Failed | Self::Deleted => false,
        }
    }
}

/// What started a recording.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
pub enum RecordingSource {
    /// `<Dial record>`.
    DialVerb,
    /// A conference.
    Conference,
    /// `Record=true` of `POST Calls`.
    OutboundApi,
    /// `<Record>`.
    RecordVerb,
    /// `POST Calls/{sid}/Recordings`.
    StartCallRecordingApi,
    /// The conference's API.
    StartConferenceRecordingApi,
}

impl RecordingSource {
    /// Every source.
    pub const ALL: [Self; 6] = [
        Self::DialVerb,
        Self::Conference,
        Self::OutboundApi,
        Self::RecordVerb,
        Self::StartCallRecordingApi,
        Self::StartConferenceRecordingApi,
    ];

    /// The contract's word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::DialVerb => "DialVerb",
            Self::Conference => "Conference",
            Self::OutboundApi => "OutboundAPI",
            Self::RecordVerb => "RecordVerb",
            Self::StartCallRecordingApi => "StartCallRecordingAPI",
            Self::StartConferenceRecordingApi => "StartConferenceRecordingAPI",
        }
    }

    /// Reads the contract's word.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|source| source.name() == name)
    }
}

/// Something that went wrong: read as a `Notification` (§6.3) and as a monitor `Alert` (§11).
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct NotificationRecord {
    /// Its SID.
    pub sid: NotificationSid,
    /// The account it is told to.
    pub account: AccountSid,
    /// The call it is about.
    pub call: Option<CallSid>,
    /// How bad.
    pub level: NotificationLevel,
    /// The contract's error code.
    pub error_code: u32,
    /// One sentence.
    pub message: String,
    /// The HTTP request it is about, where there was one.
    pub exchange: Option<HttpMessages>,
    /// Unix milliseconds.
    pub created_ms: i64,
}

/// How bad a notification is.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
pub enum NotificationLevel {
    /// `Log=0`, `error`.
    Error,
    /// `Log=1`, `warning`.
    Warning,
}

/// An HTTP request of ours and its answer, as far as a notification shows them.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct HttpMessages {
    /// Method of the request.
    pub method: HttpMethod,
    /// The URL without user name and password.
    pub url: String,
    /// The parameters, form-encoded.
    pub request_variables: String,
    /// Header lines of the answer.
    pub response_headers: String,
    /// The answer's body, cut.
    pub response_body: String,
}

/// One HTTP exchange of a call: a row of `Calls/{sid}/Events` (contract rest.md §6.3).
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct HttpExchange {
    /// Orders the rows and is unique: make it with [`shared::ids::sid_bits`].
    #[serde(with = "bits")]
    pub id: u128,
    /// The account of the call.
    pub account: AccountSid,
    /// The call.
    pub call: CallSid,
    /// Method of the request.
    pub method: HttpMethod,
    /// The URL without user name and password.
    pub url: String,
    /// The parameters in order.
    pub parameters: Vec<(String, String)>,
    /// Status of the answer; `None` when there was none.
    pub response_code: Option<u16>,
    /// From sending to the last byte, milliseconds.
    pub request_duration_ms: u32,
    /// `Content-Type` of the answer.
    pub content_type: String,
    /// The answer's body, cut.
    pub response_body: String,
    /// Unix milliseconds.
    pub created_ms: i64,
}

/// The timeline of an ended call (design section 8): one blob, JSON, at most 16 KiB.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct TimelineRecord {
    /// The call.
    pub call: CallSid,
    /// The account of the call.
    pub account: AccountSid,
    /// A JSON array of entries.
    pub json: String,
}

/// 128 bits as hexadecimal text: numbers of JSON are too small.
mod bits {
    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(bits: &u128, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&format!("{bits:032x}"))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<u128, D::Error> {
        let text = String::deserialize(from)?;
        u128::from_str_radix(&text, 16).map_err(D::Error::custom)
    }
}
