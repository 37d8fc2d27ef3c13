//! G.711 as arithmetic and as tables made from it at compile time. Sans-IO.
//!
//! The arithmetic is that of ITU-T G.711 (tables 1a to 2b) on 16-bit linear samples: mu-law looks at
//! the upper 14 bits, A-law at the upper 13. Between the two laws the recommendation gives a table for
//! each direction (§3.5): unlike a way through linear samples, there and back keeps bits 1 to 7 of every
//! code, so that a call which crosses from one law to the other twice gets no noisier.

use shared::{Codec, Prompt};

use crate::simd::{self, HalfTable};

/// Mu-law byte to linear sample.
pub static MULAW_TO_LINEAR: [i16; 256] = linear_table(Codec::Pcmu);
/// A-law byte to linear sample.
pub static ALAW_TO_LINEAR: [i16; 256] = linear_table(Codec::Pcma);
/// Mu-law byte to A-law byte, G.711 table 3.
pub static MULAW_TO_ALAW: [u8; 256] = mulaw_to_alaw();
/// A-law byte to mu-law byte, G.711 table 4.
pub static ALAW_TO_MULAW: [u8; 256] = alaw_to_mulaw();

/// The code of a linear sample, by its upper 14 bits (mu-law) or 12 (A-law): all that either law looks at.
static MULAW_CODES: [u8; 1 << 14] = code_table(Codec::Pcmu);
static ALAW_CODES: [u8; 1 << 12] = code_table(Codec::Pcma);

static MULAW_HALF: HalfTable = half_of(&linear_table(Codec::Pcmu));
static ALAW_HALF: HalfTable = half_of(&linear_table(Codec::Pcma));

/// The code for a linear sample.
pub const fn encode(codec: Codec, sample: i16) -> u8 {
    match codec {
        Codec::Pcmu => encode_mulaw(sample),
        Codec::Pcma => encode_alaw(sample),
    }
}

/// Encodes many samples: by table, which takes a fraction of the arithmetic.
pub(crate) fn encode_all(codec: Codec, samples: impl Iterator<Item = i16>, codes: &mut [u8]) {
    match codec {
        Codec::Pcmu => codes
            .iter_mut()
            .zip(samples)
            .for_each(|(code, sample)| *code = MULAW_CODES[usize::from(sample as u16 >> 2)]),
        Codec::Pcma => codes
            .iter_mut()
            .zip(samples)
            .for_each(|(code, sample)| *code = ALAW_CODES[usize::from(sample as u16 >> 4)]),
    }
}

/// The linear sample of a code.
pub fn decode(codec: Codec, code: u8) -> i16 {
    linear(codec)[code as usize]
}

/// The decoding table of a codec.
pub fn linear(codec: Codec) -> &'static [i16; 256] {
    match codec {
        Codec::Pcmu => &MULAW_TO_LINEAR,
        Codec::Pcma => &ALAW_TO_LINEAR,
    }
}

/// The samples of codes below 128 in 14 bits with the sign, which is all that either law has. The other
/// codes stand for their negatives.
pub(crate) fn half_table(codec: Codec) -> &'static HalfTable {
    match codec {
        Codec::Pcmu => &MULAW_HALF,
        Codec::Pcma => &ALAW_HALF,
    }
}

/// Rewrites samples of one codec as samples of another, in place.
pub fn translate(from: Codec, to: Codec, samples: &mut [u8]) {
    let table = match (from, to) {
        (Codec::Pcmu, Codec::Pcma) => &MULAW_TO_ALAW,
        (Codec::Pcma, Codec::Pcmu) => &ALAW_TO_MULAW,
        (Codec::Pcmu, Codec::Pcmu) | (Codec::Pcma, Codec::Pcma) => return,
    };
    simd::translate(table, samples);
}

/// Name of the form of [`translate`] and of the digit detector's sums that runs on this machine.
pub fn form() -> &'static str {
    simd::name()
}

/// Encodes linear samples (8,000 a second) for playing: each law from the same samples.
pub fn prompt(samples: &[i16]) -> Prompt {
    let encoded = |codec| samples.iter().map(|sample| encode(codec, *sample)).collect();
    Prompt { mulaw: encoded(Codec::Pcmu), alaw: encoded(Codec::Pcma) }
}

