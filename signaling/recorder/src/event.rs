//! What enters and leaves the recorder: the order to begin a recording, and how each one ends.

use std::sync::Arc;

use shared::{AccountSid, RecordingSid, TapId};

use crate::wav::WavFacts;

/// A recording to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenRecording {
    /// The tap whose frames it takes.
    pub tap: TapId,
    /// The account, which names the folder.
    pub account: AccountSid,
    /// Its SID, which names the file.
    pub recording: RecordingSid,
    /// 1: what the tap brings is mixed. 2: what the party says is channel 1, what it hears channel 2.
    pub channels: u8,
    /// Whether silence at both ends is cut.
    pub trim: bool,
}

/// What the recorder reports, on its own threads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecorderEvent {
    /// The recording cannot be begun; no [`RecorderEvent::Done`] follows.
    Refused {
        /// The tap of the [`OpenRecording`].
        tap: TapId,
        /// The reason, for the operator.
        sentence: String,
    },
    /// The node's limit of length or size is reached. The tap should be stopped; the file is finished
    /// already and [`RecorderEvent::Done`] follows.
    LimitReached {
        /// The tap of the [`OpenRecording`].
        tap: TapId,
    },
    /// A recording is settled.
    Done(RecordingDone),
}

/// How events leave; called on the recorder's threads, so it must not block.
pub(crate) type OnEvent = Arc<dyn Fn(RecorderEvent) + Send + Sync>;

/// How a recording ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordingOutcome {
    /// The file is on disk under its final name.
    Completed,
    /// No frame ever came; there is no file.
    Absent,
    /// The disk failed. What could be saved lies under the unfinished name, for the next start.
    Failed {
        /// The reason, for the operator.
        sentence: String,
    },
}

/// A recording that is settled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordingDone {
    /// The tap it came from.
    pub tap: TapId,
    /// The account.
    pub account: AccountSid,
    /// Its SID.
    pub recording: RecordingSid,
    /// How it ended.
    pub outcome: RecordingOutcome,
    /// Channels and size of the file, and its length after trimming.
    pub facts: WavFacts,
    /// Milliseconds the tap was up, pauses left out, before trimming (`RecordingDuration` of the
    /// `<Record>` action).
    pub taped_ms: u64,
    /// Times that frames were lost on the way here; each is silence of the right length.
    pub gaps: u32,
    /// Milliseconds of that silence.
    pub gap_ms: u64,
    /// Loudest sample, 0 to 32,768.
    pub peak: u16,
}
