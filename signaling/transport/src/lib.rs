//! The transport thread: TCP and TLS connections of SIP (RFC 3261 §18). Shell.
//!
//! Bytes go up to the signaling thread and down from it; framing is the user agent's. The thread bounds
//! connections, in all and per source, and the bytes that wait to be written. It closes a
//! connection that sends nothing after it was accepted. TLS handshakes get a few steps per turn, open
//! connections the rest. The user agent decides which connections are slow or idle in terms of SIP
//! and closes them (`Effect::CloseFlow`). When the signaling thread is behind, reading stops: TCP then
//! slows the peers down.
//!
//! The life of a connection (`State` in `connection.rs`):
//!
//! ```text
//! connect ──> Connecting ──TCP──────────────────────────> Open ──> Closing
//!                  └─TLS──> Handshaking ────────────────────^
//! accept ───TLS──> Handshaking ──> Silent ──first byte──────┘
//!        ───TCP──────────────────────^
//! ```
//!
//! `Connecting`, `Handshaking`, `Silent` and `Closing` each have a deadline. `Open` ends by its peer, by
//! the user agent, or because the peer takes none of the bytes that wait.

#![deny(unsafe_code)]

mod config;
mod connection;
mod connections;
mod message;
mod metrics;
mod read_queue;
mod session;
mod sockets;
mod step;
#[cfg(test)]
mod tests;
mod thread;
pub mod tls;
mod tls_side;
mod uplink;

pub use config::TransportConfig;
pub use message::{Down, Peer, Up};
pub use metrics::TransportMetrics;
pub use thread::{Transport, TransportHandle};
