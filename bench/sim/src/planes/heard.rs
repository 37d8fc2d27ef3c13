//! The stream from a party in the reference: sets of received packets, and the sums that a stopped leg reports.

use std::collections::BTreeSet;

use shared::{LegQuality, LossPattern};

/// One packet of a party's audio.
#[derive(Clone, Debug)]
pub struct Speech {
    pub number: u16,
    pub ssrc: u32,
    pub sequence: u16,
    pub timestamp: u32,
    pub payload: Vec<u8>,
}

/// The stream from the party.
#[derive(Default)]
pub struct Heard {
    ssrc: Option<u32>,
    /// First sequence number of this stream, and the offsets of the packets received since.
    first: u16,
    came: BTreeSet<u16>,
    pub settled: Settled,
}

/// Sums over streams.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settled {
    pub received: u64,
    pub duplicates: u64,
    pub reordered: u64,
    pub restarts: u32,
    pub losses: LossPattern,
    pub sent: u64,
}

impl Settled {
    /// What is known where a tier tells how many packets were lost, but not which: a late packet may then count
    /// as a duplicate or as one that was missing.
    pub fn without_places(self) -> Self {
        let late = self.duplicates + self.reordered;
        Self { duplicates: 0, reordered: late, losses: LossPattern::default(), ..self }
    }
}

impl Heard {
    /// Takes one packet; whether it begins a stream.
    pub fn take(&mut self, speech: &Speech) -> bool {
        self.settled.received += 1;
        if self.ssrc != Some(speech.ssrc) {
            let is_first = self.ssrc.is_none();
            self.settle();
            self.ssrc = Some(speech.ssrc);
            self.first = speech.number;
            self.came.insert(speech.number);
            self.settled.restarts += u32::from(!is_first);
            return true;
        }
        if speech.number < self.first {
            self.settled.reordered += 1;
            return false;
        }
        let newest = self.came.last().copied();
        if !self.came.insert(speech.number) {
            self.settled.duplicates += 1;
        } else if newest > Some(speech.number) {
            self.settled.reordered += 1;
        }
        false
    }

    /// Adds the losses of a stream that is over.
    pub fn settle(&mut self) {
        let came = std::mem::take(&mut self.came);
        let Some((first, last)) = came.first().zip(came.last()) else { return };
        let lost: Vec<u16> = (*first..=*last).filter(|number| !came.contains(number)).collect();
        let losses = &mut self.settled.losses;
        losses.lost += lost.len() as u64;
        losses.runs += lost.chunk_by(|a, b| b - a == 1).count() as u64;
        for burst in lost.chunk_by(|a, b| b - a <= 16).filter(|cluster| cluster.len() > 1) {
            losses.bursts += 1;
            losses.burst_packets += u64::from(burst[burst.len() - 1] - burst[0]) + 1;
            losses.burst_lost += burst.len() as u64;
        }
    }
}

/// The figures that a stopped leg reports.
pub fn settled(quality: &LegQuality) -> Settled {
    Settled {
        received: quality.received,
        duplicates: quality.duplicates,
        reordered: quality.reordered,
        restarts: quality.restarts,
        losses: quality.losses,
        sent: quality.sent,
    }
}
