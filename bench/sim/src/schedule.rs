//! What happens later on the virtual clock, in the order of its time.

use std::collections::BTreeMap;

use shared::Instant;

/// Things to happen, each at an instant; those of one instant in the order in which they were added.
pub struct Schedule<T> {
    entries: BTreeMap<(Instant, u64), T>,
    /// Number of entries so far: it breaks ties.
    serial: u64,
}

impl<T> Schedule<T> {
    /// An empty schedule.
    pub const fn new() -> Self {
        Self { entries: BTreeMap::new(), serial: 0 }
    }

    /// Adds an entry.
    pub fn add(&mut self, at: Instant, entry: T) {
        self.serial += 1;
        self.entries.insert((at, self.serial), entry);
    }

    /// When the next entry is due; `None` where nothing is left.
    pub fn next(&self) -> Option<Instant> {
        self.entries.keys().next().map(|(at, _)| *at)
    }

    /// Takes the first entry that is due at `now`.
    pub fn pop_due(&mut self, now: Instant) -> Option<T> {
        let entry = self.entries.first_entry().filter(|entry| entry.key().0 <= now)?;
        Some(entry.remove())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_come_by_time_and_then_by_the_order_in_which_they_were_added() {
        let mut schedule = Schedule::new();
        let at = Instant::from_millis;
        for (ms, entry) in [(20, 'c'), (10, 'a'), (10, 'b'), (30, 'd')] {
            schedule.add(at(ms), entry);
        }
        assert_eq!(schedule.next(), Some(at(10)));
        let due = std::iter::from_fn(|| schedule.pop_due(at(20)));
        assert_eq!(due.collect::<String>(), "abc");
        assert_eq!((schedule.pop_due(at(29)), schedule.next()), (None, Some(at(30))));
    }
}
