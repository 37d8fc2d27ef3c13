//! The metrics of /metrics, parsed as numbers.

use std::collections::BTreeMap;

use crate::gateway::Gateway;
use crate::wait;

/// Samples by name with labels, as written: `media_packets_dropped_total{core="0",reason="late"}`.
#[derive(Clone, Debug, PartialEq)]
pub struct Samples(BTreeMap<String, f64>);

impl Samples {
    /// One sample; 0 where there is none yet.
    pub fn value(&self, name: &str) -> u64 {
        self.0.get(name).map_or(0, |value| *value as u64)
    }

    /// Over all label values of a metric whose labels contain `label`.
    pub fn sum(&self, metric: &str, label: &str) -> u64 {
        let of_metric = |name: &str| name.split('{').next() == Some(metric) && name.contains(label);
        self.0.iter().filter(|(name, _)| of_metric(name)).map(|(_, value)| *value as u64).sum()
    }

    /// The name with labels of the first sample of a metric whose labels contain `label`.
    pub fn name(&self, metric: &str, label: &str) -> Option<&str> {
        let of_metric =
            |name: &&String| name.split('{').next() == Some(metric) && name.contains(label);
        self.0.keys().find(of_metric).map(String::as_str)
    }
}

impl Gateway {
    pub fn metrics(&self) -> Samples {
        let reply = self.get("/metrics");
        assert_eq!(reply.status, 200);
        let text = String::from_utf8(reply.body).expect("UTF-8");
        let samples = text.lines().filter(|line| !line.starts_with('#'));
        Samples(
            samples
                .filter_map(|line| line.rsplit_once(' '))
                .map(|(name, value)| (name.to_owned(), value.parse().expect("a number")))
                .collect(),
        )
    }

    /// Metrics once `holds` says so; panics after 20 s with what they were.
    pub fn metrics_when(&self, what: &str, holds: impl Fn(&Samples) -> bool) -> Samples {
        wait::found(what, || {
            let samples = self.metrics();
            if holds(&samples) { Ok(samples) } else { Err(format!("{samples:#?}")) }
        })
    }

    /// Metrics when no call and no leg is up any more.
    pub fn settled(&self) -> Samples {
        self.metrics_when("settled", |now| {
            now.value("signaling_calls_live") == 0 && now.sum("media_legs", "") == 0
        })
    }
}
