//! Counters of the gateway and the Prometheus text they are read as. Shell.
//!
//! Lock-free: the signaling thread counts here. A counter is named `<plane>_<noun>_<unit>_total`,
//! has one meaning, and its help text says what to do when it moves.

use std::fmt::{Display, Write as _};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use crate::spread::{Milliseconds, OpinionScores, Percent, RFactors, Spread};

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// One more.
    pub fn count(&self) {
        self.add(1);
    }

    /// Some more.
    pub fn add(&self, more: u64) {
        self.0.fetch_add(more, Relaxed);
    }

    /// How many so far.
    pub fn value(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// A number that goes up and down.
#[derive(Debug, Default)]
pub struct Gauge(AtomicI64);

impl Gauge {
    /// Changes it.
    pub fn add(&self, change: i64) {
        self.0.fetch_add(change, Relaxed);
    }

    /// Sets it.
    pub fn set(&self, value: i64) {
        self.0.store(value, Relaxed);
    }

    /// What it is.
    pub fn value(&self) -> i64 {
        self.0.load(Relaxed)
    }
}

/// A counter for each value of one label. Values are words of ours, so that there are few;
/// past [`LABELS_MAX`] they are counted as `other`.
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
    /// One more with this label value.
    pub fn count(&self, value: &'static str) {
        self.add(value, 1);
    }

    /// Some more with this label value.
    pub fn add(&self, value: &'static str, more: u64) {
        for (name, counter) in &self.slots {
            // Two threads may race for a free slot; the loser sees the winner's name and goes on.
            if *name.get_or_init(|| value) == value {
                return counter.add(more);
            }
        }
        self.other.add(more);
    }

    /// How many with this label value so far.
    pub fn value(&self, value: &str) -> u64 {
        let slot = self.slots.iter().find(|(name, _)| name.get() == Some(&value));
        slot.map_or(0, |(_, counter)| counter.value())
    }

    fn each(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let named = self.slots.iter().filter_map(|(name, n)| Some((*name.get()?, n.value())));
        named.chain((self.other.value() > 0).then(|| ("other", self.other.value())))
    }
}

/// Durations by size, as a Prometheus histogram.
#[derive(Debug, Default)]
pub struct Histogram {
    /// One more than there are bounds: the last takes what is past them all.
    buckets: [Counter; BOUNDS_S.len() + 1],
    sum_us: Counter,
}

impl Histogram {
    /// Adds one duration.
    pub fn observe(&self, duration: Duration) {
        let seconds = duration.as_secs_f64();
        let bucket = BOUNDS_S.iter().position(|bound| seconds <= *bound).unwrap_or(BOUNDS_S.len());
        if let Some(bucket) = self.buckets.get(bucket) {
            bucket.count();
        }
        self.sum_us.add(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX));
    }
}

/// Values of one label that are told apart.
pub const LABELS_MAX: usize = 192;

/// Upper bounds of the buckets, in seconds.
const BOUNDS_S: [f64; 10] = [0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.1, 0.5, 2.5, 10.0];

/// Writes the Prometheus text exposition format 0.0.4.
#[derive(Debug, Default)]
pub struct Text {
    out: String,
}

impl Text {
    /// The whole text.
    pub fn finish(self) -> String {
        self.out
    }

    /// Begins a metric: its help and its type.
    pub fn metric(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.out, "# HELP {name} {}\n# TYPE {name} {kind}", help.trim());
    }

    /// One sample with labels.
    pub fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        self.out.push_str(name);
        for (index, (label, value)) in labels.iter().enumerate() {
            self.out.push(if index == 0 { '{' } else { ',' });
            let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            let _ = write!(self.out, "{label}=\"{value}\"");
        }
        let _ = writeln!(self.out, "{} {value}", if labels.is_empty() { "" } else { "}" });
    }

    fn histogram(&mut self, name: &str, histogram: &Histogram) {
        let mut so_far = 0;
        for (index, counter) in histogram.buckets.iter().enumerate() {
            so_far += counter.value();
            let bound = BOUNDS_S.get(index).map_or("+Inf".to_owned(), f64::to_string);
            self.sample(&format!("{name}_bucket"), &[("le", &bound)], so_far);
        }
        #[expect(clippy::cast_precision_loss, reason = "a sum of durations, for people")]
        let sum = histogram.sum_us.value() as f64 / 1e6;
        self.sample(&format!("{name}_sum"), &[], sum);
        self.sample(&format!("{name}_count"), &[], so_far);
    }
}

