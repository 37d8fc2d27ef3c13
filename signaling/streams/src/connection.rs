//! One stream's connection: handshake, messages, close.
//!
//! `Handshake → Open → Closing`. A connection that closes, by either side, has a second for the other's word; then
//! the TCP connection goes. An application that takes nothing for ten seconds loses its stream, so that nothing
//! waits for ever.

use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use call::StreamEnd;
use call::stream::{StreamPort as _, StreamSession, StreamUrl};
use io::FeedWriter;
use mio::{Interest, Registry, Token};
use rustls::ClientConfig;
use shared::{Code, FRAME_SAMPLES, Instant};
use tungstenite::client::client_with_config;
use tungstenite::handshake::client::generate_key;
use tungstenite::http::{Error as HttpError, Request, Uri, header};
use tungstenite::protocol::WebSocketConfig;
use tungstenite::protocol::frame::CloseFrame;
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::{ClientHandshake, Error, HandshakeError, Message, WebSocket};

use crate::fault;
use crate::order::{Attachment, Feed, OpenStream};
use crate::port::{Outcome, Port};
use crate::socket::Socket;

/// A stream of the thread.
#[derive(Debug)]
pub(crate) struct Connection {
    pub session: StreamSession,
    pub attachment: Option<Attachment>,
    state: State,
    /// When the next thing is due: the end of the handshake, of the close, or the next ping.
    due: Instant,
    /// Pings without an answer.
    missed: u8,
    /// Since when the socket has not taken all that was written.
    stuck_since: Option<Instant>,
    was_slow: bool,
}

#[derive(Debug)]
enum State {
    Handshake(Box<tungstenite::handshake::MidHandshake<ClientHandshake<Socket>>>),
    Open(Box<WebSocket<Socket>>),
    Closing(Box<WebSocket<Socket>>, StreamEnd),
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
        let OpenStream { opening, url, signature, user_agent, socket, within } = order;
        let system = |error: std::io::Error| {
            fault::failed(Code::STREAM_BROKEN, format!("the socket cannot be used: {error}"))
        };
        socket.set_nonblocking(true).map_err(system)?;
        let tcp = mio::net::TcpStream::from_std(socket);
        let mut socket = Socket::new(tcp, &url, tls)
            .map_err(|error| fault::failed(Code::STREAM_TLS, error.to_string()))?;
        let interest = Interest::READABLE | Interest::WRITABLE;
        registry.register(socket.tcp_mut(), token, interest).map_err(system)?;
        let request = request(&url, &signature, &user_agent).map_err(|error| {
            fault::failed(Code::STREAM_URL, format!("the URL cannot be requested: {error}"))
        })?;
        let mut connection = Self {
            session: StreamSession::new(opening),
            attachment: None,
            state: State::Gone,
            due: now + within,
            missed: 0,
            stuck_since: None,
            was_slow: false,
        };
        match client_with_config(request, socket, Some(config())) {
            Err(HandshakeError::Interrupted(half)) => {
                connection.state = State::Handshake(Box::new(half));
                Ok(connection)
            }
            Err(HandshakeError::Failure(error)) => {
                Err(fault::of_handshake(&error, url.is_secure()))
            }
            // Not before a byte was read; the type allows it.
            Ok((socket, _)) => {
                connection.state = State::Open(Box::new(socket));
                Ok(connection)
            }
        }
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
                let over = closes(&mut socket);
                self.state = State::Closing(socket, end.clone());
                if over { Step::Over(end) } else { Step::Stays }
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
                        return self.close_with(around.now, CloseCode::Size, end);
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
        let [inbound, outbound] = tracks;
        let (index, passed) = (frame.index, frame.feed_passed);
        self.with_port(around, outcome, |session, port| {
            session.frame(index, inbound, outbound, passed, port);
        });
        self.after(around, outcome)
    }

    /// The party pressed a key.
    pub fn digit(&mut self, digit: u8, around: &mut Around<'_>, outcome: &mut Outcome) -> Step {
        self.with_port(around, outcome, |session, port| session.digit(digit, port));
        self.after(around, outcome)
    }

    /// We end it: `stop`, close, and a second for the answer.
    pub fn close(&mut self, around: &mut Around<'_>, outcome: &mut Outcome) -> Step {
        match &self.state {
            State::Open(_) => {
                self.with_port(around, outcome, |session, port| session.stop(port));
                self.close_with(around.now, CloseCode::Normal, StreamEnd::Stopped)
            }
            State::Closing(..) => Step::Stays,
            State::Handshake(_) | State::Gone => Step::Over(StreamEnd::Stopped),
        }
    }

    /// The timers: handshake, close, ping, a socket that takes nothing.
    pub fn tick(&mut self, now: Instant) -> Step {
        if self.stuck_since.is_some_and(|since| now.since(since) > STUCK_MAX) {
            let sentence = "the server has not read for 10 s: the stream is ended";
            return Step::Over(fault::failed(Code::STREAM_SLOW, sentence.to_owned()));
        }
        if now < self.due {
            return Step::Stays;
        }
        match &mut self.state {
            State::Handshake(_) => {
                let sentence = "no answer to TLS and handshake within 10 s of the connect";
                Step::Over(fault::failed(Code::STREAM_TIMEOUT, sentence.to_owned()))
            }
            State::Closing(_, end) => Step::Over(end.clone()),
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
        act: impl FnOnce(&mut StreamSession, &mut Port<'_>),
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
            Ok(()) => self.stuck_since = None,
            Err(Error::Io(error)) if error.kind() == ErrorKind::WouldBlock => {
                self.stuck_since.get_or_insert(around.now);
            }
            Err(error) => return Step::Over(fault::of_open(&error)),
        }
        Step::Stays
    }

    fn close_with(&mut self, now: Instant, code: CloseCode, end: StreamEnd) -> Step {
        if let State::Open(socket) = &mut self.state {
            // An error shows at the next read or write; the deadline ends it in any case.
            let _ = socket.close(Some(CloseFrame { code, reason: "".into() }));
        }
        self.closing(now, end)
    }

    /// The close handshake runs: a second is left for it.
    fn closing(&mut self, now: Instant, end: StreamEnd) -> Step {
        let State::Open(mut socket) = std::mem::replace(&mut self.state, State::Gone) else {
            return Step::Over(end);
        };
        self.due = now + CLOSE_MAX;
        self.stuck_since = None;
        let over = closes(&mut socket);
        self.state = State::Closing(socket, end.clone());
        if over { Step::Over(end) } else { Step::Stays }
    }
}

