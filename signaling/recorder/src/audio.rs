//! The audio of a finished recording as linear samples, whatever its file keeps.

use std::fs::File;
use std::io;
use std::path::Path;

use plane::g711;
use shared::Codec;

use crate::source::Source;
use crate::wav::{Encoding, WavFacts, facts_of};

/// A finished recording that is read.
#[derive(Debug)]
pub struct RecordedAudio {
    source: Box<dyn Source>,
    facts: WavFacts,
    /// Whether two channels are mixed into one.
    mixed: bool,
}

impl RecordedAudio {
    /// Opens a recording, to be read in two channels where it has them, else in one. `None` if the file is
    /// not a recording of ours.
    ///
    /// # Errors
    /// An error of the file system, for example a missing file.
    pub fn open(path: &Path, two_channels: bool) -> io::Result<Option<Self>> {
        Self::of(Box::new(File::open(path)?), two_channels)
    }

    /// The same of bytes that may be anywhere.
    ///
    /// # Errors
    /// An error of the source.
    pub fn of(source: Box<dyn Source>, two_channels: bool) -> io::Result<Option<Self>> {
        let facts = facts_of(&*source)?;
        Ok(facts.map(|facts| Self { source, facts, mixed: facts.channels == 2 && !two_channels }))
    }

    /// Channels as they are read: 1 or 2.
    pub const fn channels(&self) -> u16 {
        if self.mixed { 1 } else { self.facts.channels }
    }

    /// Samples of each channel.
    pub fn length(&self) -> u64 {
        self.facts.bytes.saturating_sub(self.facts.encoding.header_bytes()) / self.facts.block()
    }

    /// Length in milliseconds.
    pub(crate) const fn duration_ms(&self) -> u64 {
        self.facts.duration_ms
    }

    /// The samples from `from` on, `count` of each channel; the two channels alternate.
    ///
    /// # Errors
    /// An error of the file system, or the file has fewer samples.
    pub fn read(&self, from: u64, count: usize) -> io::Result<Vec<i16>> {
        let block = self.facts.block();
        let mut bytes = vec![0; count * usize::try_from(block).unwrap_or(0)];
        let start = self.facts.encoding.header_bytes() + from * block;
        self.source.read_exact_at(&mut bytes, start)?;
        let samples: Vec<i16> = match self.facts.encoding {
            Encoding::Mulaw => {
                bytes.into_iter().map(|code| g711::decode(Codec::Pcmu, code)).collect()
            }
            Encoding::Pcm => {
                let (pairs, _) = bytes.as_chunks::<2>();
                pairs.iter().map(|pair| i16::from_le_bytes(*pair)).collect()
            }
        };
        if !self.mixed {
            return Ok(samples);
        }
        // Both parties in one sample, as a recording in one channel has them.
        let (pairs, _) = samples.as_chunks::<2>();
        Ok(pairs.iter().map(|[one, other]| one.saturating_add(*other)).collect())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;
    use crate::wav::{header, mulaw_header};

    fn file(header: &[u8], data: &[u8]) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(header).unwrap();
        file.write_all(data).unwrap();
        file
    }

    #[test]
    fn mulaw_is_expanded_and_its_channels_are_mixed_unless_asked_for() {
        let code = |sample| g711::encode(Codec::Pcmu, sample);
        let data = [code(1_000), code(-3_000), code(30_000), code(30_000)];
        let file = file(&mulaw_header(2, 4), &data);
        let heard = |code| g711::decode(Codec::Pcmu, code);
        let both = RecordedAudio::open(file.path(), true).unwrap().unwrap();
        assert_eq!((both.channels(), both.length()), (2, 2));
        assert_eq!(both.read(0, 2).unwrap(), data.map(heard));
        let mixed = RecordedAudio::open(file.path(), false).unwrap().unwrap();
        assert_eq!((mixed.channels(), mixed.length()), (1, 2));
        assert_eq!(mixed.read(0, 1).unwrap(), [heard(data[0]) + heard(data[1])]);
        assert_eq!(mixed.read(1, 1).unwrap(), [i16::MAX], "it does not wrap");
        assert!(mixed.read(1, 2).is_err(), "past the end");
    }

    #[test]
    fn a_recording_of_an_older_version_is_read_as_it_is() {
        let samples = [100_i16, 20, i16::MAX, 1];
        let data: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
        let file = file(&header(2, 8), &data);
        let both = RecordedAudio::open(file.path(), true).unwrap().unwrap();
        assert_eq!(both.read(0, 2).unwrap(), samples);
        let mixed = RecordedAudio::open(file.path(), false).unwrap().unwrap();
        assert_eq!(mixed.read(0, 2).unwrap(), [120, i16::MAX]);
    }

    #[test]
    fn a_foreign_file_is_none() {
        let file =
            file(b"RIFF and something else that is long enough to hold any header of ours", b"");
        assert!(RecordedAudio::open(file.path(), true).unwrap().is_none());
    }
}
