//! Records of history beside calls: recordings, notifications, HTTP exchanges, timelines. Sans-IO.

use shared::{AccountSid, CallSid, ConferenceSid, NotificationSid, RecordingSid};

use crate::domain::HttpMethod;
use crate::filter::{Filter, Filtered, Test, Until};
use crate::parameter::Form;
use crate::value::Value;

/// A recording's metadata. The recorder keeps the audio in a file.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct RecordingRecord {
    /// Also names the file.
    pub sid: RecordingSid,
    /// The account it belongs to.
    pub account: AccountSid,
    /// The call that it records: of two legs, the parent's.
    pub call: CallSid,
    /// The conference; `None` for the recording of a call.
    pub conference: Option<ConferenceSid>,
    /// Latest status.
    pub status: RecordingStatus,
    /// Verb or request that started it.
    pub source: RecordingSource,
    /// Audio channels, 1 or 2.
    pub channels: u8,
    /// Whole seconds; `None` while it runs.
    pub duration_s: Option<u32>,
    /// Bytes of the WAV file; `None` while it runs.
    pub bytes: Option<u64>,
    /// First sample, Unix milliseconds.
    pub start_ms: i64,
    /// The contract's code where it failed; `None` otherwise.
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
    /// Audio is being written.
    InProgress,
    /// Paused by the API.
    Paused,
    /// Ended by the API, its file not finished.
    Stopped,
    /// Ended, its file being finished.
    Processing,
    /// The file can be downloaded.
    Completed,
    /// No audio was received, so there is no file.
    Absent,
    /// It failed; its error code says how.
    Failed,
    /// Deleted: the file is gone, the metadata stays for a while.
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

    /// True while the recorder works on it.
    pub const fn is_running(self) -> bool {
        match self {
            Self::InProgress | Self::Paused | Self::Stopped | Self::Processing => true,
            Self::Completed | Self::Absent | Self::Failed | Self::Deleted => false,
        }
    }
}

/// Verb or request that started a recording.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
pub enum RecordingSource {
    /// `<Dial record>`.
    DialVerb,
    /// `record` of a conference.
    Conference,
    /// `Record=true` of `POST Calls`.
    OutboundApi,
    /// `<Record>`.
    RecordVerb,
    /// `POST Calls/{sid}/Recordings`.
    StartCallRecordingApi,
    /// The REST API of a conference.
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

/// A failure or warning that the customer can read, as a `Notification` and as a monitor `Alert`.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct NotificationRecord {
    /// Also the SID of its `Alert`.
    pub sid: NotificationSid,
    /// The account that can read it.
    pub account: AccountSid,
    /// The call it is about; `None` where it concerns no single call.
    pub call: Option<CallSid>,
    /// Error or warning.
    pub level: NotificationLevel,
    /// The contract's error code.
    pub error_code: u32,
    /// One sentence for the customer.
    pub message: String,
    /// The HTTP request it is about; `None` without one.
    pub exchange: Option<HttpMessages>,
    /// Unix milliseconds.
    pub created_ms: i64,
}

/// Severity of a notification.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
pub enum NotificationLevel {
    /// `Log=0`, `error`.
    Error,
    /// `Log=1`, `warning`.
    Warning,
}

/// An HTTP request of the gateway and its answer, as far as a notification shows them.
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
    /// The answer's body, cut to the limit of what is kept.
    pub response_body: String,
}

/// One HTTP exchange of a call: a row of `Calls/{sid}/Events`.
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
    /// Status of the answer; `None` where none came.
    pub response_code: Option<u16>,
    /// From sending to the last byte, milliseconds.
    pub request_duration_ms: u32,
    /// `Content-Type` of the answer.
    pub content_type: String,
    /// The answer's body, cut to the limit of what is kept.
    pub response_body: String,
    /// Unix milliseconds.
    pub created_ms: i64,
}

/// The timeline of an ended call: one JSON text of at most 16 KiB, so that a long call cannot grow the store.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct TimelineRecord {
    /// The call.
    pub call: CallSid,
    /// The account of the call.
    pub account: AccountSid,
    /// A JSON array of entries.
    pub json: String,
}

/// 128 bits as hexadecimal text: many readers of JSON keep only 53 bits of a number.
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

impl Filtered for RecordingRecord {
    const FILTERS: &'static [Filter] = &[
        Filter::during("DateCreated", "created_ms", Until::OnOrBefore),
        Filter::equal("CallSid", "call", Form::Sid(CallSid::PREFIX), 20422),
        Filter::equal("ConferenceSid", "conference", Form::Sid(ConferenceSid::PREFIX), 20422),
        Filter::testing(
            "IncludeSoftDeleted",
            "status",
            Test::Unless(RecordingStatus::Deleted.name()),
        ),
    ];

    fn column(&self, name: &str) -> Value {
        match name {
            "created_ms" => self.created_ms.into(),
            "call" => Value::sid(self.call.0),
            "conference" => self.conference.map(|sid| Value::sid(sid.0)).into(),
            "status" => self.status.name().into(),
            _ => Value::Null,
        }
    }
}

impl NotificationLevel {
    /// The number that the API and the store have for it.
    pub const fn number(self) -> i64 {
        match self {
            Self::Error => 0,
            Self::Warning => 1,
        }
    }
}

impl NotificationRecord {
    /// Filters of the list of alerts. The gateway raises neither notices nor debug alerts, so their numbers are those
    /// of no row.
    pub const ALERT_FILTERS: &'static [Filter] = &[
        Filter::equal(
            "LogLevel",
            "level",
            Form::Level(&[("error", 0), ("warning", 1), ("notice", 2), ("debug", 3)]),
            20422,
        ),
        Filter::testing("StartDate", "created_ms", Test::Since),
        Filter::testing("EndDate", "created_ms", Test::Through),
    ];
}

impl Filtered for NotificationRecord {
    const FILTERS: &'static [Filter] = &[
        Filter::equal("Log", "level", Form::Level(&[("0", 0), ("1", 1)]), 20422),
        Filter::during("MessageDate", "created_ms", Until::OnOrBefore),
    ];

    fn column(&self, name: &str) -> Value {
        match name {
            "call" => self.call.map(|sid| Value::sid(sid.0)).into(),
            "level" => self.level.number().into(),
            "created_ms" => self.created_ms.into(),
            _ => Value::Null,
        }
    }
}
