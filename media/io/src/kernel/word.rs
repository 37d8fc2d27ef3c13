//! The hand-over word of a leg: who sends its stream, and the next sequence number. Sans-IO.
//!
//! ```text
//!            give: store(on, generation + 1, next)
//!   Off ----------------------------------------------> On --+ the program sends a packet:
//!    ^                                                  |    | compare-and-exchange, next advances
//!    +--------------------------------------------------+ <--+
//!            take: clears the bit, answers the exact next number
//! ```
//!
//! While the word is on, only the program sends, and only a number for which it has exchanged the word for one that is
//! past it. The gateway sends while the word is off. So no number is sent twice. The generation tells a word that was taken and given anew from the one that a
//! program has read. `media/io/bpf/relay.c` does the same arithmetic; a test compares the two.

/// Bit 63: on; bits 32 to 47: generation; low 32: next extended sequence number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Word(u64);

impl Word {
    /// Bits that stay when a leg is taken back.
    pub(super) const STAYS: u64 = !ON;

    /// The program sends, from `next` on.
    pub const fn on(generation: u16, next: u32) -> Self {
        Self(ON | (generation as u64) << 32 | next as u64)
    }

    /// The word when the gateway has taken the leg back: all but the first bit stays.
    pub const fn off(self) -> Self {
        Self(self.0 & Self::STAYS)
    }

    /// The word with these bits.
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// The bits as they lie in memory.
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// Whether the program sends.
    pub const fn is_on(self) -> bool {
        self.0 & ON != 0
    }

    /// Counts the gifts of the leg, wrapping.
    pub const fn generation(self) -> u16 {
        (self.0 >> 32) as u16
    }

    /// The extended sequence number after the highest that was sent.
    pub const fn next(self) -> u32 {
        self.0 as u32
    }

    /// The word past `sequence`, as `commit` in `relay.c` makes it. `None` for a late number: that one is the gateway's.
    #[cfg(test)]
    pub fn over(self, sequence: u16) -> Option<Self> {
        let next = self.next();
        let ahead = u32::try_from(sequence.wrapping_sub(next as u16) as i16).ok()?;
        Some(Self(self.0 & !NEXT | u64::from(next.wrapping_add(ahead).wrapping_add(1))))
    }
}

const ON: u64 = 1 << 63;
#[cfg(test)]
const NEXT: u64 = 0xFFFF_FFFF;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_holds_its_three_parts() {
        let word = Word::on(0xFFFF, u32::MAX);
        assert!(word.is_on() && !word.off().is_on());
        assert_eq!((word.generation(), word.next()), (0xFFFF, u32::MAX));
        assert_eq!((word.off().generation(), word.off().next()), (0xFFFF, u32::MAX));
        assert_eq!(Word::from_bits(word.bits()), word);
    }

    #[test]
    fn the_newest_number_advances_and_a_late_one_is_not_the_programs() {
        let word = Word::on(7, 0x2_0005);
        assert_eq!(word.over(5), Some(Word::on(7, 0x2_0006)));
        assert_eq!(word.over(9), Some(Word::on(7, 0x2_000A)));
        assert_eq!(word.over(4), None);
    }

    #[test]
    fn numbers_wrap_in_both_widths_and_leave_the_generation_alone() {
        assert_eq!(Word::on(1, 0x1_FFFF).over(0), Some(Word::on(1, 0x2_0001)));
        assert_eq!(Word::on(1, u32::MAX).over(0xFFFF), Some(Word::on(1, 0)));
        assert_eq!(Word::on(1, 0x2_0000).over(0xFFFF), None);
    }
}
