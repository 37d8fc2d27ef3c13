//! The clock of the process for the signaling side. Media cores read this clock, too. Shell.

use shared::{Instant, Now};

/// Reads time. It is a value so that a function that needs a clock has it as an argument.
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
