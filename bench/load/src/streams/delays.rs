//! Delays of the samples of a few parties, from the mouth to the server and from the server to the ear. Pure.
//!
//! A party says a sample for 20 ms, then the next one. No two frames that are under way hold the same sample, so
//! the first sample of a frame names it.

use std::time::{Duration, Instant};

/// Delays of all listened parties.
pub(super) struct Delays {
    /// By the party: when it said each sample.
    said: Vec<[Option<Instant>; SAMPLES]>,
    /// From the mouth to the server's socket.
    to_socket: Vec<Duration>,
    /// From the server's socket to the ear, of frames that came back.
    to_mouth: Vec<Duration>,
    /// By the party: when the server got each sample.
    at_server: Vec<[Option<Instant>; SAMPLES]>,
}

impl Delays {
    pub fn of(parties: usize) -> Self {
        let none = vec![[None; SAMPLES]; parties];
        Self { said: none.clone(), at_server: none, to_socket: Vec::new(), to_mouth: Vec::new() }
    }

    /// The sample of the frame with this number.
    pub const fn sample(frame: u32) -> u8 {
        (frame as usize % SAMPLES) as u8
    }

    pub fn said(&mut self, party: usize, sample: u8, at: Instant) {
        note(&mut self.said, party, sample, at);
    }

    /// The server got a frame.
    pub fn came(&mut self, party: usize, sample: u8, at: Instant) {
        if let Some(said) = find(&self.said, party, sample) {
            self.to_socket.push(at.duration_since(said));
            note(&mut self.at_server, party, sample, at);
        }
    }

    /// The party heard a frame.
    pub fn heard(&mut self, party: usize, sample: u8, at: Instant) {
        if let Some(came) = find(&self.at_server, party, sample) {
            self.to_mouth.push(at.duration_since(came));
        }
    }

    pub fn forget(&mut self) {
        self.to_socket.clear();
        self.to_mouth.clear();
    }

    /// p50 and p99 of both ways.
    pub fn figures(&mut self) -> [String; 2] {
        [percentiles(&mut self.to_socket), percentiles(&mut self.to_mouth)]
    }
}

/// p50 and p99 in milliseconds.
pub(super) fn percentiles(times: &mut [Duration]) -> String {
    times.sort();
    let at = |permille: usize| {
        let time = times.get(times.len().saturating_sub(1) * permille / 1_000);
        time.copied().unwrap_or_default().as_secs_f64() * 1e3
    };
    format!("{:.1} / {:.1}", at(500), at(990))
}

fn note(times: &mut [[Option<Instant>; SAMPLES]], party: usize, sample: u8, at: Instant) {
    let slot = times.get_mut(party).and_then(|times| times.get_mut(usize::from(sample)));
    if let Some(slot) = slot {
        *slot = Some(at);
    }
}

fn find(times: &[[Option<Instant>; SAMPLES]], party: usize, sample: u8) -> Option<Instant> {
    *times.get(party)?.get(usize::from(sample))?
}

/// Samples that a party says in turn: more than are under way.
const SAMPLES: usize = 100;
