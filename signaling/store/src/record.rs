//! Records of history beside calls: recordings, notifications, HTTP exchanges, timelines. Sans-IO.

use shared::{
    AccountSid, CallSid, Code, ConferenceSid, EncryptionDetails, NotificationSid, RecordingSid,
};

use crate::calls::RecordingTrack;
use crate::domain::HttpMethod;
use crate::filter::{Filter, Test, Until};
use crate::parameter::Form;
use crate::recorded::{Filtered, record};
use crate::resource::Column;
use crate::stored::Stored;
use crate::transcript::Transcript;
use crate::value::Value;

record! {
    /// A recording's metadata. The recorder keeps the audio in a file.
    pub struct RecordingRecord {
        /// Also names the file.
        sid: RecordingSid => [Column::fixed("sid")],
        /// The account it belongs to.
        account: AccountSid => [Column::fixed("account")],
        /// The call that it records: of two legs, the parent's.
        call: CallSid => [Column::fixed("call")],
        /// The conference; `None` for the recording of a call.
        conference: Option<ConferenceSid> => [Column::fixed("conference")],
        /// The latest status that was written.
        status: RecordingStatus => [Column::changing("status")],
        /// Verb or request that started it.
        source: RecordingSource => [Column::fixed("source")],
        /// Audio channels, 1 or 2.
        channels: u8 => [Column::changing("channels")],
        /// Whole seconds; `None` while it runs.
        duration_s: Option<u32> => [Column::changing("duration_s")],
        /// Bytes of the WAV file; `None` while it runs.
        bytes: Option<u64> => [Column::changing("bytes")],
        // Changes: the first sample comes after the record is made.
        /// First sample, Unix milliseconds.
        start_ms: i64 => [Column::changing("start_ms")],
        /// The contract's code where it failed; `None` otherwise.
        error_code: Option<Code> => [Column::changing("error_code")],
        /// Creation, in milliseconds since 1970.
        created_ms: i64 => [Column::fixed("created_ms")],
        /// Last change, in milliseconds since 1970.
        updated_ms: i64 => [Column::changing("updated_ms")],
        // Journals of older versions have rows without it.
        /// The directions of audio that it holds.
        #[serde(default)]
        track: RecordingTrack => [Column::fixed("track")],
        /// What opens the file; `None` where it is in the clear, or not settled.
        #[serde(default)]
        encryption: Option<EncryptionDetails> => [Column::changing("encryption")],
        // Fixed for the row's writer: only `Change::NoteTranscript` changes it, and a newer row must not undo that.
        /// What was said in it; `None` where nobody wants to know.
        #[serde(default)]
        transcript: Option<Transcript> => [Column::fixed("transcript")],
    }
    kept in "recordings"
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
    /// Made by `<Dial record>`.
    DialVerb,
    /// `record` of a conference.
    Conference,
    /// `Record=true` of `POST Calls`.
    OutboundApi,
    /// Made by `<Record>`.
    RecordVerb,
    /// Made by `POST Calls/{sid}/Recordings`.
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

record! {
    /// A failure or warning that the customer can read, as a `Notification` and as a monitor `Alert`.
    pub struct NotificationRecord {
        /// Also the SID of its `Alert`.
        sid: NotificationSid => [Column::fixed("sid")],
        /// The account that can read it.
        account: AccountSid => [Column::fixed("account")],
        /// The call it is about; `None` where it concerns no single call.
        call: Option<CallSid> => [Column::fixed("call")],
        /// Error or warning.
        level: NotificationLevel => [Column::fixed("level")],
        /// The contract's error code.
        error_code: Code => [Column::fixed("error_code")],
        /// One sentence for the customer.
        message: String => [Column::fixed("message")],
        /// The HTTP request it is about; `None` without one.
        exchange: Option<HttpMessages> => [Column::fixed("method"), Column::fixed("url"), Column::fixed("request_variables"), Column::fixed("response_headers"), Column::fixed("response_body")],
        /// Creation, in milliseconds since 1970.
        created_ms: i64 => [Column::fixed("created_ms")],
    }
    kept in "notifications"
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
    /// The SID of the call.
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
    /// Creation, in milliseconds since 1970.
    pub created_ms: i64,
}

/// The timeline of an ended call: one JSON text of at most 16 KiB, so that a long call cannot grow the store.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct TimelineRecord {
    /// The SID of the call.
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
        Filter::equal("CallSid", "call", Form::Sid(CallSid::PREFIX), Code::INVALID_PARAMETER),
        Filter::equal(
            "ConferenceSid",
            "conference",
            Form::Sid(ConferenceSid::PREFIX),
            Code::INVALID_PARAMETER,
        ),
        Filter::testing(
            "IncludeSoftDeleted",
            "status",
            // The metadata of a deleted recording stays 40 days and is listed only on request (rest.md 7).
            Test::Unless(RecordingStatus::Deleted.name()),
        ),
    ];
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
            Code::INVALID_PARAMETER,
        ),
        Filter::testing("StartDate", "created_ms", Test::Since),
        Filter::testing("EndDate", "created_ms", Test::Through),
    ];
}

impl Filtered for NotificationRecord {
    const FILTERS: &'static [Filter] = &[
        Filter::equal("Log", "level", Form::Level(&[("0", 0), ("1", 1)]), Code::INVALID_PARAMETER),
        Filter::during("MessageDate", "created_ms", Until::OnOrBefore),
    ];
}

impl Stored for NotificationLevel {
    fn put(&self, values: &mut Vec<Value>) {
        values.push(Value::Integer(self.number()));
    }

    fn take(values: &mut impl Iterator<Item = Value>) -> Option<Self> {
        match i64::take(values)? {
            0 => Some(Self::Error),
            1 => Some(Self::Warning),
            // The API offers two more levels to filter by; no row has them, so a row with one is damaged.
            _ => None,
        }
    }
}

/// Five columns, all of them null where there is none.
impl Stored for Option<HttpMessages> {
    fn put(&self, values: &mut Vec<Value>) {
        match self {
            None => values.extend(std::iter::repeat_n(Value::Null, 5)),
            Some(messages) => {
                messages.method.put(values);
                messages.url.put(values);
                messages.request_variables.put(values);
                messages.response_headers.put(values);
                messages.response_body.put(values);
            }
        }
    }

    fn take(values: &mut impl Iterator<Item = Value>) -> Option<Self> {
        let method = <Option<HttpMethod> as Stored>::take(values)?;
        let mut text = || <Option<String> as Stored>::take(values);
        // All five are taken before the method decides: the fields that follow read from the same values.
        let texts = (text()?, text()?, text()?, text()?);
        let Some(method) = method else { return Some(None) };
        let (url, request_variables, response_headers, response_body) = texts;
        Some(Some(HttpMessages {
            method,
            url: url?,
            request_variables: request_variables?,
            response_headers: response_headers?,
            response_body: response_body?,
        }))
    }
}
