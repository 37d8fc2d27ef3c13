//! SIGTERM, SIGINT and SIGHUP as values, on a thread of their own. Shell.

use std::io;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// A wish of the operator, sent as a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// First SIGTERM or SIGINT: take no new calls, end when the live ones have.
    Drain,
    /// Second SIGTERM or SIGINT: end at once, records written.
    End,
    /// SIGHUP: read the settings again.
    Reload,
}

/// Calls `hear` for every signal, on a thread of its own, until the process ends.
///
/// # Errors
/// When the handlers cannot be installed.
pub fn listen(mut hear: impl FnMut(Asked) + Send + 'static) -> io::Result<()> {
    let mut signals = Signals::new([SIGTERM, SIGINT, SIGHUP])?;
    let mut draining = false;
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        for signal in signals.forever() {
            let asked = match signal {
                SIGHUP => Asked::Reload,
                _ if draining => Asked::End,
                _ => Asked::Drain,
            };
            draining |= asked == Asked::Drain;
            hear(asked);
        }
    })?;
    Ok(())
}
