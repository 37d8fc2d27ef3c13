//! Statistics of the stream that a party sends: sequence, loss, jitter (RFC 3550 A.1, A.3, A.8). Sans-IO.
//!
//! A stream may restart: a new SSRC, or numbers that jump. One packet with odd numbers is dropped as a
//! stray; a second one that continues it is believed, and whoever maps numbers starts a new epoch. What every
//! packet touches lies in the leg's hot line ([`Reception`]), the rest apart ([`ReceptionPast`]).

use shared::LossPattern;
use shared::limits::{SSRC_CHANGES_RATE_MAX, TIMESTAMP_JUMP_MAX};

use crate::clock::{self, is_due};
use crate::losses::Losses;
use crate::meters::DropReason;
use crate::relay_rule::RelayedCounts;

/// The part that every packet touches; lies in the leg's inbound hot line.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Reception {
    pub ssrc: u32,
    /// Packets of this stream, duplicates included.
    pub received: u32,
    timestamp: u32,
    transit: u32,
    /// Jitter times 16.
    jitter_16: u32,
    /// Arrival of the last packet, in wrapping milliseconds.
    pub last_ms: u32,
    max_sequence: u16,
    cycles: u16,
    jitter_max: u16,
    started: bool,
    /// Whether `timestamp` and `transit` belong to this stream.
    timed: bool,
}

/// The part that only irregular packets and reports touch.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ReceptionPast {
    base_sequence: u16,
    /// Sequence number that would confirm a jump; set by one packet, believed at the next (A.1).
    bad_sequence: Option<u16>,
    expected_prior: u32,
    received_prior: u32,
    /// Timestamp that would confirm a jump of media time; set by one packet, believed at the next.
    bad_timestamp: Option<u32>,
    /// Totals of the streams before this one.
    received_before: u64,
    /// This and the rest count over all streams of the leg.
    losses: Losses,
    duplicates: u64,
    reordered: u64,
    /// Restarts, the first packet included.
    starts: u32,
    /// Samples in a packet of audio, when the stream began.
    packet_samples: u16,
    /// Expected packets and losses when the last interval ended.
    interval_prior: (u64, LossPattern),
    ssrc_window_ms: u32,
    ssrc_changes: u32,
}

/// One packet, reduced to the facts that statistics need.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrival {
    pub ssrc: u32,
    pub sequence: u16,
    pub timestamp: u32,
    /// Samples of audio; 0 for events.
    pub samples: u16,
    /// Whether it is audio: an event's timestamp is frozen and moves no clock.
    pub is_audio: bool,
    pub now_samples: u32,
    pub now_ms: u32,
}

/// Whether numbers continue from the packet before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Continuity {
    Continued,
    /// A new stream, or the same one with new numbers: the mapping of numbers must restart.
    Restarted,
}

/// Totals over all streams of a leg. Counts as in [`shared::LegQuality`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    pub received: u64,
    pub losses: LossPattern,
    pub duplicates: u64,
    pub reordered: u64,
    pub restarts: u32,
    pub packet_samples: u16,
}

/// A report block's figures (RFC 3550 §6.4.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ReportFigures {
    pub fraction_lost: u8,
    pub lost: u32,
    pub highest_sequence: u32,
    pub jitter: u32,
}

/// Clock of a stream: the last packet's, in the units of [`crate::relay_rule::RelayStream`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Timing {
    pub timestamp: u32,
    pub transit: u32,
    pub jitter_16: u32,
}

impl Reception {
    /// Counts one packet.
    #[inline]
    pub fn arrive(
        &mut self,
        past: &mut ReceptionPast,
        packet: Arrival,
    ) -> Result<Continuity, DropReason> {
        let step = packet.sequence.wrapping_sub(self.max_sequence);
        if !self.started || packet.ssrc != self.ssrc {
            self.change_source(past, packet)?;
            self.count(packet);
            return Ok(Continuity::Restarted);
        }
        if (1..DROPOUT_MAX).contains(&step) {
            let jumped = packet.is_audio && self.timestamp_jumped(packet);
            if jumped {
                past.jump_timestamp(packet.timestamp)?;
                self.timed = false;
            }
            if packet.sequence < self.max_sequence {
                self.cycles = self.cycles.wrapping_add(1);
            }
            self.max_sequence = packet.sequence;
            if step > 1 {
                past.losses.gap(self.highest_sequence(), u32::from(step) - 1);
            }
            self.count(packet);
            return Ok(if jumped { Continuity::Restarted } else { Continuity::Continued });
        }
        if (DROPOUT_MAX..=MISORDER_MIN).contains(&step) {
            past.jump(packet.sequence)?;
            self.restart(past, packet);
            self.count(packet);
            return Ok(Continuity::Restarted);
        }
        self.count_late(past, packet);
        Ok(Continuity::Continued)
    }

