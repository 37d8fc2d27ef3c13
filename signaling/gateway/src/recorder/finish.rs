//! The helper that makes finished recordings durable, so that a slow disk holds up no frames.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::Receiver;

use shared::{AccountSid, RecordingSid, TapId};

use super::thread::{OnEvent, OpenRecording, RecorderEvent};
use super::wav::WavFacts;

/// What a recording came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordingOutcome {
    /// The file is on disk under its final name.
    Completed,
    /// No frame ever came; there is no file.
    Absent,
    /// The disk failed. What could be saved lies under the unfinished name, for the next start.
    Failed {
        /// Why, for the operator.
        sentence: String,
    },
}

/// A recording that is settled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordingDone {
    /// The tap it came from.
    pub tap: TapId,
    /// Whose it is.
    pub account: AccountSid,
    /// Its SID.
    pub recording: RecordingSid,
    /// What it came to.
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

/// A file whose bytes are all written.
pub(super) struct Finished {
    pub(super) file: File,
    pub(super) unfinished: PathBuf,
    pub(super) path: PathBuf,
    pub(super) plan: OpenRecording,
    pub(super) outcome: RecordingOutcome,
    pub(super) facts: WavFacts,
    pub(super) taped_ms: u64,
    pub(super) gaps: u32,
    pub(super) gap_ms: u64,
    pub(super) peak: u16,
}

/// Runs until the recorder thread is gone; one file after the other.
pub(super) fn run(files: &Receiver<Finished>, on_event: &OnEvent) {
    while let Ok(finished) = files.recv() {
        on_event(RecorderEvent::Done(settle(finished)));
    }
}

fn settle(finished: Finished) -> RecordingDone {
    let settled = match &finished.outcome {
        RecordingOutcome::Completed => {
            make_durable(&finished.file, &finished.unfinished, &finished.path)
        }
        RecordingOutcome::Absent => fs::remove_file(&finished.unfinished),
        RecordingOutcome::Failed { .. } => Ok(()),
    };
    let outcome = match settled {
        Ok(()) => finished.outcome,
        Err(error) => {
            let sentence = format!("the finished file could not be kept: {error}");
            RecordingOutcome::Failed { sentence }
        }
    };
    RecordingDone {
        tap: finished.plan.tap,
        account: finished.plan.account,
        recording: finished.plan.recording,
        outcome,
        facts: finished.facts,
        taped_ms: finished.taped_ms,
        gaps: finished.gaps,
        gap_ms: finished.gap_ms,
        peak: finished.peak,
    }
}

/// Sync, rename, sync of the folder: afterwards the file is there whatever happens to the power.
pub(super) fn make_durable(file: &File, unfinished: &Path, path: &Path) -> io::Result<()> {
    file.sync_all()?;
    fs::rename(unfinished, path)?;
    let folder = path.parent().unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}
