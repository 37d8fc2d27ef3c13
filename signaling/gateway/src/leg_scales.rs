//! Bucket bounds for the quality of a leg. Shell.

use shell::Scale;

/// R factors: 50, 60, 70, 80 and 90 part G.109's classes of satisfaction.
#[derive(Debug)]
pub struct RFactors;

impl Scale for RFactors {
    const BOUNDS: &'static [f64] = &[30.0, 50.0, 60.0, 65.0, 70.0, 75.0, 80.0, 85.0, 90.0, 93.2];
}

/// Mean opinion scores.
#[derive(Debug)]
pub struct OpinionScores;

impl Scale for OpinionScores {
    const BOUNDS: &'static [f64] = &[1.5, 2.0, 2.6, 3.1, 3.6, 3.8, 4.0, 4.2, 4.3, 4.5];
}

/// Shares, in percent.
#[derive(Debug)]
pub struct Percent;

impl Scale for Percent {
    const BOUNDS: &'static [f64] = &[0.0, 0.1, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 20.0, 50.0];
}

/// Times on a network, in milliseconds.
#[derive(Debug)]
pub struct Milliseconds;

impl Scale for Milliseconds {
    const BOUNDS: &'static [f64] = &[1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 2_000.0];
}

#[cfg(test)]
mod tests {
    use shell::BUCKETS_MAX;

    use super::*;

    #[test]
    fn every_scale_rises_and_fits() {
        fn check<S: Scale>() {
            assert!(S::BOUNDS.len() <= BUCKETS_MAX && S::BOUNDS.is_sorted());
        }
        check::<RFactors>();
        check::<OpinionScores>();
        check::<Percent>();
        check::<Milliseconds>();
    }
}
