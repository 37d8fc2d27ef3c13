//! One leg in the shared memory: give it to the program, take it back, read its figures.
//!
//! A leg is given with its rule and the state of its stream, and taken back with one exchange, which answers
//! the exact next sequence number. A program that committed before the exchange may still be rewriting its
//! packet; [`Entry::is_settled`] says when its statistics are in. Only then may the leg be given again:
//! before, the program would count into the figures of the next gift.
//!
//! One thread owns a leg: it alone calls `give` and `take`. Figures may be read by any thread.

use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicU32, fence};

use plane::{RelayStream, RelayedCounts};
use shared::Instant;

use super::layout::{self, EntryCells, LINK_WORD, OCTETS_WORD, PACKETS_WORD};
use super::rule::{Ineligible, Rule};
use super::word::Word;

/// Figures of one gift, from `give` on. Counters wrap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Packets that were relayed.
    pub packets: u32,
    /// Their payload bytes.
    pub octets: u32,
    /// Highest extended sequence number that came from the party.
    pub highest: u32,
    /// Arrival of the last packet, in samples (1/8,000 s of the clock), wrapping.
    pub arrival: u32,
    /// Timestamp of the last packet.
    pub timestamp: u32,
    /// Its arrival minus its timestamp, as in [`RelayStream`].
    pub transit: u32,
    /// Interarrival jitter times 16, in timestamp units.
    pub jitter_16: u32,
    /// Runs of missing sequence numbers.
    pub gaps: u32,
    /// RTP of another source; [`Rule`] says where it went.
    pub forged: u32,
    /// Audio with another SSRC.
    pub other_ssrc: u32,
    /// Datagrams whose lengths contradict each other. Dropped.
    pub wrong_length: u32,
    /// Of `packets`: those that were relayed at the XDP hook.
    pub by_driver: u32,
}

impl Figures {
    /// The figures of a leg as it is given.
    pub const fn before(stream: &RelayStream) -> Self {
        Self {
            packets: 0,
            octets: 0,
            highest: stream.highest,
            arrival: stream.transit.wrapping_add(stream.timestamp),
            timestamp: stream.timestamp,
            transit: stream.transit,
            jitter_16: stream.jitter_16,
            gaps: 0,
            forged: 0,
            other_ssrc: 0,
            wrong_length: 0,
            by_driver: 0,
        }
    }

    /// Packets that were expected since `highest` was `before`, and did not come (RFC 3550 A.3). Duplicates count
    /// against losses; packets that went up are the gateway's to subtract.
    pub const fn lost(&self, before: u32) -> u32 {
        self.highest.wrapping_sub(before).saturating_sub(self.packets)
    }

    /// What came since `before`, figures of the same gift, for the plane to absorb. `drops_forged` says where its rule
    /// sent packets of another source. `now` places the arrival, which has only 32 bits here.
    pub fn since(&self, before: &Self, drops_forged: bool, now: Instant) -> RelayedCounts {
        let samples = now.as_nanos() / NANOS_A_SAMPLE;
        let age = (samples as u32).wrapping_sub(self.arrival);
        let last_arrival = samples.saturating_sub(age.into()) * NANOS_A_SAMPLE;
        RelayedCounts {
            packets: self.packets.wrapping_sub(before.packets),
            octets: self.octets.wrapping_sub(before.octets),
            gaps: self.gaps.wrapping_sub(before.gaps),
            highest: self.highest,
            timestamp: self.timestamp,
            transit: self.transit,
            jitter_16: self.jitter_16,
            last_arrival: Instant::from_nanos(last_arrival),
            strangers: if drops_forged { self.forged.wrapping_sub(before.forged) } else { 0 },
            malformed: self.wrong_length.wrapping_sub(before.wrong_length),
            by_driver: self.by_driver.wrapping_sub(before.by_driver),
        }
    }
}

