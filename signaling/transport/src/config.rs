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
    /// `node.public_address`, where it is set: what streams say their local address is.
    pub public_address: Option<IpAddr>,
    /// Listeners of other edges: what streams that come by them say.
    pub edges: control::Edges,
    /// `sip.connections_max`.
    pub streams_max: usize,
    /// `sip.connections_source_max`.
    pub streams_source_max: usize,
    /// Of those, TLS streams that have not agreed on keys.
    pub handshakes_source_max: usize,
    /// TLS that has not agreed on keys after so long is closed.
    pub handshake_for_max: Duration,
    /// A stream that takes none of what waits for so long is closed.
    pub stalled_for_max: Duration,
    /// Bytes that may wait on one stream. Past it the stream is closed.
    pub write_queue_bytes_max: usize,
    /// Bytes that may wait on all streams together.
    pub write_queues_bytes_max: usize,
    /// An accepted stream that has sent nothing for so long is closed.
    pub silent_for_max: Duration,
    /// A connection that has not come about after so long has failed.
    pub connect_for_max: Duration,
}

impl Default for TransportConfig {
    fn default() -> Self {
        Self {
            listen: Vec::new(),
            listen_tls: Vec::new(),
            public_address: None,
            edges: control::Edges::default(),
            streams_max: shared::limits::CONNECTIONS_MAX,
            streams_source_max: shared::limits::CONNECTIONS_SOURCE_MAX,
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
