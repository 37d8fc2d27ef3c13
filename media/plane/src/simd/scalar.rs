//! The safe twins: what every machine can do, and what the wide forms are compared with. Sans-IO.

use super::{BLOCK_SAMPLES, BlockCoefficients, SUMS};

/// See [`super::translate`].
pub(super) fn translate(table: &[u8; 256], samples: &mut [u8]) {
    for sample in samples {
        *sample = table[usize::from(*sample)];
    }
}

/// See [`super::sums`].
pub(super) fn sums(
    coefficients: &BlockCoefficients,
    samples: &[i16; BLOCK_SAMPLES],
) -> [i32; SUMS] {
    let mut sums = [0; SUMS];
    for (pair, [first, second]) in coefficients.iter().zip(samples.as_chunks::<2>().0) {
        for (sum, [a, b]) in sums.iter_mut().zip(pair.as_chunks::<2>().0) {
            *sum += i32::from(*a) * i32::from(*first) + i32::from(*b) * i32::from(*second);
        }
    }
    sums
}