/// Mean magnitude of the samples, in linear units; 0 for none.
pub fn mean_magnitude(codec: Codec, samples: &[u8]) -> u32 {
    let table = linear(codec);
    let sum: u32 = samples.iter().map(|code| u32::from(table[*code as usize].unsigned_abs())).sum();
    sum.checked_div(samples.len() as u32).unwrap_or(0)
}

const fn encode_mulaw(sample: i16) -> u8 {
    let magnitude = if sample < 0 { !sample } else { sample } >> 2;
    let mut biased = magnitude + MULAW_BIAS;
    if biased > 0x1FFF {
        biased = 0x1FFF;
    }
    // The segment is the place of the highest bit above bit 5; the bias makes it at least 0.
    let segment = 10 - (biased as u16).leading_zeros();
    let mantissa = (biased >> (segment + 1)) as u8 & 0xF;
    let sign = if sample < 0 { 0x80 } else { 0 };
    !(sign | (segment as u8) << 4 | mantissa)
}

const fn decode_mulaw(code: u8) -> i16 {
    let code = !code;
    let segment = (code >> 4 & 7) as i16;
    let mantissa = (code & 0xF) as i16;
    let magnitude = (((mantissa << 1) + MULAW_BIAS) << segment) - MULAW_BIAS;
    if code & 0x80 != 0 { -(magnitude << 2) } else { magnitude << 2 }
}

const fn encode_alaw(sample: i16) -> u8 {
    let magnitude = (if sample < 0 { !sample } else { sample }) >> 4;
    let code = if magnitude < 32 {
        magnitude as u8
    } else {
        let shift = 11 - (magnitude as u16).leading_zeros();
        (shift as u8 + 1) << 4 | (magnitude >> shift) as u8 & 0xF
    };
    let sign = if sample < 0 { 0 } else { 0x80 };
    (sign | code) ^ ALAW_TOGGLE
}

const fn decode_alaw(code: u8) -> i16 {
    let code = code ^ ALAW_TOGGLE;
    let segment = code >> 4 & 7;
    let mantissa = (code & 0xF) as i16;
    let magnitude =
        if segment == 0 { (mantissa << 4) + 8 } else { ((mantissa << 4) + 0x108) << (segment - 1) };
    if code & 0x80 != 0 { magnitude } else { -magnitude }
}

const fn decode_exactly(codec: Codec, code: u8) -> i16 {
    match codec {
        Codec::Pcmu => decode_mulaw(code),
        Codec::Pcma => decode_alaw(code),
    }
}

const fn linear_table(codec: Codec) -> [i16; 256] {
    let mut table = [0; 256];
    let mut code = 0;
    while code < 256 {
        table[code] = decode_exactly(codec, code as u8);
        code += 1;
    }
    table
}

const fn code_table<const N: usize>(codec: Codec) -> [u8; N] {
    let mut table = [0; N];
    let mut upper = 0;
    while upper < N {
        table[upper] = encode(codec, (upper * ((1 << 16) / N)) as u16 as i16);
        upper += 1;
    }
    table
}

const fn half_of(table: &[i16; 256]) -> HalfTable {
    let mut half = [0; 128];
    let mut code = 0;
    while code < half.len() {
        half[code] = table[code] / 4;
        code += 1;
    }
    half
}

const fn mulaw_to_alaw() -> [u8; 256] {
    let mut table = [0; 256];
    let mut number = 0;
    while number < 128 {
        let alaw = ALAW_OF_MULAW[number] - 1;
        table[(MULAW_POSITIVE ^ number as u8) as usize] = ALAW_POSITIVE ^ alaw;
        table[(MULAW_NEGATIVE ^ number as u8) as usize] = ALAW_NEGATIVE ^ alaw;
        number += 1;
    }
    table
}

const fn alaw_to_mulaw() -> [u8; 256] {
    let mut table = [0; 256];
    let mut number = 0;
    while number < 128 {
        let mulaw = MULAW_OF_ALAW[number];
        table[(ALAW_POSITIVE ^ number as u8) as usize] = MULAW_POSITIVE ^ mulaw;
        table[(ALAW_NEGATIVE ^ number as u8) as usize] = MULAW_NEGATIVE ^ mulaw;
        number += 1;
    }
    table
}

