//! The safe twins: they run on every machine, and tests compare the wide forms with them. Sans-IO.

use super::{BLOCK_SAMPLES, BlockCoefficients, BlockSums, HalfTable, SUMS, Turn};

/// See [`super::translate`].
pub(super) fn translate(table: &[u8; 256], samples: &mut [u8]) {
    for sample in samples {
        *sample = table[usize::from(*sample)];
    }
}

/// See [`super::block`].
pub(super) fn block(
    coefficients: &BlockCoefficients,
    table: &HalfTable,
    codes: &[u8; BLOCK_SAMPLES],
    energy_min: u32,
) -> BlockSums {
    let samples = codes.map(|code| decoded(table, code));
    let energy = energy(&samples);
    if energy < energy_min {
        return BlockSums { sums: [0.0; SUMS], energy };
    }
    BlockSums { sums: sums(coefficients, &samples).map(|sum| sum as f32), energy }
}

/// The sample of a code.
#[inline]
pub(super) fn decoded(table: &HalfTable, code: u8) -> i16 {
    let sample = table[usize::from(code & 0x7F)];
    if code & 0x80 == 0 { sample } else { -sample }
}

/// The sum of squares; of 40 samples of 14 bits it is below 2^32.
#[inline]
pub(super) fn energy(samples: &[i16; BLOCK_SAMPLES]) -> u32 {
    let squares = samples.iter().map(|sample| (i32::from(*sample) * i32::from(*sample)) as u32);
    squares.fold(0, u32::wrapping_add)
}

fn sums(coefficients: &BlockCoefficients, samples: &[i16; BLOCK_SAMPLES]) -> [i32; SUMS] {
    let mut sums = [0; SUMS];
    for (pair, [first, second]) in coefficients.iter().zip(samples.as_chunks::<2>().0) {
        for (sum, [a, b]) in sums.iter_mut().zip(pair.as_chunks::<2>().0) {
            *sum += i32::from(*a) * i32::from(*first) + i32::from(*b) * i32::from(*second);
        }
    }
    sums
}

/// See [`super::power`].
pub(super) fn power(turn: &Turn, [older, old, new]: [&[f32; SUMS]; 3]) -> [f32; SUMS / 2] {
    let next = |from: &[f32; SUMS], block: &[f32; SUMS]| -> [f32; SUMS] {
        std::array::from_fn(|at| {
            let other = from[(at + SUMS / 2) % SUMS];
            from[at] * turn.cosines[at] + other * turn.sines[at] + block[at]
        })
    };
    let sum = next(&next(new, old), older);
    std::array::from_fn(|at| sum[at] * sum[at] + sum[at + SUMS / 2] * sum[at + SUMS / 2])
}