/// How a field of [`Metrics`] is written.
pub(crate) trait Exposed {
    fn expose(&self, text: &mut Text, name: &'static str, label: &'static str, help: &str);
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

impl Exposed for Histogram {
    fn expose(&self, text: &mut Text, name: &'static str, _: &'static str, help: &str) {
        text.metric(name, "histogram", help);
        text.histogram(name, self);
    }
}

macro_rules! metrics {
    ($( $(#[doc = $doc:literal])+ $name:ident: $Type:ty $(, by $label:literal)?; )+) => {
        /// Every counter of the gateway's own threads, one field a metric of the same name.
        #[derive(Debug, Default)]
        pub struct Metrics { $( $(#[doc = $doc])+ pub $name: $Type, )+ }

        impl Metrics {
            /// Adds all of them to a text.
            pub fn write(&self, text: &mut Text) {
                $( self.$name.expose(text, stringify!($name), concat!($($label)?), concat!($($doc),+)); )+
            }
        }
    };
}

metrics! {
    /// SIP datagrams received. Compare with what the peers say they send.
    signaling_datagrams_received_total: Counter;
    /// SIP datagrams sent.
    signaling_datagrams_sent_total: Counter;
    /// SIP datagrams not sent or not taken, by reason. Anything but a few needs a look at sockets and peers.
    signaling_datagrams_dropped_total: Labelled, by "reason";
    /// Streams (TCP and TLS) opened, by who opened them.
    transport_streams_opened_total: Labelled, by "side";
    /// Streams refused or closed by us, by reason.
    transport_streams_closed_total: Labelled, by "reason";
    /// Streams open now.
    transport_streams_open: Gauge;
    /// Of those, streams over TLS.
    transport_tls_streams_open: Gauge;
    /// TLS handshakes that have begun and not ended.
    transport_tls_handshakes_open: Gauge;
    /// TLS handshakes that came to an end, by version.
    transport_tls_handshakes_done_total: Labelled, by "version";
    /// TLS handshakes that failed, by reason. The log says more (debug), of our own calls as a warning.
    transport_tls_handshakes_failed_total: Labelled, by "reason";
    /// Time from a TLS connection to agreed keys.
    transport_tls_handshake_seconds: Histogram;
    /// Certificates issued on demand for names that peers asked for.
    transport_tls_certificates_issued_total: Counter;
    /// Bytes waiting to be written to streams now.
    transport_write_queue_bytes: Gauge;
    /// Bytes received on streams.
    transport_bytes_received_total: Counter;
    /// Bytes sent on streams.
    transport_bytes_sent_total: Counter;
    /// Requests refused, by the rule that fired. The log and the call's timeline say more.
    signaling_refusals_requests_total: Labelled, by "rule";
    /// Calls begun, by direction.
    signaling_calls_started_total: Labelled, by "direction";
    /// Calls ended, by final status.
    signaling_calls_ended_total: Labelled, by "status";
    /// Registrations at carriers that came about or failed, by outcome. The log names trunk and reason.
    signaling_trunk_registrations_total: Labelled, by "outcome";
    /// Faults inside, by place. Every one needs a person.
    signaling_faults_total: Labelled, by "place";
    /// Errors and warnings written to accounts, by kind.
    signaling_notifications_written_total: Labelled, by "kind";
    /// Inputs dropped because a queue between threads was full, by queue. Means overload.
    signaling_queue_inputs_dropped_total: Labelled, by "queue";
    /// Turns of the signaling thread that used up their budget and left work for the next.
    signaling_budget_turns_total: Counter;
    /// Times that more came in than was worked on, so that new calls were refused.
    signaling_overloads_total: Counter;
    /// 1 while new calls are refused for that.
    signaling_overloaded: Gauge;
    /// Time one turn of the signaling thread took.
    signaling_turn_seconds: Histogram;
    /// Webhook requests handed to the client.
    signaling_webhooks_requests_total: Counter;
    /// Webhook results, by result.
    signaling_webhooks_results_total: Labelled, by "result";
    /// R factor of each leg that ended (ITU-T G.107): what its party said, as it reached us. Below 70: look at the network.
    media_leg_r_factor: Spread<RFactors>;
    /// Mean opinion score estimated from the R factor.
    media_leg_mos: Spread<OpinionScores>;
    /// Packets of a leg that never came, in percent.
    media_leg_loss_percent: Spread<Percent>;
    /// Interarrival jitter at the end of a leg.
    media_leg_jitter_milliseconds: Spread<Milliseconds>;
    /// Last round trip of a leg, from RTCP. Only peers that send reports have one.
    media_leg_round_trip_milliseconds: Spread<Milliseconds>;
    /// From the start of a leg to its first packet.
    media_leg_first_packet_milliseconds: Spread<Milliseconds>;
    /// Times that a party began to sound bad, or good again.
    media_leg_verdicts_total: Labelled, by "verdict";
    /// HTTP requests answered, by status class.
    http_requests_answered_total: Labelled, by "status";
    /// HTTP requests refused before the API saw them, by reason.
    http_requests_refused_total: Labelled, by "reason";
    /// HTTP requests in work now.
    http_requests_open: Gauge;
    /// Time from a request's last byte to its answer.
    http_request_seconds: Histogram;
    /// Changes committed, by outcome.
    store_changes_total: Labelled, by "outcome";
    /// Changes waiting for the store now. Near 10,000 REST writes get 503.
    store_queue_changes: Gauge;
    /// Bytes of history that waits for the store now. Stays up while it cannot write: look at the disk.
    store_history_waiting_bytes: Gauge;
    /// Rows of history lost, as more came than may wait while the store could not write.
    store_history_rows_lost_total: Counter;
    /// Time from taking a group of changes to its commit being on disk.
    store_commit_seconds: Histogram;
    /// Changes in one commit, summed; divide by the count of store_commit_seconds.
    store_commit_changes_total: Counter;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_has_help_type_and_samples_in_prometheus_form() {
        let metrics = Metrics::default();
        metrics.signaling_refusals_requests_total.count("acl_miss");
        metrics.signaling_refusals_requests_total.add("unknown_domain", 2);
        metrics.store_commit_seconds.observe(Duration::from_millis(3));
        metrics.store_queue_changes.add(2);
        let mut text = Text::default();
        metrics.write(&mut text);
        let text = text.finish();
        assert!(text.contains("# TYPE signaling_refusals_requests_total counter\n"), "{text}");
        assert!(text.contains("signaling_refusals_requests_total{rule=\"acl_miss\"} 1\n"));
        assert!(text.contains("signaling_refusals_requests_total{rule=\"unknown_domain\"} 2\n"));
        assert!(text.contains("store_queue_changes 2\n"));
        assert!(text.contains("store_commit_seconds_bucket{le=\"0.0025\"} 0\n"), "{text}");
        assert!(text.contains("store_commit_seconds_bucket{le=\"0.005\"} 1\n"));
        assert!(text.contains("store_commit_seconds_bucket{le=\"+Inf\"} 1\n"));
        assert!(text.contains("store_commit_seconds_sum 0.003\n"));
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            assert_eq!(line.split(' ').count(), 2, "{line}");
        }
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

    #[test]
    fn label_values_are_escaped() {
        let mut text = Text::default();
        text.sample("x", &[("a", "q\"\\\n")], 1);
        assert_eq!(text.finish(), "x{a=\"q\\\"\\\\\\n\"} 1\n");
    }
}
