//! The WAV headers of our recordings: writing, reading and repairing them.
//!
//! Recordings are G.711 mu-law (format 7), half the size of linear samples; a reader expands them
//! ([`crate::RecordedAudio`]). Older recordings are 16-bit PCM and stay readable.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use crate::source::Source;

/// Bytes of [`header`], which precede the first sample.
pub const HEADER_BYTES: u64 = 44;
/// Bytes of [`mulaw_header`].
pub(crate) const MULAW_HEADER_BYTES: u64 = 58;
/// The mu-law code of a silent sample.
pub(crate) const SILENCE: u8 = 0xFF;
/// Sampling rate of every recording.
pub(crate) const RATE_HZ: u32 = 8_000;

/// How a file keeps its samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// One byte a sample.
    Mulaw,
    /// 16 bits a sample, little endian.
    Pcm,
}

impl Encoding {
    pub(crate) const fn sample_bytes(self) -> u64 {
        match self {
            Self::Mulaw => 1,
            Self::Pcm => 2,
        }
    }

    pub(crate) const fn header_bytes(self) -> u64 {
        match self {
            Self::Mulaw => MULAW_HEADER_BYTES,
            Self::Pcm => HEADER_BYTES,
        }
    }

    fn header(self, channels: u16, data_bytes: u64) -> Vec<u8> {
        match self {
            Self::Mulaw => mulaw_header(channels, data_bytes).to_vec(),
            Self::Pcm => header(channels, data_bytes).to_vec(),
        }
    }

    /// Parts of the header that are the same in every file: all but the sizes.
    const fn fixed(self) -> &'static [std::ops::Range<usize>] {
        match self {
            Self::Mulaw => &[0..4, 8..46, 50..54],
            Self::Pcm => &[0..4, 8..40],
        }
    }
}

/// Format and size of a finished recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WavFacts {
    /// How it keeps its samples.
    pub encoding: Encoding,
    /// 1 or 2.
    pub channels: u16,
    /// Bytes of the whole file.
    pub bytes: u64,
    /// Length in milliseconds.
    pub duration_ms: u64,
}

impl WavFacts {
    /// Facts of a file with `data_bytes` bytes of samples.
    pub(crate) fn of_data(encoding: Encoding, channels: u16, data_bytes: u64) -> Self {
        let bytes_a_ms = u64::from(RATE_HZ / 1_000) * encoding.sample_bytes() * u64::from(channels);
        Self {
            encoding,
            channels,
            bytes: encoding.header_bytes() + data_bytes,
            duration_ms: data_bytes / bytes_a_ms.max(1),
        }
    }

    /// Bytes of one sample of every channel.
    pub(crate) fn block(&self) -> u64 {
        self.encoding.sample_bytes() * u64::from(self.channels)
    }
}

/// The header of a WAV file of linear samples with `data_bytes` bytes of them (RIFF, `fmt ` of PCM, `data`).
pub fn header(channels: u16, data_bytes: u64) -> [u8; HEADER_BYTES as usize] {
    let data = size(data_bytes);
    let block = channels * 2;
    filled([
        b"RIFF",
        &data.saturating_add(HEADER_BYTES as u32 - 8).to_le_bytes(),
        b"WAVE",
        b"fmt ",
        &16u32.to_le_bytes(),
        &1u16.to_le_bytes(),
        &channels.to_le_bytes(),
        &RATE_HZ.to_le_bytes(),
        &(RATE_HZ * u32::from(block)).to_le_bytes(),
        &block.to_le_bytes(),
        &16u16.to_le_bytes(),
        b"data",
        &data.to_le_bytes(),
    ])
}

/// The header of a WAV file of mu-law (format 7). Formats other than PCM have an extension, empty here,
/// and a `fact` chunk with the number of samples of a channel.
pub(crate) fn mulaw_header(channels: u16, data_bytes: u64) -> [u8; MULAW_HEADER_BYTES as usize] {
    let data = size(data_bytes);
    filled([
        b"RIFF",
        &data.saturating_add(MULAW_HEADER_BYTES as u32 - 8).to_le_bytes(),
        b"WAVE",
        b"fmt ",
        &18u32.to_le_bytes(),
        &7u16.to_le_bytes(),
        &channels.to_le_bytes(),
        &RATE_HZ.to_le_bytes(),
        &(RATE_HZ * u32::from(channels)).to_le_bytes(),
        &channels.to_le_bytes(),
        &8u16.to_le_bytes(),
        &0u16.to_le_bytes(),
        b"fact",
        &4u32.to_le_bytes(),
        &(data / u32::from(channels.max(1))).to_le_bytes(),
        b"data",
        &data.to_le_bytes(),
    ])
}

/// Recordings end at 2 GiB, so that this never saturates (asserted below).
fn size(data_bytes: u64) -> u32 {
    u32::try_from(data_bytes).unwrap_or(u32::MAX)
}

