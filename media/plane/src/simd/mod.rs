//! The loops that are worth a wide register: G.711 look-ups, the bins of the DTMF detector, searches. Sans-IO.
//!
//! Each has a safe twin in `scalar.rs` that gives the same bytes for every input; what runs is chosen
//! by the CPU, looked up once. All sums are of integers, so that a call is
//! judged alike on every machine. This module alone may hold unsafe code (ARCHITECTURE.md, I3): its
//! blocks enter functions for features that were found, and load or store through pointers to arrays
//! or slices of the very function.

mod scalar;
#[cfg(all(target_arch = "x86_64", not(miri)))]
mod x86;

#[cfg(all(target_arch = "x86_64", not(miri)))]
use x86::Form;

/// Samples that are summed at once: 5 ms, which divides every packet time.
pub(crate) const BLOCK_SAMPLES: usize = 40;
/// Sums over a block: eight bins, in phase and then in quadrature.
pub(crate) const SUMS: usize = 16;
/// Coefficients of all sums for two neighbouring samples: `[2 * sum + 0]` and `[2 * sum + 1]`.
pub(crate) type PairCoefficients = [i16; 2 * SUMS];
/// Coefficients of a block, pair by pair.
pub(crate) type BlockCoefficients = [PairCoefficients; BLOCK_SAMPLES / 2];

/// Replaces every byte by its entry in the table.
#[inline]
pub(crate) fn translate(table: &[u8; 256], samples: &mut [u8]) {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    if samples.len() >= x86::TRANSLATE_BYTES_MIN
        && let Form::Wide(wide) = x86::form()
    {
        wide.translate(table, samples);
        return;
    }
    scalar::translate(table, samples);
}

/// The samples that codes stand for: those of codes below 128; the other codes are their negatives. At
/// most 14 bits with the sign.
pub(crate) type HalfTable = [i16; 128];

/// Sums over one block.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct BlockSums {
    /// Samples times coefficients, summed as integers; all zero where the energy is below the least.
    pub sums: [f32; SUMS],
    /// The sum of the squares.
    pub energy: u32,
}

/// Decodes a block and sums it up, unless it has less energy than `energy_min`. Coefficients are of at
/// most 13 bits, so that nothing overflows (asserted at their table).
#[inline]
pub(crate) fn block(
    coefficients: &BlockCoefficients,
    table: &HalfTable,
    codes: &[u8; BLOCK_SAMPLES],
    energy_min: u32,
) -> BlockSums {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    match x86::form() {
        Form::Wide(wide) => return wide.block(coefficients, table, codes, energy_min),
        Form::Half(half) => return half.block(coefficients, table, codes, energy_min),
        Form::Plain => {}
    }
    scalar::block(coefficients, table, codes, energy_min)
}

/// The change of phase of each sum over one block.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Turn {
    /// Cosines, for both halves.
    pub cosines: [f32; SUMS],
    /// Sines: negative in the half of the real parts.
    pub sines: [f32; SUMS],
}

/// The powers of three blocks together, the oldest first: each is later than the one before by the same
/// phase of each frequency.
#[inline]
pub(crate) fn power(turn: &Turn, blocks: [&[f32; SUMS]; 3]) -> [f32; SUMS / 2] {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    if let Form::Wide(wide) = x86::form() {
        return wide.power(turn, blocks);
    }
    scalar::power(turn, blocks)
}

/// Safe code for [`widely`]. A closure would not do: `run` has to be `#[inline(always)]`, like what it calls, because
/// only what is inlined gets the wider registers.
pub(crate) trait Work {
    /// What comes out.
    type Answer;
    /// Does it.
    fn run(self) -> Self::Answer;
}

/// Runs safe code, compiled for the registers of this CPU. It is its own twin.
#[inline]
pub(crate) fn widely<W: Work>(work: W) -> W::Answer {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    match x86::form() {
        Form::Wide(wide) => return wide.run(work),
        Form::Half(half) => return half.run(work),
        Form::Plain => {}
    }
    work.run()
}

/// The form that runs on this machine, for reports.
pub(crate) fn name() -> &'static str {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    match x86::form() {
        Form::Wide(_) => return "AVX-512 VBMI",
        Form::Half(_) => return "AVX2",
        Form::Plain => {}
    }
    "scalar"
}

#[cfg(test)]
mod tests;
