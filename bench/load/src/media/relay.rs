//! The face of every measured relay, ours and their peers. Pure.

use std::io;
use std::net::{IpAddr, SocketAddr};

use shared::{Codec, SrtpKey, SrtpKeys, SrtpMaster, SrtpSuite};

use crate::schedstat::Thread;

/// A relay between the two parties of each call, already set up.
pub(crate) trait Relay {
    /// Destination of each stream's party.
    fn targets(&self) -> &[SocketAddr];

    /// SRTP keys of each stream's party, in that party's view; empty where all media is in the clear.
    fn keys(&self) -> &[Option<SrtpKeys>] {
        &[]
    }

    /// Threads whose CPU time is the cost.
    fn threads(&self) -> &[Thread];

    /// Whether the relay has reached the state to be measured. Asked while packets flow.
    ///
    /// # Errors
    /// It does not say; the sentence says why.
    fn is_settled(&self) -> Result<bool, String> {
        Ok(true)
    }

    /// Packets that the kernel relayed so far; `None` where it relays none.
    ///
    /// # Errors
    /// The relay does not say; the sentence says why.
    fn packets_below(&self) -> Result<Option<u64>, String> {
        Ok(None)
    }

    /// Checks the relay's own counters at rest.
    ///
    /// # Errors
    /// Packets are unaccounted for; the sentence says which.
    fn conserve(&self) -> Result<(), String> {
        Ok(())
    }
}

/// The calls that every relay is set up for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setup {
    /// Number of directions, two a call; even.
    pub streams: usize,
    /// Codecs of the two parties of a call.
    pub codecs: [Codec; 2],
    /// Whether callers speak SRTP; the other party never does.
    pub is_secured: bool,
    /// Address of the socket of both parties.
    pub parties: SocketAddr,
    /// The local address of a relay that has none of its own.
    pub relay: IpAddr,
    /// The CPU to run on.
    pub cpu: usize,
}

/// The key of a stream's party: different for each stream, and not secret.
pub(crate) fn party_key(stream: usize) -> SrtpKey {
    let mut bytes = [0x53; 30];
    bytes.iter_mut().zip(stream.to_be_bytes()).for_each(|(byte, number)| *byte = number);
    SrtpKey { suite: SrtpSuite::AesCm128HmacSha1Tag80, master: SrtpMaster::new(bytes) }
}

/// The reason why a relay could not be set up, as a sentence.
pub(crate) type SetupError = Box<dyn std::error::Error + Send + Sync>;

/// An [`io::Error`] together with the attempt that failed.
pub(crate) fn tried(what: &str) -> impl FnOnce(io::Error) -> SetupError {
    move |error| format!("{what}: {error}").into()
}
