//! Counters of the webhook client. One writer each: the client.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use shared::Code;
use shell::Text;

/// Counters since start; read by [`WebhookMeters::snapshot`].
#[derive(Debug, Default)]
pub struct WebhookMeters {
    requests: AtomicU64,
    in_flight: AtomicU64,
    retries: AtomicU64,
    redirects: AtomicU64,
    hosted: AtomicU64,
    connections_opened: AtomicU64,
    connections_reused: AtomicU64,
    cookies_dropped: AtomicU64,
    failures: Mutex<BTreeMap<Code, u64>>,
}

/// The counters at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WebhookCounts {
    /// `webhook_requests_total`: logical requests, retries and redirects not counted again.
    pub requests: u64,
    /// Requests that have begun and not ended, waiting ones included. Near the limits of
    /// `shared::limits::WEBHOOK_*` the application is too slow for the call rate.
    pub in_flight: u64,
    /// `webhook_retries_total`.
    pub retries: u64,
    /// `webhook_redirects_total`.
    pub redirects: u64,
    /// `webhook_hosted_total`: hops that a handler of this process answered, from calls and from outside.
    pub hosted: u64,
    /// `webhook_connections_opened_total`. Growing as fast as `requests` means that the application
    /// closes its connections after each answer.
    pub connections_opened: u64,
    /// `webhook_connections_reused_total`.
    pub connections_reused: u64,
    /// `webhook_cookies_dropped_total`: past the bounds of a call's cookie jar.
    pub cookies_dropped: u64,
    /// `webhook_failures_total` by error code.
    pub failures: BTreeMap<Code, u64>,
}

impl WebhookCounts {
    /// Writes every counter to a page of metrics.
    pub fn write(&self, text: &mut Text) {
        let rows: [(&str, &str, &str, u64); 7] = [
            (
                "webhook_requests_total",
                "counter",
                "Webhooks, retries and redirects not counted again.",
                self.requests,
            ),
            (
                "webhook_requests_open",
                "gauge",
                "Webhooks that have begun and not ended.",
                self.in_flight,
            ),
            ("webhook_retries_total", "counter", "Second attempts.", self.retries),
            ("webhook_redirects_total", "counter", "Redirects followed.", self.redirects),
            (
                "webhook_hosted_total",
                "counter",
                "Requests that handlers of this process answered (hosted call control).",
                self.hosted,
            ),
            (
                "webhook_connections_opened_total",
                "counter",
                "Connections opened. As fast as requests: the application closes each.",
                self.connections_opened,
            ),
            (
                "webhook_connections_reused_total",
                "counter",
                "Requests on a connection that was open.",
                self.connections_reused,
            ),
        ];
        for (name, kind, help, value) in rows {
            text.metric(name, kind, help);
            text.sample(name, &[], value);
        }
        text.metric(
            "webhook_failures_total",
            "counter",
            "Webhooks without a usable answer, by error code.",
        );
        for (code, count) in &self.failures {
            text.sample("webhook_failures_total", &[("code", &code.to_string())], count);
        }
    }
}

impl WebhookMeters {
    /// All counters now.
    pub fn snapshot(&self) -> WebhookCounts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        WebhookCounts {
            requests: read(&self.requests),
            in_flight: read(&self.in_flight),
            retries: read(&self.retries),
            redirects: read(&self.redirects),
            hosted: read(&self.hosted),
            connections_opened: read(&self.connections_opened),
            connections_reused: read(&self.connections_reused),
            cookies_dropped: read(&self.cookies_dropped),
            failures: self.failures.lock().clone(),
        }
    }

    /// Counts the begin of a request; dropping the guard counts its end.
    pub(crate) fn begin(&self) -> InFlight<'_> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        let before = self.in_flight.fetch_add(1, Ordering::Relaxed);
        InFlight { meters: self, number: before + 1 }
    }

    pub(crate) fn retried(&self) {
        self.retries.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn redirected(&self) {
        self.redirects.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn hosted(&self) {
        self.hosted.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn connection_opened(&self) {
        self.connections_opened.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn connection_reused(&self) {
        self.connections_reused.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn cookies_dropped(&self, count: u64) {
        self.cookies_dropped.fetch_add(count, Ordering::Relaxed);
    }

    pub(crate) fn failed(&self, code: Code) {
        *self.failures.lock().entry(code).or_default() += 1;
    }
}

/// One request under way.
pub(crate) struct InFlight<'a> {
    meters: &'a WebhookMeters,
    /// Requests under way, this one included.
    pub(crate) number: u64,
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.meters.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}
