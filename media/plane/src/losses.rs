//! Losses of a stream, as a pattern of runs, bursts and gaps (RFC 3611 §4.7.2). Sans-IO.
//!
//! Packets in order cost nothing here: only gaps, late packets, duplicates and reports call it. A missing
//! packet stays open for 127 more, the window in which a late one is still accepted; then it is lost
//! for good.

use shared::LossPattern;

/// The losses of one stream, and those of the streams of the leg before it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Losses {
    /// Bit n: the packet n before `newest` is missing so far.
    missing: u128,
    /// Extended sequence number that bit 0 stands for.
    newest: u32,
    /// Losses close enough to each other to be one burst.
    cluster: Option<Cluster>,
    pattern: LossPattern,
    unplaced: Unplaced,
}

/// Losses that another tier counted: how many is known, which ones is not. They stand apart from bursts, each gap
/// a run of its own.
#[derive(Clone, Copy, Debug, Default)]
struct Unplaced {
    lost: u32,
    /// Extended sequence number up to which the tier counted.
    newest: u32,
}

/// Losses with fewer than [`GAP_RECEIVED_MIN`] received packets between two of them.
#[derive(Clone, Copy, Debug)]
struct Cluster {
    first: u32,
    last: u32,
    lost: u32,
}

impl Losses {
    /// A stream begins with this packet.
    pub fn restart(&mut self, first: u32) {
        *self = Self { newest: first, ..Self { pattern: self.pattern(), ..Self::default() } };
    }

    /// `newest` arrived and the `count` packets before it did not.
    pub fn gap(&mut self, newest: u32, count: u32) {
        self.advance(newest);
        if count >= BITS {
            // They are older than any packet that may still arrive.
            self.settle(newest.wrapping_sub(count), count - (BITS - 1));
        }
        let open = count.min(BITS - 1);
        self.missing |= ((1 << open) - 1) << 1;
    }

    /// A packet that is not newer than `newest` arrived; answers whether it was missing, else it is a duplicate.
    pub fn late(&mut self, newest: u32, sequence: u32) -> bool {
        self.advance(newest);
        let age = newest.wrapping_sub(sequence);
        let bit = if age < BITS { 1 << age } else { 0 };
        let was_missing = self.missing & bit != 0;
        self.missing &= !bit;
        was_missing || age < BITS && self.unplaced.take_back(sequence)
    }

    /// Adds what another tier counted up to `newest`: packets that it passed over, in this many gaps.
    pub fn absorb(&mut self, newest: u32, gaps: u32, lost: u32) {
        if newest.wrapping_sub(self.unplaced.newest) >= BITS {
            // They are older than any packet that may still arrive.
            self.pattern.lost += u64::from(std::mem::take(&mut self.unplaced.lost));
        }
        self.advance(newest);
        self.unplaced.newest = newest;
        self.unplaced.lost = self.unplaced.lost.saturating_add(lost);
        self.pattern.runs += u64::from(gaps.min(lost));
    }

    /// The pattern if no missing packet arrives any more.
    pub fn pattern(&self) -> LossPattern {
        let mut settled = *self;
        settled.advance(settled.newest.wrapping_add(BITS));
        settled.close_cluster();
        settled.pattern.lost += u64::from(settled.unplaced.lost);
        // A loss that was taken back leaves its run.
        settled.pattern.runs = settled.pattern.runs.min(settled.pattern.lost);
        settled.pattern
    }

    /// Moves the window on; missing packets that leave it are lost for good.
    fn advance(&mut self, newest: u32) {
        let step = newest.wrapping_sub(self.newest);
        let kept = if step < BITS { u128::MAX >> step } else { 0 };
        let mut leaving = self.missing & !kept;
        while leaving != 0 {
            let age = u128::BITS - 1 - leaving.leading_zeros();
            self.settle(self.newest.wrapping_sub(age), 1);
            leaving &= !(1 << age);
        }
        self.missing = if step < BITS { self.missing << step } else { 0 };
        self.newest = newest;
    }

