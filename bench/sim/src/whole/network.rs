//! The network between phones and the gateway: datagrams that are lost, doubled and delayed, TCP
//! connections, and NATs that forget both.
//!
//! It owns what neither end knows: the address behind which each phone appears, connections that are dead
//! before either side notices, and the losses of each message. It decides what arrives and when; the world
//! schedules that. No message is lost more than [`LOSSES_MAX`] times, however often it is sent. So it is
//! certain what each party must have seen in the end, and the model can state it exactly.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use shared::Transport;
use sip::FlowId;
use store::BindingRecord;

use crate::rng::Rng;

/// How bad the network is. Chances are in a thousand.
#[derive(Clone, Copy, Debug, Default)]
pub struct Weather {
    loss: u64,
    copies: u64,
    /// Random delay on top of 10 ms: it reorders.
    jitter_ms: u64,
}

impl Weather {
    /// One of three: perfect, bad, very bad.
    pub fn random(rng: &mut Rng) -> Self {
        match rng.below(3) {
            0 => Self::default(),
            1 => Self { loss: 50, copies: 50, jitter_ms: 40 },
            _ => Self { loss: 300, copies: 150, jitter_ms: 300 },
        }
    }
}

/// Where a phone appears to the gateway.
struct Mapping {
    /// The phone's own address, or that of its NAT.
    public: SocketAddr,
    is_behind_nat: bool,
}

/// One TCP connection of a phone to the gateway.
#[derive(Clone, Copy, Debug)]
pub struct Connection {
    pub party: usize,
    /// The phone's address as the gateway sees it.
    pub remote: SocketAddr,
    /// A NAT forgot it, or the gateway's process died: nothing passes, and no side knows it yet.
    pub is_dead: bool,
}

/// All paths between phones and the gateway.
pub struct Network {
    weather: Weather,
    /// By party.
    mappings: Vec<Mapping>,
    connections: BTreeMap<FlowId, Connection>,
    last_connection: u64,
    /// Losses of each message so far, by source and [`signature`].
    losses: BTreeMap<(SocketAddr, String), u8>,
}

impl Network {
    /// Phones at their own addresses, some of them behind a NAT.
    pub fn new(weather: Weather, phones: impl Iterator<Item = (SocketAddr, bool)>) -> Self {
        let mapping = |(number, (own, is_behind_nat)): (u8, (SocketAddr, bool))| {
            // Two phones a NAT: one address, different ports.
            let port = 20_000 + 1_000 * u16::from(number);
            let nat = SocketAddr::from(([203, 0, 113, 1 + number / 2], port));
            Mapping { public: if is_behind_nat { nat } else { own }, is_behind_nat }
        };
        Self {
            weather,
            mappings: (0..).zip(phones).map(mapping).collect(),
            connections: BTreeMap::new(),
            last_connection: 1_000,
            losses: BTreeMap::new(),
        }
    }

    /// The source of a phone's datagrams as the gateway sees it.
    pub fn public(&self, party: usize) -> SocketAddr {
        self.mappings[party].public
    }

    /// The phone that datagrams to an address reach.
    pub fn party_at(&self, public: SocketAddr) -> Option<usize> {
        self.mappings.iter().position(|mapping| mapping.public == public)
    }

    /// The source of whatever a phone sends, over the transport that it uses.
    pub fn source(
        &self,
        party: usize,
        transport: Transport,
        connection: Option<FlowId>,
    ) -> SocketAddr {
        match (transport, connection.and_then(|id| self.connections.get(&id))) {
            (Transport::Tcp | Transport::Tls, Some(connection)) => connection.remote,
            _ => self.public(party),
        }
    }

    /// The NAT in front of a phone forgets it: datagrams to its old port are lost, and what it sends
    /// next comes from another one. Its connection dies, and no side knows it.
    pub fn forget_mapping(&mut self, party: usize, connection: Option<FlowId>) {
        let mapping = &mut self.mappings[party];
        if mapping.is_behind_nat {
            mapping.public.set_port(mapping.public.port() + 1);
        }
        if let Some(connection) = connection.and_then(|id| self.connections.get_mut(&id)) {
            connection.is_dead = true;
        }
    }

    /// A phone has another address of its own.
    pub fn moved(&mut self, party: usize, own: SocketAddr) {
        let mapping = &mut self.mappings[party];
        match mapping.is_behind_nat {
            true => mapping.public.set_port(mapping.public.port() + 1),
            false => mapping.public = own,
        }
    }

