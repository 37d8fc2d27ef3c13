//! Every wide form gives what its safe twin gives: all codes, all lengths, all alignments.

use super::*;
use proptest::prelude::*;

/// A table without a simple pattern.
fn table(salt: u8) -> [u8; 256] {
    std::array::from_fn(|code| (code as u8).wrapping_mul(167).rotate_left(3) ^ salt)
}

#[test]
fn a_translation_is_that_of_the_table_for_all_codes_lengths_and_alignments() {
    let lengths_max = if cfg!(miri) { 70 } else { 530 };
    for (table, start) in [(table(0x5A), 0u8), (table(0x17), 91)] {
        let source: Vec<u8> =
            (0..lengths_max + 64).map(|at| start.wrapping_add(at as u8)).collect();
        for length in 0..=lengths_max {
            for offset in [0, 1, 7, 31, 63] {
                let mut wide = source.clone();
                let mut plain = source.clone();
                translate(&table, &mut wide[offset..offset + length]);
                scalar::translate(&table, &mut plain[offset..offset + length]);
                assert_eq!(wide, plain, "{length} bytes from {offset}");
            }
        }
    }
}

/// A table in which codes below 128 stand for samples that grow with them.
fn half_table(most: i16) -> HalfTable {
    std::array::from_fn(|code| (code as i16 - 64) * (most / 64))
}

#[test]
fn the_largest_sums_do_not_overflow() {
    for sign in [1, -1] {
        let coefficients = [[4_096 * sign; 2 * SUMS]; BLOCK_SAMPLES / 2];
        let table = [8_159; 128];
        let sums = [(40 * 8_159 * 4_096 * i32::from(sign)) as f32; SUMS];
        let expected = BlockSums { sums, energy: 40 * 8_159 * 8_159 };
        assert_eq!(block(&coefficients, &table, &[0; BLOCK_SAMPLES], 0), expected);
        assert_eq!(scalar::block(&coefficients, &table, &[0; BLOCK_SAMPLES], 0), expected);
    }
}

#[test]
fn every_code_is_decoded_alike() {
    let coefficients =
        std::array::from_fn(|pair| std::array::from_fn(|at| (pair * 32 + at) as i16));
    for code in 0..=255 {
        let codes = std::array::from_fn(|at| code ^ (at as u8));
        let wide = block(&coefficients, &half_table(8_128), &codes, 0);
        assert_eq!(wide, scalar::block(&coefficients, &half_table(8_128), &codes, 0), "{code}");
    }
}

#[test]
fn this_machine_has_a_name_for_what_it_runs() {
    assert!(["AVX-512 VBMI", "AVX2", "scalar"].contains(&name()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 2 } else { 256 }))]
    #[test]
    fn sums_are_those_of_the_safe_twin(
        codes: [u8; BLOCK_SAMPLES],
        energy_min in prop::sample::select(vec![0, 900_000_000, u32::MAX]),
        coefficients in prop::collection::vec(-4_096i16..=4_096, BLOCK_SAMPLES * SUMS),
    ) {
        let mut rows = coefficients.chunks_exact(2 * SUMS);
        let coefficients: BlockCoefficients =
            std::array::from_fn(|_| rows.next().unwrap().try_into().unwrap());
        let table = half_table(8_159);
        let expected = scalar::block(&coefficients, &table, &codes, energy_min);
        prop_assert_eq!(block(&coefficients, &table, &codes, energy_min), expected);
        #[cfg(all(target_arch = "x86_64", not(miri)))]
        if let Some(half) = x86::Half::find() {
            prop_assert_eq!(half.block(&coefficients, &table, &codes, energy_min), expected);
        }
    }

    #[test]
    fn powers_are_those_of_the_safe_twin_to_the_last_bit(
        sums in prop::collection::vec(-1.4e9f32..1.4e9, 3 * SUMS),
        phases in prop::collection::vec(-1.0f32..1.0, 2 * SUMS),
    ) {
        let part = |from: &[f32], at: usize| from[at * SUMS..][..SUMS].try_into().unwrap();
        let turn = Turn { cosines: part(&phases, 0), sines: part(&phases, 1) };
        let blocks: [[f32; SUMS]; 3] = std::array::from_fn(|at| part(&sums, at));
        let blocks = blocks.each_ref();
        prop_assert_eq!(power(&turn, blocks), scalar::power(&turn, blocks));
    }
}