    /// `count` packets from `first` on are lost for good; settled in the order of their numbers.
    fn settle(&mut self, first: u32, count: u32) {
        let last = first.wrapping_add(count - 1);
        self.pattern.lost += u64::from(count);
        let received_between =
            self.cluster.map(|cluster| first.wrapping_sub(cluster.last).wrapping_sub(1));
        self.pattern.runs += u64::from(received_between != Some(0));
        match &mut self.cluster {
            Some(cluster) if received_between < Some(GAP_RECEIVED_MIN) => {
                cluster.last = last;
                cluster.lost += count;
            }
            Some(_) | None => {
                self.close_cluster();
                self.cluster = Some(Cluster { first, last, lost: count });
            }
        }
    }

    /// A single loss belongs to the gap around it, more of them are a burst.
    fn close_cluster(&mut self) {
        let Some(cluster) = self.cluster.take().filter(|cluster| cluster.lost > 1) else { return };
        self.pattern.bursts += 1;
        let span = cluster.last.wrapping_sub(cluster.first).wrapping_add(1);
        self.pattern.burst_packets += u64::from(span);
        self.pattern.burst_lost += u64::from(cluster.lost);
    }
}

impl Unplaced {
    /// A packet came that the tier may have passed over: then it is no loss any more.
    fn take_back(&mut self, sequence: u32) -> bool {
        let is_counted = self.newest.wrapping_sub(sequence) < BITS;
        let is_loss = is_counted && self.lost > 0;
        self.lost -= u32::from(is_loss);
        is_loss
    }
}

