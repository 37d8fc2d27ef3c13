//! The helper thread that makes finished recordings durable, so that a slow disk does not delay frames.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc::Receiver;

use shared::EncryptionDetails;

use crate::event::{OnEvent, OpenRecording, RecorderEvent, RecordingDone, RecordingOutcome};
use crate::meters::RecorderMeters;
use crate::sealing::{self, SealingKey};
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
pub(super) fn run(
    files: &Receiver<Finished>,
    key: Option<&SealingKey>,
    meters: &RecorderMeters,
    on_event: &OnEvent,
) {
    while let Ok(finished) = files.recv() {
        let done = settle(finished, key);
        meters.count_done(&done);
        on_event(RecorderEvent::Done(done));
    }
}

fn settle(finished: Finished, key: Option<&SealingKey>) -> RecordingDone {
    let mut kept = KeptAs { bytes: finished.facts.bytes, encryption: None };
    let settled = match &finished.outcome {
        RecordingOutcome::Completed => {
            // Here, because it may be hours of silence: the recorder thread has frames to take.
            let filled = fill(&finished.file, finished.silence);
            let (file, bytes) = (&finished.file, kept.bytes);
            filled
                .and_then(|()| keep(file, bytes, &finished.unfinished, &finished.path, key))
                .map(|settled| kept = settled)
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
        kept_bytes: kept.bytes,
        encryption: kept.encryption,
        taped_ms: finished.taped_ms,
        gaps: finished.gaps,
        gap_ms: finished.gap_ms,
        cut_ms: finished.cut_ms,
        peak: finished.peak,
    }
}

/// A finished file as it is kept.
pub(super) struct KeptAs {
    pub(super) bytes: u64,
    pub(super) encryption: Option<EncryptionDetails>,
}

/// Makes a finished file of `bytes` bytes durable under its final name, sealed where there is a key.
pub(super) fn keep(
    file: &File,
    bytes: u64,
    unfinished: &Path,
    path: &Path,
    key: Option<&SealingKey>,
) -> io::Result<KeptAs> {
    let Some(key) = key else {
        make_durable(file, unfinished, path)?;
        return Ok(KeptAs { bytes, encryption: None });
    };
    let sealed = sealing::seal(key, file, unfinished, path)?;
    Ok(KeptAs { bytes: sealed.bytes, encryption: Some(sealed.details) })
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
fn make_durable(file: &File, unfinished: &Path, path: &Path) -> io::Result<()> {
    file.sync_all()?;
    fs::rename(unfinished, path)?;
    let folder = path.parent().unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}
