//! The table of connections: one slab, and the indexes that find an entry in it. Shell.
//!
//! A key is a slot of the slab, and the mio token of the socket in it. Slots are used again as soon as
//! they are free; whoever keeps a key over several turns keeps the flow beside it, because flows are
//! never used twice. The indexes change in [`Connections::insert`] and [`Connections::remove`] and
//! nowhere else, so they cannot disagree with the slab.

use std::collections::HashMap;
use std::net::IpAddr;

use shared::source_of;
use sip::FlowId;
use slab::Slab;

use crate::connection::{Connection, ReuseKey};

/// Every connection of the transport thread.
pub(crate) struct Connections {
    slab: Slab<Connection>,
    /// Looked up only, never walked: the order of a `HashMap` differs from run to run.
    by_flow: HashMap<FlowId, usize>,
    by_reuse_key: HashMap<ReuseKey, usize>,
    by_source: HashMap<IpAddr, SourceUse>,
    next_flow: u64,
}

/// What one source address occupies. Sources without a connection have no entry.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SourceUse {
    pub(crate) connections: usize,
    /// Connections that have not agreed on TLS keys.
    pub(crate) handshakes: usize,
}

impl Connections {
    pub fn new() -> Self {
        Self {
            slab: Slab::new(),
            by_flow: HashMap::new(),
            by_reuse_key: HashMap::new(),
            by_source: HashMap::new(),
            next_flow: FIRST_CONNECTION_FLOW,
        }
    }

    pub fn len(&self) -> usize {
        self.slab.len()
    }

    pub fn get(&self, key: usize) -> Option<&Connection> {
        self.slab.get(key)
    }

    pub fn get_mut(&mut self, key: usize) -> Option<&mut Connection> {
        self.slab.get_mut(key)
    }

    pub fn iter(&self) -> impl Iterator<Item = (usize, &Connection)> {
        self.slab.iter()
    }

    pub fn key_of_flow(&self, flow: FlowId) -> Option<usize> {
        self.by_flow.get(&flow).copied()
    }

    /// The newest connection that a send to `reuse_key` may use again.
    pub fn key_to_reuse(&self, reuse_key: &ReuseKey) -> Option<usize> {
        self.by_reuse_key.get(reuse_key).copied()
    }

    /// What the source occupies; `source` as [`source_of`] gives it.
    pub fn source_use(&self, source: IpAddr) -> SourceUse {
        self.by_source.get(&source).copied().unwrap_or_default()
    }

    /// The key that the next [`Connections::insert`] gives, for the socket's registration with mio.
    pub fn next_key(&self) -> usize {
        self.slab.vacant_key()
    }

    /// A flow that no connection has had.
    pub fn next_flow(&mut self) -> FlowId {
        let id = FlowId(self.next_flow);
        self.next_flow += 1;
        id
    }

    pub fn insert(&mut self, connection: Connection) -> usize {
        let flow = connection.flow;
        let reuse_key = connection.reuse_key.clone();
        let key = self.slab.insert(connection);
        self.by_flow.insert(flow.id, key);
        self.by_reuse_key.insert(reuse_key, key);
        self.by_source.entry(source_of(flow.remote.ip())).or_default().connections += 1;
        debug_assert_eq!(self.by_flow.len(), self.slab.len(), "each connection has its own flow");
        key
    }

    pub fn remove(&mut self, key: usize) -> Option<Connection> {
        let connection = self.slab.try_remove(key)?;
        self.by_flow.remove(&connection.flow.id);
        // A newer connection may have taken the place in this index.
        if self.by_reuse_key.get(&connection.reuse_key) == Some(&key) {
            self.by_reuse_key.remove(&connection.reuse_key);
        }
        let source = source_of(connection.flow.remote.ip());
        match self.by_source.get_mut(&source) {
            Some(source) if source.connections > 1 => source.connections -= 1,
            _ => {
                self.by_source.remove(&source);
            }
        }
        debug_assert_eq!(self.by_flow.len(), self.slab.len(), "each connection has its own flow");
        Some(connection)
    }

    /// Counts a handshake of `source` that has begun (+1) or is over (-1).
    pub fn count_handshake(&mut self, source: IpAddr, change: isize) {
        if let Some(source) = self.by_source.get_mut(&source) {
            source.handshakes = source.handshakes.saturating_add_signed(change);
        }
    }
}

/// Flows of connections start here, those of UDP listeners at 0. Both count up and are never used twice.
const FIRST_CONNECTION_FLOW: u64 = 1 << 32;
