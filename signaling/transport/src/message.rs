//! The words between the signaling thread and the transport thread. Shell.

use std::net::{IpAddr, SocketAddr};

use shared::Instant;
use sip::{CloseReason, Flow, FlowId, SendFailure, SendToken};

use crate::tls::{Minted, TlsParts};

/// A peer that we send to over a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// TCP or TLS.
    pub transport: shared::Transport,
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
