//! The clock of the process, for the signaling side: the same one that media cores read. Shell.

use shared::{Instant, Now};

/// Reads time. A value, so that what needs a clock says so in its arguments.
#[derive(Clone, Copy, Debug, Default)]
pub struct Clock;

impl Clock {
    /// Monotonic time.
    pub fn mono(self) -> Instant {
        io::clock::now()
    }

    /// Both clocks.
    pub fn now(self) -> Now {
        io::clock::read()
    }

    /// Milliseconds since 1970 UTC.
    pub fn unix_ms(self) -> i64 {
        io::clock::unix_ms()
    }
}
