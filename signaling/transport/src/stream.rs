//! One stream, TCP or TLS: its socket, its write queue, its deadlines. Shell.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr};

use mio::net::TcpStream;
use shared::Instant;
use sip::{Flow, SendToken};

use crate::session::{Legacy, Session};
use crate::step::{ReadOutcome, Step, StepRead};

/// A stream of the transport thread.
#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) socket: TcpStream,
    pub(crate) flow: Flow,
    pub(crate) state: State,
    /// `None` on a plain TCP stream.
    pub(crate) tls: Option<Session>,
    /// What it is used again for; with the name that the peer has proved, where we opened it over TLS.
    pub(crate) connection: Connection,
    /// Since when bytes wait and the kernel takes none.
    stalled_since: Option<Instant>,
    /// Bytes may be waiting in the kernel: mio tells of new ones only.
    pub(crate) readable: bool,
    /// Where its handshake stands among those that wait for a step of ours.
    pub(crate) queued: Option<HandshakeTurn>,
    outgoing: VecDeque<Queued>,
    /// Unwritten bytes in `outgoing`.
    pub(crate) queued_bytes: usize,
}

/// What a connection is used again for: a peer that has proved another name, or that is to see us at
/// another address, gets another one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Connection {
    pub(crate) transport: shared::Transport,
    pub(crate) remote: SocketAddr,
    pub(crate) host: Option<String>,
    /// The address it leaves from; `None`: the kernel's choice.
    pub(crate) source: Option<IpAddr>,
}

/// A place among the handshakes that wait: begun ones first, then in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct HandshakeTurn {
    pub(crate) is_new: bool,
    pub(crate) number: u64,
}

/// Where a stream is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Opened by us, not up yet; given up at the deadline.
    Connecting { deadline: Instant, token: SendToken },
    /// TLS keys are being agreed on; given up at the deadline. The token is that of the send that
    /// opened the stream; an accepted one has none.
    Handshaking { begun: Instant, deadline: Instant, token: Option<SendToken> },
    /// Accepted, and not a byte has come; closed at the deadline.
    Silent { deadline: Instant },
    /// In use.
    Open,
    /// In use no more; closed when the queue is empty.
    Closing { deadline: Instant },
}

#[derive(Debug)]
struct Queued {
    bytes: Box<[u8]>,
    written: usize,
    token: SendToken,
}

impl Stream {
    pub(crate) fn new(socket: TcpStream, flow: Flow, state: State, connection: Connection) -> Self {
        Self {
            socket,
            flow,
            state,
            tls: None,
            connection,
            stalled_since: None,
            readable: false,
            queued: None,
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

    /// Whether nothing waits to be written, records of TLS included.
    pub(crate) fn is_drained(&self) -> bool {
        self.queued_bytes == 0 && self.outgoing.is_empty()
    }

    /// Since when bytes wait and the kernel takes none.
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

    /// Writes what the kernel takes; how many bytes of SIP that was.
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

    /// One record at a time, so that what waits is counted here and not inside of TLS. A message stays
    /// in the queue until its last record is with the kernel.
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

    /// Goes on with the handshake of TLS by what the socket has.
    pub(crate) fn shake_hands(&mut self, buffer: &mut [u8], legacy: Legacy<'_>) -> Step {
        let Some(session) = &mut self.tls else { return Step::Gone };
        let StepRead { step, is_blocked } = session.shake_hands(&mut self.socket, buffer, legacy);
        self.readable &= !is_blocked;
        step
    }

    /// Writes what is left of a handshake message.
    ///
    /// # Errors
    /// When the connection is broken.
    pub(crate) fn flush_handshake(&mut self) -> io::Result<()> {
        match &mut self.tls {
            Some(session) => session.flush(&mut self.socket).map(drop),
            None => Ok(()),
        }
    }

    /// Ends TLS in order, where there is any.
    pub(crate) fn say_goodbye(&mut self) {
        if let Some(session) = &mut self.tls {
            session.close(&mut self.socket);
        }
    }

    /// The sends that will not happen any more, in order.
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