    /// Interarrival jitter in RTP units.
    pub const fn jitter(&self) -> u32 {
        self.jitter_16 >> 4
    }

    /// Largest jitter so far, over all streams of the leg.
    pub const fn jitter_max(&self) -> u32 {
        self.jitter_max as u32
    }

    /// Whether any packet arrived.
    pub const fn has_started(&self) -> bool {
        self.started
    }

    /// Totals over all streams of the leg.
    pub fn totals(&self, past: &ReceptionPast) -> Totals {
        Totals {
            received: past.received_before + u64::from(self.received),
            losses: past.losses.pattern(),
            duplicates: past.duplicates,
            reordered: past.reordered,
            restarts: past.starts.saturating_sub(1),
            packet_samples: past.packet_samples,
        }
    }

    /// Expected packets and losses of the interval that ends here. `None` while there are too few packets
    /// for a verdict: then the interval continues.
    pub fn interval(&self, past: &mut ReceptionPast) -> Option<(u64, LossPattern)> {
        let totals = self.totals(past);
        let expected = totals.received.saturating_sub(totals.duplicates) + totals.losses.lost;
        let (expected_before, losses_before) = past.interval_prior;
        let expected_now = expected.saturating_sub(expected_before);
        if expected_now < INTERVAL_PACKETS_MIN {
            return None;
        }
        past.interval_prior = (expected, totals.losses);
        Some((expected_now, totals.losses.since(&losses_before)))
    }

    /// Figures for a report; a new interval begins.
    pub fn report(&self, past: &mut ReceptionPast) -> ReportFigures {
        let expected = self.expected(past);
        let expected_interval = expected.wrapping_sub(past.expected_prior);
        let received_interval = self.received.wrapping_sub(past.received_prior);
        past.expected_prior = expected;
        past.received_prior = self.received;
        let lost_interval = expected_interval.saturating_sub(received_interval);
        let fraction = (u64::from(lost_interval) << 8).checked_div(u64::from(expected_interval));
        ReportFigures {
            fraction_lost: fraction.unwrap_or(0).min(255) as u8,
            lost: self.lost(past).min(0x7F_FFFF),
            highest_sequence: self.highest_sequence(),
            jitter: self.jitter(),
        }
    }

    /// The clock of the stream; `None` before its first packet of audio.
    pub fn timing(&self) -> Option<Timing> {
        let Self { timestamp, transit, jitter_16, .. } = *self;
        self.timed.then_some(Timing { timestamp, transit, jitter_16 })
    }

    /// Counts packets that another tier relayed, all of them above the highest number. The tier tells numbers, not
    /// packets: those that it passed over are lost, until a late one takes a loss back (RFC 3550 A.3).
    pub fn absorb(&mut self, past: &mut ReceptionPast, counts: &RelayedCounts) {
        let ahead = counts.highest.wrapping_sub(self.highest_sequence());
        debug_assert!(ahead >= counts.packets, "a tier relayed a late packet");
        past.losses.absorb(counts.highest, counts.gaps, ahead.saturating_sub(counts.packets));
        self.received = self.received.wrapping_add(counts.packets);
        (self.cycles, self.max_sequence) = ((counts.highest >> 16) as u16, counts.highest as u16);
        self.last_ms = clock::millis(counts.last_arrival);
        self.timestamp = counts.timestamp;
        self.transit = counts.transit;
        self.jitter_16 = counts.jitter_16;
        self.jitter_max = self.jitter_max.max(u16::try_from(self.jitter()).unwrap_or(u16::MAX));
    }

    /// Highest sequence number received, with the number of its wraps in the upper half.
    pub const fn highest_sequence(&self) -> u32 {
        (self.cycles as u32) << 16 | self.max_sequence as u32
    }

    fn expected(&self, past: &ReceptionPast) -> u32 {
        if !self.started {
            return 0;
        }
        self.highest_sequence().wrapping_sub(u32::from(past.base_sequence)).wrapping_add(1)
    }

    fn lost(&self, past: &ReceptionPast) -> u32 {
        self.expected(past).saturating_sub(self.received)
    }