/// Reasons that a leg was not given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotGiven {
    /// The program has it already.
    #[error("the program has the leg")]
    On,
    /// A program that committed before the leg was taken back is not through yet.
    #[error("a packet of the gift before is not through yet")]
    Unsettled,
    /// The program cannot do what the rule says.
    #[error(transparent)]
    Ineligible(#[from] Ineligible),
}

/// One leg's cells.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'m>(&'m EntryCells);

impl<'m> Entry<'m> {
    pub(super) const fn new(cells: &'m EntryCells) -> Self {
        Self(cells)
    }

    /// Lets the program relay from now on. Figures begin at 0.
    ///
    /// # Errors
    /// [`NotGiven`]; the leg is then as it was.
    pub fn give(&self, rule: &Rule, stream: &RelayStream) -> Result<(), NotGiven> {
        if self.is_given() {
            return Err(NotGiven::On);
        }
        // Read at once: a program that read the word of the gift before may raise both and lower them again.
        let (entered, octets) = self.entered();
        if entered != self.packets() {
            return Err(NotGiven::Unsettled);
        }
        let (mut words, addresses) = layout::rule_words(rule)?;
        if offset(stream) as u16 != rule.delta_sequence {
            return Err(Ineligible::Numbers.into());
        }
        let cells = self.0;
        let generation = self.word().generation().wrapping_add(1);
        // Kept in the halves that the program does not read, so that the next process finds it.
        words[PACKETS_WORD] |= u64::from(entered) << 32;
        words[OCTETS_WORD] |= u64::from(octets) << 32;
        let written = words.iter().chain(&addresses);
        for (cell, word) in cells.rule.iter().chain(&cells.addresses).zip(written) {
            cell.store(*word, Relaxed);
        }
        self.begin(stream);
        cells.word.store(Word::on(generation, stream.next).bits(), Release);
        Ok(())
    }

    /// Takes the leg back; answers the next extended sequence number to send. `None` when the gateway had it.
    pub fn take(&self) -> Option<u32> {
        let word = Word::from_bits(self.0.word.fetch_and(Word::STAYS, AcqRel));
        word.is_on().then(|| word.next())
    }

    /// Exchanges the link-layer address of the peer's neighbour, for the XDP hook; the leg stays given. All zero: packets
    /// take the tc hook.
    pub fn set_link_address(&self, address: [u8; 6]) {
        let cell = &self.0.rule[LINK_WORD];
        cell.store(layout::with_link(cell.load(Relaxed), address), Release);
    }

    /// Whether the program has the leg.
    pub fn is_given(&self) -> bool {
        self.word().is_on()
    }

    /// Whether the figures of a leg that was taken back are complete. It takes as long as the program needs
    /// for one packet.
    pub fn is_settled(&self) -> bool {
        self.entered().0 == self.packets()
    }

    /// The figures at this moment; see [`Entry::is_settled`].
    pub fn figures(&self) -> Figures {
        let cells = self.0;
        let read = |cell: &AtomicU32| cell.load(Relaxed);
        // The word before the packets: a packet between the two counts as one too many, and not as a loss.
        let word = Word::from_bits(cells.word.load(Acquire));
        let passed = cells.passed.load(Acquire);
        Figures {
            packets: high(passed).wrapping_sub(self.packets_before()),
            octets: self.octets_since(self.entered().1),
            highest: word.next().wrapping_sub(1).wrapping_sub(read(&cells.offset)),
            arrival: read(&cells.arrival),
            timestamp: read(&cells.timestamp),
            transit: read(&cells.transit),
            jitter_16: read(&cells.jitter_16),
            gaps: read(&cells.gaps),
            forged: read(&cells.forged),
            other_ssrc: read(&cells.other_ssrc),
            wrong_length: read(&cells.wrong_length),
            by_driver: passed as u32,
        }
    }

    /// [`Figures::arrival`] alone.
    pub fn arrival(&self) -> u32 {
        self.0.arrival.load(Relaxed)
    }

