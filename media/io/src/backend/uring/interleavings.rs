//! Every interleaving of core and kernel at the ring of free buffers, by exhaustion: a model of the
//! ring around the real [`Ledger`]. Test only.
//!
//! The steps are those that the other side can observe separately: writing an entry, publishing the tail, reading
//! the tail and an entry, reporting a filled buffer. What [`super::buffers::Buffers`] does with raw memory is
//! done here with plain values, so that each reachable state can be checked.

use std::collections::BTreeSet;

use super::ledger::Ledger;

const BUFFERS: u16 = 3;
const SLOTS: u16 = 4;

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct State {
    ledger: Ledger,
    /// What the entries of the ring say.
    entries: [Option<u16>; SLOTS as usize],
    /// The core's own tail, and the one it published; the kernel's head. All modulo `WRAP`.
    tail: u16,
    published: u16,
    head: u16,
    /// Filled by the kernel and not reported yet; reported, and held by the core.
    filled: Vec<u16>,
    held: Vec<u16>,
    /// Being sent, as the kernel sees it.
    sending: BTreeSet<u16>,
}

/// Counters go round early, so that there are few states; still a multiple of the slots.
const WRAP: u16 = 2 * SLOTS;

impl State {
    fn new() -> Self {
        let mut state = Self {
            ledger: Ledger::new(BUFFERS),
            entries: [None; SLOTS as usize],
            tail: 0,
            published: 0,
            head: 0,
            filled: Vec::new(),
            held: Vec::new(),
            sending: BTreeSet::new(),
        };
        (0..BUFFERS).for_each(|buffer| state.enqueue(buffer));
        state.published = state.tail;
        state
    }

    /// Everything that may happen next.
    fn next(&self) -> Vec<Self> {
        let mut next = Vec::new();
        let mut step = |change: &dyn Fn(&mut Self)| {
            let mut state = self.clone();
            change(&mut state);
            next.push(state);
        };
        if self.head != self.published {
            step(&|state| state.kernel_fills());
        }
        for index in 0..self.filled.len() {
            step(&|state| state.kernel_reports(index));
        }
        for index in 0..self.held.len() {
            step(&|state| {
                let buffer = state.held.remove(index);
                assert!(state.ledger.give_back(buffer), "{buffer} was the core's");
                state.enqueue(buffer);
            });
            step(&|state| {
                let buffer = state.held.remove(index);
                state.ledger.lend_to_send(buffer);
                state.sending.insert(buffer);
            });
        }
        if !self.sending.is_empty() {
            step(&|state| {
                // The kernel took over every queued send: it reads none of them any more.
                state.sending.clear();
                while let Some(buffer) = state.ledger.next_sent() {
                    state.enqueue(buffer);
                }
            });
        }
        if self.published != self.tail {
            step(&|state| state.published = state.tail);
        }
        for buffer in 0..=BUFFERS {
            // A completion that names a buffer the kernel cannot have: a fault of the kernel's.
            if !self.is_kernels(buffer) {
                step(&|state| assert!(!state.ledger.take(buffer), "{buffer} was handed out twice"));
            }
        }
        next
    }

    fn kernel_fills(&mut self) {
        let buffer = self.entries[usize::from(self.head % SLOTS)].expect("a published entry");
        assert!(!self.filled.contains(&buffer) && !self.held.contains(&buffer), "{buffer} is used");
        assert!(!self.sending.contains(&buffer), "{buffer} is written while it is sent");
        self.head = (self.head + 1) % WRAP;
        self.filled.push(buffer);
    }

    fn kernel_reports(&mut self, index: usize) {
        let buffer = self.filled.remove(index);
        assert!(self.ledger.take(buffer), "{buffer} was the kernel's");
        self.held.push(buffer);
        self.held.sort_unstable();
    }

    fn enqueue(&mut self, buffer: u16) {
        let waiting = (self.tail + WRAP - self.head) % WRAP;
        assert!(waiting < SLOTS, "an entry that the kernel has not read is overwritten");
        self.entries[usize::from(self.tail % SLOTS)] = Some(buffer);
        self.tail = (self.tail + 1) % WRAP;
    }

    /// In the ring, published or not, or filled and not reported.
    fn is_kernels(&self, buffer: u16) -> bool {
        self.ring().contains(&buffer) || self.filled.contains(&buffer)
    }

    fn ring(&self) -> Vec<u16> {
        let waiting = (self.tail + WRAP - self.head) % WRAP;
        let entry = |step| self.entries[usize::from((self.head + step) % SLOTS)];
        (0..waiting).filter_map(entry).collect()
    }

    /// Every buffer is in exactly one place.
    fn check(&self) {
        let mut places = self.ring();
        places.extend(&self.filled);
        places.extend(&self.held);
        places.extend(&self.sending);
        places.sort_unstable();
        let all: Vec<u16> = (0..BUFFERS).collect();
        assert_eq!(places, all, "a buffer is lost, or in two places");
    }
}

#[test]
fn in_every_interleaving_each_buffer_is_in_one_place_and_none_is_written_while_in_use() {
    let mut seen = BTreeSet::from([State::new()]);
    let mut unvisited = vec![State::new()];
    while let Some(state) = unvisited.pop() {
        state.check();
        for next in state.next() {
            if seen.insert(next.clone()) {
                unvisited.push(next);
            }
        }
    }
    assert!(seen.len() > 1_000, "only {} states were reached", seen.len());
    println!("{} states", seen.len());
}
