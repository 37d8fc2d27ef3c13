//! No relay: every party sends to the parties' own socket, or to one at the relay's end of the way. What the generator
//! and the sockets of both ends cost on their own, which every relay's figures hold as well.

use std::net::SocketAddr;

use super::relay::Relay;
use crate::schedstat::Thread;

/// The way without a relay.
pub(super) struct Direct {
    targets: Vec<SocketAddr>,
}

impl Direct {
    /// All streams to the socket at this address.
    pub fn new(to: SocketAddr, streams: usize) -> Self {
        Self { targets: vec![to; streams] }
    }
}

impl Relay for Direct {
    fn targets(&self) -> &[SocketAddr] {
        &self.targets
    }

    fn threads(&self) -> &[Thread] {
        &[]
    }
}
