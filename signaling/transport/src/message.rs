//! Messages between the signaling thread and the transport thread. Shell.

use std::net::{IpAddr, SocketAddr};

use shared::Instant;
use sip::{CloseReason, Flow, FlowId, SendFailure, SendToken};

use crate::tls::{Minted, TlsParts};

/// A peer that we send to over a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// TCP or TLS.
    pub transport: shared::Transport,
    /// The address to connect to.
    pub remote: SocketAddr,
    /// TLS: the name that its certificate must carry; `None`: its address.
    pub host: Option<String>,
    /// The address that the message shows the peer (Via, Contact): decides where a connection leaves
    /// from.
    pub local: SocketAddr,
}

/// Commands for the transport thread.
#[derive(Debug)]
pub enum Down {
    /// Send on an open connection. When it is closed: [`Up::SendFailed`].
    Send {
        /// The connection.
        flow: FlowId,
        /// A whole message.
        bytes: Box<[u8]>,
        /// Names the send in [`Up::SendFailed`] and [`Up::Opened`].
        token: SendToken,
    },
    /// Send to a peer, on a connection that is open or opening, else on a new one.
    SendTo {
        /// The peer.
        peer: Peer,
        /// A whole message.
        bytes: Box<[u8]>,
        /// Names the send in [`Up::SendFailed`] and [`Up::Opened`].
        token: SendToken,
    },
    /// Close a connection once its queued messages are written.
    Close {
        /// The connection.
        flow: FlowId,
        /// The label of the counter.
        reason: CloseReason,
    },
    /// A certificate was issued for a name that a peer asked for.
    Minted(Minted),
    /// New certificates and trust. Open connections keep theirs.
    Tls(Box<TlsParts>),
    /// A registration or a digest vouches for a source: the limits per source do not bind it
    /// until then.
    Vouched {
        /// Its address.
        source: IpAddr,
        /// When the limits bind it again.
        until: Instant,
    },
    /// End the thread.
    Stop,
}

/// Events for the signaling thread.
#[derive(Debug)]
pub enum Up {
    /// A connection is up.
    Opened {
        /// The connection.
        flow: Flow,
        /// The send that opened it; `None`: the peer did.
        token: Option<SendToken>,
    },
    /// Bytes were received, with the borders that the network gave them.
    Received {
        /// The connection.
        flow: Flow,
        /// At most 16 KiB.
        bytes: Box<[u8]>,
    },
    /// A connection is closed. Follows each [`Up::Opened`] exactly once.
    Closed {
        /// The connection.
        flow: FlowId,
    },
    /// A peer that connected over TLS was refused for a reason that its account can mend.
    TlsRefused {
        /// The peer.
        source: SocketAddr,
        /// The name that it asked for (SNI).
        name: Option<String>,
        /// Why.
        failure: shared::TlsFailure,
    },
    /// A message was not sent, or not completely.
    SendFailed {
        /// The send.
        token: SendToken,
        /// Why.
        reason: SendFailure,
    },
}
