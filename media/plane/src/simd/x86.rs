//! The wide forms for x86-64: AVX-512 with VBMI and VNNI (Ice Lake, Zen 4 and later), AVX2 for the bins. Sans-IO.
#![allow(unsafe_code)]

use std::arch::is_x86_feature_detected;
use std::arch::x86_64::*;
use std::sync::atomic::{AtomicU8, Ordering};

use super::{
    BLOCK_SAMPLES, BlockCoefficients, BlockSums, HalfTable, PairCoefficients, SUMS, Turn, Work,
    scalar,
};

/// Shorter pieces use the scalar table: loading the wide one would take longer.
pub(super) const TRANSLATE_BYTES_MIN: usize = WIDE_BYTES;

/// The widest form that this CPU can run.
#[derive(Clone, Copy, Debug)]
pub(super) enum Form {
    Wide(Wide),
    Half(Half),
    Plain,
}

/// Proof that AVX-512 F, BW, VBMI and VNNI are there: only [`form`] makes it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wide(());

/// Proof that AVX2 is there: only [`form`] makes it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Half(());

/// The form for this CPU; one load after the first time.
#[inline]
pub(super) fn form() -> Form {
    let known = match FORM.load(Ordering::Relaxed) {
        UNKNOWN => find(),
        known => known,
    };
    match known {
        WIDE => Form::Wide(Wide(())),
        HALF => Form::Half(Half(())),
        _ => Form::Plain,
    }
}

#[cold]
fn find() -> u8 {
    let wide = is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512vbmi")
        && is_x86_feature_detected!("avx512vnni");
    let found = match (wide, is_x86_feature_detected!("avx2")) {
        (true, _) => WIDE,
        (false, true) => HALF,
        (false, false) => PLAIN,
    };
    FORM.store(found, Ordering::Relaxed);
    found
}

/// Every thread that computes it writes the same value.
static FORM: AtomicU8 = AtomicU8::new(UNKNOWN);
const UNKNOWN: u8 = 0;
const PLAIN: u8 = 1;
const HALF: u8 = 2;
const WIDE: u8 = 3;

impl Wide {
    /// See [`super::widely`].
    #[inline]
    pub fn run<W: Work>(self, work: W) -> W::Answer {
        // SAFETY: the value is only made where AVX-512 F was found, which includes the function's feature.
        unsafe { run_256(work) }
    }

    /// See [`super::translate`].
    #[inline]
    pub fn translate(self, table: &[u8; 256], samples: &mut [u8]) {
        // SAFETY: the value is only made where the function's features were found.
        unsafe { translate_vbmi(table, samples) }
    }

    /// See [`super::block`].
    #[inline]
    pub fn block(
        self,
        coefficients: &BlockCoefficients,
        table: &HalfTable,
        codes: &[u8; BLOCK_SAMPLES],
        energy_min: u32,
    ) -> BlockSums {
        // SAFETY: the value is only made where the function's features were found.
        unsafe { block_vnni(coefficients, table, codes, energy_min) }
    }

    /// See [`super::power`].
    #[inline]
    pub fn power(self, turn: &Turn, blocks: [&[f32; SUMS]; 3]) -> [f32; SUMS / 2] {
        // SAFETY: the value is only made where the function's features were found.
        unsafe { power_512(turn, blocks) }
    }
}

impl Half {
    /// See [`super::widely`].
    #[inline]
    pub fn run<W: Work>(self, work: W) -> W::Answer {
        // SAFETY: the value is only made where the function's feature was found.
        unsafe { run_256(work) }
    }

    /// On any machine that has AVX2, also where [`form`] gives better.
    #[cfg(test)]
    pub fn find() -> Option<Self> {
        is_x86_feature_detected!("avx2").then_some(Self(()))
    }

    /// See [`super::block`].
    #[inline]
    pub fn block(
        self,
        coefficients: &BlockCoefficients,
        table: &HalfTable,
        codes: &[u8; BLOCK_SAMPLES],
        energy_min: u32,
    ) -> BlockSums {
        let samples = codes.map(|code| scalar::decoded(table, code));
        let energy = scalar::energy(&samples);
        if energy < energy_min {
            return BlockSums { sums: [0.0; SUMS], energy };
        }
        // SAFETY: the value is only made where the function's feature was found.
        let sums = unsafe { sums_256(coefficients, &samples) };
        BlockSums { sums: sums.map(|sum| sum as f32), energy }
    }
}

/// What is inlined here has registers of 256 bits.
#[target_feature(enable = "avx2")]
fn run_256<W: Work>(work: W) -> W::Answer {
    work.run()
}