/// G.711 table 3: the number of the A-law value (1..=128) for each mu-law value (0..=127), of either sign.
const ALAW_OF_MULAW: [u8; 128] = [
    1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20,
    21, 22, 23, 24, 25, 27, 29, 31, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 46, 48, 49, 50,
    51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 64, 65, 66, 67, 68, 69, 70, 71, 72, 73, 74, 75,
    76, 77, 78, 79, 81, 82, 83, 84, 85, 86, 87, 88, 89, 90, 91, 92, 93, 94, 95, 96, 97, 98, 99,
    100, 101, 102, 103, 104, 105, 106, 107, 108, 109, 110, 111, 112, 113, 114, 115, 116, 117, 118,
    119, 120, 121, 122, 123, 124, 125, 126, 127, 128,
];
/// G.711 table 4: the number of the mu-law value (0..=127) for each A-law value (1..=128), of either sign.
const MULAW_OF_ALAW: [u8; 128] = [
    1, 3, 5, 7, 9, 11, 13, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32,
    32, 33, 33, 34, 34, 35, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 48, 49, 49, 50,
    51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63, 64, 64, 65, 66, 67, 68, 69, 70, 71, 72, 73,
    74, 75, 76, 77, 78, 79, 79, 80, 81, 82, 83, 84, 85, 86, 87, 88, 89, 90, 91, 92, 93, 94, 95, 96,
    97, 98, 99, 100, 101, 102, 103, 104, 105, 106, 107, 108, 109, 110, 111, 112, 113, 114, 115,
    116, 117, 118, 119, 120, 121, 122, 123, 124, 125, 126, 127,
];
/// The codes of the smallest values of each law; an exclusive or with a value's number, counted from 0, gives
/// that value's code.
const MULAW_POSITIVE: u8 = 0xFF;
const MULAW_NEGATIVE: u8 = 0x7F;
const ALAW_POSITIVE: u8 = 0x80 ^ ALAW_TOGGLE;
const ALAW_NEGATIVE: u8 = ALAW_TOGGLE;
/// G.711 table 2: the decision values of mu-law begin at 33 in 14-bit units.
const MULAW_BIAS: i16 = 33;
/// G.711 table 1: even bits of an A-law code are inverted on the line.
const ALAW_TOGGLE: u8 = 0x55;

#[cfg(test)]
mod tests {
    use super::*;

    const CODECS: [Codec; 2] = [Codec::Pcmu, Codec::Pcma];

    #[test]
    fn the_tables_of_codes_say_what_the_arithmetic_says() {
        for codec in [Codec::Pcmu, Codec::Pcma] {
            let samples: Vec<i16> = (i16::MIN..=i16::MAX).collect();
            let mut codes = vec![0; samples.len()];
            encode_all(codec, samples.iter().copied(), &mut codes);
            assert!(samples.iter().zip(&codes).all(|(it, code)| encode(codec, *it) == *code));
        }
    }

    #[test]
    fn every_code_survives_decoding_and_encoding() {
        for codec in CODECS {
            for code in 0..=255 {
                let again = encode(codec, decode(codec, code));
                // Mu-law has two zeros; the negative one reads back as the positive one.
                let expected = if codec == Codec::Pcmu && code == 0x7F { 0xFF } else { code };
                assert_eq!(again, expected, "{codec:?} {code:#x}");
            }
        }
    }

    #[test]
    fn the_values_of_the_recommendation_come_out() {
        // G.711 tables 2a and 1a: first, last and some decoder output values, scaled to 16 bits.
        assert_eq!(decode(Codec::Pcmu, 0x80), 8031 * 4);
        assert_eq!(decode(Codec::Pcmu, 0x00), -8031 * 4);
        assert_eq!(decode(Codec::Pcmu, 0xFF), 0);
        assert_eq!(decode(Codec::Pcmu, 0xFE), 2 * 4);
        assert_eq!(decode(Codec::Pcmu, 0xEF), 33 * 4);
        assert_eq!(decode(Codec::Pcma, 0xAA), 4032 * 8);
        assert_eq!(decode(Codec::Pcma, 0x2A), -4032 * 8);
        assert_eq!(decode(Codec::Pcma, 0xD5), 8);
        assert_eq!(decode(Codec::Pcma, 0x55), -8);
    }

    #[test]
    fn encoding_takes_the_code_whose_value_is_within_half_a_step() {
        for codec in CODECS {
            for sample in i16::MIN..=i16::MAX {
                let near = i32::from(decode(codec, encode(codec, sample)));
                let error = (near - i32::from(sample)).abs();
                let clipped = i32::from(sample).abs() > 32_124;
                let half_step = (i32::from(sample).abs() + 132) / 32 + 8;
                assert!(clipped || error <= half_step, "{codec:?} {sample} -> {near}");
            }
        }
    }