/// Reads and writes what is left of a close; `true` when nothing is.
fn closes(socket: &mut WebSocket<Socket>) -> bool {
    let _ = socket.flush();
    loop {
        match socket.read() {
            // Audio that was under way.
            Ok(_) => {}
            Err(Error::Io(error)) if error.kind() == ErrorKind::WouldBlock => return false,
            Err(_) => return true,
        }
    }
}

fn closed_by_peer(frame: Option<&CloseFrame>) -> StreamEnd {
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

/// The request of the handshake (RFC 6455 §4.1).
fn request(url: &StreamUrl, signature: &str, user_agent: &str) -> Result<Request<()>, HttpError> {
    let scheme = if url.is_secure() { "wss" } else { "ws" };
    let uri: Uri = format!("{scheme}://{}{}", url.authority(), url.path()).parse()?;
    Request::builder()
        .uri(uri)
        .header(header::HOST, url.authority())
        .header(header::CONNECTION, "Upgrade")
        .header(header::UPGRADE, "websocket")
        .header(header::SEC_WEBSOCKET_VERSION, "13")
        .header(header::SEC_WEBSOCKET_KEY, generate_key())
        .header(header::USER_AGENT, user_agent)
        .header("X-Twilio-Signature", signature)
        .body(())
}

fn config() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(READ_BYTES)
        .write_buffer_size(WRITE_BYTES)
        .max_write_buffer_size(WRITE_BYTES_MAX)
        .max_message_size(Some(MESSAGE_BYTES_MAX))
        .max_frame_size(Some(MESSAGE_BYTES_MAX))
}

const READ_BYTES: usize = 4_096;
/// Messages of one frame leave in one write.
const WRITE_BYTES: usize = 4_096;
/// Three seconds of one track beside what the kernel holds. Past it messages are lost, 31930.
const WRITE_BYTES_MAX: usize = 65_536;
const MESSAGE_BYTES_MAX: usize = 1 << 20;
/// Messages of one stream before the next stream's turn.
const MESSAGES_A_TURN: usize = 64;
const PING_EVERY: Duration = Duration::from_secs(20);
const PINGS_MISSED_MAX: u8 = 2;
const STUCK_MAX: Duration = Duration::from_secs(10);
/// Time for the other side's close.
const CLOSE_MAX: Duration = Duration::from_secs(1);
