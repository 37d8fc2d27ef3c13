//! One stream's connection: handshake, messages, close.
//!
//! `Handshake → Open → Closing`. A connection that closes, by either side, has a second for the other's word; then
//! the TCP connection goes. An application that takes nothing for ten seconds loses its stream, so that nothing
//! waits for ever.

mod closing;
mod handshake;
#[cfg(test)]
mod tests;

use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use call::StreamEnd;
use call::relay::Making;
use call::stream::StreamPort as _;
use io::FeedWriter;
use mio::{Interest, Registry, Token};
use rustls::ClientConfig;
use shared::{Code, FRAME_SAMPLES, Instant};
use socket2::SockRef;
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::{ClientHandshake, Error, HandshakeError, Message, WebSocket};

use self::closing::{closed_by_peer, closes, drains};
use self::handshake::{config, request};
use crate::fault;
use crate::order::{Attachment, Feed, OpenStream, Speaker};
use crate::port::{Outcome, Port};
use crate::session::Session;
use crate::socket::Socket;

/// A stream of the thread.
#[derive(Debug)]
pub(crate) struct Connection {
    pub session: Session,
    pub speaker: Option<Speaker>,
    pub attachment: Option<Attachment>,
    /// Whether it waits for another turn, because it had more to read than one takes.
    pub has_more: bool,
    state: State,
    /// When the next thing is due: the end of the handshake, of the close, or the next ping.
    due: Instant,
    /// Pings without an answer.
    missed: u8,
    /// Since when the socket has taken nothing although something waits, and the bytes that it had taken by then.
    stuck: Option<(Instant, u64)>,
    was_slow: bool,
}

#[derive(Debug)]
enum State {
    Handshake(Box<tungstenite::handshake::MidHandshake<ClientHandshake<Socket>>>),
    Open(Box<WebSocket<Socket>>),
    Closing(Box<WebSocket<Socket>>, StreamEnd),
    /// Our close is sent, and what the server still sends is no WebSocket to us any more.
    Draining(Box<WebSocket<Socket>>, StreamEnd),
    Gone,
}

/// What a step of a connection led to.
#[derive(Debug)]
pub(crate) enum Step {
    /// Nothing to tell.
    Stays,
    /// The handshake succeeded, and `start` is written.
    Opened,
    /// More can be read: come back.
    More,
    /// It is over.
    Over(StreamEnd),
}

/// The ring of the core that a stream feeds, and the room of the common buffer.
pub(crate) struct Around<'a> {
    pub now: Instant,
    pub feeds: &'a mut [Option<FeedWriter>],
    pub room: usize,
}

impl Connection {
    /// Begins the handshake on a connected socket.
    pub fn begin(
        now: Instant,
        order: OpenStream,
        tls: &Arc<ClientConfig>,
        registry: &Registry,
        token: Token,
    ) -> Result<Self, StreamEnd> {
        let OpenStream { opening, url, signature, user_agent, socket, within, speaker } = order;
        let system = |error: std::io::Error| {
            fault::failed(Code::STREAM_BROKEN, format!("the socket cannot be used: {error}"))
        };
        socket.set_nonblocking(true).map_err(system)?;
        // The kernel would give a server that does not read megabytes, which take minutes to fill.
        SockRef::from(&socket).set_send_buffer_size(SEND_BYTES).map_err(system)?;
        let tcp = mio::net::TcpStream::from_std(socket);
        let mut socket = Socket::new(tcp, &url, tls)
            .map_err(|error| fault::failed(Code::STREAM_TLS, error.to_string()))?;
        let interest = Interest::READABLE | Interest::WRITABLE;
        registry.register(socket.tcp_mut(), token, interest).map_err(system)?;
        let request = request(&url, &signature, &user_agent).map_err(|error| {
            fault::failed(Code::STREAM_URL, format!("the URL cannot be requested: {error}"))
        })?;
        let mut connection = Self {
            session: Session::new(opening),
            speaker,
            attachment: None,
            has_more: false,
            state: State::Gone,
            due: now + within,
            missed: 0,
            stuck: None,
            was_slow: false,
        };
        // Nothing is written yet: one place drives the handshake, however quick the server is.
        let half = ClientHandshake::start(socket, request, Some(config()))
            .map_err(|error| fault::of_handshake(&error, url.is_secure()))?;
        connection.state = State::Handshake(Box::new(half));
        Ok(connection)
    }

