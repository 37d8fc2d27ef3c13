//! The provided buffer ring of one core: the kernel takes a buffer for each datagram by itself.

use std::io;
use std::sync::atomic::{AtomicU16, Ordering};

use io_uring::Submitter;
use io_uring::types::BufRingEntry;

use super::ledger::Ledger;
use super::memory::KernelMemory;
use super::message::PAYLOAD_OFFSET;
use crate::backend::driver::BUFFER_BYTES;

/// Buffers of one core. 2,048 packets are 20 ms of 1,000 calls; of each buffer only the lines that a
/// packet fills are touched, so they fit in a cache of 1 MiB.
pub(crate) const BUFFERS: u16 = 2_048;
const _: () = assert!(BUFFERS.is_power_of_two());

/// The one buffer group of a core.
pub(crate) const GROUP: u16 = 0;

/// Distance of two buffers: a datagram and what stands in front of it, in whole cache lines, an odd
/// number of them (see [`BUFFER_BYTES`]).
const STRIDE: usize = BUFFER_BYTES + 2 * 64;
const _: () = assert!(PAYLOAD_OFFSET <= 2 * 64 && STRIDE % 128 == 64);

/// The ring of free buffers, shared with the kernel, and the buffers.
#[derive(Debug)]
pub(crate) struct Buffers {
    ring: KernelMemory,
    data: KernelMemory,
    ledger: Ledger,
    /// Our copy of the ring's tail; the kernel sees it at [`Buffers::publish`].
    tail: u16,
}

impl Buffers {
    /// Memory for all buffers; all of them wait in the ring.
    pub fn new() -> Self {
        let count = usize::from(BUFFERS);
        let ring = KernelMemory::new(count * size_of::<BufRingEntry>());
        let data = KernelMemory::new(count * STRIDE);
        let mut buffers = Self { ring, data, ledger: Ledger::new(BUFFERS), tail: 0 };
        for buffer in 0..BUFFERS {
            buffers.enqueue(buffer);
        }
        buffers.publish();
        buffers
    }

    /// Tells the kernel of the ring. The memory must stay until it is unregistered or the ring of
    /// `submitter` is gone: see `Uring::drop`.
    pub fn register(&self, submitter: &Submitter<'_>) -> io::Result<()> {
        let ring = self.ring.at(0, 0) as u64;
        // SAFETY: the ring lies page-aligned in memory that `Uring` frees only after the kernel gave
        // it up, and holds BUFFERS entries.
        unsafe { submitter.register_buf_ring_with_flags(ring, BUFFERS, GROUP, 0) }
    }

    /// The kernel filled `buffer` with `len` bytes: they are the core's until [`Buffers::give_back`]
    /// or [`Buffers::lend_to_send`] and [`Buffers::all_sent`]. `None` when the kernel did not have that buffer.
    pub fn take(&mut self, buffer: u16, len: usize) -> Option<Filled> {
        if !self.ledger.take(buffer) {
            return None;
        }
        let start = self.data.at(usize::from(buffer) * STRIDE, STRIDE);
        Some(Filled { buffer, start, len: len.min(STRIDE) })
    }

    /// The buffer is free.
    pub fn give_back(&mut self, filled: Filled) {
        if self.ledger.give_back(filled.buffer) {
            self.enqueue(filled.buffer);
        }
    }

    /// The buffer is being sent from.
    pub fn lend_to_send(&mut self, filled: Filled) {
        self.ledger.lend_to_send(filled.buffer);
    }

    /// Every queued send was taken over by the kernel: their buffers are free.
    pub fn all_sent(&mut self) {
        while let Some(buffer) = self.ledger.next_sent() {
            self.enqueue(buffer);
        }
    }

    /// Shows the kernel all buffers that became free.
    pub fn publish(&mut self) {
        let first: *const BufRingEntry = self.ring.at(0, size_of::<BufRingEntry>()).cast();
        // SAFETY: `first` is the first entry of the ring, where the tail lies; it is aligned to 2
        // and alive. The kernel only reads the tail; all our accesses to it are atomic.
        let tail = unsafe { AtomicU16::from_ptr(BufRingEntry::tail(first).cast_mut()) };
        // Release: the kernel must see the entries before the tail that covers them.
        tail.store(self.tail, Ordering::Release);
    }

    fn enqueue(&mut self, buffer: u16) {
        let slot = usize::from(self.tail & (BUFFERS - 1));
        let offset = slot * size_of::<BufRingEntry>();
        let entry: *mut BufRingEntry = self.ring.at(offset, size_of::<BufRingEntry>()).cast();
        let address = self.data.at(usize::from(buffer) * STRIDE, STRIDE) as u64;
        // SAFETY: the slot lies behind the tail that the kernel knows (there are as many slots as
        // buffers, and this buffer was not in the ring), so only this thread uses it. Written field by
        // field, because the tail itself lies in the unused last field of slot 0.
        unsafe {
            (*entry).set_addr(address);
            (*entry).set_len(STRIDE as u32);
            (*entry).set_bid(buffer);
        }
        self.tail = self.tail.wrapping_add(1);
    }
}

/// A filled buffer while the core has it. Not `Copy`: it is handed on exactly once.
#[derive(Debug)]
pub(crate) struct Filled {
    buffer: u16,
    start: *mut u8,
    len: usize,
}

impl Filled {
    /// The bytes that the kernel wrote.
    pub fn bytes(&mut self) -> &mut [u8] {
        // SAFETY: the ledger gave this buffer to the core and to this one value; the kernel has no
        // claim on it until `give_back` or `lend_to_send` takes the value. The memory outlives it, as
        // `Uring` drops its buffers last and keeps no `Filled`. All of it was zeroed when made.
        unsafe { std::slice::from_raw_parts_mut(self.start, self.len) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Plays the kernel: reads the entry at `head`, as the kernel would.
    fn kernel_takes(buffers: &Buffers, head: u16) -> (u16, u64) {
        let offset = usize::from(head & (BUFFERS - 1)) * size_of::<BufRingEntry>();
        let entry: *const BufRingEntry = buffers.ring.at(offset, size_of::<BufRingEntry>()).cast();
        // SAFETY: inside the ring; nothing else uses it in this test.
        unsafe { ((*entry).bid(), (*entry).addr()) }
    }

    #[test]
    fn buffers_go_round_and_each_is_its_own_memory() {
        let mut buffers = Buffers::new();
        let mut head = 0_u16;
        for round in 0..3_u8 {
            let mut held = Vec::new();
            for _ in 0..200 {
                let (buffer, address) = kernel_takes(&buffers, head);
                head = head.wrapping_add(1);
                let mut filled = buffers.take(buffer, 100).expect("the kernel had it");
                assert_eq!(filled.bytes().as_ptr() as u64, address);
                filled.bytes().fill(held.len() as u8 ^ round);
                held.push(filled);
            }
            for (index, mut filled) in held.into_iter().enumerate() {
                assert!(filled.bytes().iter().all(|byte| *byte == index as u8 ^ round));
                if index % 2 == 0 {
                    buffers.give_back(filled);
                } else {
                    buffers.lend_to_send(filled);
                }
            }
            buffers.all_sent();
            buffers.publish();
        }
        assert_eq!(buffers.tail.wrapping_sub(head), BUFFERS);
    }

    #[test]
    fn a_buffer_the_kernel_does_not_have_is_not_handed_out_twice() {
        let mut buffers = Buffers::new();
        let first = buffers.take(5, 10);
        assert!(first.is_some());
        assert!(buffers.take(5, 10).is_none());
        assert!(buffers.take(BUFFERS, 10).is_none());
    }
}
