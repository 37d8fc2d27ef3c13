//! One TCP stream: its socket, its write queue, its deadline. Shell.

use std::collections::VecDeque;
use std::io::{self, Read, Write};

use mio::net::TcpStream;
use shared::Instant;
use sip::{Flow, SendToken};

/// A stream of the transport thread.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) socket: TcpStream,
    pub(super) flow: Flow,
    pub(super) state: State,
    /// Bytes may be waiting in the kernel: mio tells of new ones only.
    pub(super) readable: bool,
    outgoing: VecDeque<Queued>,
    /// Unwritten bytes in `outgoing`.
    pub(super) queued_bytes: usize,
}

/// Where a stream is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Opened by us, not up yet; given up at the deadline.
    Connecting { deadline: Instant, token: SendToken },
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

/// What came of reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ReadOutcome {
    /// So many bytes are in the buffer.
    Bytes(usize),
    /// Nothing now.
    WouldBlock,
    /// The peer closed, or the connection broke.
    Gone,
}

impl Stream {
    pub(super) fn new(socket: TcpStream, flow: Flow, state: State) -> Self {
        Self { socket, flow, state, readable: false, outgoing: VecDeque::new(), queued_bytes: 0 }
    }

    /// Whether bytes go out and come in.
    pub(super) fn is_up(&self) -> bool {
        match self.state {
            State::Connecting { .. } => false,
            State::Silent { .. } | State::Open | State::Closing { .. } => true,
        }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        match self.state {
            State::Connecting { deadline, .. }
            | State::Silent { deadline }
            | State::Closing { deadline } => Some(deadline),
            State::Open => None,
        }
    }

    pub(super) fn enqueue(&mut self, bytes: Box<[u8]>, token: SendToken) {
        self.queued_bytes += bytes.len();
        self.outgoing.push_back(Queued { bytes, written: 0, token });
    }

    /// Writes what the kernel takes; how many bytes that was.
    ///
    /// # Errors
    /// When the connection is broken.
    pub(super) fn write(&mut self) -> io::Result<usize> {
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

    pub(super) fn read(&mut self, buffer: &mut [u8]) -> ReadOutcome {
        loop {
            match self.socket.read(buffer) {
                Ok(0) => return ReadOutcome::Gone,
                Ok(count) => return ReadOutcome::Bytes(count),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.readable = false;
                    return ReadOutcome::WouldBlock;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return ReadOutcome::Gone,
            }
        }
    }

    /// The sends that will not happen any more, in order.
    pub(super) fn unsent(&self) -> impl Iterator<Item = SendToken> {
        self.outgoing.iter().map(|queued| queued.token).filter(|token| *token != SendToken::NOBODY)
    }
}
