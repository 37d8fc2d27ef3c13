//! The counters of the HTTP server. Shell.

use shell::{Counter, Gauge, Histogram, Labelled, Seconds};

shell::metrics! {
    /// Requests by outcome and time, one field a metric of the same name.
    pub struct HttpMetrics {
        /// HTTP requests answered, by status class.
        http_requests_answered_total: Labelled, by "status";
        /// HTTP requests refused before the API saw them, by reason.
        http_requests_refused_total: Labelled, by "reason";
        /// Tunnels begun through the proxy listener.
        http_proxy_tunnels_total: Counter;
        /// HTTP requests in work now.
        http_requests_open: Gauge;
        /// Event streams open now.
        http_event_streams_open: Gauge;
        /// Event streams ended because their client read too slowly.
        http_event_streams_slow_total: Counter;
        /// Time from a request's last byte to its answer.
        http_request_seconds: Histogram<Seconds>;
    }
}
