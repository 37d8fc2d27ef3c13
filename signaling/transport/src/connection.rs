//! One connection, TCP or TLS: its socket, its state, its write queue. Shell.
//!
//! It only does I/O on its own socket. Deadlines, counts and messages to signaling are the loop's, which
//! sees all connections. Bytes wait in `outgoing` as whole messages, in TLS too: a record is made only
//! when the one before is with the kernel, so that `queued_bytes` counts everything that waits.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr};

use mio::net::TcpStream;
use shared::Instant;
use sip::{Flow, SendToken};

use crate::session::{Legacy, Session};
use crate::step::{ReadOutcome, Step, StepRead};

/// A connection of the transport thread.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) socket: TcpStream,
    pub(crate) flow: Flow,
    pub(crate) state: State,
    /// `None` over plain TCP.
    pub(crate) tls: Option<Session>,
    /// The sends that may use it again. It holds the name that the peer has proved, where we opened it
    /// over TLS.
    pub(crate) reuse_key: ReuseKey,
    /// Begin of the time in which bytes wait and the kernel takes none; `None`: no bytes wait.
    stalled_since: Option<Instant>,
    /// Bytes may be waiting in the kernel: mio reports only new ones.
    pub(crate) readable: bool,
    /// Its place in the queue of handshakes; `None`: it is not in it.
    pub(crate) turn: Option<HandshakeTurn>,
    outgoing: VecDeque<Queued>,
    /// Unwritten bytes in `outgoing`.
    pub(crate) queued_bytes: usize,
}

/// Sends with equal keys share a connection. A peer that has to prove another name, or that has to see us
/// at another address, gets another connection.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ReuseKey {
    pub(crate) transport: shared::Transport,
    pub(crate) remote: SocketAddr,
    /// TLS: the name that the peer has to prove; `None`: its address.
    pub(crate) host: Option<String>,
    /// The address that the connection leaves from; `None`: the kernel's choice.
    pub(crate) source: Option<IpAddr>,
}

/// A place in the queue of handshakes: begun ones first, then by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct HandshakeTurn {
    pub(crate) is_new: bool,
    pub(crate) number: u64,
}

/// Where a connection is in its life. `lib.rs` draws the transitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Opened by us, not up yet; given up at the deadline.
    Connecting { deadline: Instant, token: SendToken },
    /// TLS keys are being agreed on; given up at the deadline. The token is that of the send that
    /// opened the connection; an accepted one has none.
    Handshaking { begun: Instant, deadline: Instant, token: Option<SendToken> },
    /// Accepted and up, without a byte received; closed at the deadline.
    Silent { deadline: Instant },
    /// In use.
    Open,
    /// Signaling has asked for its end; closed when the write queue is empty, or at the deadline.
    Closing { deadline: Instant },
}

#[derive(Debug)]
struct Queued {
    bytes: Box<[u8]>,
    written: usize,
    token: SendToken,
}

impl Connection {
    pub(crate) fn new(socket: TcpStream, flow: Flow, state: State, reuse_key: ReuseKey) -> Self {
        Self {
            socket,
            flow,
            state,
            tls: None,
            reuse_key,
            stalled_since: None,
            readable: false,
            turn: None,
            outgoing: VecDeque::new(),
            queued_bytes: 0,
        }
    }

    /// Whether bytes go out and come in.
    pub(crate) fn is_up(&self) -> bool {
        match self.state {
            State::Connecting { .. } | State::Handshaking { .. } => false,
            State::Silent { .. } | State::Open | State::Closing { .. } => true,
        }
    }

    /// Whether TLS keys are being agreed on.
    pub(crate) const fn is_handshaking(&self) -> bool {
        matches!(self.state, State::Handshaking { .. })
    }

    /// Whether nothing waits to be written, TLS records included.
    pub(crate) fn is_drained(&self) -> bool {
        self.queued_bytes == 0 && self.outgoing.is_empty()
    }

    /// Begin of the time in which bytes wait and the kernel takes none; `None`: no bytes wait.
    pub(crate) const fn stalled_since(&self) -> Option<Instant> {
        self.stalled_since
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        match self.state {
            State::Connecting { deadline, .. }
            | State::Handshaking { deadline, .. }
            | State::Silent { deadline }
            | State::Closing { deadline } => Some(deadline),
            State::Open => None,
        }
    }