    #[inline]
    fn count(&mut self, packet: Arrival) {
        self.received = self.received.wrapping_add(1);
        self.last_ms = packet.now_ms;
        if !packet.is_audio {
            return;
        }
        let transit = packet.now_samples.wrapping_sub(packet.timestamp);
        if self.timed {
            let difference = (transit.wrapping_sub(self.transit) as i32).unsigned_abs();
            let smoothed = self.jitter_16.wrapping_add(8) >> 4;
            self.jitter_16 = self.jitter_16.saturating_add(difference).saturating_sub(smoothed);
            self.jitter_max = self.jitter_max.max(u16::try_from(self.jitter()).unwrap_or(u16::MAX));
        }
        self.timed = true;
        self.transit = transit;
        self.timestamp = packet.timestamp;
    }

    /// A late packet, or a duplicate.
    #[cold]
    fn count_late(&mut self, past: &mut ReceptionPast, packet: Arrival) {
        let age = u32::from(self.max_sequence.wrapping_sub(packet.sequence));
        let newest = self.highest_sequence();
        let is_before_first = age > newest.wrapping_sub(u32::from(past.base_sequence));
        if is_before_first || past.losses.late(newest, newest.wrapping_sub(age)) {
            past.reordered += 1;
            self.count(packet);
        } else {
            past.duplicates += 1;
            self.received = self.received.wrapping_add(1);
            self.last_ms = packet.now_ms;
        }
    }

    /// Whether a timestamp is far from both the media time of the packet before and that of the clock: the
    /// timestamps of a long-silent party may have advanced or stood still.
    #[inline]
    fn timestamp_jumped(&self, packet: Arrival) -> bool {
        let is_far =
            |a: u32, b: u32| (a.wrapping_sub(b) as i32).unsigned_abs() > TIMESTAMP_JUMP_MAX;
        let transit = packet.now_samples.wrapping_sub(packet.timestamp);
        self.timed && is_far(packet.timestamp, self.timestamp) && is_far(transit, self.transit)
    }

    #[cold]
    fn change_source(
        &mut self,
        past: &mut ReceptionPast,
        packet: Arrival,
    ) -> Result<(), DropReason> {
        if self.started {
            past.allow_ssrc_change(packet.now_ms)?;
        }
        self.restart(past, packet);
        Ok(())
    }

    #[cold]
    fn restart(&mut self, past: &mut ReceptionPast, packet: Arrival) {
        past.received_before = self.totals(past).received;
        past.losses.restart(u32::from(packet.sequence));
        past.starts = past.starts.saturating_add(1);
        past.packet_samples = packet.samples.max(past.packet_samples);
        past.base_sequence = packet.sequence;
        past.bad_sequence = None;
        past.bad_timestamp = None;
        past.expected_prior = 0;
        past.received_prior = 0;
        *self = Self {
            ssrc: packet.ssrc,
            max_sequence: packet.sequence,
            started: true,
            jitter_max: self.jitter_max,
            ..Self::default()
        };
    }
}

impl ReceptionPast {
    /// Two consecutive packets far from the expected number are a restart; one is not.
    #[cold]
    fn jump(&mut self, sequence: u16) -> Result<(), DropReason> {
        if self.bad_sequence == Some(sequence) {
            return Ok(());
        }
        self.bad_sequence = Some(sequence.wrapping_add(1));
        Err(DropReason::SequenceJump)
    }

    /// One packet far from the media time is dropped, the next one near it sets the new time.
    #[cold]
    fn jump_timestamp(&mut self, timestamp: u32) -> Result<(), DropReason> {
        let before = self.bad_timestamp.replace(timestamp);
        let is_near =
            |bad: u32| (timestamp.wrapping_sub(bad) as i32).unsigned_abs() <= TIMESTAMP_JUMP_MAX;
        if !before.is_some_and(is_near) {
            return Err(DropReason::TimestampJump);
        }
        self.bad_timestamp = None;
        self.starts = self.starts.saturating_add(1);
        Ok(())
    }

    fn allow_ssrc_change(&mut self, now_ms: u32) -> Result<(), DropReason> {
        if self.ssrc_changes == 0 || is_due(now_ms, self.ssrc_window_ms.wrapping_add(1_000)) {
            self.ssrc_window_ms = now_ms;
            self.ssrc_changes = 0;
        }
        if self.ssrc_changes >= SSRC_CHANGES_RATE_MAX {
            return Err(DropReason::SsrcRate);
        }
        self.ssrc_changes += 1;
        Ok(())
    }
}

