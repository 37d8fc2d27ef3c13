//! The backends: ways to move the packets of a core between its sockets and its plane.
//!
//! `driver.rs` is their interface; each backend is a folder that implements it and knows no other. The loop
//! of a core is generic over the interface, so a packet costs no dynamic call. The choice falls once, at
//! the start: by setting, and with `Auto` by a probe, because io_uring is denied in many containers. A core
//! whose own ring is refused after the probe (a limit that earlier cores used up) falls back alone, in
//! `start.rs`.

pub(crate) mod driver;
mod portable;
mod uring;

use std::thread::{self, JoinHandle};

use crate::config::{Backend, BackendChoice};
use crate::report::{StartError, StartNote};

pub(crate) use portable::Portable;
pub(crate) use uring::Uring;

/// The backend that works on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// The backend for `BackendChoice::Auto`.
    pub backend: Backend,
    /// The reason that io_uring does not work, with the remedy.
    pub reason: Option<String>,
}

/// Tries io_uring. Takes a few milliseconds.
pub fn probe() -> Probe {
    // On a separate thread: the kernel interrupts the thread that made a ring once more, some time
    // after the ring is closed, and a system call there would fail with EINTR.
    let tried = thread::Builder::new().name("probe".into()).spawn(uring::probe);
    let result = tried.map(JoinHandle::join);
    let failed = || Err("io_uring could not be tried: no thread could be started".into());
    match result.unwrap_or_else(|_| Ok(failed())).unwrap_or_else(|_| failed()) {
        Ok(()) => Probe { backend: Backend::IoUring, reason: None },
        Err(reason) => Probe { backend: Backend::Portable, reason: Some(reason) },
    }
}

/// The backend to open for a choice, and a note where `Auto` falls back to the portable one.
///
/// # Errors
/// [`StartError::IoUringDenied`]: io_uring was asked for by name and does not work here.
pub(crate) fn choose(choice: BackendChoice) -> Result<(Backend, Option<StartNote>), StartError> {
    if choice == BackendChoice::Portable {
        return Ok((Backend::Portable, None));
    }
    match (choice, probe().reason) {
        (_, None) => Ok((Backend::IoUring, None)),
        (BackendChoice::IoUring, Some(reason)) => Err(StartError::IoUringDenied { reason }),
        (_, Some(reason)) => Ok((Backend::Portable, Some(StartNote::Portable { reason }))),
    }
}

/// Packet buffers of either backend and the rings it shares with the kernel: 2,048 buffers of 2.2 KiB, and as many
/// packets under way.
pub(crate) const BYTES: usize = 12 * 1024 * 1024;
