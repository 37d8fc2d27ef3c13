//! Counters and gauges, and the table that declares a set of them. Shell.
//!
//! Lock-free, because the signaling thread counts with them. A counter is named
//! `<plane>_<noun>_<unit>_total`; its help text says what to do when it moves.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};

use crate::exposition::{Exposed, Text};

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds 1.
    pub fn count(&self) {
        self.add(1);
    }

    /// Adds `more`.
    pub fn add(&self, more: u64) {
        self.0.fetch_add(more, Relaxed);
    }

    /// The count since start.
    pub fn value(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// A number that goes up and down.
#[derive(Debug, Default)]
pub struct Gauge(AtomicI64);

impl Gauge {
    /// Adds `change`, which may be negative.
    pub fn add(&self, change: i64) {
        self.0.fetch_add(change, Relaxed);
    }

    /// Sets the value.
    pub fn set(&self, value: i64) {
        self.0.store(value, Relaxed);
    }

    /// The value now.
    pub fn value(&self) -> i64 {
        self.0.load(Relaxed)
    }
}

/// A counter for each value of one label. Values come from the source code, never from a peer, so there
/// are few. Past [`LABELS_MAX`] they are counted as `other`.
#[derive(Debug)]
pub struct Labelled {
    slots: [(OnceLock<&'static str>, Counter); LABELS_MAX],
    other: Counter,
}

impl Default for Labelled {
    fn default() -> Self {
        Self { slots: std::array::from_fn(|_| Default::default()), other: Counter::default() }
    }
}

impl Labelled {
    /// Adds 1 to this label value.
    pub fn count(&self, value: &'static str) {
        self.add(value, 1);
    }

    /// Adds `more` to this label value.
    pub fn add(&self, value: &'static str, more: u64) {
        for (name, counter) in &self.slots {
            // Two threads may race for a free slot. The loser reads the name of the winner and continues.
            if *name.get_or_init(|| value) == value {
                return counter.add(more);
            }
        }
        self.other.add(more);
    }

    /// The count of this label value since start.
    pub fn value(&self, value: &str) -> u64 {
        let slot = self.slots.iter().find(|(name, _)| name.get() == Some(&value));
        slot.map_or(0, |(_, counter)| counter.value())
    }

    fn each(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let named = self.slots.iter().filter_map(|(name, n)| Some((*name.get()?, n.value())));
        named.chain((self.other.value() > 0).then(|| ("other", self.other.value())))
    }
}

impl Exposed for Counter {
    fn expose(&self, text: &mut Text, name: &'static str, _: &'static str, help: &str) {
        text.metric(name, "counter", help);
        text.sample(name, &[], self.value());
    }
}

impl Exposed for Gauge {
    fn expose(&self, text: &mut Text, name: &'static str, _: &'static str, help: &str) {
        text.metric(name, "gauge", help);
        text.sample(name, &[], self.value());
    }
}

impl Exposed for Labelled {
    fn expose(&self, text: &mut Text, name: &'static str, label: &'static str, help: &str) {
        text.metric(name, "counter", help);
        for (value, count) in self.each() {
            text.sample(name, &[(label, value)], count);
        }
    }
}

/// Declares a struct of instruments, one field a metric of the same name. The doc comment of a field
/// is the help text; `by "label"` names the label of a [`Labelled`].
///
/// ```
/// shell::metrics! {
///     /// Counters of a kettle.
///     pub struct KettleMetrics {
///         /// Times the water boiled.
///         kettle_boils_total: shell::Counter;
///         /// Times the kettle was switched off, by reason.
///         kettle_stops_total: shell::Labelled, by "reason";
///     }
/// }
/// let metrics = KettleMetrics::default();
/// metrics.kettle_stops_total.count("dry");
/// let mut text = shell::Text::default();
/// metrics.write(&mut text);
/// assert!(text.finish().contains("kettle_stops_total{reason=\"dry\"} 1\n"));
/// ```
#[macro_export]
macro_rules! metrics {
    (
        $(#[doc = $about:literal])+
        pub struct $Name:ident {
            $( $(#[doc = $doc:literal])+ $name:ident: $Type:ty $(, by $label:literal)?; )+
        }
    ) => {
        $(#[doc = $about])+
        #[derive(Debug, Default)]
        pub struct $Name { $( $(#[doc = $doc])+ pub $name: $Type, )+ }

        impl $Name {
            /// Writes every metric to a page.
            pub fn write(&self, text: &mut $crate::Text) {
                $( $crate::Exposed::expose(
                    &self.$name, text, stringify!($name), concat!($($label)?), concat!($($doc),+),
                ); )+
            }
        }
    };
}

/// Most values of one label that have a count of their own.
pub const LABELS_MAX: usize = 192;

#[cfg(test)]
mod tests {
    use super::*;

    crate::metrics! {
        /// Instruments of these tests.
        pub struct Instruments {
            /// Requests refused, by rule.
            refusals_total: Labelled, by "rule";
            /// Changes waiting.
            queue_changes: Gauge;
        }
    }

    #[test]
    fn the_text_has_help_type_and_samples_in_prometheus_form() {
        let metrics = Instruments::default();
        metrics.refusals_total.count("acl_miss");
        metrics.refusals_total.add("unknown_domain", 2);
        metrics.queue_changes.add(2);
        let mut text = Text::default();
        metrics.write(&mut text);
        assert_eq!(
            text.finish(),
            "# HELP refusals_total Requests refused, by rule.\n\
             # TYPE refusals_total counter\n\
             refusals_total{rule=\"acl_miss\"} 1\n\
             refusals_total{rule=\"unknown_domain\"} 2\n\
             # HELP queue_changes Changes waiting.\n\
             # TYPE queue_changes gauge\n\
             queue_changes 2\n"
        );
    }

    #[test]
    fn label_values_past_the_bound_are_counted_as_other() {
        let labelled = Labelled::default();
        let words: Vec<&'static str> =
            (0..LABELS_MAX + 3).map(|n| &*Box::leak(format!("w{n}").into_boxed_str())).collect();
        words.iter().for_each(|word| labelled.count(word));
        assert_eq!(labelled.each().count(), LABELS_MAX + 1);
        assert_eq!(labelled.each().last(), Some(("other", 3)));
    }
}
