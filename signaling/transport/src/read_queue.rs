//! Which connections may be read, and in which order. Shell.
//!
//! mio reports new readiness once and never reports bytes that were left in the kernel, so the thread
//! keeps its own record of connections that may have more. There are two queues, because their
//! costs differ a thousandfold: a read of an open connection copies at most 16 KiB, a step of a handshake
//! may cost a signature. The loop reads every open connection once in a turn, and steps few handshakes.

use std::collections::BTreeSet;

use crate::connection::{Connection, HandshakeTurn};
use crate::session::Session;

/// Connections that may have something to read.
#[derive(Debug, Default)]
pub(crate) struct ReadQueue {
    /// Open connections, by key. The order is arbitrary but the same in every run.
    open: BTreeSet<usize>,
    /// Connections that wait for the next step of their handshake, in the order of these steps.
    handshakes: BTreeSet<(HandshakeTurn, usize)>,
    next_turn: u64,
}

impl ReadQueue {
    pub fn is_empty(&self) -> bool {
        self.open.is_empty() && self.handshakes.is_empty()
    }

    /// Queues a connection that may have something to read. Among handshakes, one that has begun goes
    /// before all new ones: it needs few more steps, and its cost is lost if it times out. The
    /// others keep the order in which they came.
    pub fn add(&mut self, key: usize, connection: &mut Connection) {
        if !connection.is_handshaking() {
            self.open.insert(key);
        } else if connection.turn.is_none() {
            let is_new = !connection.tls.as_ref().is_some_and(Session::has_begun);
            let turn = HandshakeTurn { is_new, number: self.next_turn };
            self.next_turn += 1;
            connection.turn = Some(turn);
            self.handshakes.insert((turn, key));
        }
    }

    /// Open connections with something to read, as of now.
    pub fn open(&self) -> Vec<usize> {
        self.open.iter().copied().collect()
    }

    /// An open connection has nothing more to read.
    pub fn exhausted(&mut self, key: usize) {
        self.open.remove(&key);
    }

    /// Takes the connection whose handshake goes on next.
    pub fn next_handshake(&mut self) -> Option<usize> {
        self.handshakes.pop_first().map(|(_, key)| key)
    }

    /// Forgets a connection that is closed.
    pub fn remove(&mut self, key: usize, connection: &Connection) {
        self.open.remove(&key);
        if let Some(turn) = connection.turn {
            self.handshakes.remove(&(turn, key));
        }
    }
}