    /// After what time each copy of a datagram arrives; empty where it is lost.
    pub fn copies(&mut self, from: SocketAddr, bytes: &[u8], rng: &mut Rng) -> Vec<Duration> {
        if rng.permille(self.weather.loss) {
            let losses = self.losses.entry((from, signature(bytes))).or_default();
            if *losses < LOSSES_MAX {
                *losses += 1;
                return Vec::new();
            }
        }
        let copies = 1 + u64::from(rng.permille(self.weather.copies));
        let delay = |_| Duration::from_millis(10 + rng.below(self.weather.jitter_ms + 1));
        (0..copies).map(delay).collect()
    }

    /// A phone connects to the gateway.
    pub fn connect(&mut self, party: usize) -> FlowId {
        self.last_connection += 1;
        let id = FlowId(self.last_connection);
        let port = u16::try_from(30_000 + self.last_connection % 30_000).unwrap_or(30_000);
        let remote = SocketAddr::new(self.public(party).ip(), port);
        self.connections.insert(id, Connection { party, remote, is_dead: false });
        id
    }

    /// A connection, dead or alive.
    pub fn connection(&self, id: FlowId) -> Option<Connection> {
        self.connections.get(&id).copied()
    }

    /// A connection that was never accepted.
    pub fn refuse(&mut self, id: FlowId) {
        self.connections.remove(&id);
    }

    /// The gateway's process dies, and its ends of all connections with it.
    pub fn gateway_killed(&mut self) -> Vec<FlowId> {
        self.connections.values_mut().for_each(|connection| connection.is_dead = true);
        self.connections.keys().copied().collect()
    }

    /// The next process knows no connection of the one before.
    pub fn gateway_restarted(&mut self) {
        self.connections.retain(|_, connection| !connection.is_dead);
    }

    /// Whether what the gateway sends towards a binding reaches a phone now.
    pub fn reaches(
        &self,
        party: usize,
        connection: Option<FlowId>,
        binding: &BindingRecord,
    ) -> bool {
        match binding.transport {
            Transport::Udp => binding.remote == self.public(party),
            Transport::Tcp | Transport::Tls => {
                let connection = connection.and_then(|id| self.connections.get(&id));
                connection.is_some_and(|connection| {
                    !connection.is_dead && connection.remote == binding.remote
                })
            }
        }
    }

    /// Whether what a phone sends arrives: it does not notice at once that its connection is dead.
    pub fn carries(&self, connection: Option<FlowId>) -> bool {
        let connection = connection.and_then(|id| self.connections.get(&id));
        connection.is_none_or(|connection| !connection.is_dead)
    }
}

/// What every copy of a message has in common: its first line, Call-ID and CSeq.
fn signature(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut lines = text.split("\r\n");
    let mut signature = lines.next().unwrap_or_default().to_owned();
    let named = lines.filter(|line| line.starts_with("Call-ID:") || line.starts_with("CSeq:"));
    named.take(2).for_each(|line| signature.push_str(line));
    signature
}

/// Losses of one message, at most.
const LOSSES_MAX: u8 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    const INVITE: &[u8] = b"INVITE sip:a@b SIP/2.0\r\nCall-ID: 1\r\nCSeq: 1 INVITE\r\n\r\n";

    fn network(is_behind_nat: bool) -> Network {
        let own = SocketAddr::from(([10, 0, 1, 0], 5060));
        let weather = Weather { loss: 1_000, copies: 0, jitter_ms: 0 };
        Network::new(weather, std::iter::once((own, is_behind_nat)))
    }

    #[test]
    fn a_message_is_lost_twice_at_most() {
        let (mut network, mut rng) = (network(false), Rng::new(1));
        let from = network.public(0);
        let arrives = [0; 4].map(|_| network.copies(from, INVITE, &mut rng).len());
        assert_eq!(arrives, [0, 0, 1, 1]);
    }

    #[test]
    fn a_nat_that_forgets_shows_another_port_and_kills_the_connection() {
        let mut network = network(true);
        let (before, connection) = (network.public(0), network.connect(0));
        network.forget_mapping(0, Some(connection));
        assert_eq!(network.public(0).port(), before.port() + 1);
        assert_eq!((network.party_at(before), network.carries(Some(connection))), (None, false));
    }
}
