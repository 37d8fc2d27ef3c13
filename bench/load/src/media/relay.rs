//! What all relays that are measured have in common, ours and their peers.

use std::io;
use std::net::SocketAddr;

use shared::{Codec, SrtpKey, SrtpKeys, SrtpMaster, SrtpSuite};

use crate::schedstat::Thread;

/// Something that relays between the two parties of each call, already set up.
pub(crate) trait Relay {
    /// Where the party of each stream sends.
    fn targets(&self) -> &[SocketAddr];

    /// The SRTP keys of the party of each stream, as that party has them; empty where all is in the clear.
    fn keys(&self) -> &[Option<SrtpKeys>] {
        &[]
    }

    /// The threads whose CPU time is the cost.
    fn threads(&self) -> &[Thread];

    /// Looks at the relay's own counters at rest.
    ///
    /// # Errors
    /// Packets are unaccounted for: says which.
    fn conserve(&self) -> Result<(), String> {
        Ok(())
    }
}

/// What every relay is set up for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setup {
    /// Directions, two a call. Even.
    pub streams: usize,
    /// What the two parties of a call speak.
    pub codecs: [Codec; 2],
    /// Whether callers speak SRTP; the other party never does.
    pub is_secured: bool,
    /// Where both parties are.
    pub parties: SocketAddr,
    /// The CPU to run on.
    pub cpu: usize,
}

/// The key that the party of a stream sends with: another for each, of no secrecy.
pub(crate) fn party_key(stream: usize) -> SrtpKey {
    let mut bytes = [0x53; 30];
    bytes.iter_mut().zip(stream.to_be_bytes()).for_each(|(byte, number)| *byte = number);
    SrtpKey { suite: SrtpSuite::AesCm128HmacSha1Tag80, master: SrtpMaster::new(bytes) }
}

/// A relay could not be set up; a sentence.
pub(crate) type SetupError = Box<dyn std::error::Error + Send + Sync>;

/// An [`io::Error`] with what was tried.
pub(crate) fn tried(what: &str) -> impl FnOnce(io::Error) -> SetupError {
    move |error| format!("{what}: {error}").into()
}
