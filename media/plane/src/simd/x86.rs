//! The wide forms for x86-64: AVX-512 with VBMI and VNNI (Ice Lake, Zen 4 and later), AVX2 for the bins. Sans-IO.
#![allow(unsafe_code)]

use std::arch::is_x86_feature_detected;
use std::arch::x86_64::*;

use super::{
    BLOCK_SAMPLES, BlockCoefficients, BlockSums, HalfTable, PairCoefficients, SUMS, scalar,
};

/// Shorter pieces are left to the table: two registers of the tail would overlap nothing.
pub(super) const TRANSLATE_BYTES_MIN: usize = WIDE_BYTES;

/// Whether the AVX-512 forms may run.
#[inline]
pub(super) fn has_wide() -> bool {
    is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512vbmi")
        && is_x86_feature_detected!("avx512vnni")
}

/// Whether the AVX2 form may run.
#[inline]
pub(super) fn has_avx2() -> bool {
    is_x86_feature_detected!("avx2")
}

/// See [`super::translate`]; at least [`TRANSLATE_BYTES_MIN`] bytes, or they stay as they are.
///
/// # Panics
/// Where [`has_wide`] is false.
#[inline]
pub(super) fn translate(table: &[u8; 256], samples: &mut [u8]) {
    assert!(has_wide(), "chosen by the CPU's features");
    // SAFETY: the features that the function is compiled for were found just above.
    unsafe { translate_vbmi(table, samples) }
}

/// See [`super::block`].
///
/// # Panics
/// Where [`has_wide`] is false.
#[inline]
pub(super) fn block_wide(
    coefficients: &BlockCoefficients,
    table: &HalfTable,
    codes: &[u8; BLOCK_SAMPLES],
    energy_min: u32,
) -> BlockSums {
    assert!(has_wide(), "chosen by the CPU's features");
    // SAFETY: the features that the function is compiled for were found just above.
    unsafe { block_vnni(coefficients, table, codes, energy_min) }
}

/// See [`super::block`].
///
/// # Panics
/// Where [`has_avx2`] is false.
#[inline]
pub(super) fn block_avx2(
    coefficients: &BlockCoefficients,
    table: &HalfTable,
    codes: &[u8; BLOCK_SAMPLES],
    energy_min: u32,
) -> BlockSums {
    assert!(has_avx2(), "chosen by the CPU's features");
    let samples = codes.map(|code| scalar::decoded(table, code));
    let energy = scalar::energy(&samples);
    if energy < energy_min {
        return BlockSums { sums: [0; SUMS], energy };
    }
    // SAFETY: the feature that the function is compiled for was found just above.
    let sums = unsafe { sums_256(coefficients, &samples) };
    BlockSums { sums, energy }
}

/// A look-up among 256 bytes is two among 128 and a choice by the top bit.
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
fn translate_vbmi(table: &[u8; 256], samples: &mut [u8]) {
    let Some(tail_at) = samples.len().checked_sub(WIDE_BYTES) else { return };
    let (parts, _) = table.as_chunks::<WIDE_BYTES>();
    let [a, b, c, d] = [load(&parts[0]), load(&parts[1]), load(&parts[2]), load(&parts[3])];
    let look_up = |codes: __m512i| {
        let low = _mm512_permutex2var_epi8(a, codes, b);
        let high = _mm512_permutex2var_epi8(c, codes, d);
        _mm512_mask_blend_epi8(_mm512_movepi8_mask(codes), low, high)
    };
    // The last register overlaps the one before, so it is read before anything is written.
    let tail = samples.last_chunk::<WIDE_BYTES>().map(|last| look_up(load(last)));
    let mut at = 0;
    while at < tail_at {
        if let Some(place) = samples.get_mut(at..).and_then(<[u8]>::first_chunk_mut) {
            store(place, look_up(load(place)));
        }
        at += WIDE_BYTES;
    }
    if let (Some(place), Some(tail)) = (samples.last_chunk_mut::<WIDE_BYTES>(), tail) {
        store(place, tail);
    }
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
    let mut padded = [[SILENT_CODE; 32]; 2];
    padded[0].copy_from_slice(&codes[..32]);
    padded[1][..BLOCK_SAMPLES - 32].copy_from_slice(&codes[32..]);
    let tail = (1 << (BLOCK_SAMPLES - 32)) - 1;
    let first = decode(&table, &padded[0]);
    let second = _mm512_maskz_mov_epi16(tail, decode(&table, &padded[1]));
    let squares =
        _mm512_add_epi32(_mm512_madd_epi16(first, first), _mm512_madd_epi16(second, second));
    let energy = _mm512_reduce_add_epi32(squares) as u32;
    if energy < energy_min {
        return BlockSums { sums: [0; SUMS], energy };
    }
    let mut samples = [[0i16; 32]; 2];
    store_words(&mut samples[0], first);
    store_words(&mut samples[1], second);
    BlockSums { sums: sums_512(coefficients, samples.as_flattened()), energy }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn sums_512(coefficients: &BlockCoefficients, samples: &[i16]) -> [i32; SUMS] {
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
    let mut sums = [0; SUMS];
    // SAFETY: the array is ours and as long as the register; the store asks for no alignment.
    unsafe { _mm512_storeu_si512((&raw mut sums).cast(), sum) };
    sums
}

/// A sample is that of the lower seven bits, negative where the eighth is set.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn decode(table: &[__m512i; 4], codes: &[u8; 32]) -> __m512i {
    // SAFETY: the reference is to as many bytes as the register has; the load asks for no alignment.
    let codes = _mm512_cvtepu8_epi16(unsafe { _mm256_loadu_si256(codes.as_ptr().cast()) });
    let [a, b, c, d] = *table;
    let low = _mm512_permutex2var_epi16(a, codes, b);
    let high = _mm512_permutex2var_epi16(c, codes, d);
    let is_high = _mm512_test_epi16_mask(codes, _mm512_set1_epi16(0x40));
    let sample = _mm512_mask_blend_epi16(is_high, low, high);
    let is_negated = _mm512_test_epi16_mask(codes, _mm512_set1_epi16(0x80));
    _mm512_mask_sub_epi16(sample, is_negated, _mm512_setzero_si512(), sample)
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

/// Fills the register after the block's last code; what it stands for is masked out.
const SILENT_CODE: u8 = 0xFF;
const WIDE_BYTES: usize = 64;
const _: () = assert!(size_of::<PairCoefficients>() == WIDE_BYTES);
