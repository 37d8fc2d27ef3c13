//! Flows: where a message came from, and where one goes. Sans-IO: ids and addresses, no sockets.

use std::net::SocketAddr;

use shared::Transport;

/// A UDP listener's socket, or one TCP or TLS connection. Chosen by the shell, never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FlowId(pub u64);

/// One peer seen over one socket or connection: what a received message carries besides its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flow {
    /// The socket or connection.
    pub id: FlowId,
    /// Its transport.
    pub transport: Transport,
    /// The address to advertise towards that peer in Contact and Via.
    pub local: SocketAddr,
    /// The peer's address as the socket saw it. The only source address that is ever trusted.
    pub remote: SocketAddr,
}

/// Where one of our requests goes: one result of RFC 3263.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    /// Its transport.
    pub transport: Transport,
    /// Address and port of the peer.
    pub remote: SocketAddr,
    /// The address to advertise towards that peer.
    pub local: SocketAddr,
    /// The UDP listener or the open connection to use; `None`: any UDP listener, or connect.
    pub flow: Option<FlowId>,
    /// The name that a TLS certificate of the peer must carry.
    pub host: Option<String>,
}

impl Destination {
    /// The way back along the flow of a received message.
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

/// Where the shell sends the bytes of an `Effect::Send`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SendTo {
    /// One datagram, from this listener, or from any of the right address family.
    Datagram {
        /// The listener; `None`: any.
        socket: Option<FlowId>,
        /// Address and port of the peer.
        remote: SocketAddr,
    },
    /// Onto an open connection; `Input::SendFailed` when it is gone.
    Flow(FlowId),
    /// Onto a connection to that address: an open or opening one, else a new one.
    Connect {
        /// TCP or TLS.
        transport: Transport,
        /// Address and port of the peer.
        remote: SocketAddr,
        /// Our address in the message. A new connection is bound to it, where it is one of the
        /// machine's.
        local: SocketAddr,
        /// The name to expect in a TLS certificate.
        host: Option<String>,
    },
}

/// Names a send for `Input::SendFailed`. Zero is never reported: nobody waits for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SendToken(pub u64);

impl SendToken {
    /// A send whose failure is not reported.
    pub const NOBODY: Self = Self(0);
}

/// Reasons why bytes did not go out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendFailure {
    /// The connection was refused, or not established in time.
    Unreachable,
    /// The connection was established, but TLS on it failed.
    Tls(shared::TlsFailure),
    /// The connection closed before the bytes were written.
    Closed,
    /// The connection's write queue is full (the shell closes it).
    QueueFull,
    /// The system refused the datagram (size, family, permission).
    Refused,
}

/// Reasons for closing a connection, for the log and counters of the shell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// The bytes break a rule of framing, or a message exceeds a limit.
    Framing,
    /// A message was not complete in time, or none came at all.
    Slow,
    /// No call and no message for the idle time.
    Idle,
    /// The peer answered pings before, and stopped.
    Wedged,
    /// All connections together hold too many bytes of unfinished messages, and this one added the
    /// last.
    NoRoom,
    /// Its source exceeds its rate limit, or it carries more pings than any peer needs.
    Flood,
}

/// Where the responses of one request go (RFC 3261 §18.2.2, RFC 3581 §4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ReplyRoute {
    /// The flow of the request.
    pub flow: Flow,
    /// Destination of a datagram, or of a new connection where the old one is gone.
    pub address: SocketAddr,
}

impl ReplyRoute {
    /// The way back of a request whose top Via has its source noted.
    pub fn of(flow: Flow, via: Option<&crate::via::Via>) -> Self {
        // Only the port is what the sender claims: the address was overwritten with what the socket
        // saw.
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
