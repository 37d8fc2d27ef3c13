//! Whether the signaling thread is overloaded, separately for datagrams and connections. Sans-IO.
//!
//! Overload is time, not depth: a burst that is read within 250 ms is no reason to refuse calls, however
//! long its queue. The two kinds are apart because they are read apart: a flood over TCP waits in its own
//! queue and delays no phone on UDP.

use std::time::Duration;

use shared::Instant;
use sip::Overload;

/// Since when each kind of input was left over at the end of every turn.
#[derive(Debug, Default)]
pub struct Load {
    datagrams_since: Option<Instant>,
    connections_since: Option<Instant>,
    overload: Overload,
}

impl Load {
    /// The state after the last turn.
    pub const fn overload(&self) -> Overload {
        self.overload
    }

    /// Call once at the end of each turn, with whether inputs of each kind still wait.
    pub fn turned(
        &mut self,
        now: Instant,
        datagrams_wait: bool,
        connections_wait: bool,
    ) -> Overload {
        self.overload = Overload {
            datagrams: is_behind(&mut self.datagrams_since, now, datagrams_wait),
            connections: is_behind(&mut self.connections_since, now, connections_wait),
        };
        self.overload
    }
}

fn is_behind(since: &mut Option<Instant>, now: Instant, waits: bool) -> bool {
    if !waits {
        *since = None;
        return false;
    }
    now.since(*since.get_or_insert(now)) >= OVERLOADED_AFTER
}

/// Below the 500 ms after which a client retransmits (RFC 3261 T1), so a refusal leaves before the copy
/// comes.
const OVERLOADED_AFTER: Duration = Duration::from_millis(250);

#[cfg(test)]
mod tests {
    use super::*;

    const NEITHER: Overload = Overload { datagrams: false, connections: false };

    #[test]
    fn a_flood_on_connections_is_not_an_overload_of_datagrams() {
        let mut load = Load::default();
        assert_eq!(load.turned(Instant::from_millis(10_000), false, true), NEITHER);
        assert_eq!(load.turned(Instant::from_millis(10_249), false, true), NEITHER);
        let connections = Overload { connections: true, ..NEITHER };
        assert_eq!(load.turned(Instant::from_millis(10_250), false, true), connections);
        assert_eq!(load.overload(), connections);
    }

    #[test]
    fn a_turn_that_leaves_nothing_over_ends_the_overload() {
        let mut load = Load::default();
        load.turned(Instant::from_millis(1_000), true, true);
        assert!(load.turned(Instant::from_millis(2_000), true, true).datagrams);
        let connections = Overload { connections: true, ..NEITHER };
        assert_eq!(load.turned(Instant::from_millis(2_001), false, true), connections);
        assert_eq!(load.turned(Instant::from_millis(2_002), true, false), NEITHER);
    }
}
