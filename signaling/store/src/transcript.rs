//! The transcript of a recording. Its SID has the bits of the recording's: a recording has one at most. Sans-IO.

use shared::{RecordingSid, TranscriptionSid};

use crate::stored::Stored;
use crate::value::Value;

/// What was said in a recording.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Transcript {
    /// How far it is.
    pub status: TranscriptStatus,
    /// The words; empty until it is completed.
    pub text: String,
    /// Whole seconds of the audio.
    pub duration_s: u32,
    /// Creation, in milliseconds since 1970.
    pub created_ms: i64,
    /// Last change, in milliseconds since 1970.
    pub updated_ms: i64,
}

/// Status of a transcript.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum TranscriptStatus {
    /// An engine works on it.
    InProgress,
    /// Its text is whole.
    Completed,
    /// There is no text.
    Failed,
}

impl TranscriptStatus {
    /// The value in webhooks and REST.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InProgress => "in-progress",
            Self::Completed => "completed",
            Self::Failed => "failed",
        }
    }
}

impl Transcript {
    /// The SID of the transcript of a recording.
    pub const fn sid(recording: RecordingSid) -> TranscriptionSid {
        TranscriptionSid(recording.0)
    }

    /// The recording whose transcript has this SID.
    pub const fn recording(sid: TranscriptionSid) -> RecordingSid {
        RecordingSid(sid.0)
    }
}

impl Stored for Transcript {
    fn put(&self, values: &mut Vec<Value>) {
        // Plain data always becomes JSON.
        values.push(Value::Text(serde_json::to_string(self).unwrap_or_default()));
    }

    fn take(values: &mut impl Iterator<Item = Value>) -> Option<Self> {
        serde_json::from_str(&String::take(values)?).ok()
    }
}
