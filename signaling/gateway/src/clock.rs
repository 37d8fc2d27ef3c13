//! The one place on the signaling side that reads a clock. Shell.

use std::time::{SystemTime, UNIX_EPOCH};

use shared::{Instant, Now};

/// A clock that all threads of a gateway share; its origin is when it was made.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: std::time::Instant,
}

impl Clock {
    /// A clock that starts at zero now.
    #[allow(clippy::disallowed_methods, reason = "the shell reads the clock for everybody")]
    pub fn start() -> Self {
        Self { origin: std::time::Instant::now() }
    }

    /// Monotonic time.
    pub fn mono(&self) -> Instant {
        Instant::from_nanos(u64::try_from(self.origin.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }

    /// Both clocks.
    pub fn now(&self) -> Now {
        Now { mono: self.mono(), unix_ms: unix_ms() }
    }
}

/// Milliseconds since 1970 UTC.
#[allow(clippy::disallowed_methods, reason = "the shell reads the clock for everybody")]
pub fn unix_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
