//! The affine map of a relayed stream (ARCHITECTURE.md, "One packet"). Sans-IO.
//!
//! out.sequence = in.sequence + Δ and out.timestamp = in.timestamp + Δ'. Both offsets stay until
//! another source feeds the leg (a prompt, silence, another party, the same party with new numbers);
//! then they are chosen so that the numbers continue from the last packet sent. A missing packet leaves
//! a hole (I8): the receiver's loss figures and concealment stay right across the relay.

use shared::Codec;

use crate::clock::elapsed;
use crate::dtmf::ToneNote;
use crate::meters::DropReason;

/// Content of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// Samples of this codec.
    Audio(Codec),
    /// Telephone events (RFC 4733).
    Event,
}

/// Source that feeds a leg's stream now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Feed(u16);

impl Feed {
    /// None: the next packet begins a talk spurt.
    pub const NONE: Self = Self(0);
    /// This core: prompts, digits, silence.
    pub const LOCAL: Self = Self(1);

    /// The bridged party, in this epoch of its numbers.
    pub const fn relay(epoch: u16) -> Self {
        Self(epoch)
    }

    pub const fn is_relay(self) -> bool {
        self.0 >= FIRST_EPOCH
    }
}

/// The numbers of the stream that a leg sends, whoever feeds it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Numbers {
    pub feed: Feed,
    /// One above the highest sequence number that was sent.
    pub next_sequence: u16,
    delta_sequence: u16,
    /// Lowest sequence number that the present feed may use.
    floor_sequence: u16,
    /// Samples in the last packet.
    last_len: u16,
    delta_timestamp: u32,
    /// Timestamp of the newest packet, sent at `last_at`.
    last_timestamp: u32,
    last_at: u32,
}

/// Sequence number and timestamp of one packet to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub sequence: u16,
    pub timestamp: u32,
    /// Whether it is the first of its feed.
    pub starts: bool,
}

/// The map of a relayed stream, and the next number to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NumberMap {
    pub delta_sequence: u16,
    pub delta_timestamp: u32,
    pub next: u32,
}

/// A packet as it was received.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Incoming {
    pub epoch: u16,
    pub sequence: u16,
    pub timestamp: u32,
    pub content: Content,
    /// Samples it carries; 0 for events.
    pub len: u16,
    /// What to send of it to a party that takes telephone events.
    pub note: ToneNote,
}

impl Numbers {
    /// Starts with the numbers of the first packet to send.
    pub fn starting_at(sequence: u16, timestamp: u32, now_samples: u32) -> Self {
        Self {
            feed: Feed::NONE,
            next_sequence: sequence,
            delta_sequence: 0,
            floor_sequence: sequence,
            last_len: 0,
            delta_timestamp: 0,
            last_timestamp: timestamp,
            last_at: now_samples,
        }
    }

    /// Maps one packet of the bridged party.
    ///
    /// # Errors
    /// [`DropReason::Late`]: another feed has used its sequence number.
    #[inline]
    pub fn relay(&mut self, packet: Incoming, now_samples: u32) -> Result<Stamp, DropReason> {
        let starts = self.feed != Feed::relay(packet.epoch);
        if starts {
            self.anchor(packet, now_samples);
        }
        let sequence = packet.sequence.wrapping_add(self.delta_sequence);
        let timestamp = packet.timestamp.wrapping_add(self.delta_timestamp);
        let above_floor = sequence.wrapping_sub(self.floor_sequence) as i16;
        if above_floor < 0 {
            return Err(DropReason::Late);
        }
        // The floor follows at a distance: left behind, it would compare as above after half a wrap.
        if above_floor > FLOOR_DISTANCE_MAX {
            self.floor_sequence = sequence.wrapping_sub(FLOOR_DISTANCE_MAX as u16 / 2);
        }
        let is_newest = sequence.wrapping_sub(self.next_sequence) as i16 >= 0;
        if is_newest {
            self.next_sequence = sequence.wrapping_add(1);
        }
        debug_assert!(self.is_behind(sequence), "I8: the number could be sent again");
        self.advance(packet, timestamp, is_newest, now_samples);
        Ok(Stamp { sequence, timestamp, starts })
    }