    pub(crate) fn enqueue(&mut self, bytes: Box<[u8]>, token: SendToken) {
        self.queued_bytes += bytes.len();
        self.outgoing.push_back(Queued { bytes, written: 0, token });
    }

    /// Writes what the kernel takes, and returns the number of bytes of SIP in it.
    ///
    /// # Errors
    /// When the connection is broken.
    pub(crate) fn write(&mut self, now: Instant) -> io::Result<usize> {
        let written = match self.tls {
            None => self.write_plain(),
            Some(_) => self.write_records(),
        }?;
        if self.is_drained() {
            self.stalled_since = None;
        } else if written > 0 || self.stalled_since.is_none() {
            self.stalled_since = Some(now);
        }
        Ok(written)
    }

    fn write_plain(&mut self) -> io::Result<usize> {
        let mut total = 0;
        while let Some(first) = self.outgoing.front_mut() {
            let rest = first.bytes.get(first.written..).unwrap_or_default();
            match self.socket.write(rest) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => {
                    total += count;
                    self.queued_bytes = self.queued_bytes.saturating_sub(count);
                    first.written += count;
                    if first.written >= first.bytes.len() {
                        self.outgoing.pop_front();
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(total)
    }

    /// Makes one record at a time, so that waiting bytes are counted here and not hidden inside TLS. A
    /// message stays in the queue until its last record is with the kernel.
    fn write_records(&mut self) -> io::Result<usize> {
        let Some(session) = &mut self.tls else { return Ok(0) };
        let mut total = 0;
        while session.flush(&mut self.socket)? {
            if self.outgoing.front().is_some_and(|first| first.written >= first.bytes.len()) {
                self.outgoing.pop_front();
            }
            let Some(first) = self.outgoing.front_mut() else { break };
            let rest = first.bytes.get(first.written..).unwrap_or_default();
            let count = session.take(rest)?;
            if count == 0 && !rest.is_empty() {
                return Err(io::ErrorKind::WriteZero.into());
            }
            total += count;
            self.queued_bytes = self.queued_bytes.saturating_sub(count);
            first.written += count;
        }
        Ok(total)
    }

    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> ReadOutcome {
        let outcome = match &mut self.tls {
            None => read_plain(&mut self.socket, buffer),
            Some(session) => session.read(&mut self.socket, buffer),
        };
        if outcome == ReadOutcome::WouldBlock {
            self.readable = false;
        }
        outcome
    }

    /// Goes on with the TLS handshake with the bytes that the socket has.
    pub(crate) fn shake_hands(&mut self, buffer: &mut [u8], legacy: Legacy<'_>) -> Step {
        let Some(session) = &mut self.tls else { return Step::Gone };
        let StepRead { step, is_blocked } = session.shake_hands(&mut self.socket, buffer, legacy);
        self.readable &= !is_blocked;
        step
    }

    /// Writes the rest of a handshake message.
    ///
    /// # Errors
    /// When the connection is broken.
    pub(crate) fn flush_handshake(&mut self) -> io::Result<()> {
        match &mut self.tls {
            Some(session) => session.flush(&mut self.socket).map(drop),
            None => Ok(()),
        }
    }

    /// Sends the close_notify of TLS (RFC 8446 §6.1); nothing over plain TCP.
    pub(crate) fn close_tls(&mut self) {
        if let Some(session) = &mut self.tls {
            session.close(&mut self.socket);
        }
    }

    /// The sends that are not written completely, in order.
    pub(crate) fn unsent(&self) -> impl Iterator<Item = SendToken> {
        self.outgoing.iter().map(|queued| queued.token).filter(|token| *token != SendToken::NOBODY)
    }
}

fn read_plain(socket: &mut TcpStream, buffer: &mut [u8]) -> ReadOutcome {
    loop {
        match socket.read(buffer) {
            Ok(0) => return ReadOutcome::Gone,
            Ok(count) => return ReadOutcome::Bytes(count),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                return ReadOutcome::WouldBlock;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return ReadOutcome::Gone,
        }
    }
}
