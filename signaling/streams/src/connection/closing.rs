//! The end of a connection: our close or the server's, and what still comes meanwhile.
//!
//! `Open → Closing` where the close handshake runs, `Open → Draining` where what the server sends is no WebSocket to us any
//! more. Both have a second, and both read a part a turn: a server that goes on sending must not keep the thread.

use std::io::{ErrorKind, Read as _};

use call::StreamEnd;
use shared::{Code, Instant};
use tungstenite::protocol::frame::CloseFrame;
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::{Error, WebSocket};

use super::{CLOSE_MAX, Connection, MESSAGES_A_TURN, State, Step};
use crate::fault;
use crate::socket::Socket;

impl Connection {
    pub(super) fn close_with(&mut self, now: Instant, code: CloseCode, end: StreamEnd) -> Step {
        if let State::Open(socket) = &mut self.state {
            // An error shows at the next read or write; the deadline ends it in any case.
            let _ = socket.close(Some(CloseFrame { code, reason: "".into() }));
        }
        self.closing(now, end)
    }

    /// A message is too long: 1009, and its rest is thrown away so that the server can read our close. The WebSocket
    /// must not be read again after such an error.
    pub(super) fn refuse_more(&mut self, now: Instant, end: StreamEnd) -> Step {
        let State::Open(mut socket) = std::mem::replace(&mut self.state, State::Gone) else {
            return Step::Over(end);
        };
        let _ = socket.close(Some(CloseFrame { code: CloseCode::Size, reason: "".into() }));
        let _ = socket.flush();
        self.due = now + CLOSE_MAX;
        self.stuck = None;
        let step = drains(&mut socket, &end);
        self.state = State::Draining(socket, end);
        step
    }

    /// The close handshake runs: a second is left for it.
    pub(super) fn closing(&mut self, now: Instant, end: StreamEnd) -> Step {
        let State::Open(mut socket) = std::mem::replace(&mut self.state, State::Gone) else {
            return Step::Over(end);
        };
        self.due = now + CLOSE_MAX;
        self.stuck = None;
        let step = closes(&mut socket, &end);
        self.state = State::Closing(socket, end);
        step
    }
}

/// Throws away what still comes, a part a turn.
pub(super) fn drains(socket: &mut WebSocket<Socket>, end: &StreamEnd) -> Step {
    let mut waste = [0; WASTE_BYTES];
    for _ in 0..MESSAGES_A_TURN {
        match socket.get_mut().read(&mut waste) {
            Ok(0) => return Step::Over(end.clone()),
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Step::Stays,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => return Step::Over(end.clone()),
        }
    }
    Step::More
}

/// Reads and writes what is left of a close, a part a turn as above.
pub(super) fn closes(socket: &mut WebSocket<Socket>, end: &StreamEnd) -> Step {
    let _ = socket.flush();
    for _ in 0..MESSAGES_A_TURN {
        match socket.read() {
            // Audio that was under way.
            Ok(_) => {}
            Err(Error::Io(error)) if error.kind() == ErrorKind::WouldBlock => return Step::Stays,
            Err(_) => return Step::Over(end.clone()),
        }
    }
    Step::More
}

/// The end of a stream by the server's close.
pub(super) fn closed_by_peer(frame: Option<&CloseFrame>) -> StreamEnd {
    match frame.map(|frame| (frame.code, frame.reason.as_str())) {
        None | Some((CloseCode::Normal | CloseCode::Away | CloseCode::Status, _)) => {
            StreamEnd::ClosedByPeer
        }
        Some((code, reason)) => {
            let reason: String = reason.chars().take(120).collect();
            let sentence = format!("the server closed with {}: `{reason}`", u16::from(code));
            fault::failed(Code::STREAM_CLOSED, sentence)
        }
    }
}

const WASTE_BYTES: usize = 4_096;