    /// Numbers for a packet of our own, which carries the media time since the last one.
    pub fn local(&mut self, len: u16, now_samples: u32) -> Stamp {
        let starts = self.feed != Feed::LOCAL;
        let timestamp = self.next_timestamp(now_samples);
        let step = timestamp.wrapping_sub(self.last_timestamp) as i32;
        debug_assert!(step >= 0, "I8: media time goes back");
        let sequence = self.take_sequence();
        debug_assert!(self.is_behind(sequence), "I8: the number could be sent again");
        self.feed = Feed::LOCAL;
        self.last_timestamp = timestamp;
        self.last_at = now_samples;
        self.last_len = len;
        Stamp { sequence, timestamp, starts }
    }

    /// The next sequence number, for a packet whose timestamp is given (an event that goes on).
    pub fn take_sequence(&mut self) -> u16 {
        let sequence = self.next_sequence;
        self.next_sequence = sequence.wrapping_add(1);
        sequence
    }

    /// Advances our own media time without a packet.
    pub fn pass(&mut self, len: u16, now_samples: u32) {
        self.last_timestamp = self.next_timestamp(now_samples);
        self.last_at = now_samples;
        self.last_len = len;
    }

    /// Whether numbers that we choose ourselves come after this one.
    fn is_behind(&self, sequence: u16) -> bool {
        self.next_sequence.wrapping_sub(sequence) as i16 > 0
    }

    /// Whether the bridged party feeds the leg and its last packet was sent within `samples`.
    #[inline]
    pub fn relayed_within(&self, samples: u32, now_samples: u32) -> bool {
        self.feed.is_relay() && elapsed(now_samples, self.last_at) < samples
    }

    /// Time in samples at which the last packet was sent.
    pub const fn last_at(&self) -> u32 {
        self.last_at
    }

    /// The present media time, for a sender report.
    pub fn timestamp_at(&self, now_samples: u32) -> u32 {
        self.last_timestamp.wrapping_add(elapsed(now_samples, self.last_at))
    }

    /// The map by which the party's packets of this epoch are relayed. `None` while another feed has the stream, or
    /// when the party's packet with the `highest` number was not the last that we sent.
    pub fn map_of(&self, epoch: u16, highest: u16) -> Option<NumberMap> {
        let is_next =
            self.next_sequence.wrapping_sub(self.delta_sequence) == highest.wrapping_add(1);
        (self.feed == Feed::relay(epoch) && is_next).then_some(NumberMap {
            delta_sequence: self.delta_sequence,
            delta_timestamp: self.delta_timestamp,
            next: 1 << 16 | u32::from(self.next_sequence),
        })
    }

    #[cold]
    fn anchor(&mut self, packet: Incoming, now_samples: u32) {
        self.delta_sequence = self.next_sequence.wrapping_sub(packet.sequence);
        self.floor_sequence = self.next_sequence;
        let timestamp = self.following_timestamp(now_samples);
        self.delta_timestamp = timestamp.wrapping_sub(packet.timestamp);
        self.feed = Feed::relay(packet.epoch);
        self.last_timestamp = timestamp;
        self.last_at = now_samples;
    }

    /// Timestamp of our next own packet: without a gap after our own last one, else by the clock.
    pub fn next_timestamp(&self, now_samples: u32) -> u32 {
        if self.feed == Feed::LOCAL {
            self.last_timestamp.wrapping_add(u32::from(self.last_len))
        } else {
            self.following_timestamp(now_samples)
        }
    }

    /// Timestamp by elapsed time, and never inside the packet before.
    fn following_timestamp(&self, now_samples: u32) -> u32 {
        let step = elapsed(now_samples, self.last_at).max(u32::from(self.last_len));
        self.last_timestamp.wrapping_add(step)
    }

    /// Keeps media time: audio sets it by its timestamp; an event's timestamp is frozen while time advances.
    #[inline]
    fn advance(&mut self, packet: Incoming, timestamp: u32, is_newest: bool, now_samples: u32) {
        let step = timestamp.wrapping_sub(self.last_timestamp) as i32;
        let is_event = packet.content == Content::Event;
        // The newest audio sets it also where the party's own time went back: it talks, so no silence is due.
        if step > 0 || !is_event && (step == 0 || is_newest) {
            self.last_timestamp = timestamp;
            self.last_len = packet.len;
        } else if is_event {
            self.last_timestamp = self.timestamp_at(now_samples);
        } else {
            return;
        }
        self.last_at = now_samples;
    }
}

