//! What is known of the stream a party sends: sequence, loss, jitter (RFC 3550 A.1, A.3, A.8). Sans-IO.

use shared::limits::{SSRC_CHANGES_RATE_MAX, TIMESTAMP_JUMP_MAX};

use crate::clock::is_due;
use crate::meters::DropReason;

/// The part that every packet touches; lies in the leg's first hot line.
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
    /// Whether `timestamp` and `transit` are of this stream.
    timed: bool,
}

/// The part that only odd packets and reports touch.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ReceptionPast {
    base_sequence: u16,
    /// Where the stream goes on if it jumped; set by one packet, believed at the next (A.1).
    bad_sequence: Option<u16>,
    expected_prior: u32,
    received_prior: u32,
    /// Of streams before this one.
    received_before: u64,
    lost_before: u64,
    ssrc_window_ms: u32,
    ssrc_changes: u32,
}

/// One packet as statistics see it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrival {
    pub ssrc: u32,
    pub sequence: u16,
    pub timestamp: u32,
    /// Audio moves the clock; events have a frozen timestamp and do not.
    pub is_audio: bool,
    pub now_samples: u32,
    pub now_ms: u32,
}

/// Whether numbers go on from the packet before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Continuity {
    Continued,
    /// A new stream, or the same one with new numbers: whoever maps numbers begins anew.
    Restarted,
}

/// A report block's figures (RFC 3550 §6.4.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ReportFigures {
    pub fraction_lost: u8,
    pub lost: u32,
    pub highest_sequence: u32,
    pub jitter: u32,
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
        if step < DROPOUT_MAX {
            if packet.sequence < self.max_sequence {
                self.cycles = self.cycles.wrapping_add(1);
            }
            self.max_sequence = packet.sequence;
            let jumped = packet.is_audio && self.timestamp_jumped(packet.timestamp);
            if jumped {
                self.timed = false;
            }
            self.count(packet);
            return Ok(if jumped { Continuity::Restarted } else { Continuity::Continued });
        }
        if step <= MISORDER_MIN {
            past.jump(packet.sequence)?;
            self.restart(past, packet);
            self.count(packet);
            return Ok(Continuity::Restarted);
        }
        // Late or doubled.
        self.received = self.received.wrapping_add(1);
        self.last_ms = packet.now_ms;
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

    /// Whether any packet came.
    pub const fn has_started(&self) -> bool {
        self.started
    }

    /// Packets received and lost, over all streams of the leg.
    pub fn totals(&self, past: &ReceptionPast) -> (u64, u64) {
        let received = past.received_before + u64::from(self.received);
        (received, past.lost_before + u64::from(self.lost(past)))
    }

    /// Figures for a report, which begins a new interval.
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

    fn highest_sequence(&self) -> u32 {
        u32::from(self.cycles) << 16 | u32::from(self.max_sequence)
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

    fn timestamp_jumped(&self, timestamp: u32) -> bool {
        let difference = timestamp.wrapping_sub(self.timestamp) as i32;
        self.timed && difference.unsigned_abs() > TIMESTAMP_JUMP_MAX
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
        let (received, lost) = self.totals(past);
        past.received_before = received;
        past.lost_before = lost;
        past.base_sequence = packet.sequence;
        past.bad_sequence = None;
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
    /// Two packets in order far from the expected place are a new start; one is not.
    #[cold]
    fn jump(&mut self, sequence: u16) -> Result<(), DropReason> {
        if self.bad_sequence == Some(sequence) {
            return Ok(());
        }
        self.bad_sequence = Some(sequence.wrapping_add(1));
        Err(DropReason::SequenceJump)
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
/// RFC 3550 A.1: up to 100 packets back is misorder; steps above this are that.
const MISORDER_MIN: u16 = u16::MAX - 99;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn audio(sequence: u16, timestamp: u32, now_samples: u32) -> Arrival {
        let now_ms = now_samples / 8;
        Arrival { ssrc: 7, sequence, timestamp, is_audio: true, now_samples, now_ms }
    }

    fn run(sequences: &[u16]) -> (Reception, ReceptionPast, Vec<Result<Continuity, DropReason>>) {
        let (mut reception, mut past) = (Reception::default(), ReceptionPast::default());
        let answers = sequences
            .iter()
            .map(|sequence| reception.arrive(&mut past, audio(*sequence, 0, 0)))
            .collect();
        (reception, past, answers)
    }

    #[test]
    fn a_gap_is_loss_and_a_late_packet_takes_it_back() {
        let (reception, past, _) = run(&[10, 11, 14]);
        assert_eq!(reception.totals(&past), (3, 2));
        let (reception, past, _) = run(&[10, 11, 14, 12]);
        assert_eq!(reception.totals(&past), (4, 1));
    }

    #[test]
    fn doubles_do_not_make_loss_negative() {
        let (reception, past, _) = run(&[1, 1, 1, 2]);
        assert_eq!(reception.totals(&past), (4, 0));
    }

    #[test]
    fn sequence_numbers_wrap() {
        let (reception, past, _) = run(&[65534, 65535, 0, 1]);
        assert_eq!(reception.totals(&past), (4, 0));
        assert_eq!(reception.highest_sequence(), 0x1_0001);
    }

    #[test]
    fn a_jump_is_believed_at_its_second_packet() {
        let (reception, past, answers) = run(&[1, 2, 30_000, 30_001, 30_002]);
        assert_eq!(answers[2], Err(DropReason::SequenceJump));
        assert_eq!(answers[3], Ok(Continuity::Restarted));
        assert_eq!(answers[4], Ok(Continuity::Continued));
        assert_eq!(reception.totals(&past), (4, 0));
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
    fn a_timestamp_jump_restarts_without_poisoning_jitter() {
        let (mut reception, mut past) = (Reception::default(), ReceptionPast::default());
        let _ = reception.arrive(&mut past, audio(1, 0, 0));
        assert_eq!(reception.arrive(&mut past, audio(2, 160, 160)), Ok(Continuity::Continued));
        let jumped = reception.arrive(&mut past, audio(3, 1_000_000, 320));
        assert_eq!((jumped, reception.jitter()), (Ok(Continuity::Restarted), 0));
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
            let mut indices: Vec<usize> = (0..kept.len()).filter(|at| kept[*at]).collect();
            indices.dedup();
            for index in &indices {
                let sequence = start.wrapping_add(*index as u16);
                prop_assert!(reception.arrive(&mut past, audio(sequence, 0, 0)).is_ok());
            }
            let span = match (indices.first(), indices.last()) {
                (Some(first), Some(last)) => last - first + 1,
                _ => 0,
            };
            let lost = (span - indices.len()) as u64;
            prop_assert_eq!(reception.totals(&past), (indices.len() as u64, lost));
        }
    }
}
