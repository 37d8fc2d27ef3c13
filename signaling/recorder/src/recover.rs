//! Finishes, at start, the recordings that a kill interrupted, and removes other files that were being made.

use std::fs::{self, OpenOptions};
use std::io;
use std::path::Path;

use shared::{AccountSid, EncryptionDetails, RecordingSid};

use super::finish::{KeptAs, keep};
use crate::sealing::{self, SealingKey};
use crate::wav;

/// A recording that was running when the last process ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecoveredRecording {
    /// The account that owns it.
    pub account: AccountSid,
    /// Its SID.
    pub recording: RecordingSid,
    /// Facts of the recovered file; `None` if it held no audio and was removed.
    pub facts: Option<KeptFacts>,
}

/// Size and length of a finished recording, and what opens it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptFacts {
    /// Bytes of the file as it is kept.
    pub bytes: u64,
    /// Length in milliseconds.
    pub duration_ms: u64,
    /// What opens the file; `None` where it is in the clear.
    pub encryption: Option<EncryptionDetails>,
}

/// Facts of a finished recording; `None` if its file is not a recording of ours.
///
/// # Errors
/// An error of the file system, for example a missing file.
pub fn kept(
    root: &Path,
    account: AccountSid,
    recording: RecordingSid,
) -> io::Result<Option<KeptFacts>> {
    if let Some(sealed) = sealing::facts(root, account, recording)? {
        let encryption = Some(sealed.details);
        let (bytes, duration_ms) = (sealed.bytes, sealed.duration_ms);
        return Ok(Some(KeptFacts { bytes, duration_ms, encryption }));
    }
    let facts = wav::inspect(&super::path(root, account, recording))?;
    Ok(facts.map(|wav::WavFacts { bytes, duration_ms, .. }| KeptFacts {
        bytes,
        duration_ms,
        encryption: None,
    }))
}

/// Finishes every unfinished recording below `root`, in order of name, and seals it where there is a key. Call it before
/// [`super::Recorder::start`]. A file that cannot be recovered is logged and left in place.
///
/// # Errors
/// `root` cannot be read. A missing `root` is not an error: it has no recordings.
pub fn recover(root: &Path, key: Option<&SealingKey>) -> io::Result<Vec<RecoveredRecording>> {
    let mut recovered = Vec::new();
    for (account, folder) in named_entries::<AccountSid>(root, "")? {
        let suffix = format!(".wav.{}", super::UNFINISHED);
        for (recording, unfinished) in named_entries::<RecordingSid>(&folder, &suffix)? {
            match finish(root, account, recording, &unfinished, key) {
                Ok(facts) => recovered.push(RecoveredRecording { account, recording, facts }),
                Err(error) => {
                    tracing::error!(path = %unfinished.display(), %error, "recording not recovered");
                }
            }
        }
        remove_unfinished(&folder)?;
    }
    Ok(recovered)
}

/// Removes files whose making a kill interrupted. The next reader has an MP3 made anew, and a recording was
/// sealed anew from its plain file above: half a file is worth nothing.
fn remove_unfinished(folder: &Path) -> io::Result<()> {
    for ending in [".mp3", ".stereo.mp3", ".sealed", ".key"] {
        let suffix = format!("{ending}.{}", super::UNFINISHED);
        for (recording, unfinished) in named_entries::<RecordingSid>(folder, &suffix)? {
            if let Err(error) = fs::remove_file(unfinished) {
                tracing::warn!(%recording, %error, ending, "an unfinished file is still there");
            }
        }
    }
    Ok(())
}

fn finish(
    root: &Path,
    account: AccountSid,
    recording: RecordingSid,
    unfinished: &Path,
    key: Option<&SealingKey>,
) -> io::Result<Option<KeptFacts>> {
    let file = OpenOptions::new().read(true).write(true).open(unfinished)?;
    let facts = wav::put_right(&file)?;
    if facts.duration_ms == 0 {
        fs::remove_file(unfinished)?;
        return Ok(None);
    }
    let path = super::path(root, account, recording);
    let KeptAs { bytes, encryption } = keep(&file, facts.bytes, unfinished, &path, key)?;
    Ok(Some(KeptFacts { bytes, duration_ms: facts.duration_ms, encryption }))
}

/// Entries of a folder whose name is a SID followed by `suffix`, in order; others are skipped.
fn named_entries<S: std::str::FromStr + Ord>(
    folder: &Path,
    suffix: &str,
) -> io::Result<Vec<(S, std::path::PathBuf)>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut named = Vec::new();
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let sid = name.to_str().and_then(|name| name.strip_suffix(suffix)?.parse().ok());
        if let Some(sid) = sid {
            named.push((sid, entry.path()));
        }
    }
    named.sort();
    Ok(named)
}
