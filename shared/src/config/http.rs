//! `[http]`: REST API, /healthz, /readyz and /metrics. Pure.

use std::net::SocketAddr;

use super::section::section;

section! {
    /// REST API, /healthz, /readyz and /metrics.
    #[derive(Clone, Debug, PartialEq)]
    Http in "http" {
        /// Plain HTTP listeners; port 0 takes a free one.
        listen: Vec<SocketAddr> = "[\"127.0.0.1:8080\"]",
        /// HTTPS listeners, with the certificate of `sip`.
        https: Vec<SocketAddr> = "[]",
        /// Proxy listeners (HTTP CONNECT, or HTTPS directly) that serve api.twilio.com and its siblings as this gateway, with certificates of our own authority. Any other host is refused.
        proxy: Vec<SocketAddr> = "[]",
    }
}
