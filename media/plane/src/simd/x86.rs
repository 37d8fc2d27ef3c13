//! The wide forms for x86-64: AVX-512 with VBMI and VNNI (Ice Lake, Zen 4 and later), AVX2 for the bins. Sans-IO.
#![allow(unsafe_code)]

use std::arch::is_x86_feature_detected;
use std::arch::x86_64::*;

use super::{BLOCK_SAMPLES, BlockCoefficients, PairCoefficients, SUMS};

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

/// See [`super::sums`].
///
/// # Panics
/// Where [`has_wide`] is false.
#[inline]
pub(super) fn sums_wide(
    coefficients: &BlockCoefficients,
    samples: &[i16; BLOCK_SAMPLES],
) -> [i32; SUMS] {
    assert!(has_wide(), "chosen by the CPU's features");
    // SAFETY: the features that the function is compiled for were found just above.
    unsafe { sums_vnni(coefficients, samples) }
}

/// See [`super::sums`].
///
/// # Panics
/// Where [`has_avx2`] is false.
#[inline]
pub(super) fn sums_avx2(
    coefficients: &BlockCoefficients,
    samples: &[i16; BLOCK_SAMPLES],
) -> [i32; SUMS] {
    assert!(has_avx2(), "chosen by the CPU's features");
    // SAFETY: the feature that the function is compiled for was found just above.
    unsafe { sums_256(coefficients, samples) }
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

/// Sixteen sums in one register, two samples an instruction; four of them, as each takes its time.
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn sums_vnni(coefficients: &BlockCoefficients, samples: &[i16; BLOCK_SAMPLES]) -> [i32; SUMS] {
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
fn store(place: &mut [u8; WIDE_BYTES], bytes: __m512i) {
    // SAFETY: the reference is to as many bytes as the register has, and no other one is in use.
    unsafe { _mm512_storeu_si512(place.as_mut_ptr().cast(), bytes) }
}

const WIDE_BYTES: usize = 64;
const _: () = assert!(size_of::<PairCoefficients>() == WIDE_BYTES);