/// A look-up among 256 bytes is two among 128 and a choice by the top bit.
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
fn translate_vbmi(table: &[u8; 256], samples: &mut [u8]) {
    let (parts, _) = table.as_chunks::<WIDE_BYTES>();
    let [a, b, c, d] = [load(&parts[0]), load(&parts[1]), load(&parts[2]), load(&parts[3])];
    let look_up = |codes: __m512i| {
        let low = _mm512_permutex2var_epi8(a, codes, b);
        let high = _mm512_permutex2var_epi8(c, codes, d);
        _mm512_mask_blend_epi8(_mm512_movepi8_mask(codes), low, high)
    };
    let (wide, rest) = samples.as_chunks_mut::<WIDE_BYTES>();
    for place in wide {
        store(place, look_up(load(place)));
    }
    // The ends of all packet times in registers of their size: one that overlaps what was just
    // written would wait for it.
    let (halves, rest) = rest.as_chunks_mut::<{ WIDE_BYTES / 2 }>();
    for place in halves {
        // SAFETY: the reference is to as many bytes as the register has, and no other one is in use.
        unsafe {
            let codes = _mm256_loadu_si256(place.as_ptr().cast());
            let bytes = _mm512_castsi512_si256(look_up(_mm512_zextsi256_si512(codes)));
            _mm256_storeu_si256(place.as_mut_ptr().cast(), bytes);
        }
    }
    let (quarters, rest) = rest.as_chunks_mut::<{ WIDE_BYTES / 4 }>();
    for place in quarters {
        // SAFETY: the reference is to as many bytes as the register has, and no other one is in use.
        unsafe {
            let codes = _mm_loadu_si128(place.as_ptr().cast());
            let bytes = _mm512_castsi512_si128(look_up(_mm512_zextsi128_si512(codes)));
            _mm_storeu_si128(place.as_mut_ptr().cast(), bytes);
        }
    }
    scalar::translate(table, rest);
}

/// Decodes 32 and 8 samples by look-ups among 64 words, then sixteen sums in one register, two samples an
/// instruction; four chains of them, as each instruction takes its time.
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn block_vnni(
    coefficients: &BlockCoefficients,
    table: &HalfTable,
    codes: &[u8; BLOCK_SAMPLES],
    energy_min: u32,
) -> BlockSums {
    let (parts, _) = table.as_chunks::<32>();
    let table = [words(&parts[0]), words(&parts[1]), words(&parts[2]), words(&parts[3])];
    let (first, rest) = codes.split_first_chunk::<32>().expect("a block is longer");
    let rest = rest.first_chunk::<8>().expect("a block has 40 codes");
    let first = decode(&table, widened(first));
    let second = _mm512_maskz_mov_epi16(REST, decode(&table, widened_rest(rest)));
    let squares =
        _mm512_add_epi32(_mm512_madd_epi16(first, first), _mm512_madd_epi16(second, second));
    let energy = _mm512_reduce_add_epi32(squares) as u32;
    if energy < energy_min {
        return BlockSums { sums: [0.0; SUMS], energy };
    }
    let mut samples = [[0i16; 32]; 2];
    store_words(&mut samples[0], first);
    store_words(&mut samples[1], second);
    BlockSums { sums: sums_512(coefficients, samples.as_flattened()), energy }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn sums_512(coefficients: &BlockCoefficients, samples: &[i16]) -> [f32; SUMS] {
    let mut chains = [_mm512_setzero_si512(); 4];
    let (pairs, _) = samples.as_chunks::<2>();
    let (coefficients, _) = coefficients.as_chunks::<4>();
    for (pairs, coefficients) in pairs.as_chunks::<4>().0.iter().zip(coefficients) {
        for (chain, (pair, coefficients)) in chains.iter_mut().zip(pairs.iter().zip(coefficients)) {
            let both = _mm512_set1_epi32(two(pair));
            *chain = _mm512_dpwssd_epi32(*chain, both, load_pair(coefficients));
        }
    }
    let [a, b, c, d] = chains;
    let sum = _mm512_add_epi32(_mm512_add_epi32(a, b), _mm512_add_epi32(c, d));
    let mut sums = [0.0; SUMS];
    // SAFETY: the array is ours and as long as the register; the store asks for no alignment.
    unsafe { _mm512_storeu_ps((&raw mut sums).cast(), _mm512_cvtepi32_ps(sum)) };
    sums
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn widened(codes: &[u8; 32]) -> __m512i {
    // SAFETY: the reference is to as many bytes as the register has; the load asks for no alignment.
    _mm512_cvtepu8_epi16(unsafe { _mm256_loadu_si256(codes.as_ptr().cast()) })
}

/// The words after these are zero.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn widened_rest(codes: &[u8; 8]) -> __m512i {
    // SAFETY: the load takes 8 bytes, which the reference is to, and asks for no alignment.
    let codes = unsafe { _mm_loadl_epi64(codes.as_ptr().cast()) };
    _mm512_zextsi128_si512(_mm_cvtepu8_epi16(codes))
}

/// A sample is that of the lower seven bits, negative where the eighth is set.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn decode(table: &[__m512i; 4], codes: __m512i) -> __m512i {
    let [a, b, c, d] = *table;
    let low = _mm512_permutex2var_epi16(a, codes, b);
    let high = _mm512_permutex2var_epi16(c, codes, d);
    let is_high = _mm512_test_epi16_mask(codes, _mm512_set1_epi16(0x40));
    let sample = _mm512_mask_blend_epi16(is_high, low, high);
    let is_negated = _mm512_test_epi16_mask(codes, _mm512_set1_epi16(0x80));
    _mm512_mask_sub_epi16(sample, is_negated, _mm512_setzero_si512(), sample)
}

