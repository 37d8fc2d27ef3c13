//! MP3 of recordings: made by the program `sidetone-mp3` for the first reader, kept beside the WAV. Shell.
//!
//! One recording is encoded at a time, because an hour of audio takes seconds of a processor that calls need.
//! Other readers wait for their turn, and then find the file or make theirs. The program limits itself; the
//! gateway links nothing of its encoder.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use recorder::{Library, RecordedAudio};
use shared::{AccountSid, RecordingSid};
use tokio::sync::Semaphore;
use tokio::time::timeout;

/// The name of the program, which lies beside that of the gateway.
const PROGRAM: &str = "sidetone-mp3";
/// Longest time that a reader waits for its turn. Past it: 503.
const TURN_MAX: Duration = Duration::from_secs(60);
/// Samples of each channel that are read at once: four seconds.
const PIECE_SAMPLES: u64 = 32_000;

/// Makes MP3 files.
pub(super) struct Mp3 {
    program: PathBuf,
    turn: Arc<Semaphore>,
}

/// Why there is no MP3.
#[derive(Debug)]
pub(super) enum NoMp3 {
    /// The program is not installed.
    NoProgram,
    /// Others are being made.
    Busy,
    /// The recording has no file, or it cannot be read or encoded.
    Failed(io::Error),
}

impl Mp3 {
    /// With the program beside that of this process.
    pub(super) fn new() -> Self {
        let own = std::env::current_exe().unwrap_or_default();
        Self::with_program(own.with_file_name(PROGRAM))
    }

    fn with_program(program: PathBuf) -> Self {
        Self { program, turn: Arc::new(Semaphore::new(1)) }
    }

    /// The MP3 of a recording, made where it is not there yet.
    pub(super) async fn make(
        &self,
        library: &Library,
        account: AccountSid,
        recording: RecordingSid,
        two_channels: bool,
    ) -> Result<PathBuf, NoMp3> {
        let mp3 = recorder::mp3_path(library.root(), account, recording, two_channels);
        if mp3.exists() {
            return Ok(mp3);
        }
        let turn = timeout(TURN_MAX, Arc::clone(&self.turn).acquire_owned()).await;
        let Ok(Ok(turn)) = turn else { return Err(NoMp3::Busy) };
        let (program, library) = (self.program.clone(), library.clone());
        let made = tokio::task::spawn_blocking(move || {
            // Held until the file is whole, also where the reader leaves.
            let _turn = turn;
            if !mp3.exists() {
                let audio = library.audio(account, recording, two_channels);
                encode(&program, &audio.map_err(NoMp3::Failed)?, &mp3)?;
                remove_if_deleted(&library, account, recording, &mp3);
            }
            Ok(mp3)
        });
        match made.await {
            Ok(made) => made,
            Err(panic) => Err(NoMp3::Failed(io::Error::other(panic))),
        }
    }
}

/// Removes the MP3 of a recording that was deleted meanwhile: nothing else would.
fn remove_if_deleted(library: &Library, account: AccountSid, recording: RecordingSid, mp3: &Path) {
    let found = library.open(account, recording);
    if found.is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
        let _ = fs::remove_file(mp3);
    }
}

fn encode(program: &Path, audio: &RecordedAudio, mp3: &Path) -> Result<(), NoMp3> {
    if !program.exists() {
        return Err(NoMp3::NoProgram);
    }
    let part = mp3.with_extension("mp3.part");
    // The recording may be elsewhere, and its account's folder gone.
    let folder = mp3.parent().map_or(Ok(()), fs::create_dir_all);
    let made =
        folder.and_then(|()| run(program, audio, &part)).and_then(|()| fs::rename(&part, mp3));
    if made.is_err() {
        // It may not be there: the disk was full, or the folder is gone.
        let _ = fs::remove_file(&part);
    }
    made.map_err(NoMp3::Failed)
}

fn run(program: &Path, audio: &RecordedAudio, part: &Path) -> io::Result<()> {
    let file = File::create(part)?;
    let mut process = Command::new(program)
        .arg(audio.channels().to_string())
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(file.try_clone()?)
        .stderr(Stdio::null())
        .spawn()?;
    let fed: io::Result<()> = process.stdin.take().map_or(Ok(()), |mut samples| {
        let mut at = 0;
        while at < audio.length() {
            let count = PIECE_SAMPLES.min(audio.length() - at);
            let piece = audio.read(at, usize::try_from(count).unwrap_or(0))?;
            let bytes: Vec<u8> = piece.into_iter().flat_map(i16::to_le_bytes).collect();
            samples.write_all(&bytes)?;
            at += count;
        }
        Ok(())
    });
    // In any case: a process that nobody waits for stays as a zombie.
    let status = process.wait()?;
    if !status.success() {
        return Err(io::Error::other(format!("{PROGRAM} ended with {status}")));
    }
    fed?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    const OF: (AccountSid, RecordingSid) = (AccountSid(1), RecordingSid(7));

    fn recording(root: &Path) -> Library {
        let path = recorder::path(root, OF.0, OF.1);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let mut bytes = recorder::header(1, 320).to_vec();
        bytes.extend_from_slice(&[7; 320]);
        fs::write(&path, bytes).unwrap();
        Library::new(root.to_owned(), None)
    }

    #[tokio::test]
    async fn a_program_that_is_not_installed_is_named_and_one_that_fails_leaves_no_file() {
        let folder = tempfile::tempdir().unwrap();
        let library = recording(folder.path());
        let absent = Mp3::with_program(folder.path().join(PROGRAM));
        let made = absent.make(&library, OF.0, OF.1, false).await;
        assert!(matches!(made, Err(NoMp3::NoProgram)), "{made:?}");
        let failing = Mp3::with_program("/bin/false".into());
        let made = failing.make(&library, OF.0, OF.1, false).await;
        assert!(matches!(made, Err(NoMp3::Failed(_))), "{made:?}");
        let of_account = folder.path().join(OF.0.to_string());
        assert_eq!(fs::read_dir(of_account).unwrap().count(), 1, "the recording alone");
    }

    #[tokio::test]
    async fn a_file_that_is_there_is_not_made_again_and_a_missing_recording_fails() {
        let folder = tempfile::tempdir().unwrap();
        let library = Library::new(folder.path().to_owned(), None);
        let maker = Mp3::with_program("/bin/false".into());
        let made = maker.make(&library, OF.0, OF.1, false).await;
        assert!(matches!(made, Err(NoMp3::Failed(_))), "{made:?}");
        let mp3 = recorder::mp3_path(folder.path(), OF.0, OF.1, false);
        fs::create_dir_all(mp3.parent().unwrap()).unwrap();
        fs::write(&mp3, b"made before").unwrap();
        assert_eq!(maker.make(&library, OF.0, OF.1, false).await.unwrap(), mp3);
    }
}
