//! Peers that took no TCP lately (RFC 3261 §18.1.1). Sans-IO.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use shared::Instant;

/// Until when large requests go to these peers by UDP. Bounded: past [`PEERS_MAX`] the lowest address
/// is forgotten, and costs one more attempt by TCP.
#[derive(Debug, Default)]
pub(super) struct TcpRefusals(BTreeMap<SocketAddr, Instant>);

impl TcpRefusals {
    /// Whether the peer took no TCP lately.
    pub fn hold(&self, now: Instant, peer: SocketAddr) -> bool {
        self.0.get(&peer).is_some_and(|until| now < *until)
    }

    /// The peer takes no TCP: it gets none for a while.
    pub fn note(&mut self, now: Instant, peer: SocketAddr) {
        if self.0.len() >= PEERS_MAX {
            self.0.pop_first();
        }
        self.0.insert(peer, now + FORGET_AFTER);
    }
}

const PEERS_MAX: usize = 1_024;
const FORGET_AFTER: Duration = Duration::from_secs(600);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_forgotten_in_time_and_their_number_is_bounded() {
        let mut refusals = TcpRefusals::default();
        let peer = |n: u32| SocketAddr::from((n.to_be_bytes(), 5060));
        let now = Instant::ZERO;
        (0..2_000).for_each(|n| refusals.note(now, peer(n)));
        assert_eq!(refusals.0.len(), PEERS_MAX);
        assert!(refusals.hold(now, peer(1_999)));
        assert!(!refusals.hold(now + FORGET_AFTER, peer(1_999)));
    }
}