/// Real parts in the lower half of a register, imaginary ones in the upper. Products and sums are apart, as
/// in the safe twin: one instruction for both would round once less.
#[target_feature(enable = "avx512f")]
fn power_512(turn: &Turn, [older, old, new]: [&[f32; SUMS]; 3]) -> [f32; SUMS / 2] {
    let [cosines, sines] = [floats(&turn.cosines), floats(&turn.sines)];
    let turned = |value: __m512| {
        let swapped = _mm512_shuffle_f32x4::<0b01_00_11_10>(value, value);
        _mm512_add_ps(_mm512_mul_ps(value, cosines), _mm512_mul_ps(swapped, sines))
    };
    let sum = _mm512_add_ps(turned(floats(new)), floats(old));
    let sum = _mm512_add_ps(turned(sum), floats(older));
    let squares = _mm512_mul_ps(sum, sum);
    let swapped = _mm512_shuffle_f32x4::<0b01_00_11_10>(squares, squares);
    let power = _mm512_castps512_ps256(_mm512_add_ps(squares, swapped));
    let mut powers = [0.0; SUMS / 2];
    // SAFETY: the array is ours and as long as the register; the store asks for no alignment.
    unsafe { _mm256_storeu_ps((&raw mut powers).cast(), power) };
    powers
}

#[inline]
#[target_feature(enable = "avx512f")]
fn floats(floats: &[f32; SUMS]) -> __m512 {
    // SAFETY: the reference is to as many bytes as the register has; the load asks for no alignment.
    unsafe { _mm512_loadu_ps(floats.as_ptr()) }
}

/// The same in two halves.
#[target_feature(enable = "avx2")]
fn sums_256(coefficients: &BlockCoefficients, samples: &[i16; BLOCK_SAMPLES]) -> [i32; SUMS] {
    let mut low = [_mm256_setzero_si256(); 2];
    let mut high = [_mm256_setzero_si256(); 2];
    for (at, (pair, coefficients)) in
        samples.as_chunks::<2>().0.iter().zip(coefficients).enumerate()
    {
        let both = _mm256_set1_epi32(two(pair));
        let from = coefficients.as_ptr().cast::<__m256i>();
        // SAFETY: the 64 bytes of the reference are two registers; the loads ask for no alignment.
        let (first, second) =
            unsafe { (_mm256_loadu_si256(from), _mm256_loadu_si256(from.add(1))) };
        low[at % 2] = _mm256_add_epi32(low[at % 2], _mm256_madd_epi16(both, first));
        high[at % 2] = _mm256_add_epi32(high[at % 2], _mm256_madd_epi16(both, second));
    }
    let mut sums = [0; SUMS];
    let to = (&raw mut sums).cast::<__m256i>();
    // SAFETY: the array is ours and as long as two registers; the stores ask for no alignment.
    unsafe {
        _mm256_storeu_si256(to, _mm256_add_epi32(low[0], low[1]));
        _mm256_storeu_si256(to.add(1), _mm256_add_epi32(high[0], high[1]));
    }
    sums
}

/// Two samples as one lane, the first in the low half.
#[inline]
fn two([first, second]: &[i16; 2]) -> i32 {
    i32::from(*first as u16) | i32::from(*second) << 16
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load(bytes: &[u8; WIDE_BYTES]) -> __m512i {
    // SAFETY: the reference is to as many bytes as the register has; the load asks for no alignment.
    unsafe { _mm512_loadu_si512(bytes.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load_pair(coefficients: &PairCoefficients) -> __m512i {
    // SAFETY: the reference is to as many bytes as the register has; the load asks for no alignment.
    unsafe { _mm512_loadu_si512(coefficients.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn words(words: &[i16; 32]) -> __m512i {
    // SAFETY: the reference is to as many bytes as the register has; the load asks for no alignment.
    unsafe { _mm512_loadu_si512(words.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn store_words(place: &mut [i16; 32], words: __m512i) {
    // SAFETY: the reference is to as many bytes as the register has, and no other one is in use.
    unsafe { _mm512_storeu_si512(place.as_mut_ptr().cast(), words) }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn store(place: &mut [u8; WIDE_BYTES], bytes: __m512i) {
    // SAFETY: the reference is to as many bytes as the register has, and no other one is in use.
    unsafe { _mm512_storeu_si512(place.as_mut_ptr().cast(), bytes) }
}

/// The words of the second register that a block fills.
const REST: u32 = 0xFF;
const _: () = assert!(BLOCK_SAMPLES == 32 + 8);
const WIDE_BYTES: usize = 64;
const _: () = assert!(size_of::<PairCoefficients>() == WIDE_BYTES);