    #[test]
    fn encoding_never_falls_when_the_sample_rises() {
        for codec in CODECS {
            let mut last = i16::MIN;
            for sample in i16::MIN..=i16::MAX {
                let value = decode(codec, encode(codec, sample));
                assert!(value >= last, "{codec:?} {sample}");
                last = value;
            }
        }
    }

    #[test]
    fn the_code_of_silence_is_the_codes_of_zero() {
        for codec in CODECS {
            assert_eq!(encode(codec, 0), codec.silence());
        }
        assert_eq!(MULAW_TO_ALAW[0xFF], 0xD5);
        assert_eq!(ALAW_TO_MULAW[0xD5], encode(Codec::Pcmu, 8));
    }

    /// All codes, from the most negative value to the most positive one.
    fn codes_by_value(codec: Codec) -> Vec<u8> {
        let mut codes: Vec<u8> = (0..=255).collect();
        codes.sort_by_key(|code| decode(codec, *code));
        codes
    }

    #[test]
    fn the_values_that_there_and_back_changes_are_those_that_the_recommendation_names() {
        let there_and_back = |one: [u8; 128], other: [u8; 128], offset: [u8; 2]| {
            let numbers = (0..128u8).filter(move |number| {
                let between = one[usize::from(*number)] - offset[0];
                other[usize::from(between)] - offset[1] != *number
            });
            numbers.collect::<Vec<u8>>()
        };
        // G.711 note 2 to tables 3 and 4; A-law values count from 1.
        let mulaw = there_and_back(ALAW_OF_MULAW, MULAW_OF_ALAW, [1, 0]);
        assert_eq!(mulaw, [0, 2, 4, 6, 8, 10, 12, 14]);
        let alaw = there_and_back(MULAW_OF_ALAW, ALAW_OF_MULAW, [0, 1]);
        assert_eq!(alaw, [26, 28, 30, 32, 45, 47, 63, 80].map(|number| number - 1));
        // Two values were moved for that: mu-80 to to mu-79.
        assert_eq!((ALAW_OF_MULAW[80], MULAW_OF_ALAW[79]), (81, 79));
    }

    #[test]
    fn there_and_back_keeps_bits_1_to_7_of_every_code() {
        for (from, to) in [(Codec::Pcmu, Codec::Pcma), (Codec::Pcma, Codec::Pcmu)] {
            let mut samples: [u8; 256] = std::array::from_fn(|code| code as u8);
            translate(from, to, &mut samples);
            translate(to, from, &mut samples);
            for (code, again) in (0..=255u8).zip(samples) {
                assert_eq!(again >> 1, code >> 1, "{from:?} {code:#x}");
            }
        }
    }

    #[test]
    fn the_law_tables_are_within_one_step_of_the_way_through_linear() {
        for (from, to) in [(Codec::Pcmu, Codec::Pcma), (Codec::Pcma, Codec::Pcmu)] {
            let mut last = i16::MIN;
            for code in codes_by_value(from) {
                let mut samples = [code];
                translate(from, to, &mut samples);
                let value = decode(to, samples[0]);
                assert!(value >= last, "{from:?} {code:#x} falls");
                last = value;
                let exact = i32::from(decode(from, code));
                let step = exact.abs() / 16 + 16;
                assert!((i32::from(value) - exact).abs() <= step, "{from:?} {code:#x}");
            }
        }
    }

    #[test]
    fn half_a_table_in_14_bits_is_all_of_it() {
        for codec in CODECS {
            for code in 0..128u8 {
                let half = half_table(codec)[usize::from(code)];
                assert_eq!(half * 4, decode(codec, code));
                assert_eq!(-half * 4, decode(codec, code | 0x80));
            }
        }
    }

    #[test]
    fn a_prompt_has_both_laws_at_one_length() {
        let prompt = prompt(&[0, 1000, -1000]);
        assert_eq!((prompt.mulaw.len(), prompt.alaw.len()), (3, 3));
        assert_eq!(mean_magnitude(Codec::Pcmu, &[0xFF; 10]), 0);
        assert_eq!(mean_magnitude(Codec::Pcmu, &[]), 0);
    }
}
