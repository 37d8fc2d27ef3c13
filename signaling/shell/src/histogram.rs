//! Histograms with bucket bounds for each kind of value. Shell.

use std::marker::PhantomData;
use std::time::Duration;

use crate::exposition::{Exposed, Text};
use crate::instruments::Counter;

/// The bucket bounds of one kind of value.
pub trait Scale {
    /// Upper bounds, rising, at most [`BUCKETS_MAX`] of them.
    const BOUNDS: &'static [f64];
}

/// Counts values by bucket, and sums them. Any number of threads may observe.
#[derive(Debug)]
pub struct Histogram<S> {
    /// The bucket after the last bound takes every value past it.
    buckets: [Counter; BUCKETS_MAX + 1],
    /// In millionths of the unit, so that short durations add up.
    sum_micro: Counter,
    scale: PhantomData<S>,
}

impl<S> Default for Histogram<S> {
    fn default() -> Self {
        Self { buckets: Default::default(), sum_micro: Counter::default(), scale: PhantomData }
    }
}

impl<S: Scale> Histogram<S> {
    /// Adds one value in the unit of the scale. It must not be negative.
    pub fn observe(&self, value: f64) {
        let bucket = S::BOUNDS.iter().position(|bound| value <= *bound).unwrap_or(S::BOUNDS.len());
        if let Some(bucket) = self.buckets.get(bucket) {
            bucket.count();
        }
        #[expect(clippy::cast_sign_loss, reason = "not negative, as the doc says")]
        self.sum_micro.add((value * 1e6).round() as u64);
    }
}

impl Histogram<Seconds> {
    /// Adds one duration.
    pub fn observe_duration(&self, duration: Duration) {
        self.observe(duration.as_secs_f64());
    }
}

impl<S: Scale> Exposed for Histogram<S> {
    fn expose(&self, text: &mut Text, name: &'static str, _: &'static str, help: &str) {
        text.metric(name, "histogram", help);
        let bounds = S::BOUNDS.iter().map(f64::to_string).chain(["+Inf".to_owned()]);
        let mut cumulative = 0;
        for (bound, bucket) in bounds.zip(&self.buckets) {
            cumulative += bucket.value();
            text.sample(&format!("{name}_bucket"), &[("le", &bound)], cumulative);
        }
        #[expect(clippy::cast_precision_loss, reason = "a sum for people")]
        let sum = self.sum_micro.value() as f64 / 1e6;
        text.sample(&format!("{name}_sum"), &[], sum);
        text.sample(&format!("{name}_count"), &[], cumulative);
    }
}

/// Durations of work inside the process, from half a millisecond to 10 s.
#[derive(Debug)]
pub struct Seconds;

impl Scale for Seconds {
    const BOUNDS: &'static [f64] =
        &[0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.1, 0.5, 2.5, 10.0];
}

/// Most bounds of one [`Scale`].
pub const BUCKETS_MAX: usize = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_cumulative_and_the_sum_keeps_short_durations() {
        let histogram: Histogram<Seconds> = Histogram::default();
        histogram.observe_duration(Duration::from_millis(3));
        histogram.observe_duration(Duration::from_micros(7));
        histogram.observe_duration(Duration::from_secs(60));
        let mut text = Text::default();
        histogram.expose(&mut text, "commit_seconds", "", "Help.");
        let text = text.finish();
        assert!(text.starts_with("# HELP commit_seconds Help.\n# TYPE commit_seconds histogram\n"));
        for line in [
            "commit_seconds_bucket{le=\"0.0005\"} 1",
            "commit_seconds_bucket{le=\"0.0025\"} 1",
            "commit_seconds_bucket{le=\"0.005\"} 2",
            "commit_seconds_bucket{le=\"10\"} 2",
            "commit_seconds_bucket{le=\"+Inf\"} 3",
            "commit_seconds_sum 60.003007",
            "commit_seconds_count 3",
        ] {
            assert!(text.contains(&format!("{line}\n")), "{line} in {text}");
        }
    }

    #[test]
    fn the_bounds_of_seconds_rise_and_fit() {
        assert!(Seconds::BOUNDS.len() <= BUCKETS_MAX && Seconds::BOUNDS.is_sorted());
    }
}
