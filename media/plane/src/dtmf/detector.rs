//! The DTMF detector: which key is held in a stream of G.711 samples (ITU-T Q.24). Sans-IO.
//!
//! Samples are summed in blocks of 5 ms against eight frequencies in phase and in quadrature, sixteen
//! lanes at once; that is Goertzel's result without its chain of dependent steps, so one channel fills
//! a wide register and none has to wait for others. Three blocks, each turned by the phase of its
//! place, make a window of 15 ms; one window is judged every 5 ms. A key is reported when five consecutive
//! windows name it, which a tone of 38 ms always does and one of 24 ms never; it ends after four windows
//! without it, so that 10 ms of interruption are bridged and 40 ms of pause are not.

use shared::Codec;

use super::tables::{COEFFICIENT_ONE, COEFFICIENTS, EVENTS, GROUP, PEAK, TURN};
use crate::g711;
use crate::simd::{self, BLOCK_SAMPLES, BlockSums, HalfTable, SUMS};

/// One channel of one codec. 204 bytes, no heap.
#[derive(Clone, Copy, Debug)]
pub struct Detector {
    /// Codes that do not fill a block yet.
    rest: [u8; BLOCK_SAMPLES],
    rest_len: u8,
    /// The two blocks before the next one, older first.
    blocks: [BlockSums; 2],
    /// The key that the last windows named, and the number of consecutive ones.
    run: Option<(u8, u8)>,
    held: Option<Held>,
}

/// Verdict on the samples up to now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// No key.
    Nothing,
    /// Probably the beginning of a key; reported so that the tone can be kept from a party that takes events.
    Perhaps,
    /// A key, by its event code (RFC 4733 table 3: `0-9 * # A-D`).
    Key {
        /// 0..=15.
        event: u8,
        /// Length of the tone in samples, up to the end of its last window.
        samples: u32,
        /// Samples without the tone after that, at most those of an interruption.
        missed: u32,
    },
}

#[derive(Clone, Copy, Debug)]
struct Held {
    event: u8,
    samples: u32,
    misses: u8,
}

impl Default for Detector {
    fn default() -> Self {
        Self { rest: [0; BLOCK_SAMPLES], rest_len: 0, blocks: [SILENCE; 2], run: None, held: None }
    }
}

impl Detector {
    /// Judges the next samples; calls `ended` with event code and length in samples for each key that
    /// ended in them.
    pub fn hear(&mut self, codec: Codec, samples: &[u8], mut ended: impl FnMut(u8, u32)) {
        let table = g711::half_table(codec);
        let mut left = samples;
        if self.rest_len > 0 {
            let from = usize::from(self.rest_len).min(BLOCK_SAMPLES);
            let (now, later) = left.split_at(left.len().min(BLOCK_SAMPLES - from));
            self.rest[from..from + now.len()].copy_from_slice(now);
            left = later;
            if from + now.len() < BLOCK_SAMPLES {
                self.rest_len = (from + now.len()) as u8;
                return;
            }
            self.rest_len = 0;
            let codes = self.rest;
            self.hear_block(table, &codes, &mut ended);
        }
        let (blocks, rest) = left.as_chunks::<BLOCK_SAMPLES>();
        for codes in blocks {
            self.hear_block(table, codes, &mut ended);
        }
        self.rest[..rest.len()].copy_from_slice(rest);
        self.rest_len = rest.len() as u8;
    }

    #[inline]
    fn hear_block(
        &mut self,
        table: &HalfTable,
        codes: &[u8; BLOCK_SAMPLES],
        ended: &mut impl FnMut(u8, u32),
    ) {
        let block = simd::block(&COEFFICIENTS, table, codes, BLOCK_ENERGY_MIN);
        let [older, old] = &self.blocks;
        let named = judge(older, old, &block);
        self.blocks = [*old, block];
        // Mostly no key is named and none was: then nothing has to be tracked.
        if named.is_none() && self.run.is_none() && self.held.is_none() {
            return;
        }
        if let Some((event, samples)) = self.window(named) {
            ended(event, samples);
        }
    }

    /// Samples were lost: a held key continues over them.
    pub fn skip(&mut self, samples: u32) {
        if let Some(held) = &mut self.held {
            held.samples = held.samples.saturating_add(samples);
        }
    }

    /// Resets the detector; answers the key that was held, and its length in samples.
    pub fn reset(&mut self) -> Option<(u8, u32)> {
        let held = self.held;
        *self = Self::default();
        held.map(|held| (held.event, held.samples))
    }

    /// The verdict on the samples up to now.
    pub fn heard(&self) -> Heard {
        match (self.held, self.run) {
            (Some(held), _) => Heard::Key {
                event: held.event,
                samples: held.samples,
                missed: u32::from(held.misses) * BLOCK + u32::from(self.rest_len),
            },
            (None, Some((_, PERHAPS_WINDOWS..))) => Heard::Perhaps,
            (None, Some(_) | None) => Heard::Nothing,
        }
    }