fn filled<const BYTES: usize, const FIELDS: usize>(fields: [&[u8]; FIELDS]) -> [u8; BYTES] {
    debug_assert_eq!(fields.iter().map(|field| field.len()).sum::<usize>(), BYTES);
    let mut header = [0; BYTES];
    let bytes = fields.into_iter().flatten();
    header.iter_mut().zip(bytes).for_each(|(place, byte)| *place = *byte);
    header
}

/// Repairs the header of a file that may end anywhere: counts the samples and cuts off a partial
/// one. A header that was never written (power loss) counts as mu-law in one channel.
///
/// # Errors
/// An error of the file system.
pub(crate) fn put_right(file: &File) -> io::Result<WavFacts> {
    let (encoding, channels) = shape_of(file)?.unwrap_or((Encoding::Mulaw, 1));
    let block = encoding.sample_bytes() * u64::from(channels);
    let start = encoding.header_bytes();
    let data = file.metadata()?.len().saturating_sub(start) / block * block;
    file.set_len(start + data)?;
    file.write_all_at(&encoding.header(channels, data), 0)?;
    Ok(WavFacts::of_data(encoding, channels, data))
}

/// Facts of a recording's file, from its length and header; `None` if the header is not one of ours.
///
/// # Errors
/// An error of the file system, for example a missing file.
pub fn inspect(path: &Path) -> io::Result<Option<WavFacts>> {
    facts_of(&File::open(path)?)
}

pub(crate) fn facts_of(file: &dyn Source) -> io::Result<Option<WavFacts>> {
    let length = file.length()?;
    Ok(shape_of(file)?.map(|(encoding, channels)| {
        let data = length.saturating_sub(encoding.header_bytes());
        WavFacts::of_data(encoding, channels, data)
    }))
}

/// Encoding and channels named by the header; `None` if the file has no such header.
fn shape_of(file: &dyn Source) -> io::Result<Option<(Encoding, u16)>> {
    for encoding in [Encoding::Mulaw, Encoding::Pcm] {
        let mut found = vec![0; usize::try_from(encoding.header_bytes()).unwrap_or(0)];
        match file.read_exact_at(&mut found, 0) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => continue,
            Err(error) => return Err(error),
        }
        let same_shape = |channels: &u16| {
            // Everything except the sizes must match what we write.
            let ours = encoding.header(*channels, 0);
            encoding.fixed().iter().all(|range| found.get(range.clone()) == ours.get(range.clone()))
        };
        if let Some(channels) = [1, 2].into_iter().find(same_shape) {
            return Ok(Some((encoding, channels)));
        }
    }
    Ok(None)
}

const _: () = assert!(shared::limits::RECORDING_BYTES_MAX < u32::MAX as u64);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_names_its_sizes() {
        let header = header(2, 640);
        assert_eq!(&header[0..4], b"RIFF");
        assert_eq!(header[4..8], 676u32.to_le_bytes());
        assert_eq!(header[28..32], 32_000u32.to_le_bytes());
        assert_eq!(header[40..44], 640u32.to_le_bytes());
    }

    #[test]
    fn a_header_of_mulaw_names_its_format_and_its_samples() {
        let header = mulaw_header(2, 640);
        assert_eq!(header[4..8], 690u32.to_le_bytes());
        assert_eq!(header[20..22], 7u16.to_le_bytes());
        assert_eq!(header[28..32], 16_000u32.to_le_bytes());
        assert_eq!(header[46..50], 320u32.to_le_bytes());
        assert_eq!((&header[50..54], &header[54..58]), (&b"data"[..], &640u32.to_le_bytes()[..]));
    }

    #[test]
    fn a_file_cut_in_the_middle_of_a_sample_is_put_right_in_either_encoding() {
        for (encoding, data, kept) in [(Encoding::Mulaw, 321, 320), (Encoding::Pcm, 643, 640)] {
            let file = tempfile::tempfile().unwrap();
            file.write_all_at(&encoding.header(2, 0), 0).unwrap();
            file.write_all_at(&vec![7; data], encoding.header_bytes()).unwrap();
            let bytes = encoding.header_bytes() + kept;
            let facts = put_right(&file).unwrap();
            assert_eq!(facts, WavFacts { encoding, channels: 2, bytes, duration_ms: 20 });
            assert_eq!(file.metadata().unwrap().len(), bytes);
            assert_eq!(facts_of(&file).unwrap(), Some(facts));
        }
    }

    #[test]
    fn a_file_without_a_header_becomes_one_channel() {
        let file = tempfile::tempfile().unwrap();
        file.set_len(MULAW_HEADER_BYTES + 160).unwrap();
        let facts = put_right(&file).unwrap();
        assert_eq!((facts.encoding, facts.channels), (Encoding::Mulaw, 1));
        assert_eq!(shape_of(&file).unwrap(), Some((Encoding::Mulaw, 1)));
    }
}