    /// Generation of the gift that the program has now.
    pub fn generation_on(&self) -> Option<u16> {
        let word = self.word();
        word.is_on().then(|| word.generation())
    }

    /// Switches the leg off if it is still that gift, and leaves its figures.
    pub fn end(&self, generation: u16) {
        let off = |bits| {
            let word = Word::from_bits(bits);
            (word.is_on() && word.generation() == generation).then(|| word.off().bits())
        };
        let _ = self.0.word.fetch_update(AcqRel, Relaxed, off);
    }

    /// The figures of a moment at which no packet was between its count and the others. `None` while one is;
    /// then a number may be there whose packet is not.
    pub fn snapshot(&self) -> Option<Figures> {
        let packets = self.packets();
        let figures = self.figures();
        fence(Acquire);
        // Octets of the load that says that nobody is inside, for the reason in `give`.
        let (entered, octets) = self.entered();
        (entered == packets).then(|| Figures { octets: self.octets_since(octets), ..figures })
    }

    fn word(&self) -> Word {
        Word::from_bits(self.0.word.load(Relaxed))
    }

    /// Packets that entered, and their octets, both since the entry was made, wrapping.
    fn entered(&self) -> (u32, u32) {
        let entered = self.0.entered.load(Acquire);
        (entered as u32, high(entered))
    }

    /// Packets whose statistics are complete, since the entry was made, wrapping.
    fn packets(&self) -> u32 {
        high(self.0.passed.load(Acquire))
    }

    /// The count of packets when the leg was given.
    fn packets_before(&self) -> u32 {
        high(self.0.rule[PACKETS_WORD].load(Relaxed))
    }

    fn octets_since(&self, octets: u32) -> u32 {
        octets.wrapping_sub(high(self.0.rule[OCTETS_WORD].load(Relaxed)))
    }

    /// Starts the figures. Packets and octets run on: a program that read the word of the gift before may raise and
    /// lower those that entered at any time. None is behind its exchange, so nobody else writes `passed`.
    fn begin(&self, stream: &RelayStream) {
        let cells = self.0;
        cells.passed.store(u64::from(self.packets()) << 32, Relaxed);
        let zeroed = [&cells.gaps, &cells.forged, &cells.other_ssrc, &cells.wrong_length];
        zeroed.iter().for_each(|cell| cell.store(0, Relaxed));
        cells.offset.store(offset(stream), Relaxed);
        cells.arrival.store(stream.transit.wrapping_add(stream.timestamp), Relaxed);
        cells.timestamp.store(stream.timestamp, Relaxed);
        cells.transit.store(stream.transit, Relaxed);
        cells.jitter_16.store(stream.jitter_16, Relaxed);
    }
}

const fn high(word: u64) -> u32 {
    (word >> 32) as u32
}

/// What the numbers that leave have more than those that come, extended.
const fn offset(stream: &RelayStream) -> u32 {
    stream.next.wrapping_sub(1).wrapping_sub(stream.highest)
}

const NANOS_A_SAMPLE: u64 = 125_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_plane_gets_what_came_since_and_the_arrival_on_its_clock() {
        let before = Figures { packets: u32::MAX, octets: 100, gaps: 1, ..Figures::default() };
        // The clock has wrapped once in samples, and the packet came 3 samples ago, before the wrap.
        let samples = (1 << 32) + 1;
        let after = Figures { packets: 9, octets: 1_700, gaps: 2, arrival: u32::MAX - 1, ..before };
        let counts =
            after.since(&before, false, Instant::from_nanos(samples * NANOS_A_SAMPLE + 77));
        assert_eq!((counts.packets, counts.octets, counts.gaps), (10, 1_600, 1));
        assert_eq!(counts.last_arrival, Instant::from_nanos((samples - 3) * NANOS_A_SAMPLE));
    }
}
