//! Memory that the kernel reads and writes: page-aligned, never moved, addressed by pointer only.

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::ptr::NonNull;

/// Alignment: a huge page, so that the kernel can back it with one.
const ALIGN: usize = 2 * 1024 * 1024;

/// A block of zeroed memory. No reference to all of it is ever made, because the kernel writes into
/// parts of it while others are in use here.
#[derive(Debug)]
pub(crate) struct KernelMemory {
    start: NonNull<u8>,
    layout: Layout,
}

impl KernelMemory {
    /// At least `bytes` bytes, rounded up to whole huge pages when larger than half of one.
    pub fn new(bytes: usize) -> Self {
        let align = if bytes > ALIGN / 2 { ALIGN } else { 4_096 };
        let layout = Layout::from_size_align(bytes.max(1), align)
            .expect("a few MiB are a valid layout")
            .pad_to_align();
        // SAFETY: the layout's size is not 0.
        let start = unsafe { alloc_zeroed(layout) };
        let Some(start) = NonNull::new(start) else { handle_alloc_error(layout) };
        advise_huge_pages(start, layout);
        Self { start, layout }
    }

    /// Pointer to the byte at `offset`.
    ///
    /// # Panics
    /// When `offset + len` lies outside.
    pub fn at(&self, offset: usize, len: usize) -> *mut u8 {
        assert!(offset <= self.layout.size() && len <= self.layout.size() - offset);
        // SAFETY: just checked to be inside the one allocation that `self` keeps alive.
        unsafe { self.start.as_ptr().add(offset) }
    }
}

#[cfg(not(miri))]
fn advise_huge_pages(start: NonNull<u8>, layout: Layout) {
    if layout.align() == ALIGN {
        // SAFETY: the range is one whole live allocation; the advice changes no content.
        // A kernel without huge pages refuses, which costs speed only.
        unsafe { libc::madvise(start.as_ptr().cast(), layout.size(), libc::MADV_HUGEPAGE) };
    }
}

#[cfg(miri)]
fn advise_huge_pages(_: NonNull<u8>, _: Layout) {}

impl Drop for KernelMemory {
    fn drop(&mut self) {
        // SAFETY: allocated in `new` with this layout. The owner has taken it back from the kernel
        // before (`Uring::drop`), and hands out pointers only for its own life.
        unsafe { dealloc(self.start.as_ptr(), self.layout) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_zeroed_aligned_and_writable_to_its_end() {
        let memory = KernelMemory::new(5_000);
        let last = memory.at(4_999, 1);
        assert_eq!(memory.at(0, 1) as usize % 4_096, 0);
        // SAFETY: inside the block, and no other pointer into it is in use.
        unsafe {
            assert_eq!(last.read(), 0);
            last.write(9);
            assert_eq!(last.read(), 9);
        }
    }

    #[test]
    #[should_panic(expected = "offset")]
    fn nothing_outside_is_handed_out() {
        KernelMemory::new(4_096).at(4_000, 200);
    }
}
