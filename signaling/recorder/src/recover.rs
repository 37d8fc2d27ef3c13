//! Finishes, at start, the recordings that a kill interrupted, and removes MP3 files that were being made.

use std::fs::{self, OpenOptions};
use std::io;
use std::path::Path;

use shared::{AccountSid, RecordingSid};

use super::finish::make_durable;
use crate::wav::{self, WavFacts};

/// A recording that was running when the last process ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecoveredRecording {
    /// The account that owns it.
    pub account: AccountSid,
    /// Its SID.
    pub recording: RecordingSid,
    /// Facts of the recovered file; `None` if it held no audio and was removed.
    pub facts: Option<WavFacts>,
}

/// Finishes every unfinished recording below `root`, in order of name. Call it before
/// [`super::Recorder::start`]. A file that cannot be recovered is logged and left in place.
///
/// # Errors
/// `root` cannot be read. A missing `root` is not an error: it has no recordings.
pub fn recover(root: &Path) -> io::Result<Vec<RecoveredRecording>> {
    let mut recovered = Vec::new();
    for (account, folder) in named_entries::<AccountSid>(root, "")? {
        let suffix = format!(".wav.{}", super::UNFINISHED);
        for (recording, unfinished) in named_entries::<RecordingSid>(&folder, &suffix)? {
            match finish(root, account, recording, &unfinished) {
                Ok(facts) => recovered.push(RecoveredRecording { account, recording, facts }),
                Err(error) => {
                    tracing::error!(path = %unfinished.display(), %error, "recording not recovered");
                }
            }
        }
        remove_unfinished_mp3(&folder)?;
    }
    Ok(recovered)
}

/// Removes MP3 files whose making a kill interrupted. The next reader has the MP3 made anew, so half a
/// file is worth nothing; left there, each would stay until another reader asks for that recording.
fn remove_unfinished_mp3(folder: &Path) -> io::Result<()> {
    for ending in [".mp3", ".stereo.mp3"] {
        let suffix = format!("{ending}.{}", super::UNFINISHED);
        for (recording, unfinished) in named_entries::<RecordingSid>(folder, &suffix)? {
            if let Err(error) = fs::remove_file(unfinished) {
                tracing::warn!(%recording, %error, "an unfinished MP3 is still there");
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
) -> io::Result<Option<WavFacts>> {
    let file = OpenOptions::new().read(true).write(true).open(unfinished)?;
    let facts = wav::put_right(&file)?;
    if facts.duration_ms == 0 {
        fs::remove_file(unfinished)?;
        return Ok(None);
    }
    make_durable(&file, unfinished, &super::path(root, account, recording))?;
    Ok(Some(facts))
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