    /// The socket is ready to be read or written.
    pub fn ready(&mut self, around: &mut Around<'_>, outcome: &mut Outcome) -> Step {
        match std::mem::replace(&mut self.state, State::Gone) {
            State::Handshake(half) => {
                let securing = half.get_ref().get_ref().is_securing();
                match half.handshake() {
                    Ok((socket, _)) => {
                        self.state = State::Open(Box::new(socket));
                        self.due = around.now + PING_EVERY;
                        self.with_port(around, outcome, |session, port| session.begin(port));
                        match self.after(around, outcome) {
                            Step::Stays => Step::Opened,
                            step => step,
                        }
                    }
                    Err(HandshakeError::Interrupted(half)) => {
                        self.state = State::Handshake(Box::new(half));
                        Step::Stays
                    }
                    Err(HandshakeError::Failure(error)) => {
                        Step::Over(fault::of_handshake(&error, securing))
                    }
                }
            }
            State::Open(socket) => {
                self.state = State::Open(socket);
                self.read(around, outcome)
            }
            State::Closing(mut socket, end) => {
                let step = closes(&mut socket, &end);
                self.state = State::Closing(socket, end);
                step
            }
            State::Draining(mut socket, end) => {
                let step = drains(&mut socket, &end);
                self.state = State::Draining(socket, end);
                step
            }
            State::Gone => Step::Stays,
        }
    }

    /// Up to [`MESSAGES_A_TURN`] messages.
    fn read(&mut self, around: &mut Around<'_>, outcome: &mut Outcome) -> Step {
        for _ in 0..MESSAGES_A_TURN {
            let State::Open(socket) = &mut self.state else { return Step::Stays };
            match socket.read() {
                Ok(Message::Text(text)) => {
                    outcome.received += 1;
                    let held = self.session.held();
                    self.with_port(around, outcome, |session, port| session.text(&text, port));
                    let grown = self.session.held().saturating_sub(held);
                    around.room = around.room.saturating_sub(grown);
                }
                Ok(Message::Binary(_)) => {
                    outcome.received += 1;
                    self.with_port(around, outcome, |session, port| session.binary(port));
                }
                Ok(Message::Pong(_)) => self.missed = 0,
                Ok(Message::Ping(_) | Message::Frame(_)) => {}
                Ok(Message::Close(frame)) => {
                    let end = closed_by_peer(frame.as_ref());
                    return self.closing(around.now, end);
                }
                Err(Error::Io(error)) if error.kind() == ErrorKind::WouldBlock => {
                    return self.after(around, outcome);
                }
                Err(Error::ConnectionClosed) => return Step::Over(StreamEnd::ClosedByPeer),
                Err(error) => {
                    let end = fault::of_open(&error);
                    if matches!(error, Error::Capacity(_)) {
                        return self.refuse_more(around.now, end);
                    }
                    return Step::Over(end);
                }
            }
            if let Some(error) = outcome.error.take() {
                return Step::Over(fault::of_open(&error));
            }
        }
        match self.after(around, outcome) {
            Step::Stays => Step::More,
            step => step,
        }
    }

    /// 20 ms of the party, in mu-law.
    pub fn frame(
        &mut self,
        frame: &shared::TapFrame,
        tracks: [Option<&[u8; FRAME_SAMPLES]>; 2],
        around: &mut Around<'_>,
        outcome: &mut Outcome,
    ) -> Step {
        let (index, passed) = (frame.index, frame.feed_passed);
        self.with_port(around, outcome, |session, port| {
            session.frame(index, tracks, passed, port);
        });
        self.after(around, outcome)
    }

    /// The party pressed a key.
    pub fn digit(&mut self, digit: u8, around: &mut Around<'_>, outcome: &mut Outcome) -> Step {
        self.with_port(around, outcome, |session, port| session.digit(digit, port));
        self.after(around, outcome)
    }

    /// Audio for a relay.
    pub fn making(
        &mut self,
        number: u64,
        making: Making,
        around: &mut Around<'_>,
        outcome: &mut Outcome,
    ) -> Step {
        self.with_port(around, outcome, |session, port| session.making(number, making, port));
        self.after(around, outcome)
    }

    /// What the party said to a relay.
    pub fn understood(
        &mut self,
        text: &str,
        last: bool,
        around: &mut Around<'_>,
        outcome: &mut Outcome,
    ) -> Step {
        self.with_port(around, outcome, |session, port| session.understood(text, last, port));
        self.after(around, outcome)
    }

