//! Input and output of the recorder: the order to begin a recording, and the events that report on it.

use std::sync::Arc;

use shared::{AccountSid, EncryptionDetails, RecordingSid, TapId};

use crate::wav::WavFacts;

/// A recording to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenRecording {
    /// The tap that supplies its frames.
    pub tap: TapId,
    /// The account, which names the folder.
    pub account: AccountSid,
    /// Its SID, which names the file.
    pub recording: RecordingSid,
    /// 1: both directions are mixed. 2: the party's audio is channel 1, the audio sent to it channel 2.
    pub channels: u8,
    /// Whether silence at both ends is trimmed.
    pub trim: bool,
}

/// An event, reported on the recorder's threads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecorderEvent {
    /// The recording cannot begin; no [`RecorderEvent::Done`] follows.
    Refused {
        /// The tap of the [`OpenRecording`].
        tap: TapId,
        /// The reason, for the operator.
        sentence: String,
    },
    /// The limit on length or size is reached. Stop the tap; the file is finished and
    /// [`RecorderEvent::Done`] follows.
    LimitReached {
        /// The tap of the [`OpenRecording`].
        tap: TapId,
    },
    /// The recording has ended.
    Done(RecordingDone),
}

/// Receives events on the recorder's threads; must not block.
pub(crate) type OnEvent = Arc<dyn Fn(RecorderEvent) + Send + Sync>;

/// How a recording ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordingOutcome {
    /// The file is on disk under its final name.
    Completed,
    /// No frame arrived; there is no file.
    Absent,
    /// The disk failed before it took any audio, and there is no file; or it does not keep the finished one,
    /// which then stays under the unfinished name for [`crate::recover`].
    Failed {
        /// The reason, for the operator.
        sentence: String,
    },
}

/// A recording that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordingDone {
    /// Its tap.
    pub tap: TapId,
    /// The account.
    pub account: AccountSid,
    /// Its SID.
    pub recording: RecordingSid,
    /// How it ended.
    pub outcome: RecordingOutcome,
    /// Channels and size of the file, and its length after trimming. Of a sealed one, the facts of what was
    /// sealed.
    pub facts: WavFacts,
    /// Bytes that a reader of the file as it is kept gets.
    pub kept_bytes: u64,
    /// What opens the file; `None` where it is in the clear.
    pub encryption: Option<EncryptionDetails>,
    /// Milliseconds that the tap ran, without pauses and before trimming (`RecordingDuration` of the
    /// `<Record>` action).
    pub taped_ms: u64,
    /// Gaps where frames were lost; each is silence of the same length in the file.
    pub gaps: u32,
    /// Milliseconds of silence in those gaps.
    pub gap_ms: u64,
    /// Milliseconds at the end that the file lacks, because the disk took no more.
    pub cut_ms: u64,
    /// Loudest sample, 0 to 32,768.
    pub peak: u16,
}
