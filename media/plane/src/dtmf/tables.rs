//! Frequencies, keys and coefficients, all made at compile time. Sans-IO.

use std::f64::consts::{PI, TAU};

use crate::simd::{BLOCK_SAMPLES, BlockCoefficients, SUMS, Turn};

/// The low group, then the high group, in hertz (Q.23 §4).
pub(super) const HERTZ: [f64; BINS] =
    [697.0, 770.0, 852.0, 941.0, 1_209.0, 1_336.0, 1_477.0, 1_633.0];

/// The event code (RFC 4733 table 3) of a low and a high tone.
pub(super) const EVENTS: [[u8; GROUP]; GROUP] =
    [[1, 2, 3, 12], [4, 5, 6, 13], [7, 8, 9, 14], [10, 0, 11, 15]];

/// The places of both tones of an event code, as `[low, high]`; `None` for codes over 15, which are not keys.
pub(super) const fn tones_of(event: u8) -> Option<[usize; 2]> {
    let mut low = 0;
    while low < GROUP {
        let mut high = 0;
        while high < GROUP {
            if EVENTS[low][high] == event {
                return Some([low, high]);
            }
            high += 1;
        }
        low += 1;
    }
    None
}

/// Cosines of the eight frequencies over one block, then their negative sines.
pub(super) static COEFFICIENTS: BlockCoefficients = coefficients();

/// Phase of each frequency after one block, as a complex number (cosine, negative sine) by which the sums are
/// multiplied.
pub(super) static TURN: Turn = turn();

/// One round of a sine, its peak 1 << 15 less one.
pub(super) static SINE: [i16; SINE_LEN] = sine_table();

/// Peak of one tone in linear units at 0, -1, -2 ... dBm0 (G.711: a full-scale sine has 3.17 dBm0).
pub(super) const PEAK: [f64; LEVELS] = peaks();

const fn coefficients() -> BlockCoefficients {
    let mut block = [[0; 2 * SUMS]; BLOCK_SAMPLES / 2];
    let mut at = 0;
    while at < BLOCK_SAMPLES {
        let mut bin = 0;
        while bin < BINS {
            let angle = TAU * HERTZ[bin] / RATE * at as f64;
            block[at / 2][2 * bin + at % 2] = rounded(COEFFICIENT_ONE * sine(angle + PI / 2.0));
            block[at / 2][2 * (bin + BINS) + at % 2] = rounded(-COEFFICIENT_ONE * sine(angle));
            bin += 1;
        }
        at += 1;
    }
    block
}

const fn turn() -> Turn {
    let mut turn = Turn { cosines: [0.0; SUMS], sines: [0.0; SUMS] };
    let mut bin = 0;
    while bin < BINS {
        let angle = TAU * HERTZ[bin] / RATE * BLOCK_SAMPLES as f64;
        let (cosine, sine) = (sine(angle + PI / 2.0) as f32, -sine(angle) as f32);
        turn.cosines[bin] = cosine;
        turn.cosines[bin + BINS] = cosine;
        turn.sines[bin] = -sine;
        turn.sines[bin + BINS] = sine;
        bin += 1;
    }
    turn
}

const fn sine_table() -> [i16; SINE_LEN] {
    let mut table = [0; SINE_LEN];
    let mut at = 0;
    while at < SINE_LEN {
        table[at] = rounded(32_767.0 * sine(TAU * at as f64 / SINE_LEN as f64));
        at += 1;
    }
    table
}

const fn peaks() -> [f64; LEVELS] {
    let mut peaks = [0.0; LEVELS];
    let mut at = 0;
    let mut peak = PEAK_AT_0_DBM0;
    while at < LEVELS {
        peaks[at] = peak;
        peak *= ONE_DB_LESS;
        at += 1;
    }
    peaks
}

/// The sine by its series, after taking whole and half rounds off; exact to 1e-12.
const fn sine(angle: f64) -> f64 {
    let mut angle = angle % TAU;
    if angle > PI {
        angle -= TAU;
    } else if angle < -PI {
        angle += TAU;
    }
    let square = angle * angle;
    let mut term = angle;
    let mut sum = angle;
    let mut order = 1.0;
    while order < 27.0 {
        term *= -square / ((order + 1.0) * (order + 2.0));
        sum += term;
        order += 2.0;
    }
    sum
}

const fn rounded(value: f64) -> i16 {
    if value < 0.0 { (value - 0.5) as i16 } else { (value + 0.5) as i16 }
}

pub(super) const RATE: f64 = 8_000.0;
/// Frequencies of one group.
pub(super) const GROUP: usize = 4;
pub(super) const BINS: usize = 2 * GROUP;
/// The value of 1.0 in [`COEFFICIENTS`].
pub(super) const COEFFICIENT_ONE: f64 = 4_096.0;
pub(super) const SINE_LEN: usize = 1_024;
/// Levels from 0 to -63 dBm0: all that a telephone event can say.
pub(super) const LEVELS: usize = 64;
/// 32,636 is mu-law's largest value in linear units.
const PEAK_AT_0_DBM0: f64 = 32_636.0 * 0.694_225_6;
/// 10 to the power -1/20.
const ONE_DB_LESS: f64 = 0.891_250_938_1;

/// The sums of a block stay in 32 bits: samples have 14 bits of sign and magnitude.
pub(super) const SAMPLE_MAX: i64 = 8_191;
const _: () =
    assert!(BLOCK_SAMPLES as i64 * SAMPLE_MAX * (COEFFICIENT_ONE as i64) < i32::MAX as i64);
const _: () = assert!(2 * BINS == SUMS);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_series_is_the_sine() {
        for step in -2_000..4_000 {
            let angle = f64::from(step) * 0.01;
            assert!((sine(angle) - angle.sin()).abs() < 1e-9, "{angle}");
        }
    }

    #[test]
    fn levels_are_decibels() {
        for (level, peak) in PEAK.iter().enumerate() {
            let expected = 32_636.0 * 10f64.powf((-3.17 - level as f64) / 20.0);
            assert!((peak / expected - 1.0).abs() < 1e-4, "-{level} dBm0");
        }
    }

    #[test]
    fn every_event_has_two_tones_and_no_other_has_the_same() {
        for event in 0..16 {
            let [low, high] = tones_of(event).unwrap();
            assert_eq!(EVENTS[low][high], event);
        }
        assert_eq!(tones_of(16), None);
    }
}
