//! The bytes of a recording that leave.

use std::io;

use crate::audio::RecordedAudio;
use crate::linear::LinearWav;
use crate::source::{Kept, Source};

/// The bytes of a recording as readers and other stores get them.
#[derive(Debug)]
pub enum Rendition {
    /// A WAV file of 16-bit samples, whatever the file keeps.
    Linear(LinearWav),
    /// The sealed bytes as they are, and their number.
    Sealed(Box<dyn Source>, u64),
}

impl Rendition {
    pub(crate) fn of(kept: Kept, two_channels: bool) -> io::Result<Self> {
        match kept {
            Kept::Plain(source) => {
                let audio = RecordedAudio::of(source, two_channels)?;
                let foreign = || io::Error::from(io::ErrorKind::InvalidData);
                Ok(Self::Linear(LinearWav::new(audio.ok_or_else(foreign)?)))
            }
            Kept::Sealed(source) => {
                let bytes = source.length()?;
                Ok(Self::Sealed(source, bytes))
            }
        }
    }

    /// Whether the bytes are sealed.
    pub const fn is_sealed(&self) -> bool {
        matches!(self, Self::Sealed(..))
    }

    /// Bytes of the whole.
    pub fn length(&self) -> u64 {
        match self {
            Self::Linear(wav) => wav.length(),
            Self::Sealed(_, bytes) => *bytes,
        }
    }

    /// The bytes from `at` on: at least one and at most `most`, none at the end.
    ///
    /// # Errors
    /// The recording cannot be read.
    pub fn read(&self, at: u64, most: u64) -> io::Result<Vec<u8>> {
        match self {
            Self::Linear(wav) => wav.read(at, most),
            Self::Sealed(source, bytes) => {
                let most = most.min(bytes.saturating_sub(at));
                let mut piece = vec![0; usize::try_from(most).unwrap_or(0)];
                source.read_exact_at(&mut piece, at)?;
                Ok(piece)
            }
        }
    }
}
