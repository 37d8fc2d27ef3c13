//! Recordings: frames from the media cores to WAV files. Shell, one thread and a helper for syncing.
//!
//! A recording is `<root>/<AccountSid>/<RecordingSid>.wav`: PCM of 16 bits, 8,000 Hz, one channel
//! or two. While it runs it lies beside that with `.part` at its end; its header is right about
//! once a second, so that what a kill leaves behind can be played, and [`recover`] finishes it at the
//! next start. At its end: sync, rename, sync of the folder, and only then the event that lets the
//! row be written: nothing that a row names is missing after a crash.
//!
//! Order of a recording's life: [`Recorder::open`] *before* `StartTap` goes to the core; frames until
//! the one that is `last`; [`RecorderEvent::Done`], exactly once for each open that was not answered
//! by [`RecorderEvent::Refused`].

#![forbid(unsafe_code)]

mod event;
mod finish;
mod recording;
mod recover;
mod thread;
mod wav;

pub use event::{OpenRecording, RecorderEvent, RecordingDone, RecordingOutcome};
pub use recover::{RecoveredRecording, recover};
pub use thread::{Recorder, RecorderBusy, RecorderCounts, RecorderMeters, RecorderSettings};
pub use wav::{HEADER_BYTES, WavFacts, header, inspect};

use std::path::{Path, PathBuf};

use shared::{AccountSid, RecordingSid};

/// Where the file of a finished recording lies.
pub fn path(root: &Path, account: AccountSid, recording: RecordingSid) -> PathBuf {
    root.join(account.to_string()).join(format!("{recording}.wav"))
}

/// Removes the file of a deleted recording; one that is not there is no error.
///
/// # Errors
/// Those of the file system: the file is still there.
pub fn remove(root: &Path, account: AccountSid, recording: RecordingSid) -> std::io::Result<()> {
    match std::fs::remove_file(path(root, account, recording)) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// What a file that is not finished has at its end.
const UNFINISHED: &str = "part";
