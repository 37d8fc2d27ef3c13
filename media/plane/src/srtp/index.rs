//! Packet indices: the 48 bits that a sequence number stands for (RFC 3711 §3.3.1), and the used ones
//! (§3.3.2). Sans-IO.

use shared::limits::{SRTP_INDEX_MAX, SRTP_REPLAY_WINDOW, SRTP_STREAMS_MAX};

use super::SrtpError;

/// The streams of one key, by SSRC. SDES (RFC 4568) names no SSRC, so streams are learned from authentic
/// packets; past `limits::SRTP_STREAMS_MAX` the one that was silent longest is forgotten.
#[derive(Clone, Debug, Default)]
pub(super) struct Streams {
    streams: [Stream; SRTP_STREAMS_MAX],
    /// Counts calls of [`Streams::of`], for the age of streams.
    uses: u64,
}

/// Indices of one stream; a fresh one where nothing was accepted yet.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Stream {
    ssrc: u32,
    /// 0 = this place is free.
    used: u64,
    /// Highest index that was accepted.
    highest: Option<u64>,
    /// Bit `i` is `highest - i`.
    seen: u128,
}

impl Streams {
    /// A copy of a stream's state, for packets that are not authenticated yet.
    #[inline]
    pub fn find(&self, ssrc: u32) -> Stream {
        let known = self.streams.iter().find(|stream| stream.is_of(ssrc));
        known.copied().unwrap_or_default()
    }

    /// The stream of that SSRC, created where it is new.
    #[inline]
    pub fn of(&mut self, ssrc: u32) -> &mut Stream {
        self.uses += 1;
        let known = self.streams.iter().position(|stream| stream.is_of(ssrc));
        let oldest = || (0..SRTP_STREAMS_MAX).min_by_key(|at| self.streams[*at].used).unwrap_or(0);
        let at = known.unwrap_or_else(oldest);
        let stream = &mut self.streams[at];
        if known.is_none() {
            *stream = Stream { ssrc, ..Stream::default() };
        }
        stream.used = self.uses;
        stream
    }
}

impl Stream {
    fn is_of(&self, ssrc: u32) -> bool {
        self.used != 0 && self.ssrc == ssrc
    }

    /// The most likely index of this sequence number: the nearest to the highest so far, and for the first
    /// packet one with a roll-over counter of 0.
    #[inline]
    pub fn estimate(&self, sequence: u16) -> u64 {
        let Some(highest) = self.highest else { return u64::from(sequence) };
        let step = i64::from(sequence.wrapping_sub(highest as u16) as i16);
        // Before the very first round nothing was: then the number is one ahead.
        let behind = highest.checked_add_signed(step);
        behind.unwrap_or(u64::from(sequence))
    }

    /// Whether an index is unused and inside the replay window.
    #[inline]
    pub fn check(&self, index: u64) -> Result<(), SrtpError> {
        if index > SRTP_INDEX_MAX {
            return Err(SrtpError::Exhausted);
        }
        let Some(highest) = self.highest else { return Ok(()) };
        match highest.checked_sub(index) {
            None => Ok(()),
            Some(age) if age >= SRTP_REPLAY_WINDOW => Err(SrtpError::Replayed),
            Some(age) if self.seen >> age & 1 != 0 => Err(SrtpError::Replayed),
            Some(_) => Ok(()),
        }
    }

    /// Marks an index as used.
    #[inline]
    pub fn accept(&mut self, index: u64) {
        let highest = self.highest.unwrap_or(index);
        match index.checked_sub(highest) {
            Some(ahead) => {
                let ahead = u32::try_from(ahead).unwrap_or(u32::MAX);
                self.seen = self.seen.checked_shl(ahead).unwrap_or(0) | 1;
                self.highest = Some(index);
            }
            None => {
                let age = u32::try_from(highest - index).unwrap_or(u32::MAX);
                self.seen |= 1u128.checked_shl(age).unwrap_or(0);
            }
        }
    }
}

const _: () = assert!(SRTP_REPLAY_WINDOW == u128::BITS as u64);

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_roll_over_counter_follows_sequence_numbers_both_ways() {
        let mut stream = Stream::default();
        assert_eq!(stream.estimate(65_530), 65_530);
        stream.accept(65_530);
        assert_eq!(stream.estimate(3), 0x1_0003);
        stream.accept(0x1_0003);
        assert_eq!(stream.estimate(65_535), 65_535);
        assert_eq!(stream.estimate(4), 0x1_0004);
        assert_eq!(stream.estimate(0x8002), 0x1_8002);
        assert_eq!(stream.estimate(0x8003), 0x8003);
    }

    #[test]
    fn nothing_lies_before_the_first_round() {
        let mut stream = Stream::default();
        stream.accept(3);
        assert_eq!(stream.estimate(65_535), 65_535);
    }

    #[test]
    fn the_window_is_128_wide() {
        let mut stream = Stream::default();
        stream.accept(1_000);
        stream.accept(1_127);
        assert_eq!(stream.check(1_000), Err(SrtpError::Replayed));
        assert_eq!(stream.check(1_001), Ok(()));
        stream.accept(1_001);
        assert_eq!(stream.check(1_001), Err(SrtpError::Replayed));
        assert_eq!(stream.check(999), Err(SrtpError::Replayed));
        assert_eq!(stream.check(1_128), Ok(()));
        stream.accept(5_000);
        assert_eq!(stream.check(4_999), Ok(()));
        assert_eq!(stream.check(1_127), Err(SrtpError::Replayed));
    }

    #[test]
    fn an_index_beyond_48_bits_is_never_used() {
        let mut stream = Stream::default();
        stream.accept(SRTP_INDEX_MAX);
        assert_eq!(stream.check(stream.estimate(0)), Err(SrtpError::Exhausted));
    }

    #[test]
    fn of_five_streams_the_one_that_was_silent_longest_is_forgotten() {
        let mut streams = Streams::default();
        for ssrc in 1..=4 {
            streams.of(ssrc).accept(7);
        }
        streams.of(1).accept(8);
        streams.of(5).accept(7);
        let known = |ssrc| streams.find(ssrc).check(7).is_err();
        assert_eq!([1, 2, 3, 4, 5].map(known), [true, false, true, true, true]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn the_window_equals_a_set(steps in prop::collection::vec(-200i64..300, 1..200)) {
            let (mut stream, mut set) = (Stream::default(), BTreeSet::new());
            let mut at = 100_000i64;
            for step in steps {
                let index = (at + step) as u64;
                let highest = set.last().copied().unwrap_or(index);
                let expected = !set.contains(&index) && index + 128 > highest;
                prop_assert_eq!(stream.check(index).is_ok(), expected);
                if expected {
                    stream.accept(index);
                    set.insert(index);
                    at = at.max(index as i64);
                }
            }
        }
    }
}
