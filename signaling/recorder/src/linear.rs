//! A recording as a WAV file of linear samples, whatever its file keeps: what readers and other stores get.
//!
//! Files are mu-law to halve the disk. Everybody else gets 16-bit PCM, which every reader of WAV files
//! understands, and which can be read in pieces from any position, because both forms have a fixed size.

use std::io;

use crate::audio::RecordedAudio;
use crate::wav::{HEADER_BYTES, header};

/// The bytes of the WAV file, made while they are read.
#[derive(Debug)]
pub struct LinearWav(RecordedAudio);

impl LinearWav {
    /// The file of this audio.
    pub const fn new(audio: RecordedAudio) -> Self {
        Self(audio)
    }

    /// Bytes of the whole file.
    pub fn length(&self) -> u64 {
        HEADER_BYTES + self.data_bytes()
    }

    /// The bytes from `at` on: at least one and at most `most`, none at the end of the file.
    ///
    /// # Errors
    /// The recording cannot be read.
    pub fn read(&self, at: u64, most: u64) -> io::Result<Vec<u8>> {
        let most = most.min(self.length().saturating_sub(at));
        if at >= HEADER_BYTES {
            return self.samples(at - HEADER_BYTES, most);
        }
        let head = header(self.0.channels(), self.data_bytes());
        let from = usize::try_from(at).unwrap_or(usize::MAX);
        let to = usize::try_from((at + most).min(HEADER_BYTES)).unwrap_or(usize::MAX);
        Ok(head.get(from..to).unwrap_or_default().to_vec())
    }

    /// Bytes of one sample of each channel.
    fn block(&self) -> u64 {
        u64::from(self.0.channels()) * 2
    }

    fn data_bytes(&self) -> u64 {
        self.0.length() * self.block()
    }

    /// `count` bytes of the samples, from `at` on.
    fn samples(&self, at: u64, count: u64) -> io::Result<Vec<u8>> {
        // Reads complete samples around the range, then cuts to the range.
        let block = self.block();
        let (from, to) = (at / block, (at + count).div_ceil(block));
        let samples = self.0.read(from, usize::try_from(to - from).unwrap_or(0))?;
        let bytes = samples.into_iter().flat_map(i16::to_le_bytes);
        let skip = usize::try_from(at - from * block).unwrap_or(0);
        Ok(bytes.skip(skip).take(usize::try_from(count).unwrap_or(0)).collect())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn linear(channels: u16, samples: &[i16], two_channels: bool) -> (LinearWav, Vec<u8>) {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let data: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
        let whole = [header(channels, data.len() as u64).as_slice(), &data].concat();
        file.write_all(&whole).unwrap();
        let audio = RecordedAudio::open(file.path(), two_channels).unwrap().unwrap();
        (LinearWav::new(audio), whole)
    }

    fn read(wav: &LinearWav, first: u64, count: u64) -> Vec<u8> {
        let (mut at, end, mut bytes) = (first, first + count, Vec::new());
        while at < end {
            let piece = wav.read(at, end - at).unwrap();
            assert!(!piece.is_empty(), "{at} of {end}");
            at += piece.len() as u64;
            bytes.extend(piece);
        }
        bytes
    }

    #[test]
    fn the_file_is_read_whole_and_from_any_position() {
        let samples = [100, 20, i16::MAX, 1, -5, -6];
        let (both, file) = linear(2, &samples, true);
        assert_eq!(read(&both, 0, both.length()), file);
        let (mixed, _) = linear(2, &samples, false);
        let data: Vec<u8> =
            [120_i16, i16::MAX, -11].iter().flat_map(|sample| sample.to_le_bytes()).collect();
        let whole = read(&mixed, 0, mixed.length());
        assert_eq!(whole[44..], data);
        assert_eq!(whole[22..24], 1_u16.to_le_bytes());
        for (first, count) in [(43, 3), (45, 2), (44, 6), (47, 1)] {
            let range = first as usize..(first + count) as usize;
            assert_eq!(read(&mixed, first, count), whole[range], "from {first}");
        }
        assert_eq!(mixed.read(mixed.length(), 7).unwrap(), b"", "past the end");
    }
}
