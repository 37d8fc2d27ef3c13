//! Values by size, as Prometheus histograms with bounds that fit what is measured. Shell.

use std::marker::PhantomData;

use shared::LegQuality;
use shared::quality::jitter_ms;

use crate::metrics::{Counter, Exposed, Metrics, Text};

/// Upper bounds of a histogram's buckets.
pub trait Scale {
    /// Rising, at most [`BUCKETS_MAX`].
    const BOUNDS: &'static [f64];
}

/// How often a value lay where; any number of threads may add.
#[derive(Debug)]
pub struct Spread<S> {
    /// The one after the last bound takes what is past them all.
    buckets: [Counter; BUCKETS_MAX + 1],
    sum_milli: Counter,
    scale: PhantomData<S>,
}

impl<S> Default for Spread<S> {
    fn default() -> Self {
        Self { buckets: Default::default(), sum_milli: Counter::default(), scale: PhantomData }
    }
}

impl<S: Scale> Spread<S> {
    /// Adds one value, which is not negative.
    pub fn observe(&self, value: f64) {
        let bucket = S::BOUNDS.iter().position(|bound| value <= *bound).unwrap_or(S::BOUNDS.len());
        if let Some(bucket) = self.buckets.get(bucket) {
            bucket.count();
        }
        #[expect(clippy::cast_sign_loss, reason = "not negative, as the doc says")]
        self.sum_milli.add((value * 1_000.0) as u64);
    }
}

impl<S: Scale> Exposed for Spread<S> {
    fn expose(&self, text: &mut Text, name: &'static str, _: &'static str, help: &str) {
        text.metric(name, "histogram", help);
        let bounds = S::BOUNDS.iter().map(f64::to_string).chain(["+Inf".to_owned()]);
        let mut so_far = 0;
        for (bound, bucket) in bounds.zip(&self.buckets) {
            so_far += bucket.value();
            text.sample(&format!("{name}_bucket"), &[("le", &bound)], so_far);
        }
        #[expect(clippy::cast_precision_loss, reason = "a sum for people")]
        let sum = self.sum_milli.value() as f64 / 1_000.0;
        text.sample(&format!("{name}_sum"), &[], sum);
        text.sample(&format!("{name}_count"), &[], so_far);
    }
}

impl Metrics {
    /// Counts the final figures of one leg. One that was never heard has no rating and no jitter.
    pub fn observe_leg(&self, leg: &LegQuality) {
        if let Some(rating) = leg.rating() {
            self.media_leg_r_factor.observe(rating.r_factor);
            self.media_leg_mos.observe(rating.mos);
            self.media_leg_loss_percent.observe(leg.loss_percent());
            self.media_leg_jitter_milliseconds.observe(jitter_ms(leg.jitter_rtp_units));
        }
        if let Some(round_trip_us) = leg.round_trip_us {
            self.media_leg_round_trip_milliseconds.observe(f64::from(round_trip_us) / 1_000.0);
        }
        if let Some(first_packet_ms) = leg.first_packet_ms {
            self.media_leg_first_packet_milliseconds.observe(f64::from(first_packet_ms));
        }
    }
}

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

/// Bounds of one histogram.
const BUCKETS_MAX: usize = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leg_is_counted_where_its_figures_lie() {
        let metrics = Metrics::default();
        metrics.observe_leg(&LegQuality {
            received: 100,
            jitter_rtp_units: 24,
            round_trip_us: Some(30_000),
            first_packet_ms: Some(150),
            ..LegQuality::default()
        });
        metrics.observe_leg(&LegQuality::default());
        let mut text = Text::default();
        metrics.write(&mut text);
        let text = text.finish();
        for line in [
            "media_leg_r_factor_bucket{le=\"90\"} 0",
            "media_leg_r_factor_bucket{le=\"93.2\"} 1",
            "media_leg_r_factor_count 1",
            "media_leg_mos_bucket{le=\"4.5\"} 1",
            "media_leg_loss_percent_bucket{le=\"0\"} 1",
            "media_leg_jitter_milliseconds_bucket{le=\"2\"} 0",
            "media_leg_jitter_milliseconds_bucket{le=\"5\"} 1",
            "media_leg_jitter_milliseconds_sum 3",
            "media_leg_round_trip_milliseconds_bucket{le=\"50\"} 1",
            "media_leg_first_packet_milliseconds_bucket{le=\"+Inf\"} 1",
        ] {
            assert!(text.contains(&format!("{line}\n")), "{line} in {text}");
        }
    }

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
