//! The kernel's fast path: bridged legs whose audio a BPF program relays, with no socket in between.
//!
//! ```text
//!   interface --frame--> program, XDP or tc hook --+-> interface of the peer
//!                          |  reads and writes    |
//!                          |  [word|figures|rule] | all else
//!                          |    a leg, shared     v
//!                     gateway: give, take      sockets
//! ```
//!
//! The program and its array of legs live in the kernel: [`FastPath`] creates or adopts them, attaches the
//! program to interfaces, and renews the lease without which the program relays nothing. The tc hook is the tier
//! everywhere; the XDP hook lies below it where the settings ask for it and a driver can, relays what it is
//! certain of, and leaves the rest to the tc hook (`drivers.rs`, `neighbour.rs`). An [`Entry`] is one
//! leg in that array. Giving a leg and taking it back are stores to shared memory, not system calls, so a media
//! core may do both (ARCHITECTURE.md, I2). What the program does is in `media/io/bpf/relay.c`, how the two
//! sides agree on each packet in [`word`], and the model of all their interleavings beside it.
//!
//! With a folder for pins the maps and links outlive the process: legs that were given go on until the lease
//! ends, and the next process adopts them. [`FastPath::close`] leaves nothing behind.

mod attachments;
mod drivers;
mod entry;
mod error;
mod fast_path;
mod frames;
mod hook;
mod image;
#[cfg(test)]
mod interleavings;
mod keeper;
mod layout;
mod link;
mod neighbour;
mod netdev;
mod netlink;
mod objects;
mod pins;
mod program;
mod route;
mod rule;
mod service;
mod syscall;
#[cfg(test)]
mod tests;
pub(crate) mod tier;
mod word;

pub use attachments::InterfaceMeters;
pub use entry::{Entry, Figures, NotGiven};
pub use error::{KernelError, Missing, Step};
pub use fast_path::{FastPath, FastPathConfig, Found};
pub use frames::{DropAll, FrameRun, FrameWay, FramesRun, drop_all};
pub use hook::Hook;
pub use keeper::LEASE;
pub use objects::Object;
pub use rule::{Excluded, Family, Ineligible, Route, Rule};
pub use service::{Service, pins_for, probe};
pub use tier::LEG_BYTES;
pub use word::Word;