/// RFC 3550 A.1: a gap up to this is loss.
const DROPOUT_MAX: u16 = 3_000;
/// RFC 3550 A.1: a packet up to 100 back is misordered; wrapped steps above this are such.
const MISORDER_MIN: u16 = u16::MAX - 99;
/// Half a second of 20 ms packets: fewer allow no verdict on quality.
const INTERVAL_PACKETS_MIN: u64 = 25;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn audio(sequence: u16, timestamp: u32, now_samples: u32) -> Arrival {
        let now_ms = now_samples / 8;
        Arrival { ssrc: 7, sequence, timestamp, samples: 160, is_audio: true, now_samples, now_ms }
    }

    fn run(sequences: &[u16]) -> (Reception, ReceptionPast, Vec<Result<Continuity, DropReason>>) {
        let (mut reception, mut past) = (Reception::default(), ReceptionPast::default());
        let answers = sequences
            .iter()
            .map(|sequence| reception.arrive(&mut past, audio(*sequence, 0, 0)))
            .collect();
        (reception, past, answers)
    }

    /// Received and lost.
    fn totals(reception: &Reception, past: &ReceptionPast) -> (u64, u64) {
        let totals = reception.totals(past);
        (totals.received, totals.losses.lost)
    }

    #[test]
    fn a_gap_is_loss_and_a_late_packet_takes_it_back() {
        let (reception, past, _) = run(&[10, 11, 14]);
        assert_eq!(totals(&reception, &past), (3, 2));
        let (reception, past, _) = run(&[10, 11, 14, 12]);
        assert_eq!(totals(&reception, &past), (4, 1));
        assert_eq!(reception.totals(&past).reordered, 1);
    }

    #[test]
    fn copies_neither_make_loss_negative_nor_hide_it() {
        let (reception, past, _) = run(&[1, 1, 1, 2]);
        assert_eq!(totals(&reception, &past), (4, 0));
        let (reception, past, _) = run(&[1, 1, 2, 2, 4, 4]);
        assert_eq!(totals(&reception, &past), (6, 1));
        assert_eq!((reception.totals(&past).duplicates, reception.totals(&past).reordered), (3, 0));
    }

    #[test]
    fn a_packet_from_before_the_first_is_late_and_no_copy() {
        let (reception, past, _) = run(&[10, 9, 11]);
        let totals = reception.totals(&past);
        assert_eq!((totals.reordered, totals.duplicates, totals.losses.lost), (1, 0, 0));
    }

    #[test]
    fn sequence_numbers_wrap() {
        let (reception, past, _) = run(&[65534, 65535, 0, 1]);
        assert_eq!(totals(&reception, &past), (4, 0));
        assert_eq!(reception.highest_sequence(), 0x1_0001);
    }

    #[test]
    fn a_jump_is_believed_at_its_second_packet() {
        let (reception, past, answers) = run(&[1, 2, 30_000, 30_001, 30_002]);
        assert_eq!(answers[2], Err(DropReason::SequenceJump));
        assert_eq!(answers[3], Ok(Continuity::Restarted));
        assert_eq!(answers[4], Ok(Continuity::Continued));
        assert_eq!(totals(&reception, &past), (4, 0));
    }

    #[test]
    fn more_than_three_ssrc_changes_a_second_are_dropped() {
        let (mut reception, mut past) = (Reception::default(), ReceptionPast::default());
        let mut arrive =
            |ssrc, now_ms| reception.arrive(&mut past, Arrival { ssrc, now_ms, ..audio(1, 0, 0) });
        for ssrc in 0..4 {
            assert_eq!(arrive(ssrc, 0), Ok(Continuity::Restarted));
        }
        assert_eq!(arrive(4, 999), Err(DropReason::SsrcRate));
        assert_eq!(arrive(4, 1_000), Ok(Continuity::Restarted));
    }

    #[test]
    fn a_timestamp_jump_is_believed_at_its_second_packet_without_poisoning_jitter() {
        let (mut reception, mut past) = (Reception::default(), ReceptionPast::default());
        let mut arrive = |sequence, timestamp, now| {
            let step = reception.arrive(&mut past, audio(sequence, timestamp, now));
            (step, reception.jitter())
        };
        let _ = arrive(1, 0, 0);
        assert_eq!(arrive(2, 160, 160), (Ok(Continuity::Continued), 0));
        assert_eq!(arrive(3, 1_000_000, 320), (Err(DropReason::TimestampJump), 0));
        assert_eq!(arrive(4, 1_000_160, 480), (Ok(Continuity::Restarted), 0));
        assert_eq!(arrive(5, 1_000_320, 640), (Ok(Continuity::Continued), 0));
        assert_eq!(reception.totals(&past).restarts, 1);
    }

    #[test]
    fn one_packet_from_another_time_is_dropped_and_the_stream_goes_on() {
        let (mut reception, mut past) = (Reception::default(), ReceptionPast::default());
        let mut arrive =
            |sequence, timestamp, now| reception.arrive(&mut past, audio(sequence, timestamp, now));
        let _ = arrive(1, 0, 0);
        assert_eq!(arrive(2, 900_000, 160), Err(DropReason::TimestampJump));
        assert_eq!(arrive(2, 160, 160), Ok(Continuity::Continued));
        assert_eq!(arrive(3, 500_000, 320), Err(DropReason::TimestampJump));
        assert_eq!(arrive(4, 2_000_000, 480), Err(DropReason::TimestampJump));
        assert_eq!(arrive(5, 640, 640), Ok(Continuity::Continued));
    }

    #[test]
    fn after_a_long_silence_timestamps_may_have_gone_on_or_stood_still() {
        for timestamp in [160, 200_000] {
            let (mut reception, mut past) = (Reception::default(), ReceptionPast::default());
            let _ = reception.arrive(&mut past, audio(1, 0, 0));
            let resumed = reception.arrive(&mut past, audio(2, timestamp, 200_000));
            assert_eq!(resumed, Ok(Continuity::Continued), "{timestamp}");
        }
    }

    #[test]
    fn an_interval_waits_for_enough_packets_and_then_begins_anew() {
        let (mut reception, mut past) = (Reception::default(), ReceptionPast::default());
        let mut sequence = 0u16;
        let mut come = |reception: &mut Reception, past: &mut ReceptionPast, count: u16| {
            for _ in 0..count {
                sequence += 1;
                let timestamp = u32::from(sequence) * 160;
                let _ = reception.arrive(past, audio(sequence, timestamp, timestamp));
            }
            sequence += 2;
        };
        come(&mut reception, &mut past, 20);
        assert_eq!(reception.interval(&mut past), None);
        come(&mut reception, &mut past, 20);
        let (expected, losses) = reception.interval(&mut past).unwrap();
        assert_eq!((expected, losses.lost, losses.runs), (42, 2, 1));
        assert_eq!(reception.interval(&mut past), None);
        come(&mut reception, &mut past, 30);
        let (expected, losses) = reception.interval(&mut past).unwrap();
        assert_eq!((expected, losses.lost), (32, 2));
    }

    #[test]
    fn jitter_follows_the_formula_of_the_rfc() {
        let (mut reception, mut past) = (Reception::default(), ReceptionPast::default());
        let mut model = 0f64;
        let mut last_transit: Option<u32> = None;
        for index in 0..200u32 {
            let late = if index % 3 == 0 { 80 } else { 0 };
            let _ =
                reception.arrive(&mut past, audio(index as u16, index * 160, index * 160 + late));
            if let Some(last) = last_transit {
                let difference = f64::from(late) - f64::from(last);
                model += (difference.abs() - model) / 16.0;
            }
            last_transit = Some(late);
        }
        assert!((f64::from(reception.jitter()) - model).abs() <= 1.5, "{model}");
    }

    #[test]
    fn a_report_tells_the_fraction_of_its_interval() {
        let (reception, mut past, _) = run(&[1, 2, 4, 8]);
        let figures = reception.report(&mut past);
        assert_eq!((figures.fraction_lost, figures.lost, figures.highest_sequence), (128, 4, 8));
        assert_eq!(reception.report(&mut past).fraction_lost, 0);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn loss_equals_a_set_of_what_came(
            start: u16, kept in prop::collection::vec(any::<bool>(), 2..200),
        ) {
            let (mut reception, mut past) = (Reception::default(), ReceptionPast::default());
            let indices: Vec<usize> = (0..kept.len()).filter(|at| kept[*at]).collect();
            for index in &indices {
                let sequence = start.wrapping_add(*index as u16);
                prop_assert!(reception.arrive(&mut past, audio(sequence, 0, 0)).is_ok());
            }
            let span = match (indices.first(), indices.last()) {
                (Some(first), Some(last)) => last - first + 1,
                _ => 0,
            };
            let lost = (span - indices.len()) as u64;
            prop_assert_eq!(totals(&reception, &past), (indices.len() as u64, lost));
        }
    }
}
