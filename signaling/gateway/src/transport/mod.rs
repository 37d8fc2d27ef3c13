//! The transport thread: TCP and TLS streams of SIP. Bytes up, bytes down; framing is the user agent's. Shell.
//!
//! It owns listeners and streams and knows nothing of SIP. What it guards: how many streams there
//! are, how many of one source, how much waits to be written, that a stream speaks at all, and that
//! handshakes of TLS leave time for the streams that are up.
//! Streams that are slow or idle in terms of SIP are closed by the user agent (`Effect::CloseFlow`).
//! When the signaling thread is behind, reading stops: TCP then slows the peers down.

mod session;
mod stream;
mod thread;
mod tls;

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

#[cfg(feature = "legacy-tls")]
pub(crate) use session::{Step, StepRead};
#[cfg(feature = "legacy-tls")]
pub(crate) use stream::ReadOutcome;
pub use thread::{Transport, TransportHandle};

use shared::Instant;
use sip::{CloseReason, Flow, FlowId, SendFailure, SendToken};

use crate::tls::{Minted, TlsParts};

/// A peer that we send to over a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// TCP or TLS.
    pub transport: sip::Transport,
    /// Its address.
    pub remote: SocketAddr,
    /// TLS: the name that its certificate must carry; `None`: its address.
    pub host: Option<String>,
    /// The address that the message shows it: decides where a connection leaves from.
    pub local: SocketAddr,
}

/// Down to the transport thread.
#[derive(Debug)]
pub enum Down {
    /// Onto an open stream. When it is gone: [`Up::SendFailed`].
    Send {
        /// The stream.
        flow: FlowId,
        /// A whole message.
        bytes: Box<[u8]>,
        /// Names the send.
        token: SendToken,
    },
    /// Onto a stream to that peer: one that is open or opening, else a new one.
    SendTo {
        /// The peer.
        peer: Peer,
        /// A whole message.
        bytes: Box<[u8]>,
        /// Names the send.
        token: SendToken,
    },
    /// Close a stream after what was queued before is written, or at once if nothing is.
    Close {
        /// The stream.
        flow: FlowId,
        /// For the counters.
        reason: CloseReason,
    },
    /// A leaf for a name that a peer asked for.
    Minted(Minted),
    /// TLS as the settings want it now. Streams that are up stay as they are.
    Tls(Box<TlsParts>),
    /// Sources that something vouches for (a registration, a digest): the limit on the streams of one
    /// source does not bind this one until then.
    Vouched {
        /// The source.
        source: IpAddr,
        /// Until when.
        until: Instant,
    },
    /// End the thread.
    Stop,
}

/// Up to the signaling thread.
#[derive(Debug)]
pub enum Up {
    /// A stream is up.
    Opened {
        /// The stream.
        flow: Flow,
        /// The send that asked for it; `None` for an accepted one.
        token: Option<SendToken>,
    },
    /// Bytes came.
    Received {
        /// The stream.
        flow: Flow,
        /// As they came.
        bytes: Box<[u8]>,
    },
    /// A stream is gone. Told for every [`Up::Opened`], exactly once.
    Closed {
        /// The stream.
        flow: FlowId,
    },
    /// A peer that connected over TLS was refused for a reason that its account has to know.
    TlsRefused {
        /// The peer.
        source: SocketAddr,
        /// The name that it asked for.
        name: Option<String>,
        /// Why.
        failure: shared::TlsFailure,
    },
    /// Bytes did not go out.
    SendFailed {
        /// Which.
        token: SendToken,
        /// Why.
        reason: SendFailure,
    },
}

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
    /// `sip.streams_max`.
    pub streams_max: usize,
    /// `sip.streams_source_max`.
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
            streams_max: shared::limits::STREAMS_MAX,
            streams_source_max: shared::limits::STREAMS_SOURCE_MAX,
            handshakes_source_max: shared::limits::STREAM_HANDSHAKES_SOURCE_MAX,
            handshake_for_max: Duration::from_millis(shared::limits::STREAM_HANDSHAKE_MS.into()),
            stalled_for_max: Duration::from_millis(shared::limits::STREAM_STALLED_MS.into()),
            write_queue_bytes_max: shared::limits::STREAM_WRITE_QUEUE_BYTES_MAX,
            write_queues_bytes_max: shared::limits::STREAM_WRITE_QUEUES_BYTES_MAX,
            silent_for_max: Duration::from_millis(shared::limits::STREAM_SILENT_MS.into()),
            connect_for_max: Duration::from_millis(shared::limits::STREAM_CONNECT_MS.into()),
        }
    }
}

#[cfg(test)]
mod tests;
