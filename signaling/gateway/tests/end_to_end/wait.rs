//! Waiting: each wait has a deadline, and says what it waited for.
//!
//! A test waits for an event where there is one: a request of the gateway ([`crate::application`]), a line of a
//! program ([`crate::program`]), a packet. Resources, metrics and the sockets of other programs change without an
//! event; tests look at them here, again and again.

use std::net::TcpStream;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(20);
const BETWEEN_LOOKS: Duration = Duration::from_millis(20);

/// Looks until there is something to return; panics after 20 s with what was there instead.
#[track_caller]
pub fn found<T>(what: &str, mut look: impl FnMut() -> Result<T, String>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match look() {
            Ok(found) => return found,
            Err(instead) => assert!(Instant::now() < deadline, "no {what} in 20 s: {instead}"),
        }
        std::thread::sleep(BETWEEN_LOOKS);
    }
}

/// Looks until this holds.
#[track_caller]
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    found(what, || if holds() { Ok(()) } else { Err("it does not hold".to_owned()) });
}

/// A connection to a port of this machine, as soon as a program listens there.
#[track_caller]
pub fn connected(port: u16) -> TcpStream {
    found("listener", || TcpStream::connect(("127.0.0.1", port)).map_err(|error| error.to_string()))
}

/// A clock that ticks at equal distances, as the media clock of a phone does.
///
/// A tick that comes late is made up for by one interval at most, so that a test that got no CPU for a while does
/// not send a burst that overflows a socket.
pub struct Pace {
    next: Instant,
    interval: Duration,
}

impl Pace {
    pub fn every_ms(milliseconds: u64) -> Self {
        let interval = Duration::from_millis(milliseconds);
        Self { next: Instant::now() + interval, interval }
    }

    /// Waits for the next tick.
    pub fn tick(&mut self) {
        let now = Instant::now();
        std::thread::sleep(self.next.saturating_duration_since(now));
        self.next = (self.next + self.interval).max(now);
    }
}
