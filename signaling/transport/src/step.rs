//! Steps of a handshake and outcomes of reads: the words between a connection and its TLS. Shell.
//!
//! Below the sessions of rustls and of OpenSSL, which both answer in them.

use crate::tls::TlsFault;

/// Where a handshake stands after something was read.
pub(crate) enum Step {
    /// It needs more bytes.
    More,
    /// The peer has said which name it wants, if any: `Session::serve` goes on.
    Named(Option<String>),
    /// Done: bytes of SIP may go both ways.
    Done(Agreed),
    /// The peer closed the connection, or it broke.
    Gone,
    /// It failed; the alert, if there is one, is sent.
    Failed(TlsFault),
}

/// The version that a handshake agreed on, as a label.
pub(crate) type Agreed = &'static str;

/// The step that one read of the socket allowed.
pub(crate) struct StepRead {
    pub(crate) step: Step,
    /// The socket has nothing more; mio reports when it does.
    pub(crate) is_blocked: bool,
}

impl StepRead {
    pub(crate) const fn more(step: Step) -> Self {
        Self { step, is_blocked: false }
    }

    pub(crate) const fn blocked(step: Step) -> Self {
        Self { step, is_blocked: true }
    }
}

/// The outcome of reading from a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ReadOutcome {
    /// The buffer holds this number of bytes.
    Bytes(usize),
    /// The socket has nothing more.
    WouldBlock,
    /// The peer closed, or the connection broke.
    Gone,
    /// The peer breaks the rules of TLS.
    Failed(TlsFault),
}
