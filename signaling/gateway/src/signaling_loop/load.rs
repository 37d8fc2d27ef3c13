//! Whether the signaling thread is behind, and by which way. Sans-IO.

use std::time::Duration;

use shared::Instant;
use sip::Overload;

/// Since when each way has had something waiting at the end of every turn.
#[derive(Debug, Default)]
pub struct Load {
    datagrams_since: Option<Instant>,
    connections_since: Option<Instant>,
    overload: Overload,
}

impl Load {
    /// As of the last turn.
    pub const fn overload(&self) -> Overload {
        self.overload
    }

    /// To be told at the end of each turn what still waits.
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

/// Behind for so long: what waits next is refused before it is 500 ms old.
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
    fn one_turn_that_leaves_nothing_ends_it() {
        let mut load = Load::default();
        load.turned(Instant::from_millis(1_000), true, true);
        assert!(load.turned(Instant::from_millis(2_000), true, true).datagrams);
        let connections = Overload { connections: true, ..NEITHER };
        assert_eq!(load.turned(Instant::from_millis(2_001), false, true), connections);
        assert_eq!(load.turned(Instant::from_millis(2_002), true, false), NEITHER);
    }
}
