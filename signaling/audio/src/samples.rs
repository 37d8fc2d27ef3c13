//! The destination of decoded samples, and how a decoder asks for its memory. Pure.

use crate::memory::LARGE_BYTES;

/// The result of a push.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pushed {
    /// All bytes were taken.
    All,
    /// Bytes are left: allow the decoder this number of bytes in total first.
    NeedsRoom(usize),
}

/// The destination of samples.
pub trait Samples: Default {
    /// Bytes of one sample.
    const BYTES: usize;
    /// Makes room for this number of samples in total.
    fn allow(&mut self, samples: usize);
    /// Samples that there is room for, in total.
    fn room(&self) -> usize;
    /// Appends a sample.
    fn push(&mut self, sample: i16);
    /// Samples taken.
    fn len(&self) -> usize;
}

/// Bytes of both laws that a file of unknown length asks for first: half a minute. Most files without a
/// length are speech that is generated while it is sent.
pub(super) const UNKNOWN_FIRST_BYTES: usize = LARGE_BYTES / 2;
