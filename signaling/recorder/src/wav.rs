//! The WAV header of our recordings: writing, reading and repairing it.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

/// Bytes of [`header`], which precede the first sample.
pub const HEADER_BYTES: u64 = 44;
/// Sampling rate of every recording.
pub(crate) const RATE_HZ: u32 = 8_000;
const BYTES_A_SAMPLE: u16 = 2;

/// Format and size of a finished recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WavFacts {
    /// 1 or 2.
    pub channels: u16,
    /// Bytes of the whole file.
    pub bytes: u64,
    /// Length in milliseconds.
    pub duration_ms: u64,
}

impl WavFacts {
    /// Facts of a file with `data_bytes` bytes of samples.
    pub(crate) fn of_data(channels: u16, data_bytes: u64) -> Self {
        let bytes_a_ms = u64::from(RATE_HZ / 1_000 * u32::from(BYTES_A_SAMPLE * channels));
        Self {
            channels,
            bytes: HEADER_BYTES + data_bytes,
            duration_ms: data_bytes / bytes_a_ms.max(1),
        }
    }
}

/// The header of a WAV file with `data_bytes` bytes of samples (RIFF, `fmt ` of PCM, `data`).
pub fn header(channels: u16, data_bytes: u64) -> [u8; HEADER_BYTES as usize] {
    // Recordings end at 2 GiB, so that this never saturates (asserted below).
    let data = u32::try_from(data_bytes).unwrap_or(u32::MAX);
    let block = channels * BYTES_A_SAMPLE;
    let mut header = [0; HEADER_BYTES as usize];
    let fields: [&[u8]; 13] = [
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
        &(BYTES_A_SAMPLE * 8).to_le_bytes(),
        b"data",
        &data.to_le_bytes(),
    ];
    let bytes = fields.into_iter().flatten();
    header.iter_mut().zip(bytes).for_each(|(place, byte)| *place = *byte);
    header
}

/// Repairs the header of a file that may end anywhere: counts the samples and cuts off a partial
/// one. A header that was never written (power loss) counts as one channel.
///
/// # Errors
/// An error of the file system.
pub(crate) fn put_right(file: &File) -> io::Result<WavFacts> {
    let channels = channels_of(file)?.unwrap_or(1);
    let block = u64::from(channels * BYTES_A_SAMPLE);
    let data = file.metadata()?.len().saturating_sub(HEADER_BYTES) / block * block;
    file.set_len(HEADER_BYTES + data)?;
    file.write_all_at(&header(channels, data), 0)?;
    Ok(WavFacts::of_data(channels, data))
}

/// Facts of a recording's file, from its length and header; `None` if the header is not one of
/// [`header`]'s.
///
/// # Errors
/// An error of the file system, for example a missing file.
pub fn inspect(path: &Path) -> io::Result<Option<WavFacts>> {
    let file = File::open(path)?;
    let data = file.metadata()?.len().saturating_sub(HEADER_BYTES);
    Ok(channels_of(&file)?.map(|channels| WavFacts::of_data(channels, data)))
}

/// Channels named by the header; `None` if the file has no such header.
fn channels_of(file: &File) -> io::Result<Option<u16>> {
    let mut found = [0; HEADER_BYTES as usize];
    match file.read_exact_at(&mut found, 0) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    }
    let same_shape = |channels: &u16| {
        // Everything except the two sizes must match what we write.
        let ours = header(*channels, 0);
        [0..4, 8..40].into_iter().all(|range| found.get(range.clone()) == ours.get(range))
    };
    Ok([1, 2].into_iter().find(same_shape))
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
    fn a_file_cut_in_the_middle_of_a_sample_is_put_right() {
        let file = tempfile::tempfile().unwrap();
        file.write_all_at(&header(2, 0), 0).unwrap();
        file.write_all_at(&[7; 643], HEADER_BYTES).unwrap();
        let facts = put_right(&file).unwrap();
        assert_eq!(facts, WavFacts { channels: 2, bytes: 684, duration_ms: 20 });
        assert_eq!(file.metadata().unwrap().len(), 684);
    }

    #[test]
    fn a_file_without_a_header_becomes_one_channel() {
        let file = tempfile::tempfile().unwrap();
        file.set_len(HEADER_BYTES + 160).unwrap();
        assert_eq!(put_right(&file).unwrap().channels, 1);
        assert_eq!(channels_of(&file).unwrap(), Some(1));
    }
}
