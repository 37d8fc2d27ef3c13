//! One stream's connection: handshake, messages, close.
//!
//! `Handshake → Open → Closing`. A connection that closes, by either side, has a second for the other's word; then
//! the TCP connection goes. An application that takes nothing for ten seconds loses its stream, so that nothing
//! waits for ever.

use std::io::{ErrorKind, Read as _};
use std::sync::Arc;
use std::time::Duration;

use call::StreamEnd;
use call::relay::Making;
use call::stream::{StreamPort as _, StreamUrl};
use io::FeedWriter;
use mio::{Interest, Registry, Token};
use rustls::ClientConfig;
use shared::{Code, FRAME_SAMPLES, Instant};
use socket2::SockRef;
use tungstenite::handshake::client::generate_key;
use tungstenite::http::{Error as HttpError, Request, Uri, header};
use tungstenite::protocol::WebSocketConfig;
use tungstenite::protocol::frame::CloseFrame;
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::{ClientHandshake, Error, HandshakeError, Message, WebSocket};

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

    fn close_with(&mut self, now: Instant, code: CloseCode, end: StreamEnd) -> Step {
        if let State::Open(socket) = &mut self.state {
            // An error shows at the next read or write; the deadline ends it in any case.
            let _ = socket.close(Some(CloseFrame { code, reason: "".into() }));
        }
        self.closing(now, end)
    }

    /// A message is too long: 1009, and its rest is thrown away so that the server can read our close. The WebSocket
    /// must not be read again after such an error.
    fn refuse_more(&mut self, now: Instant, end: StreamEnd) -> Step {
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
    fn closing(&mut self, now: Instant, end: StreamEnd) -> Step {
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

/// Throws away what still comes, a part a turn: a server that goes on sending must not keep the thread.
fn drains(socket: &mut WebSocket<Socket>, end: &StreamEnd) -> Step {
    let mut waste = [0; READ_BYTES];
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
fn closes(socket: &mut WebSocket<Socket>, end: &StreamEnd) -> Step {
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

/// What the kernel may hold of one connection: two seconds of one track.
const SEND_BYTES: usize = 32_768;
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

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};
    use std::thread;

    use call::stream::StreamOpening;
    use shared::media::TapTracks;
    use shared::{AccountSid, CallSid, StreamSid};

    use super::*;

    /// A stream towards a listener of this test, and the listener's end of its connection.
    fn begun(listener: &TcpListener) -> (Connection, mio::Poll, TcpStream) {
        let address = listener.local_addr().expect("bound");
        let url = StreamUrl::read(&format!("ws://{address}/bot"), None, true).expect("a URL");
        let opening = StreamOpening {
            stream: StreamSid(7),
            account: AccountSid(1),
            call: CallSid(2),
            tracks: TapTracks::Inbound,
            is_two_way: true,
            parameters: Vec::new(),
            relay: None,
        };
        let order = OpenStream {
            opening,
            url,
            signature: "s".to_owned(),
            user_agent: "u".to_owned(),
            socket: TcpStream::connect(address).expect("it listens"),
            within: Duration::from_secs(10),
            speaker: None,
        };
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(rustls::RootCertStore::empty())
            .with_no_client_auth();
        let poll = mio::Poll::new().expect("a poll");
        let now = Instant::from_millis(1_000);
        let connection = Connection::begin(now, order, &Arc::new(tls), poll.registry(), Token(0));
        let (server, _) = listener.accept().expect("it has connected");
        (connection.expect("a connection"), poll, server)
    }

    /// Drives the connection by the events of its socket until a step is what is wanted.
    fn drive(
        connection: &mut Connection,
        poll: &mut mio::Poll,
        wanted: impl Fn(&Step) -> bool,
    ) -> (Step, Outcome) {
        let mut events = mio::Events::with_capacity(8);
        for _ in 0..50 {
            poll.poll(&mut events, Some(Duration::from_millis(200))).expect("polled");
            let now = Instant::from_millis(2_000);
            let mut around = Around { now, feeds: &mut [], room: usize::MAX };
            let mut outcome = Outcome::default();
            let step = connection.ready(&mut around, &mut outcome);
            if wanted(&step) {
                return (step, outcome);
            }
        }
        panic!("the step does not come");
    }

    #[test]
    fn nothing_is_written_before_the_first_event_and_start_follows_the_answer() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let (mut connection, mut poll, mut server) = begun(&listener);
        server.set_nonblocking(true).expect("a socket");
        let early = server.read(&mut [0; 8]).expect_err("nothing yet");
        assert_eq!(early.kind(), ErrorKind::WouldBlock);
        server.set_nonblocking(false).expect("a socket");
        let server = thread::spawn(move || {
            let mut socket = tungstenite::accept(server).expect("a handshake");
            let texts: Vec<String> =
                (0..2).map(|_| socket.read().expect("a message").to_string()).collect();
            socket.close(None).expect("open");
            texts
        });
        drive(&mut connection, &mut poll, |step| matches!(step, Step::Opened));
        let texts = server.join().expect("no panic");
        assert!(texts[0].contains("connected") && texts[1].contains("\"start\""), "{texts:?}");
        let (step, _) = drive(&mut connection, &mut poll, |step| matches!(step, Step::Over(_)));
        assert!(matches!(step, Step::Over(StreamEnd::ClosedByPeer)), "{step:?}");
    }

    #[test]
    fn a_message_that_is_too_long_ends_the_stream_by_its_code() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let (mut connection, mut poll, server) = begun(&listener);
        let server = thread::spawn(move || {
            let mut socket = tungstenite::accept(server).expect("a handshake");
            socket.send(Message::text("x".repeat(MESSAGE_BYTES_MAX + 1))).expect("taken");
            loop {
                if let Message::Close(frame) = socket.read().expect("a message") {
                    return frame.map(|frame| u16::from(frame.code));
                }
            }
        });
        let (step, _) = drive(&mut connection, &mut poll, |step| matches!(step, Step::Over(_)));
        let is_its_code =
            matches!(&step, Step::Over(StreamEnd::Failed { code: Code::STREAM_PROTOCOL, .. }));
        assert!(is_its_code, "{step:?}");
        drop(connection);
        assert_eq!(server.join().expect("no panic"), Some(1_009), "the server reads why");
    }

    /// Sends frames until one is lost; their number.
    fn fill(connection: &mut Connection, now: Instant) -> u32 {
        for index in 0..200_000 {
            let warned = send(connection, index, now);
            if let Some((code, _)) = warned.first() {
                assert_eq!(*code, Code::STREAM_SLOW);
                return index;
            }
        }
        panic!("the server takes everything");
    }

    /// Sends one frame; the warnings.
    fn send(connection: &mut Connection, index: u32, now: Instant) -> Vec<(Code, String)> {
        let frame = shared::TapFrame {
            tap: shared::TapId(1),
            index,
            codec: shared::Codec::Pcmu,
            inbound: None,
            outbound: None,
            feed_passed: 0,
            last: false,
        };
        let mut around = Around { now, feeds: &mut [], room: usize::MAX };
        let mut outcome = Outcome::default();
        let track = Some(&[1; FRAME_SAMPLES]);
        let step = connection.frame(&frame, [track, None], &mut around, &mut outcome);
        assert!(matches!(step, Step::Stays), "{step:?}");
        outcome.warnings
    }

    #[test]
    fn a_server_that_reads_slowly_loses_messages_and_keeps_its_stream() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        // Less than what it reads at once, so that each time shows.
        SockRef::from(&listener).set_recv_buffer_size(16_384).expect("a buffer");
        let (mut connection, mut poll, server) = begun(&listener);
        let server = thread::spawn(move || tungstenite::accept(server).expect("a handshake"));
        drive(&mut connection, &mut poll, |step| matches!(step, Step::Opened));
        let mut server = server.join().expect("no panic");
        let now = Instant::from_millis(3_000);
        let frames = fill(&mut connection, now);
        // It reads a little every six seconds, and our buffer is never empty.
        for turn in 1..=4 {
            for _ in 0..60 {
                server.read().expect("a message");
            }
            let now = now + Duration::from_secs(6 * u64::from(turn));
            for index in 0..frames {
                send(&mut connection, frames * turn + index, now);
            }
            let step = connection.tick(now + Duration::from_secs(9));
            assert!(matches!(step, Step::Stays), "turn {turn}: {step:?}");
        }
    }

    #[test]
    fn a_close_does_not_read_for_ever_from_a_server_that_goes_on_sending() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let (mut connection, mut poll, server) = begun(&listener);
        let server = thread::spawn(move || tungstenite::accept(server).expect("a handshake"));
        drive(&mut connection, &mut poll, |step| matches!(step, Step::Opened));
        let mut server = server.join().expect("no panic");
        for _ in 0..10 * MESSAGES_A_TURN {
            server.send(Message::text("more")).expect("taken");
        }
        let now = Instant::from_millis(3_000);
        let mut around = Around { now, feeds: &mut [], room: usize::MAX };
        let mut outcome = Outcome::default();
        let step = connection.close(&mut around, &mut outcome);
        assert!(matches!(step, Step::More), "the others have their turn: {step:?}");
        for _ in 0..9 {
            let step = connection.ready(&mut around, &mut outcome);
            assert!(matches!(step, Step::More | Step::Stays), "{step:?}");
        }
        let step = connection.tick(now + Duration::from_secs(2));
        assert!(matches!(step, Step::Over(StreamEnd::Stopped)), "{step:?}");
    }

    #[test]
    fn a_server_that_reads_nothing_loses_messages_with_a_warning_and_after_ten_seconds_its_stream()
    {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let (mut connection, mut poll, server) = begun(&listener);
        let server = thread::spawn(move || tungstenite::accept(server).expect("a handshake"));
        drive(&mut connection, &mut poll, |step| matches!(step, Step::Opened));
        let server = server.join().expect("no panic");
        let now = Instant::from_millis(3_000);
        let frames = fill(&mut connection, now);
        // The kernel's part of both ends, ours, and not megabytes.
        assert!(frames < 2_000, "noticed after {frames} frames, 50 of which are a second");
        assert!(matches!(connection.tick(now + Duration::from_secs(9)), Step::Stays));
        let step = connection.tick(now + Duration::from_secs(11));
        let is_its_code =
            matches!(&step, Step::Over(StreamEnd::Failed { code: Code::STREAM_SLOW, .. }));
        assert!(is_its_code, "{step:?}");
        drop(server);
    }
}
