//! The helper thread that makes finished recordings durable, so that a slow disk does not delay frames.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc::Receiver;

use crate::event::{OnEvent, OpenRecording, RecorderEvent, RecordingDone, RecordingOutcome};
use crate::meters::RecorderMeters;
use crate::wav::{MULAW_HEADER_BYTES, SILENCE, WavFacts};

/// A recording whose bytes are all written.
pub(super) struct Finished {
    pub(super) file: File,
    pub(super) unfinished: PathBuf,
    pub(super) path: PathBuf,
    pub(super) plan: OpenRecording,
    /// Bytes of silence to write behind the header; the rest is in the file.
    pub(super) silence: u64,
    pub(super) outcome: RecordingOutcome,
    pub(super) facts: WavFacts,
    pub(super) taped_ms: u64,
    pub(super) gaps: u32,
    pub(super) gap_ms: u64,
    pub(super) cut_ms: u64,
    pub(super) peak: u16,
}

/// Settles one file after the other until the recorder thread has ended.
pub(super) fn run(files: &Receiver<Finished>, meters: &RecorderMeters, on_event: &OnEvent) {
    while let Ok(finished) = files.recv() {
        let done = settle(finished);
        meters.count_done(&done);
        on_event(RecorderEvent::Done(done));
    }
}

fn settle(finished: Finished) -> RecordingDone {
    let settled = match &finished.outcome {
        RecordingOutcome::Completed => {
            // Here, because it may be hours of silence: the recorder thread has frames to take.
            fill(&finished.file, finished.silence)
                .and_then(|()| make_durable(&finished.file, &finished.unfinished, &finished.path))
        }
        RecordingOutcome::Absent => fs::remove_file(&finished.unfinished),
        RecordingOutcome::Failed { .. } => {
            // It holds no audio, and the disk has no room for it.
            let _ = fs::remove_file(&finished.unfinished);
            Ok(())
        }
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
        cut_ms: finished.cut_ms,
        peak: finished.peak,
    }
}

fn fill(file: &File, silence: u64) -> io::Result<()> {
    let part = [SILENCE; 64 * 1024];
    let mut at = 0;
    while at < silence {
        let count = usize::try_from(silence - at).unwrap_or(part.len()).min(part.len());
        file.write_all_at(part.get(..count).unwrap_or(&part), MULAW_HEADER_BYTES + at)?;
        at += count as u64;
    }
    Ok(())
}

/// Syncs the file, renames it and syncs the folder: from then on it survives a power cut.
pub(super) fn make_durable(file: &File, unfinished: &Path, path: &Path) -> io::Result<()> {
    file.sync_all()?;
    fs::rename(unfinished, path)?;
    let folder = path.parent().unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}
