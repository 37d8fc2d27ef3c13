//! TCP and TLS for a handset: the gateway's own transport thread, without a listener. Shell.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::Receiver;

use shell::{Doorbell, Sender, bounded};
use sip::{CloseReason, FlowId, SendFailure, SendToken};
use transport::tls::{ClientTls, TlsParts};
use transport::{Down, Peer, Transport, TransportConfig, TransportHandle, Up};

/// The transport between a handset and its server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum PhoneTransport {
    /// The phone's SIP socket sends the datagrams.
    #[default]
    Udp,
    /// A TCP connection.
    Tcp,
    /// A TLS connection to a server that must prove this name or address.
    Tls {
        /// A host name, or an address as text.
        host: String,
    },
}

impl PhoneTransport {
    /// UDP, TCP or TLS, without the name to prove.
    pub const fn kind(&self) -> shared::Transport {
        match self {
            Self::Udp => shared::Transport::Udp,
            Self::Tcp => shared::Transport::Tcp,
            Self::Tls { .. } => shared::Transport::Tls,
        }
    }

    /// The name that the server must prove; `None` without TLS.
    pub fn host(&self) -> Option<String> {
        match self {
            Self::Udp | Self::Tcp => None,
            Self::Tls { host } => Some(host.clone()),
        }
    }
}

/// A transport thread and both of its queues.
pub(super) struct Connections {
    down: Sender<Down>,
    up: Receiver<Up>,
    doorbell: Doorbell,
    handle: Option<TransportHandle>,
}

impl Connections {
    /// Starts the thread; it wakes `poll` with `token`. TLS trusts the system's authorities and those of
    /// the file `ca`.
    pub fn start(poll: &mio::Poll, token: mio::Token, ca: Option<&Path>) -> io::Result<Self> {
        let doorbell = Doorbell::new(poll, token)?;
        let (sender, up) = bounded(UP_MAX, &doorbell);
        let config = TransportConfig::default();
        let opened = Transport::open(config, Arc::default(), Arc::default(), sender);
        let (mut transport, down) = opened.map_err(|(_, error)| error)?;
        let client = ClientTls::new(ca, [], None).map_err(io::Error::other)?;
        transport.set_tls(TlsParts { server: None, client });
        let handle = Some(transport.run(down.clone())?);
        Ok(Self { down, up, doorbell, handle })
    }

    /// The events since the last call.
    pub fn take(&self) -> Vec<Up> {
        self.doorbell.answer();
        self.up.try_iter().collect()
    }

    pub fn send(&self, flow: FlowId, bytes: Box<[u8]>, token: SendToken) -> Option<SendFailure> {
        self.down(Down::Send { flow, bytes, token })
    }

    pub fn send_to(&self, peer: Peer, bytes: Box<[u8]>, token: SendToken) -> Option<SendFailure> {
        self.down(Down::SendTo { peer, bytes, token })
    }

    pub fn close(&self, flow: FlowId, reason: CloseReason) {
        let _ = self.down(Down::Close { flow, reason });
    }

    fn down(&self, message: Down) -> Option<SendFailure> {
        self.down.send(message).err().map(|_| SendFailure::QueueFull)
    }
}

impl Drop for Connections {
    fn drop(&mut self) {
        if let Some(handle) = self.handle.take() {
            handle.stop();
        }
    }
}

/// Events that may wait: a phone has one or two connections.
const UP_MAX: usize = 256;
