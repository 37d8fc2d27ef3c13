//! The embedded library: files of a ZIP archive, unpacked one by one as they are asked for. Pure.
//!
//! The archive is ours (`vendor/VENDOR.toml` has its hash), so a broken one is a broken build: what does not read
//! is absent. Only what the archive needs is here: stored and deflated entries, no ZIP64.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;

/// Files by their path below `node_modules`.
#[derive(Debug)]
pub(crate) struct Library {
    archive: &'static [u8],
    entries: BTreeMap<&'static str, Entry>,
    folders: BTreeSet<&'static str>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    start: usize,
    packed: usize,
    unpacked: usize,
    deflated: bool,
}

impl Library {
    /// The library of this program.
    pub(crate) fn embedded() -> Self {
        Self::of(include_bytes!("../vendor/twilio.zip"))
    }

    fn of(archive: &'static [u8]) -> Self {
        let entries = directory(archive).unwrap_or_default();
        let mut folders = BTreeSet::new();
        for path in entries.keys() {
            let slashes = path.match_indices('/');
            folders.extend(slashes.map(|(at, _)| &path[..at]));
        }
        Self { archive, entries, folders }
    }

    /// Every file.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &'static str> {
        self.entries.keys().copied()
    }

    pub(crate) fn is_file(&self, path: &str) -> bool {
        self.entries.contains_key(path)
    }

    pub(crate) fn is_folder(&self, path: &str) -> bool {
        self.folders.contains(path)
    }

    /// The content of a file.
    pub(crate) fn read(&self, path: &str) -> Option<Vec<u8>> {
        let entry = self.entries.get(path)?;
        // The name and the extra field in front of the data have lengths of their own here.
        let name = number(self.archive, entry.start + 26, 2)?;
        let extra = number(self.archive, entry.start + 28, 2)?;
        let from = entry.start + LOCAL_BYTES + name + extra;
        let data = self.archive.get(from..from.checked_add(entry.packed)?)?;
        if !entry.deflated {
            return Some(data.to_vec());
        }
        let mut content = Vec::with_capacity(entry.unpacked);
        flate2::read::DeflateDecoder::new(data).read_to_end(&mut content).ok()?;
        Some(content)
    }
}

/// Reads the central directory (APPNOTE 4.3.12), which the last record points to.
fn directory(archive: &'static [u8]) -> Option<BTreeMap<&'static str, Entry>> {
    let end = archive.len().checked_sub(END_BYTES)?;
    let count = number(archive, end + 10, 2)?;
    let mut at = number(archive, end + 16, 4)?;
    let mut entries = BTreeMap::new();
    for _ in 0..count {
        let name_bytes = number(archive, at + 28, 2)?;
        let skipped = number(archive, at + 30, 2)? + number(archive, at + 32, 2)?;
        let name_at = at + CENTRAL_BYTES;
        let name = std::str::from_utf8(archive.get(name_at..name_at + name_bytes)?).ok()?;
        let entry = Entry {
            deflated: number(archive, at + 10, 2)? == 8,
            packed: number(archive, at + 20, 4)?,
            unpacked: number(archive, at + 24, 4)?,
            start: number(archive, at + 42, 4)?,
        };
        entries.insert(name, entry);
        at = name_at + name_bytes + skipped;
    }
    Some(entries)
}

/// A little-endian number of two or four bytes.
fn number(archive: &[u8], at: usize, bytes: usize) -> Option<usize> {
    let digits = archive.get(at..at + bytes)?;
    Some(digits.iter().rev().fold(0, |sum, byte| sum << 8 | usize::from(*byte)))
}

const LOCAL_BYTES: usize = 30;
const CENTRAL_BYTES: usize = 46;
/// The end record without a comment.
const END_BYTES: usize = 22;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_library_is_there_whole_and_every_file_unpacks() {
        let library = Library::embedded();
        assert!(library.is_folder("twilio/lib/twiml") && !library.is_file("twilio/lib/twiml"));
        assert!(library.entries.len() > 1_000, "{}", library.entries.len());
        for (path, entry) in &library.entries {
            let content = library.read(path).unwrap_or_else(|| panic!("{path} does not unpack"));
            assert_eq!(content.len(), entry.unpacked, "{path}");
        }
        assert_eq!(library.read("twilio/nothing.js"), None);
    }

    #[test]
    fn a_broken_archive_is_empty() {
        for bytes in [&b""[..], &b"PK\x05\x06"[..], &[0xFF; 64][..]] {
            assert!(Library::of(bytes).entries.is_empty());
        }
    }
}
