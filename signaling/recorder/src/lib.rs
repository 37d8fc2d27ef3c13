//! Writes frames from the media cores to WAV files. Shell: one thread, and a helper that syncs.
//!
//! A recording is `<root>/<AccountSid>/<RecordingSid>.wav`: mu-law, 8,000 Hz, one or two channels;
//! [`RecordedAudio`] expands it. A running recording has the suffix `.part`. Its header is updated about once a second,
//! so that the file can be played after a kill, and [`recover`] finishes it at the next start. At
//! the end the file is synced, renamed, and its folder synced; only then does the event leave that
//! lets the row be written. A row therefore never names a file that a crash has lost. With a public key of the
//! operator the file is sealed at its end ([`SealingKey`]), and the plain one does not stay.
//!
//! Life of a recording: [`Recorder::open`] *before* `StartTap` goes to the core; frames up to the one
//! marked `last`; [`RecorderEvent::Done`], exactly once for each open that did not end in
//! [`RecorderEvent::Refused`].

#![forbid(unsafe_code)]

mod audio;
mod event;
mod finish;
mod library;
mod linear;
mod meters;
mod recording;
mod recover;
mod rendition;
mod sealing;
mod source;
mod thread;
mod wav;

pub use audio::RecordedAudio;
pub use event::{OpenRecording, RecorderEvent, RecordingDone, RecordingOutcome};
pub use library::Library;
pub use linear::LinearWav;
pub use meters::{RecorderCounts, RecorderMeters};
pub use recover::{KeptFacts, RecoveredRecording, kept, recover};
pub use rendition::Rendition;
pub use sealing::{SealingKey, SealingKeyError};
pub use source::{Elsewhere, Kept, Source};
pub use thread::{Recorder, RecorderBusy, RecorderSettings};
pub use wav::{Encoding, HEADER_BYTES, WavFacts, header, inspect};

use std::path::{Path, PathBuf};

use shared::{AccountSid, RecordingSid};

/// Path of a finished recording.
pub fn path(root: &Path, account: AccountSid, recording: RecordingSid) -> PathBuf {
    root.join(account.to_string()).join(format!("{recording}.wav"))
}

/// Path of the MP3 of a finished recording, which is made for its first reader.
pub fn mp3_path(
    root: &Path,
    account: AccountSid,
    recording: RecordingSid,
    two_channels: bool,
) -> PathBuf {
    let ending = if two_channels { "stereo.mp3" } else { "mp3" };
    root.join(account.to_string()).join(format!("{recording}.{ending}"))
}

/// Removes the files of a deleted recording. A missing file is not an error.
///
/// # Errors
/// An error of the file system; the WAV file is still there.
pub fn remove(root: &Path, account: AccountSid, recording: RecordingSid) -> std::io::Result<()> {
    let mp3 = |two_channels| mp3_path(root, account, recording, two_channels);
    // The sealed bytes after what opens them: a kill in between leaves a recording that nobody can open.
    let key = sealing::key_path(root, account, recording);
    let sealed = sealing::sealed_path(root, account, recording);
    for path in [mp3(false), mp3(true), key, sealed, path(root, account, recording)] {
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}

/// Suffix of an unfinished file.
const UNFINISHED: &str = "part";