    /// We end it: `stop`, close, and a second for the answer.
    pub fn close(&mut self, around: &mut Around<'_>, outcome: &mut Outcome) -> Step {
        match &self.state {
            State::Open(_) => {
                self.with_port(around, outcome, |session, port| session.stop(port));
                self.close_with(around.now, CloseCode::Normal, StreamEnd::Stopped)
            }
            State::Closing(..) | State::Draining(..) => Step::Stays,
            State::Handshake(_) | State::Gone => Step::Over(StreamEnd::Stopped),
        }
    }

    /// The timers: handshake, close, ping, a socket that takes nothing.
    pub fn tick(&mut self, now: Instant) -> Step {
        if self.stuck.is_some_and(|(since, _)| now.since(since) > STUCK_MAX) {
            let sentence = "the server has not read for 10 s: the stream is ended";
            return Step::Over(fault::failed(Code::STREAM_SLOW, sentence.to_owned()));
        }
        if let State::Handshake(half) = &mut self.state
            && half.get_mut().get_mut().tick()
        {
            return Step::More;
        }
        if now < self.due {
            return Step::Stays;
        }
        match &mut self.state {
            State::Handshake(_) => {
                let sentence = "no answer to TLS and handshake within 10 s of the connect";
                Step::Over(fault::failed(Code::STREAM_TIMEOUT, sentence.to_owned()))
            }
            State::Closing(_, end) | State::Draining(_, end) => Step::Over(end.clone()),
            State::Open(_) if self.missed >= PINGS_MISSED_MAX => {
                let sentence = "the server has answered no ping for 40 s";
                Step::Over(fault::failed(Code::STREAM_BROKEN, sentence.to_owned()))
            }
            State::Open(socket) => {
                self.missed += 1;
                self.due = now + PING_EVERY;
                // A socket that takes no ping is found by the pong that is missing.
                let _ = socket.send(Message::Ping(Vec::new().into()));
                Step::Stays
            }
            State::Gone => Step::Stays,
        }
    }

    fn with_port(
        &mut self,
        around: &mut Around<'_>,
        outcome: &mut Outcome,
        act: impl FnOnce(&mut Session, &mut Port<'_>),
    ) {
        let State::Open(socket) = &mut self.state else { return };
        let feed = self.attachment.and_then(|attached| attached.feed);
        let feed = feed.and_then(|(leg, feed)| {
            let feed = Feed { leg, feed };
            let writer = around.feeds.get_mut(usize::from(feed.core().0))?.as_mut()?;
            Some((feed, writer))
        });
        let mut port = Port { socket, feed, room: around.room, outcome };
        act(&mut self.session, &mut port);
        if port.outcome.fed
            && let Some((_, writer)) = &port.feed
        {
            writer.ring();
        }
        if port.outcome.dropped > 0 && !self.was_slow {
            self.was_slow = true;
            let sentence = "the server reads too slowly: messages are lost".to_owned();
            port.warn(Code::STREAM_SLOW, sentence);
        }
    }

    /// Sends what was written.
    fn after(&mut self, around: &Around<'_>, outcome: &mut Outcome) -> Step {
        if let Some(error) = outcome.error.take() {
            return Step::Over(fault::of_open(&error));
        }
        let State::Open(socket) = &mut self.state else { return Step::Stays };
        match socket.flush() {
            Ok(()) => self.stuck = None,
            // A server that reads slowly takes a little each time. It loses messages, and its stream goes on.
            Err(Error::Io(error)) if error.kind() == ErrorKind::WouldBlock => {
                let taken = socket.get_ref().taken();
                if self.stuck.is_none_or(|(_, before)| before != taken) {
                    self.stuck = Some((around.now, taken));
                }
            }
            Err(error) => return Step::Over(fault::of_open(&error)),
        }
        Step::Stays
    }
}

/// What the kernel may hold of one connection: two seconds of one track.
const SEND_BYTES: usize = 32_768;
/// Messages of one stream before the next stream's turn.
const MESSAGES_A_TURN: usize = 64;
const PING_EVERY: Duration = Duration::from_secs(20);
const PINGS_MISSED_MAX: u8 = 2;
const STUCK_MAX: Duration = Duration::from_secs(10);
/// Time for the other side's close.
const CLOSE_MAX: Duration = Duration::from_secs(1);
