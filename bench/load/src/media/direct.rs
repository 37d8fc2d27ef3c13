//! No relay: every party sends to the parties' own socket. What the generator and the sockets of both ends cost on
//! their own, which every relay's figures hold as well.

use std::net::SocketAddr;

use super::relay::{Relay, Setup};
use crate::schedstat::Thread;

/// The way without a relay.
pub(crate) struct Direct {
    targets: Vec<SocketAddr>,
}

impl Direct {
    pub fn new(setup: &Setup) -> Self {
        Self { targets: vec![setup.parties; setup.streams] }
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
