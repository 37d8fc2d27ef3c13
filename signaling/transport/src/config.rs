//! Bounds and addresses of the transport thread. Shell.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// Bounds and addresses of the transport thread.
#[derive(Clone, Debug)]
pub struct TransportConfig {
    /// `sip.tcp`.
    pub listen: Vec<SocketAddr>,
    /// `sip.tls`.
    pub listen_tls: Vec<SocketAddr>,
    /// `node.public_address`, where it is set: the local address that connections show.
    pub public_address: Option<IpAddr>,
    /// Listeners of edges: the local address that their connections show.
    pub edges: control::Edges,
    /// `sip.connections_max`.
    pub connections_max: usize,
    /// `sip.connections_source_max`.
    pub connections_source_max: usize,
    /// TLS connections of one source that have not agreed on keys.
    pub handshakes_source_max: usize,
    /// Time that a TLS handshake may take. Past it the connection is closed.
    pub handshake_for_max: Duration,
    /// Time that a connection may take none of the waiting bytes. Past it it is closed.
    pub stalled_for_max: Duration,
    /// Bytes that may wait on one connection. Past it the connection is closed.
    pub write_queue_bytes_max: usize,
    /// Bytes that may wait on all connections together. Past it the connection that would add more is
    /// closed.
    pub write_queues_bytes_max: usize,
    /// Time in which an accepted connection must send something. Past it it is closed.
    pub silent_for_max: Duration,
    /// Time to open a connection. Past it it has failed.
    pub connect_for_max: Duration,
}

impl Default for TransportConfig {
    fn default() -> Self {
        Self {
            listen: Vec::new(),
            listen_tls: Vec::new(),
            public_address: None,
            edges: control::Edges::default(),
            connections_max: shared::limits::CONNECTIONS_MAX,
            connections_source_max: shared::limits::CONNECTIONS_SOURCE_MAX,
            handshakes_source_max: shared::limits::CONNECTION_HANDSHAKES_SOURCE_MAX,
            handshake_for_max: Duration::from_millis(
                shared::limits::CONNECTION_HANDSHAKE_MS.into(),
            ),
            stalled_for_max: Duration::from_millis(shared::limits::CONNECTION_STALLED_MS.into()),
            write_queue_bytes_max: shared::limits::CONNECTION_WRITE_QUEUE_BYTES_MAX,
            write_queues_bytes_max: shared::limits::CONNECTION_WRITE_QUEUES_BYTES_MAX,
            silent_for_max: Duration::from_millis(shared::limits::CONNECTION_SILENT_MS.into()),
            connect_for_max: Duration::from_millis(shared::limits::CONNECTION_OPEN_MS.into()),
        }
    }
}
