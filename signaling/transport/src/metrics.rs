//! The counters of the transport thread. Shell.

use shell::{Counter, Gauge, Histogram, Labelled, Seconds};

shell::metrics! {
    /// Connections, handshakes and bytes, one field a metric of the same name.
    pub struct TransportMetrics {
        /// TCP and TLS connections opened, by the side that opened them.
        transport_streams_opened_total: Labelled, by "side";
        /// Connections that we refused or closed, by reason.
        transport_streams_closed_total: Labelled, by "reason";
        /// Connections open now.
        transport_streams_open: Gauge;
        /// Of those, connections over TLS.
        transport_tls_streams_open: Gauge;
        /// TLS handshakes that have begun and not ended.
        transport_tls_handshakes_open: Gauge;
        /// TLS handshakes that came to an end, by version.
        transport_tls_handshakes_done_total: Labelled, by "version";
        /// TLS handshakes that failed, by reason. The log says more (debug), of our own calls as a warning.
        transport_tls_handshakes_failed_total: Labelled, by "reason";
        /// Time from a TLS connection to agreed keys.
        transport_tls_handshake_seconds: Histogram<Seconds>;
        /// Certificates issued on demand for names that peers asked for.
        transport_tls_certificates_issued_total: Counter;
        /// Bytes waiting to be written to connections now.
        transport_write_queue_bytes: Gauge;
        /// Bytes received on connections.
        transport_bytes_received_total: Counter;
        /// Bytes sent on connections.
        transport_bytes_sent_total: Counter;
    }
}
