//! Holder of each receive buffer: the kernel, this core, or a send in progress. Pure bookkeeping.
//!
//! ```text
//! kernel --(completion)--> core --(consumed, dropped)--> kernel
//!                          core --(forward)--> send --(submitted)--> kernel
//! ```

/// The holder of one buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Holder {
    Kernel,
    Core,
    Send,
}

/// Tracks the holder of each buffer, and queues those that sends hold. Allocates only when made.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone, PartialEq, Eq, PartialOrd, Ord))]
pub(crate) struct Ledger {
    holders: Box<[Holder]>,
    sends: Vec<u16>,
}

impl Ledger {
    /// All `count` buffers are the kernel's.
    pub fn new(count: u16) -> Self {
        let holders = vec![Holder::Kernel; usize::from(count)].into_boxed_slice();
        Self { holders, sends: Vec::with_capacity(usize::from(count)) }
    }

    /// The kernel reports that it filled this buffer. `false` for one that it did not have: then the buffer
    /// must not be touched.
    #[must_use]
    pub fn take(&mut self, buffer: u16) -> bool {
        self.pass(buffer, Holder::Kernel, Holder::Core)
    }

    /// A send of this buffer was queued.
    pub fn lend_to_send(&mut self, buffer: u16) {
        if self.pass(buffer, Holder::Core, Holder::Send) {
            self.sends.push(buffer);
        }
    }

    /// This core is done with the buffer. `true` when the caller must return it to the kernel now.
    #[must_use]
    pub fn give_back(&mut self, buffer: u16) -> bool {
        self.pass(buffer, Holder::Core, Holder::Kernel)
    }

    /// The kernel took over all queued sends: answers the next buffer to return to it, until `None`.
    pub fn next_sent(&mut self) -> Option<u16> {
        let buffer = self.sends.pop()?;
        let was_send = self.pass(buffer, Holder::Send, Holder::Kernel);
        debug_assert!(was_send, "only lend_to_send adds to the queue");
        Some(buffer)
    }

    fn pass(&mut self, buffer: u16, from: Holder, to: Holder) -> bool {
        match self.holders.get_mut(usize::from(buffer)) {
            Some(holder) if *holder == from => {
                *holder = to;
                true
            }
            Some(_) | None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// Whatever the kernel and the core do, a buffer that is sent or read is not the kernel's.
        #[test]
        fn no_buffer_is_the_kernels_while_it_is_in_use(
            steps in proptest::collection::vec((0u8..4, 0u16..9), 0..200)
        ) {
            let mut ledger = Ledger::new(8);
            let mut kernel: Vec<u16> = (0..8).collect();
            let mut core: Vec<u16> = Vec::new();
            let mut send: Vec<u16> = Vec::new();
            for (step, buffer) in steps {
                match step {
                    0 => {
                        prop_assert_eq!(ledger.take(buffer), kernel.contains(&buffer));
                        if kernel.contains(&buffer) {
                            kernel.retain(|b| *b != buffer);
                            core.push(buffer);
                        }
                    }
                    1 => {
                        ledger.lend_to_send(buffer);
                        if core.contains(&buffer) {
                            core.retain(|b| *b != buffer);
                            send.push(buffer);
                        }
                    }
                    2 => {
                        prop_assert_eq!(ledger.give_back(buffer), core.contains(&buffer));
                        if core.contains(&buffer) {
                            core.retain(|b| *b != buffer);
                            kernel.push(buffer);
                        }
                    }
                    _ => {
                        while let Some(buffer) = ledger.next_sent() {
                            prop_assert!(send.contains(&buffer));
                            send.retain(|b| *b != buffer);
                            kernel.push(buffer);
                        }
                        prop_assert!(send.is_empty());
                    }
                }
            }
        }
    }
}
