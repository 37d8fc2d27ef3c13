//! A socket that does not block, with TLS where the URL says so.

use std::io::{self, Read, Write};
use std::sync::Arc;

use call::stream::StreamUrl;
use mio::net::TcpStream;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};

/// The bytes of one stream's connection.
#[derive(Debug)]
pub(crate) struct Socket {
    link: Link,
    /// Bytes that the link has taken so far. While it grows, the server reads.
    taken: u64,
    answer: Answer,
}

/// The answer to the handshake. A refusal is kept back until the beginning of its body is there, because the WebSocket
/// looks only at what comes with the head, and many servers send their head first.
#[derive(Debug, Default)]
struct Answer {
    held: Vec<u8>,
    /// Half seconds that a refusal has been kept back.
    ticks: u8,
    state: Giving,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Giving {
    /// Nothing yet: it is kept back.
    #[default]
    Nothing,
    /// What was kept back.
    Held,
    /// What comes, as it comes.
    Link,
}

#[derive(Debug)]
enum Link {
    Plain(TcpStream),
    // Boxed: a TLS session is large, and sockets move while they are handed on.
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Socket {
    /// Wraps a connected socket. TLS begins with the first write.
    pub fn new(
        tcp: TcpStream,
        url: &StreamUrl,
        tls: &Arc<ClientConfig>,
    ) -> Result<Self, rustls::Error> {
        if !url.is_secure() {
            return Ok(Self { link: Link::Plain(tcp), taken: 0, answer: Answer::default() });
        }
        let host = url.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let name = ServerName::try_from(host)
            .map_err(|error| rustls::Error::General(error.to_string()))?;
        let mut session = ClientConnection::new(Arc::clone(tls), name)?;
        // What does not fit waits in the WebSocket's own buffer, which is the bound of a slow reader.
        session.set_buffer_limit(Some(TLS_BUFFER_BYTES));
        let link = Link::Tls(Box::new(StreamOwned::new(session, tcp)));
        Ok(Self { link, taken: 0, answer: Answer::default() })
    }

    /// Whether TLS is being set up.
    pub fn is_securing(&self) -> bool {
        match &self.link {
            Link::Plain(_) => false,
            Link::Tls(tls) => tls.conn.is_handshaking(),
        }
    }

    /// Half a second is over; whether a refusal was kept back for long enough, so that reading goes on with it.
    pub fn tick(&mut self) -> bool {
        let is_kept = self.answer.state == Giving::Nothing && self.answer.body().is_some();
        self.answer.ticks += u8::from(is_kept);
        let is_due = is_kept && self.answer.ticks >= REFUSAL_TICKS;
        if is_due {
            self.answer.state = Giving::Held;
        }
        is_due
    }

    fn read_link(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.link {
            Link::Plain(tcp) => tcp.read(buffer),
            Link::Tls(tls) => tls.read(buffer),
        }
    }

    /// Reads the answer until it is to be given.
    fn await_answer(&mut self) -> io::Result<()> {
        let mut piece = [0; 1_024];
        while !self.answer.is_enough() {
            match self.read_link(&mut piece) {
                Ok(length @ 1..) => self.answer.held.extend_from_slice(&piece[..length]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Err(error),
                // The end, or a fault that comes again behind what is held.
                Ok(_) | Err(_) => break,
            }
        }
        self.answer.state = Giving::Held;
        Ok(())
    }

    /// Bytes that the connection has taken so far.
    pub const fn taken(&self) -> u64 {
        self.taken
    }

    /// The TCP socket, to be registered.
    pub fn tcp_mut(&mut self) -> &mut TcpStream {
        match &mut self.link {
            Link::Plain(tcp) => tcp,
            Link::Tls(tls) => &mut tls.sock,
        }
    }
}

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.answer.state == Giving::Nothing {
            self.await_answer()?;
        }
        if self.answer.state == Giving::Held {
            let given = self.answer.give(buffer);
            if given > 0 {
                return Ok(given);
            }
        }
        self.read_link(buffer)
    }
}

impl Answer {
    /// Whether the WebSocket can do with it: an acceptance, the beginning of a refusal, or no HTTP.
    fn is_enough(&self) -> bool {
        let is_http = HTTP.starts_with(self.held.get(..HTTP.len()).unwrap_or(&self.held));
        if !is_http || self.held.len() > HEAD_BYTES_MAX {
            return true;
        }
        let Some((head, body)) = self.parts() else { return false };
        let wanted = content_length(head).map_or(BODY_BYTES, |length| length.min(BODY_BYTES));
        is_accepted(head) || body.len() >= wanted
    }

    /// The body of a refusal so far; `None`: it is none, or its head is not whole.
    fn body(&self) -> Option<&[u8]> {
        self.parts().filter(|(head, _)| !is_accepted(head)).map(|(_, body)| body)
    }

    fn parts(&self) -> Option<(&[u8], &[u8])> {
        let end = self.held.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
        self.held.split_at_checked(end)
    }

    fn give(&mut self, buffer: &mut [u8]) -> usize {
        let length = self.held.len().min(buffer.len());
        for (to, from) in buffer.iter_mut().zip(self.held.drain(..length)) {
            *to = from;
        }
        if self.held.is_empty() {
            (self.held, self.state) = (Vec::new(), Giving::Link);
        }
        length
    }
}

fn is_accepted(head: &[u8]) -> bool {
    // `HTTP/1.1 101`
    head.get(HTTP.len() + 3..).is_some_and(|rest| rest.starts_with(b" 101"))
}

fn content_length(head: &[u8]) -> Option<usize> {
    let head = std::str::from_utf8(head).ok()?;
    let mut fields = head.lines().filter_map(|line| line.split_once(':'));
    let (_, value) = fields.find(|(name, _)| name.eq_ignore_ascii_case("content-length"))?;
    value.trim().parse().ok()
}

const HTTP: &[u8] = b"HTTP/";
/// Bytes of a head without an end that are kept back. The WebSocket refuses such a head.
const HEAD_BYTES_MAX: usize = 16 * 1_024;
/// Bytes of a refusal's body that are shown.
const BODY_BYTES: usize = 200;
/// Half seconds, of which the first may be short.
const REFUSAL_TICKS: u8 = 2;

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = match &mut self.link {
            Link::Plain(tcp) => tcp.write(bytes)?,
            Link::Tls(tls) => match tls.write(bytes)? {
                // Nothing taken although the session can write: its buffer waits for the socket.
                0 if !bytes.is_empty() => return Err(io::ErrorKind::WouldBlock.into()),
                taken => taken,
            },
        };
        self.taken += taken as u64;
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.link {
            Link::Plain(tcp) => tcp.flush(),
            Link::Tls(tls) => tls.flush(),
        }
    }
}

/// Bytes that TLS may hold for a socket that takes none.
const TLS_BUFFER_BYTES: usize = 16_384;