    /// Adds the verdict on one window; answers the key that it ended.
    fn window(&mut self, named: Option<u8>) -> Option<(u8, u32)> {
        self.run = match (named, self.run) {
            (Some(event), Some((same, count))) if same == event => {
                Some((event, count.saturating_add(1)))
            }
            (Some(event), Some(_) | None) => Some((event, 1)),
            (None, Some(_) | None) => None,
        };
        let certain = self.run.filter(|(_, count)| *count >= CERTAIN_WINDOWS);
        let Some(held) = &mut self.held else {
            self.held = certain.map(|(event, count)| Held::new(event, count));
            return None;
        };
        if named == Some(held.event) {
            held.samples = held.samples.saturating_add(BLOCK * u32::from(held.misses + 1));
            held.misses = 0;
            return None;
        }
        held.misses += 1;
        let another = certain.is_some_and(|(event, _)| event != held.event);
        if held.misses < RELEASE_WINDOWS && !another {
            return None;
        }
        let ended = (held.event, held.samples);
        self.held = certain.map(|(event, count)| Held::new(event, count));
        Some(ended)
    }
}

impl Held {
    /// A tone is named by a window that it covers to two thirds, so it is that much longer.
    fn new(event: u8, windows: u8) -> Self {
        Self { event, samples: u32::from(windows) * BLOCK + EDGE_SAMPLES, misses: 0 }
    }
}

/// Which key a window names, if one: both tones strong enough, alone in their groups, near each other
/// in level, and nearly all that is there (speech has harmonics and noise beside them).
#[inline]
fn judge(older: &BlockSums, old: &BlockSums, new: &BlockSums) -> Option<u8> {
    let energy = older.energy as f32 + old.energy as f32 + new.energy as f32;
    if energy < WINDOW_ENERGY_MIN {
        return None;
    }
    let power = simd::power(&TURN, [&older.sums, &old.sums, &new.sums]);
    let [a, b, c, d, e, f, g, h] = power;
    let (low, high) = ([a, b, c, d], [e, f, g, h]);
    let ((low_power, low_second), (high_power, high_second)) =
        (two_strongest(low), two_strongest(high));
    let is_pure = low_power + high_power >= energy * (PURITY_MIN * POWER_A_ENERGY);
    if !is_pure || low_power < TONE_POWER_MIN || high_power < TONE_POWER_MIN {
        return None;
    }
    if high_power > low_power * HIGH_OVER_LOW_MAX || low_power > high_power * LOW_OVER_HIGH_MAX {
        return None;
    }
    let is_alone =
        low_second * PEAK_OVER_OTHERS <= low_power && high_second * PEAK_OVER_OTHERS <= high_power;
    is_alone.then(|| EVENTS[place(low, low_power)][place(high, high_power)])
}

/// The strongest tone of a group and the one after it, without a branch.
#[inline]
fn two_strongest([a, b, c, d]: [f32; GROUP]) -> (f32, f32) {
    let (more, less) = (larger(a, b), larger(c, d));
    let first = larger(more, less);
    let loser = smaller(more, less);
    (first, larger(loser, larger(smaller(a, b), smaller(c, d))))
}

/// As one instruction each: powers are numbers.
#[inline]
fn larger(a: f32, b: f32) -> f32 {
    if a > b { a } else { b }
}

#[inline]
fn smaller(a: f32, b: f32) -> f32 {
    if a < b { a } else { b }
}

fn place(group: [f32; GROUP], power: f32) -> usize {
    group.iter().position(|other| *other == power).unwrap_or(0)
}

const SILENCE: BlockSums = BlockSums { sums: [0.0; SUMS], energy: 0 };
const BLOCK: u32 = BLOCK_SAMPLES as u32;
const WINDOW: f32 = 3.0 * BLOCK_SAMPLES as f32;
/// Windows in a row that make a key certain: 40 ms of tone hold five whole ones wherever they begin,
/// 24 ms give no more than four even where the outer ones are covered to two thirds.
const CERTAIN_WINDOWS: u8 = 5;
/// Windows in a row that keep the tone from the other party: 15 to 20 ms of tone.
const PERHAPS_WINDOWS: u8 = 2;
/// 10 ms without the tone spoil at most three windows, 40 ms at least eight.
const RELEASE_WINDOWS: u8 = 4;
/// Length of a tone beyond 5 ms a window that names it, on average.
const EDGE_SAMPLES: u32 = 36;

/// Power of a sine in its bin over its energy in the window.
const POWER_A_ENERGY: f32 = (COEFFICIENT_ONE * COEFFICIENT_ONE) as f32 * WINDOW / 2.0;
/// Both tones have at least this part of all energy. Tones 1.5 % off their frequencies still have 0.71.
const PURITY_MIN: f32 = 0.65;
/// Each tone: -40 dBm0. Q.24 asks for -25, lines lose some.
const TONE_PEAK_MIN: f32 = PEAK[40] as f32 / 4.0;
const TONE_POWER_MIN: f32 = TONE_PEAK_MIN * TONE_PEAK_MIN * POWER_A_ENERGY * WINDOW / 2.0;
/// Quieter pairs do not count as a key.
const WINDOW_ENERGY_MIN: f32 = TONE_PEAK_MIN * TONE_PEAK_MIN * WINDOW / 2.0;
/// A block with so little can be left out of any window that passes: -60 dBm0.
const BLOCK_ENERGY_MIN: u32 = 40;
/// Twist: Q.24 asks to take +4 dB; 6 dB leave room for tones off their frequency.
const HIGH_OVER_LOW_MAX: f32 = 3.981;
/// Q.24 asks to take -8 dB; a high tone 1.5 % off its frequency loses another 2 dB and more to the
/// side lobes of the low one: 12 dB.
const LOW_OVER_HIGH_MAX: f32 = 15.85;
/// 8 dB over every other tone of the group.
const PEAK_OVER_OTHERS: f32 = 6.31;

#[cfg(test)]
mod tests;
