//! WAV files of phones: 16 bit, mono. What they play has 8,000 Hz.

use std::path::Path;

/// A file of these samples.
pub fn file(samples: impl IntoIterator<Item = i16>) -> Vec<u8> {
    let data: Vec<u8> = samples.into_iter().flat_map(i16::to_le_bytes).collect();
    let bytes = data.len() as u32;
    let mut file = b"RIFF".to_vec();
    file.extend_from_slice(&(36 + bytes).to_le_bytes());
    file.extend_from_slice(b"WAVEfmt ");
    for word in [16u32, 0x0001_0001, 8_000, 16_000, 0x0010_0002] {
        file.extend_from_slice(&word.to_le_bytes());
    }
    file.extend_from_slice(b"data");
    file.extend_from_slice(&bytes.to_le_bytes());
    file.extend_from_slice(&data);
    file
}

pub fn silence(samples: usize) -> Vec<u8> {
    file(std::iter::repeat_n(0, samples))
}

/// A loud tone of 500 Hz.
pub fn tone(samples: usize) -> Vec<u8> {
    file((0..samples).map(|sample| if sample % 16 < 8 { 8_000 } else { -8_000 }))
}

/// The samples of a file's bytes; none where it has no header yet.
pub fn samples(file: &[u8]) -> Vec<i16> {
    let pairs = file.get(44..).unwrap_or_default().chunks_exact(2);
    pairs.map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect()
}

/// The samples of a file that a phone may still write.
pub fn read(path: &Path) -> Vec<i16> {
    samples(&std::fs::read(path).unwrap_or_default())
}

/// The number of samples that are no silence.
pub fn loud(samples: &[i16]) -> usize {
    samples.iter().filter(|sample| sample.unsigned_abs() > 500).count()
}
