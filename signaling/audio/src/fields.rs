//! Fields of a head that arrive in pieces. Pure.

/// Bytes of an incomplete field.
#[derive(Debug, Default)]
pub(super) struct Taken(pub(super) Vec<u8>);

impl Taken {
    /// The field of `count` bytes, once it is complete.
    pub(super) fn exactly(&mut self, count: usize, input: &mut &[u8]) -> Option<Vec<u8>> {
        let wanted = count.saturating_sub(self.0.len()).min(input.len());
        let (more, rest) = input.split_at(wanted);
        self.0.extend_from_slice(more);
        *input = rest;
        (self.0.len() >= count).then(|| std::mem::take(&mut self.0))
    }
}

/// Skips bytes of `input`. Returns whether all `skip` bytes are skipped.
pub(super) fn skipped(skip: &mut u64, input: &mut &[u8]) -> bool {
    let passed = usize::try_from(*skip).unwrap_or(usize::MAX).min(input.len());
    *input = &input[passed..];
    *skip -= passed as u64;
    *skip == 0
}

pub(super) fn u16_le(bytes: &[u8], at: usize) -> u16 {
    field(bytes, at).map_or(0, u16::from_le_bytes)
}

pub(super) fn u32_le(bytes: &[u8], at: usize) -> u32 {
    field(bytes, at).map_or(0, u32::from_le_bytes)
}

pub(super) fn u16_be(bytes: &[u8], at: usize) -> u16 {
    field(bytes, at).map_or(0, u16::from_be_bytes)
}

pub(super) fn u32_be(bytes: &[u8], at: usize) -> u32 {
    field(bytes, at).map_or(0, u32::from_be_bytes)
}

fn field<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}