/// 0 and 1 are [`Feed::NONE`] and [`Feed::LOCAL`].
pub(crate) const FIRST_EPOCH: u16 = 2;
const FLOOR_DISTANCE_MAX: i16 = 0x2000;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn incoming(epoch: u16, sequence: u16, timestamp: u32) -> Incoming {
        let content = Content::Audio(Codec::Pcmu);
        Incoming { epoch, sequence, timestamp, content, len: 160, note: ToneNote::Voice }
    }

    #[test]
    fn the_first_packet_has_the_planned_numbers() {
        let mut numbers = Numbers::starting_at(65_535, 77, 1_000);
        let stamp = numbers.relay(incoming(2, 5, 9), 1_000).unwrap();
        assert_eq!(stamp, Stamp { sequence: 65_535, timestamp: 77, starts: true });
    }

    #[test]
    fn numbers_go_on_over_relay_silence_and_relay_of_another() {
        let mut numbers = Numbers::starting_at(100, 1_000, 0);
        assert_eq!(numbers.relay(incoming(2, 7, 70), 0).unwrap().sequence, 100);
        let second = numbers.relay(incoming(2, 8, 230), 160).unwrap();
        assert_eq!(second, Stamp { sequence: 101, timestamp: 1_160, starts: false });
        let silence = numbers.local(160, 160 + 1_600);
        assert_eq!(silence, Stamp { sequence: 102, timestamp: 2_760, starts: true });
        let other = numbers.relay(incoming(3, 60_000, 5), 160 + 1_600 + 200).unwrap();
        assert_eq!(other, Stamp { sequence: 103, timestamp: 2_960, starts: true });
    }

    #[test]
    fn a_new_feed_never_begins_inside_the_packet_before() {
        let mut numbers = Numbers::starting_at(0, 0, 0);
        numbers.local(160, 0);
        assert_eq!(numbers.relay(incoming(2, 0, 0), 10).unwrap().timestamp, 160);
    }

    #[test]
    fn a_packet_from_before_the_switch_is_late() {
        let mut numbers = Numbers::starting_at(0, 0, 0);
        let _ = numbers.relay(incoming(2, 50, 8_000), 0);
        assert_eq!(numbers.relay(incoming(2, 49, 7_840), 1), Err(DropReason::Late));
    }

    #[test]
    fn the_floor_never_overtakes_a_long_stream() {
        let mut numbers = Numbers::starting_at(0, 0, 0);
        for index in 0..200_000u32 {
            let packet = incoming(2, index as u16, index * 160);
            assert!(numbers.relay(packet, index * 160).is_ok(), "{index}");
        }
    }

    #[test]
    fn time_goes_on_during_a_frozen_event() {
        let mut numbers = Numbers::starting_at(0, 0, 0);
        let event = Incoming { content: Content::Event, len: 0, ..incoming(2, 0, 0) };
        for index in 0..50u16 {
            let packet = Incoming { sequence: index, ..event };
            let _ = numbers.relay(packet, u32::from(index) * 160);
        }
        assert!(numbers.relayed_within(400, 50 * 160));
        assert_eq!(numbers.timestamp_at(50 * 160), 50 * 160);
    }

    proptest! {
        /// Whatever is lost or swapped, the output is the input plus two constants.
        #[test]
        fn the_map_is_affine(
            first: u16, first_timestamp: u32, start: u16, start_timestamp: u32,
            steps in prop::collection::vec((0u16..6, 0u32..40), 1..200),
        ) {
            let mut numbers = Numbers::starting_at(first, first_timestamp, 0);
            let mut index = 0u16;
            let mut base = None;
            let mut now = 0;
            for (step, (skip, late)) in steps.into_iter().enumerate() {
                index += if step == 0 { 0 } else { skip };
                now += late;
                let sequence = start.wrapping_add(index);
                let timestamp = start_timestamp.wrapping_add(u32::from(index) * 160);
                let stamp = numbers.relay(incoming(2, sequence, timestamp), now).unwrap();
                prop_assert_eq!(stamp.sequence, first.wrapping_add(index));
                let base = *base.get_or_insert(first_timestamp.wrapping_add(late));
                prop_assert_eq!(stamp.timestamp, base.wrapping_add(u32::from(index) * 160));
            }
        }
    }
}
