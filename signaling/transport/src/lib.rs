//! The transport thread: TCP and TLS connections of SIP. Bytes up, bytes down; framing is the user agent's. Shell.
//!
//! It owns listeners and connections and knows nothing of SIP. It bounds how many connections there
//! are, in all and of one source, and how much waits to be written; it closes a connection that says
//! nothing, and gives handshakes of TLS only a few steps a turn, so that connections that are up
//! have the rest. Connections that are slow or idle in terms of SIP are closed by the user agent
//! (`Effect::CloseFlow`). When the signaling thread is behind, reading stops: TCP then slows the peers down.
//!
//! The life of a connection (`State` in `stream.rs`):
//!
//! ```text
//! connect ──> Connecting ──TCP──────────────────────────> Open ──> Closing
//!                  └─TLS──> Handshaking ────────────────────^
//! accept ───TLS──> Handshaking ──> Silent ──first byte──────┘
//!        ───TCP──────────────────────^
//! ```
//!
//! `Connecting`, `Handshaking`, `Silent` and `Closing` have a deadline each; `Open` ends by its peer, by the
//! user agent, or because it takes nothing of what waits for it.

#![deny(unsafe_code)]

mod config;
mod handshakes;
mod message;
mod metrics;
mod session;
mod step;
mod stream;
#[cfg(test)]
mod tests;
mod thread;
pub mod tls;
mod tls_side;

pub use config::TransportConfig;
pub use message::{Down, Peer, Up};
pub use metrics::TransportMetrics;
pub use thread::{Transport, TransportHandle};