const BITS: u32 = u128::BITS;
/// RFC 3611 §4.7.2: `Gmin`, received packets in a row that end a burst.
const GAP_RECEIVED_MIN: u32 = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Feeds a stream in order, `true` for packets that come; the first and the last do.
    fn in_order(fates: &[bool]) -> LossPattern {
        let mut losses = Losses::default();
        losses.restart(1_000);
        let mut newest = 1_000;
        for (index, comes) in fates.iter().enumerate() {
            let sequence = 1_001 + index as u32;
            if *comes && sequence - newest > 1 {
                losses.gap(sequence, sequence - newest - 1);
            }
            if *comes {
                newest = sequence;
            }
        }
        losses.pattern()
    }

    /// The definition of RFC 3611, over a list.
    fn model(fates: &[bool]) -> LossPattern {
        let end = fates.iter().rposition(|comes| *comes).map_or(0, |last| last + 1);
        let lost: Vec<usize> = (0..end).filter(|index| !fates[*index]).collect();
        let mut pattern = LossPattern { lost: lost.len() as u64, ..LossPattern::default() };
        let near = |distance| lost.chunk_by(move |a, b| b - a <= distance);
        pattern.runs = near(1).count() as u64;
        for burst in near(16).filter(|cluster| cluster.len() > 1) {
            pattern.bursts += 1;
            pattern.burst_packets += (burst[burst.len() - 1] - burst[0] + 1) as u64;
            pattern.burst_lost += burst.len() as u64;
        }
        pattern
    }

    fn fates(text: &str) -> Vec<bool> {
        text.chars().map(|fate| fate == '.').collect()
    }

    #[test]
    fn a_single_loss_belongs_to_the_gap() {
        let pattern = in_order(&fates("................x................"));
        let expected = LossPattern { lost: 1, runs: 1, ..LossPattern::default() };
        assert_eq!(pattern, expected);
    }

    #[test]
    fn losses_with_fifteen_received_between_are_one_burst_and_with_sixteen_none() {
        let burst = in_order(&fates("x...............x."));
        assert_eq!((burst.bursts, burst.burst_packets, burst.burst_lost), (1, 17, 2));
        let apart = in_order(&fates("x................x."));
        assert_eq!((apart.bursts, apart.lost, apart.runs), (0, 2, 2));
    }

    #[test]
    fn a_late_packet_is_no_loss_and_a_second_one_is_a_copy() {
        let mut losses = Losses::default();
        losses.restart(10);
        losses.gap(14, 3);
        assert!(losses.late(14, 12));
        assert!(!losses.late(14, 12) && !losses.late(14, 14) && !losses.late(14, 10));
        let expected = LossPattern { lost: 2, runs: 2, bursts: 1, burst_packets: 3, burst_lost: 2 };
        assert_eq!(losses.pattern(), expected);
    }

    #[test]
    fn losses_of_another_tier_count_until_their_packets_come() {
        let mut losses = Losses::default();
        losses.restart(10);
        losses.gap(12, 1);
        losses.absorb(40, 2, 3);
        let pattern = losses.pattern();
        assert_eq!((pattern.lost, pattern.runs, pattern.bursts), (4, 3, 0));
        assert!(losses.late(40, 11) && losses.late(41, 30) && losses.late(41, 31));
        assert_eq!(losses.pattern().lost, 1);
        assert!(losses.late(41, 32) && !losses.late(41, 33));
        assert_eq!((losses.pattern().lost, losses.pattern().runs), (0, 0));
    }

    #[test]
    fn losses_of_another_tier_are_final_when_the_window_has_passed() {
        let mut losses = Losses::default();
        losses.restart(10);
        losses.absorb(40, 1, 1);
        losses.absorb(40 + BITS, 1, 1);
        assert!(losses.late(40 + BITS, 39 + BITS) && !losses.late(40 + BITS, 38 + BITS));
        losses.restart(9);
        assert_eq!(losses.pattern().lost, 1);
    }

    #[test]
    fn a_gap_longer_than_the_window_is_one_run() {
        for count in [126, 127, 128, 129, 300, 2_999] {
            let mut losses = Losses::default();
            losses.restart(u32::MAX - 5);
            losses.gap((u32::MAX - 5).wrapping_add(count + 1), count);
            let pattern = losses.pattern();
            assert_eq!((pattern.lost, pattern.runs), (u64::from(count), 1), "{count}");
            assert_eq!(pattern.burst_packets, u64::from(count));
        }
    }

    #[test]
    fn the_next_stream_adds_to_the_pattern() {
        let mut losses = Losses::default();
        losses.restart(10);
        losses.gap(13, 2);
        losses.restart(60_000);
        losses.gap(60_003, 2);
        let pattern = losses.pattern();
        assert_eq!((pattern.lost, pattern.runs, pattern.bursts), (4, 2, 2));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn any_pattern_is_that_of_the_definition(
            runs in prop::collection::vec((1usize..40, 0usize..6), 1..60),
        ) {
            let mut fates: Vec<bool> = runs
                .into_iter()
                .flat_map(|(came, lost)| [vec![true; came], vec![false; lost]].concat())
                .collect();
            fates.push(true);
            prop_assert_eq!(in_order(&fates), model(&fates));
        }

        /// Whatever comes in whatever order within the window: lost is what never came.
        #[test]
        fn reordered_and_doubled_packets_make_no_loss(
            fates in prop::collection::vec((0u32..4, 0u32..60), 1..300),
        ) {
            let mut arrivals = vec![(0u32, 0u32)];
            for (index, (copies, delay)) in fates.iter().enumerate() {
                let sequence = index as u32 + 1;
                // Half of them once, a quarter not at all, a quarter twice.
                let copies = [0, 1, 1, 2][*copies as usize];
                arrivals.extend((0..copies).map(|copy| (sequence + (delay >> copy), sequence)));
            }
            arrivals.sort_unstable();
            let mut losses = Losses::default();
            losses.restart(0);
            let (mut newest, mut came) = (0, std::collections::BTreeSet::from([0]));
            for (_, sequence) in &arrivals[1..] {
                let is_new = came.insert(*sequence);
                if *sequence > newest {
                    losses.gap(*sequence, sequence - newest - 1);
                    newest = *sequence;
                } else {
                    prop_assert_eq!(losses.late(newest, *sequence), is_new);
                }
            }
            let lost = u64::from(newest) + 1 - came.len() as u64;
            prop_assert_eq!(losses.pattern().lost, lost);
        }
    }
}
