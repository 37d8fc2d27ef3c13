//! Recordings sealed with a public key: only the holder of the private key can hear them.
//!
//! ```text
//! RE….wav.part ──► RE….sealed.part, synced ──► RE….key ──► RE….sealed ──► RE….wav.part removed
//! ```
//!
//! A recording is written in the clear while it runs, because its header is repaired after a kill. At its end
//! the helper thread seals it: the WAV file of 16-bit samples that a reader would get, as one AES-256-GCM
//! message with its tag at the end. `RE….key` has what opens it, beside the file, because a kill may come before
//! the row is written. While the plain file exists it is the recording, and a start seals it anew with another
//! content key; so each step may be repeated, and the plain file is gone as soon as the sealed one is durable.
//! A recording that cannot be sealed is not kept in the clear under its final name.

mod gcm;
mod key;

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::str::FromStr as _;

use aws_lc_rs::error::Unspecified;
use shared::{AccountSid, EncryptionDetails, RecordingSid};

use crate::audio::RecordedAudio;
use crate::linear::LinearWav;
pub use key::{SealingKey, SealingKeyError};

/// Bytes that are read, sealed and written at once.
const PIECE_BYTES: u64 = 256 * 1024;

/// What is kept of a sealed recording beside its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SealedFacts {
    /// Bytes of the sealed file.
    pub(crate) bytes: u64,
    /// Length of the audio in milliseconds.
    pub(crate) duration_ms: u64,
    pub(crate) details: EncryptionDetails,
}

impl SealedFacts {
    fn text(&self) -> String {
        format!("{} {} {}\n", self.bytes, self.duration_ms, self.details)
    }

    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.trim_end().splitn(3, ' ');
        Some(Self {
            bytes: parts.next()?.parse().ok()?,
            duration_ms: parts.next()?.parse().ok()?,
            details: EncryptionDetails::from_str(parts.next()?).ok()?,
        })
    }
}

/// Path of the bytes of a sealed recording.
pub(crate) fn sealed_path(root: &Path, account: AccountSid, recording: RecordingSid) -> PathBuf {
    crate::path(root, account, recording).with_extension("sealed")
}

/// Path of what opens a sealed recording.
pub(crate) fn key_path(root: &Path, account: AccountSid, recording: RecordingSid) -> PathBuf {
    crate::path(root, account, recording).with_extension("key")
}

/// Seals a finished recording that has its unfinished name yet, and removes it. `wav` is its final path.
pub(crate) fn seal(
    key: &SealingKey,
    plain: &File,
    unfinished: &Path,
    wav: &Path,
) -> io::Result<SealedFacts> {
    let audio = RecordedAudio::of(Box::new(plain.try_clone()?), true)?;
    let audio = audio.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))?;
    let duration_ms = audio.duration_ms();
    let part = wav.with_extension(format!("sealed.{}", crate::UNFINISHED));
    let sealed = write_sealed(key, &LinearWav::new(audio), &part);
    let (bytes, details) = match sealed {
        Ok(sealed) => sealed,
        Err(error) => {
            // The disk may be full, and the next start makes another one.
            let _ = fs::remove_file(&part);
            return Err(error);
        }
    };
    let facts = SealedFacts { bytes, duration_ms, details };
    write_durably(&wav.with_extension("key"), facts.text().as_bytes())?;
    fs::rename(&part, wav.with_extension("sealed"))?;
    // Durable before the plain file goes, which a power cut could otherwise take alone.
    sync_folder_of(wav)?;
    fs::remove_file(unfinished)?;
    sync_folder_of(wav)?;
    Ok(facts)
}

/// What is kept of a sealed recording; `None` if there is none.
pub(crate) fn facts(
    root: &Path,
    account: AccountSid,
    recording: RecordingSid,
) -> io::Result<Option<SealedFacts>> {
    let bytes = match fs::metadata(sealed_path(root, account, recording)) {
        Ok(metadata) => metadata.len(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let text = fs::read_to_string(key_path(root, account, recording))?;
    let facts = SealedFacts::parse(&text).filter(|facts| facts.bytes == bytes);
    facts.map(Some).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

fn write_sealed(
    key: &SealingKey,
    wav: &LinearWav,
    part: &Path,
) -> io::Result<(u64, EncryptionDetails)> {
    let (mut sealing, details) = key.begin().map_err(of_crypto)?;
    let mut file = File::create(part)?;
    let mut at = 0;
    while at < wav.length() {
        let piece = wav.read(at, PIECE_BYTES)?;
        if piece.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        at += piece.len() as u64;
        file.write_all(&sealing.seal(&piece).map_err(of_crypto)?)?;
    }
    let tag = sealing.finish();
    file.write_all(&tag)?;
    file.sync_all()?;
    Ok((at + tag.len() as u64, details))
}

fn of_crypto(_: Unspecified) -> io::Error {
    io::Error::other("the recording cannot be encrypted")
}

/// Writes a file completely or not at all.
fn write_durably(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let part = path.with_extension(format!("key.{}", crate::UNFINISHED));
    let mut file = File::create(&part)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&part, path)
}

fn sync_folder_of(path: &Path) -> io::Result<()> {
    File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(test)]
pub(crate) mod tests;
