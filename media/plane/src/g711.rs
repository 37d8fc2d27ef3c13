//! G.711 as arithmetic and as tables made from it at compile time. Sans-IO.
//!
//! The arithmetic is that of ITU-T G.711 (tables 1a to 2b) on 16-bit linear samples: mu-law looks at
//! the upper 14 bits, A-law at the upper 13. Between the two laws a sample goes through linear.

use shared::{Codec, Prompt};

use crate::simd::{self, HalfTable};

/// Mu-law byte to linear sample.
pub static MULAW_TO_LINEAR: [i16; 256] = linear_table(Codec::Pcmu);
/// A-law byte to linear sample.
pub static ALAW_TO_LINEAR: [i16; 256] = linear_table(Codec::Pcma);
/// Mu-law byte to the A-law byte of the same linear sample.
pub static MULAW_TO_ALAW: [u8; 256] = law_table(Codec::Pcmu, Codec::Pcma);
/// A-law byte to the mu-law byte of the same linear sample.
pub static ALAW_TO_MULAW: [u8; 256] = law_table(Codec::Pcma, Codec::Pcmu);

static MULAW_HALF: HalfTable = half_of(&linear_table(Codec::Pcmu));
static ALAW_HALF: HalfTable = half_of(&linear_table(Codec::Pcma));

/// The code for a linear sample.
pub const fn encode(codec: Codec, sample: i16) -> u8 {
    match codec {
        Codec::Pcmu => encode_mulaw(sample),
        Codec::Pcma => encode_alaw(sample),
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

/// Which form of [`translate`] and of the digit detector's sums runs on this machine.
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

const fn half_of(table: &[i16; 256]) -> HalfTable {
    let mut half = [0; 128];
    let mut code = 0;
    while code < half.len() {
        half[code] = table[code] / 4;
        code += 1;
    }
    half
}

const fn law_table(from: Codec, to: Codec) -> [u8; 256] {
    let mut table = [0; 256];
    let mut code = 0;
    while code < 256 {
        table[code] = encode(to, decode_exactly(from, code as u8));
        code += 1;
    }
    table
}

/// G.711 table 2: the decision values of mu-law begin at 33 in 14-bit units.
const MULAW_BIAS: i16 = 33;
/// G.711 table 1: even bits of an A-law code are inverted on the line.
const ALAW_TOGGLE: u8 = 0x55;

#[cfg(test)]
mod tests {
    use super::*;

    const CODECS: [Codec; 2] = [Codec::Pcmu, Codec::Pcma];

    #[test]
    fn every_code_survives_decoding_and_encoding() {
        for codec in CODECS {
            for code in 0..=255 {
                let again = encode(codec, decode(codec, code));
                // Mu-law has two zeros; the negative one comes back as the positive one.
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

    #[test]
    fn the_law_tables_go_through_linear() {
        for code in 0..=255u8 {
            let mut samples = [code];
            translate(Codec::Pcmu, Codec::Pcma, &mut samples);
            assert_eq!(samples[0], encode(Codec::Pcma, decode(Codec::Pcmu, code)));
            let mut samples = [code];
            translate(Codec::Pcma, Codec::Pcmu, &mut samples);
            assert_eq!(samples[0], encode(Codec::Pcmu, decode(Codec::Pcma, code)));
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
