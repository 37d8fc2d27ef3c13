//! Flows: where a message came from and where one goes. Sans-IO: ids and addresses, no sockets.

use std::net::SocketAddr;

/// A UDP listener's socket, or one TCP or TLS connection. Chosen by the shell, never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FlowId(pub u64);

/// A transport protocol (RFC 3261 §18).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Transport {
    /// Datagrams: the transaction layer retransmits.
    Udp,
    /// A stream: no retransmissions but those of a 2xx.
    Tcp,
    /// A stream over TLS.
    Tls,
}

impl Transport {
    /// Whether the transport delivers by itself, so that a transaction need not retransmit.
    pub const fn is_reliable(self) -> bool {
        match self {
            Self::Udp => false,
            Self::Tcp | Self::Tls => true,
        }
    }

    /// The word in a Via (RFC 3261 §20.42).
    pub const fn via_name(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
            Self::Tls => "TLS",
        }
    }

    /// The value of a URI's `transport` parameter.
    pub const fn parameter(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
        }
    }

    /// The port that a URI or a Via without one means (RFC 3261 §19.1.2).
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Udp | Self::Tcp => 5060,
            Self::Tls => 5061,
        }
    }
}

/// One peer seen over one socket: what a received message carries besides its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flow {
    /// The socket or connection.
    pub id: FlowId,
    /// Its protocol.
    pub transport: Transport,
    /// The address to advertise towards that peer in Contact and Via.
    pub local: SocketAddr,
    /// The peer's address as the socket saw it. Only this is ever believed.
    pub remote: SocketAddr,
}

/// Where a request of ours goes: one line of what RFC 3263 came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    /// The protocol.
    pub transport: Transport,
    /// The peer.
    pub remote: SocketAddr,
    /// The address to advertise towards that peer.
    pub local: SocketAddr,
    /// The UDP listener or the open connection to use; `None`: any UDP listener, or connect.
    pub flow: Option<FlowId>,
    /// The name that a TLS certificate of the peer must carry.
    pub host: Option<String>,
}

impl Destination {
    /// Back along the flow that a message came by.
    pub fn along(flow: Flow) -> Self {
        Self {
            transport: flow.transport,
            remote: flow.remote,
            local: flow.local,
            flow: Some(flow.id),
            host: None,
        }
    }
}

/// What the shell does with the bytes of an `Effect::Send`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SendTo {
    /// One datagram, from this listener or else from any of the right family.
    Datagram {
        /// The listener.
        socket: Option<FlowId>,
        /// The peer.
        remote: SocketAddr,
    },
    /// Onto an open connection. When it is gone: `Input::SendFailed`.
    Flow(FlowId),
    /// Onto a connection to that address: one that is open or opening, else a new one.
    Connect {
        /// TCP or TLS.
        transport: Transport,
        /// The peer.
        remote: SocketAddr,
        /// The address that the message shows: a new connection leaves from there, where that address
        /// is one of the machine's.
        local: SocketAddr,
        /// The name to expect in a TLS certificate.
        host: Option<String>,
    },
}

/// Names a send for `Input::SendFailed`. Zero is never told about: nobody waits for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SendToken(pub u64);

impl SendToken {
    /// A send whose failure changes nothing.
    pub const NOBODY: Self = Self(0);
}

/// Why bytes did not go out. The address was refused, the connection failed, or a queue was full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendFailure {
    /// No connection came about in time, or it was refused.
    Unreachable,
    /// The connection was there, TLS on it was not.
    Tls(shared::TlsFailure),
    /// The connection went away before the bytes were written.
    Closed,
    /// The connection's write queue is full (the shell closes it).
    QueueFull,
    /// The system refused the datagram (size, family, permission).
    Refused,
}

/// Why a connection ends, for the shell's log and counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// Bytes that no framing can be found in, or a message past a limit.
    Framing,
    /// A message was not finished in time, or none came at all.
    Slow,
    /// No call and no message for a long time.
    Idle,
    /// The peer answered pings and does not any more.
    Wedged,
    /// It holds a part of a message, and all streams together hold too much of such.
    NoRoom,
    /// It brings more than its source may ask, or more pings than any peer needs.
    Flood,
}

/// Where the responses of one request go (RFC 3261 §18.2.2, RFC 3581 §4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ReplyRoute {
    /// What the request came by.
    pub flow: Flow,
    /// By datagram to there; where the stream is gone, by a new stream to there.
    pub address: SocketAddr,
}

impl ReplyRoute {
    /// The way back of a request whose top Via has its source noted.
    pub fn of(flow: Flow, via: Option<&crate::via::Via>) -> Self {
        // The address was overwritten with what the socket saw; only the port is the sender's word.
        let port = via.and_then(crate::via::Via::response_address).map(|address| address.port());
        let address = SocketAddr::new(flow.remote.ip(), port.unwrap_or(flow.remote.port()));
        match flow.transport {
            Transport::Udp => Self { flow, address },
            Transport::Tcp | Transport::Tls => {
                let port = via.map_or(flow.transport.default_port(), |via| via.port_or_default());
                Self { flow, address: SocketAddr::new(flow.remote.ip(), port) }
            }
        }
    }
}
